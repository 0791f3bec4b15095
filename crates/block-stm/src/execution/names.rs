//! The memory's types, as those of a virtual machine.

use crate::contract::types::Types;
use crate::mvmemory::{Cell, Index, LocalHandle, MvMemory};

pub(crate) type CellOf<V> = Cell<<V as Types>::Location, <V as Types>::Value>;
pub(crate) type IndexOf<V> = Index<<V as Types>::Location, <V as Types>::Value>;
pub(crate) type MemoryOf<V> = MvMemory<<V as Types>::Location, <V as Types>::Value>;
pub(crate) type HandleOf<'b, V> = LocalHandle<'b, <V as Types>::Location, <V as Types>::Value>;
