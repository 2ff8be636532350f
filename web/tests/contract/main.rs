//! `MemoryStore` passes the contract, and each check finds a store that breaks its promise.

mod fault;
mod mutant;
mod news;

use tokenkeep_web::{
    MemoryStore,
    contract::{self, Setup},
};

use self::{fault::FAULTS, mutant::Mutant};

#[tokio::test(start_paused = true)]
async fn memory_store_passes() {
    let store = MemoryStore::new();
    let setup = Setup::new(store.clone()).other_node(store);
    contract::suite(&setup).await.expect_all_passed();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn memory_store_passes_with_threads() {
    contract::suite(&Setup::new(MemoryStore::new())).await.expect_all_passed();
}

#[tokio::test(start_paused = true)]
async fn each_check_finds_its_fault() {
    for (fault, check) in FAULTS {
        let store = Mutant::new(*fault);
        let report = contract::suite(&Setup::new(store)).await;
        let failed: Vec<_> = report.failed.iter().map(|failure| failure.check).collect();
        assert!(failed.contains(check), "{fault:?}: {check:?} passed; {report}");
    }
    for name in contract::names() {
        let has_fault = FAULTS.iter().any(|(_, check)| *check == name);
        assert!(has_fault, "no fault proves the check {name:?}");
    }
}
