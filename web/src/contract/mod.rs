//! What every [`Store`](crate::store::Store) has to pass, for the tests of stores of one's own.
//!
//! ```
//! # async fn test() {
//! use tokenkeep_web::{MemoryStore, contract};
//!
//! let store = MemoryStore::new();
//! contract::suite(&contract::Setup::new(store)).await.expect_all_passed();
//! # }
//! # tokio::runtime::Builder::new_current_thread()
//! #     .enable_time().start_paused(true).build().unwrap().block_on(test());
//! ```

#[macro_use]
mod ensure;
mod drops;
mod leases;
mod notes;
mod pages;
mod puts;
mod random;
mod removals;
mod report;
mod scene;
mod setup;
mod values;

use self::scene::{Check, Scene};
pub use self::{
    report::{Failure, Report},
    setup::Setup,
};

/// Runs all checks one after another, each with an application's name of its own.
///
/// It needs tokio's clock, and tasks. It takes about ten seconds with a real engine.
pub async fn suite(setup: &Setup) -> Report {
    let mut report = Report::default();
    for check in checks() {
        let ended = tokio::time::timeout(setup.limit, (check.run)(Scene::new(setup))).await;
        let why = match ended {
            Ok(Ok(())) => {
                report.passed.push(check.name);
                continue;
            }
            Ok(Err(fault)) => fault.to_string(),
            Err(_) => format!("it did not end within {} s", setup.limit.as_secs()),
        };
        report.failed.push(Failure { check: check.name, why });
    }
    report
}

/// The names of all checks, in their order.
pub fn names() -> Vec<&'static str> {
    checks().map(|check| check.name).collect()
}

fn checks() -> impl Iterator<Item = &'static Check> {
    [
        values::CHECKS,
        puts::CHECKS,
        leases::CHECKS,
        notes::CHECKS,
        removals::CHECKS,
        pages::CHECKS,
        drops::CHECKS,
    ]
    .into_iter()
    .flatten()
}
