//! The power is cut at every point of a save, in every way in which a disk may have fallen behind.
//!
//! The program's file operations are recorded by strace and replayed on a model of a disk. Bytes of
//! a file are certain once that file was synced, names in a folder once that folder was synced; a
//! sync of one says nothing of the other. Until then, any subset of what was done may be there:
//!
//! - of the names in a folder, each change or not, all subsets. Changes of different names commute
//!   and those of one name keep their order, so a subset in the recorded order stands for all
//!   orders, also for a rename that is there without the creation before it;
//! - of the bytes of a file, each of the last three writes whole, missing, cut at each sector of
//!   512 bytes or in its half, or with its length there and some sectors not (they are old or
//!   zero).
//!
//! Each distinct state is laid out in a folder and opened by the library. It must hold what it held
//! before the operation or after it, whole; after the operation returned, what it held after. The
//! next write to it must succeed, too.
//!
//! Assumed: a rename is atomic, a synced sector does not decay, a new file is not found with the
//! bytes of another. Modes and owners are as the program set them.

// Not on Windows: strace
#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test may panic, and prints its figures"
)]

#[path = "power_cut/check.rs"]
mod check;
#[path = "power_cut/disk.rs"]
mod disk;
mod keep;
#[path = "power_cut/mutant.rs"]
mod mutant;
#[path = "power_cut/recording.rs"]
mod recording;

use tokenkeep_test_support::{Tool, need};

use self::{check::Report, keep::Request, mutant::Mutant, recording::Recording};

#[test]
fn a_power_cut_leaves_the_old_state_or_the_new_and_takes_back_nothing_that_was_done() {
    if !need(Tool::Strace) {
        return;
    }
    let recording = Recording::of(&[ADD, UPDATE]);
    let report = recording.check();
    println!("two saves: {report}");
    let mut caught = Vec::new();
    for mutant in Mutant::ALL {
        let report = check::check(&mutant.apply(&recording.steps), 0, &recording.contents);
        println!("  {mutant:?}: {report}");
        caught.push((mutant, report.violations.len()));
    }
    assert_sound(&report);
    for (mutant, violations) in caught {
        assert!(violations > 0, "{mutant:?} is not caught");
    }
}

#[test]
fn a_power_cut_during_a_clear_leaves_a_cache_with_its_key_or_none() {
    if !need(Tool::Strace) {
        return;
    }
    let recording = Recording::of(&[ADD, CLEAR, UPDATE]);
    let report = recording.check();
    println!("add, clear, add: {report}");
    assert_sound(&report);
}

#[test]
fn what_a_killed_process_left_unsynced_harms_no_later_save() {
    if !need(Tool::Strace) {
        return;
    }
    let mut total = Report::default();
    for recording in Recording::of_killed(&ADD, &UPDATE) {
        total.add(recording.check());
    }
    println!("a killed add, then another: {total}");
    assert_sound(&total);
}

impl Recording {
    fn check(&self) -> Report {
        check::check(&self.steps, self.from, &self.contents)
    }
}

fn assert_sound(report: &Report) {
    let Report { violations, .. } = report;
    assert!(violations.is_empty(), "{} violations:\n{}", violations.len(), violations.join("\n"));
}

const ADD: Request = Request::add("add", "ada", "one");
const UPDATE: Request = Request::add("update", "ada", "two");
const CLEAR: Request = Request::new("clear", &["clear"]);
