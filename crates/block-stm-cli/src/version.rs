//! The version as geth's `evm` tells it: tools that drive a t8n look for these words.

use crate::{exit::Exit, output};

const EVM_VERSION: &str = concat!("evm version ", env!("CARGO_PKG_VERSION"), "-block-stm\n");

/// Prints `evm version` and our own.
pub(crate) fn print_as_evm() -> Exit {
    match output::print(EVM_VERSION.as_bytes()) {
        Ok(()) => Exit::Success,
        Err(error) => {
            output::error(error);
            Exit::BadInput
        }
    }
}
