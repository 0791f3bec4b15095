//! Placeholder while the seam settles.
use crate::view::Interrupt;
use crate::vm::{BoxError, Value, Vm};
use std::marker::PhantomData;
pub(crate) struct Speculation<'b, V: Vm>(PhantomData<&'b V>);
impl<V: Vm> Speculation<'_, V> {
    pub(crate) fn read(&mut self, _: &V::Location) -> Result<V::Value, Interrupt> { unreachable!() }
    pub(crate) fn peek(&mut self, _: &V::Location) -> Result<V::Value, Interrupt> { unreachable!() }
    pub(crate) fn write(&mut self, _: &V::Location, _: V::Value) -> Result<(), Interrupt> { unreachable!() }
    pub(crate) fn add(&mut self, _: &V::Location, _: <V::Value as Value>::Delta) -> Result<bool, Interrupt> { unreachable!() }
    pub(crate) fn check(&mut self, _: &V::Location, _: <V::Value as Value>::Predicate) -> Result<bool, Interrupt> { unreachable!() }
    pub(crate) fn fail(&mut self, _: BoxError) -> Interrupt { unreachable!() }
    pub(crate) fn assume(&mut self, _: &V::Location, _: <V::Value as Value>::Predicate) -> Result<bool, Interrupt> { unreachable!() }
    pub(crate) fn is_doomed(&mut self) -> bool { unreachable!() }
}
