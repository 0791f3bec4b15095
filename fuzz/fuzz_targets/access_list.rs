//! Any bytes as a file of access lists are read or refused; what is read comes back from every
//! form, and no block of nothing is executed with a list of something.
#![no_main]

use std::{num::NonZeroUsize, sync::OnceLock};

use block_stm_chain::import::{access_lists_to_json, access_lists_to_rlp, read_access_lists};
use block_stm_evm::{
    Block, PreState,
    access_list::{execute_with_access_list, list_differences},
    revm::{context::BlockEnv, primitives::hardfork::SpecId},
};
use block_stm::{Config, Engine};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    static ENGINE: OnceLock<Engine> = OnceLock::new();
    let engine = ENGINE.get_or_init(|| {
        let threads = NonZeroUsize::new(2).expect("not zero");
        Engine::new(Config::default().threads(threads).inline_below(0)).expect("threads start")
    });
    let Ok(lists) = read_access_lists(bytes) else { return };
    assert_eq!(read_access_lists(&access_lists_to_rlp(&lists)).as_ref(), Ok(&lists));
    assert_eq!(read_access_lists(&access_lists_to_json(&lists)).as_ref(), Ok(&lists));
    let block = Block::new(SpecId::SHANGHAI, BlockEnv::default(), Vec::new());
    for list in &lists {
        let executed = execute_with_access_list(engine, &block, &PreState::new(), list);
        assert_eq!(executed.is_ok(), list.is_empty());
        assert_eq!(list_differences(list, list), []);
    }
});
