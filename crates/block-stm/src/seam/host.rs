//! The host's virtual machine, for those that execute transactions on it.

use super::view::View;
use super::vm::Vm;
use crate::contract::execution::{ExecutionOf, Interrupt};
use crate::execution::backend::Backend;
use crate::execution::machine::{Executable, Machine};
use crate::primitives::speculating::drop_contained;

/// A VM, its context once there is one, and the view that it is given.
pub(crate) struct Host<'b, V: Vm> {
    vm: &'b V,
    context: Option<V::Context<'b>>,
    view: View<'b, V>,
}

impl<'b, V: Vm> Machine<'b, V> for Host<'b, V> {
    fn new(vm: &'b V, backend: Backend<'b, V>) -> Self {
        Self { vm, context: None, view: View::new(backend) }
    }

    #[inline]
    fn backend(&mut self) -> Option<&mut Backend<'b, V>> {
        self.view.backend()
    }

    fn is_broken(&self) -> bool {
        self.view.is_broken()
    }

    fn execute(&mut self, txn: &V::Txn) -> Result<ExecutionOf<V>, Interrupt> {
        let Self { vm, context, view } = self;
        vm.execute(context.get_or_insert_with(|| vm.context()), txn, view)
    }

    fn drop_context(&mut self) {
        drop_contained(self.context.take());
    }

    fn replace_view(&mut self, backend: Backend<'b, V>) {
        drop_contained(std::mem::replace(&mut self.view, View::new(backend)));
    }
}

impl<V: Vm> Executable for V {
    type Machine<'b>
        = Host<'b, V>
    where
        V: 'b;
}
