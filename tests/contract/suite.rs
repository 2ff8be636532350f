//! Runs the table on a backend.

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
    time::Instant,
};

use tokenkeep_test_support::{say, task};

use super::{
    backend::Backend,
    bench::{Again, Bench},
    checks::{CHECKS, Row},
    elsewhere, log_lines,
};

/// A promise that was not kept, by its name in the table.
pub(crate) struct Broken {
    pub(crate) promise: &'static str,
    pub(crate) how: String,
}

/// Holds `backend` to every promise that it makes; fails by the names of those that it breaks.
///
/// `test` is the test's full name, `again` starts it again.
pub(crate) fn hold_to_the_contract(test: &str, backend: &Backend, again: Again<'_>) {
    if let Some(task) = task() {
        return elsewhere::work(backend, task.to_str().expect("a task is text"));
    }
    if let Some(reason) = (backend.missing)() {
        return say(&format!("skipped: {test}: {reason}"));
    }
    let mut run = || {
        let begun = Instant::now();
        let broken = broken_promises(backend, again);
        let not_made = CHECKS.iter().filter(|row| !is_owed(backend, row)).map(|row| row.0);
        let not_made: Vec<_> = not_made.collect();
        for promise in backend.not_under_wine.iter().filter(|promise| !backend.owes(promise)) {
            say(&format!("skipped: {test}: {promise}: Wine's imitation does not"));
        }
        let seconds = begun.elapsed().as_secs_f64();
        let (count, not_made) = (CHECKS.len() - not_made.len(), not_made.join("; "));
        let line =
            format!("measured: {test}: {count} promises, {seconds:.1} s; not made: [{not_made}]");
        match backend.within {
            // The process that waits for this one passes it on.
            Some(_) => println!("{line}"),
            None => say(&line),
        }
        let told: Vec<_> =
            broken.iter().map(|one| format!("{}\n    {}", one.promise, one.how)).collect();
        assert!(told.is_empty(), "broken promises of {test}:\n  {}", told.join("\n  "));
    };
    match backend.within {
        Some(within) => within(test, &mut run),
        None => run(),
    }
}

/// The promises that `backend` makes and does not keep. Each check has a folder and names of its
/// own.
pub(crate) fn broken_promises(backend: &Backend, again: Again<'_>) -> Vec<Broken> {
    log_lines::listen();
    let mut broken = Vec::new();
    for (promise, _, check) in CHECKS.iter().filter(|row| is_owed(backend, row)) {
        let bench = Bench::new(backend, again);
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| check(&bench))) {
            broken.push(Broken { promise, how: words(&*panic) });
        }
    }
    broken
}

fn is_owed(backend: &Backend, (promise, is_made, _): &Row) -> bool {
    is_made(backend) && backend.owes(promise)
}

fn words(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("it panicked").to_owned()
}
