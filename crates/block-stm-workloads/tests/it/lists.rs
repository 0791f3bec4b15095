//! Access lists of workloads: by-products of the execution in parallel, and what they bring back.

use std::num::NonZeroUsize;

use block_stm::{Config, Engine};
use block_stm_evm::{
    InvalidTxn, ParallelOptions,
    access_list::{execute_sequential_with_list, execute_with_access_list},
    execute_parallel,
};
use block_stm_workloads::{Params, Workload};

#[test]
fn every_workload_has_one_list_and_comes_to_the_same_with_it() {
    for threads in [1, 2, 4, 8] {
        let threads = NonZeroUsize::new(threads).expect("not zero");
        let engine = Engine::new(Config::default().threads(threads)).expect("threads start");
        for workload in Workload::ALL {
            let params = Params { txns: 300, accounts: 60, pools: 2, zipf: 1.0, seed: 5 };
            let generated = workload.generate(&params).expect("in range");
            let (block, state) = (&generated.block, &generated.pre_state);
            let expected = execute_sequential_with_list(block, state, InvalidTxn::Reject);
            let mut expected = expected.expect("valid");
            let options = ParallelOptions::default().access_list();
            let executed = execute_parallel(&engine, block, state, &options).expect("valid");
            assert_eq!(executed.result, expected, "{workload}, {threads} threads");
            let list = expected.access_list.take().expect("it was asked for");
            let executed = execute_with_access_list(&engine, block, state, &list);
            assert_eq!(executed.expect("right"), expected, "{workload}, {threads} threads");
        }
    }
}
