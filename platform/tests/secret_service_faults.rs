//! The Secret Service vault at every step of every operation, against every way in which a service
//! can fail.
//!
//! Each cell of the table has a bus, a service and a calling process of its own.
// Not on Windows: the Secret Service
#![cfg(all(unix, not(any(target_os = "macos", target_os = "ios", target_os = "android"))))]

mod faults;

use faults::Operation::{
    self, Create, Delete, Read, ReadAbsent, Unlock, UnlockQuietly, Write, WriteAbsent,
};
use faults::{Cell, Fault, run};
use tokenkeep_platform::vault::Item;
use tokenkeep_test_support::mock::Act;

/// The one item that the mock has.
fn item() -> Item {
    Item::new("tests", "key")
}

/// The steps of each operation; those that change something are marked.
const STEPS: [(Operation, &[(&str, bool)]); 6] = [
    (
        Read,
        &[
            ("OpenSession", false),
            ("SearchItems", false),
            ("Attributes", false),
            ("GetSecret", false),
        ],
    ),
    (ReadAbsent, &[("SearchItems", false), ("ReadAlias", false), ("Locked", false)]),
    (
        Create,
        &[
            ("OpenSession", false),
            ("ReadAlias", false),
            ("Locked", false),
            ("SearchItems", false),
            ("CreateItem", true),
            ("SetSecret", true),
            ("GetSecret", true),
        ],
    ),
    (
        Write,
        &[
            ("OpenSession", false),
            ("SearchItems", false),
            ("Attributes", false),
            ("SetSecret", true),
            ("Locked", true),
        ],
    ),
    (
        Delete,
        &[("OpenSession", false), ("SearchItems", false), ("Attributes", false), ("Delete", true)],
    ),
    (
        Unlock,
        &[
            ("OpenSession", false),
            ("ReadAlias", false),
            ("Locked", false),
            ("Unlock", false),
            ("Prompt", false),
        ],
    ),
];

#[test]
fn a_service_that_never_answers_is_a_time_out_or_an_unknown_outcome() {
    let cells = each_step(Fault::Does(Act::Silence), |_, _, writes| match writes {
        true => ("OutcomeUnknown", "TimedOut"),
        false => ("TimedOut", "TimedOut"),
    });
    run(a_service_that_never_answers_is_a_time_out_or_an_unknown_outcome, &cells);
}

#[test]
fn a_service_that_leaves_the_bus_is_missing_or_an_unknown_outcome() {
    let cells = each_step(Fault::Does(Act::Die), |_, _, writes| match writes {
        true => ("OutcomeUnknown", "ServiceMissing"),
        false => ("ServiceMissing", "ServiceMissing"),
    });
    run(a_service_that_leaves_the_bus_is_missing_or_an_unknown_outcome, &cells);
}

#[test]
fn a_service_that_is_killed_is_missing_or_an_unknown_outcome() {
    let cells = each_step(Fault::Killed, |_, _, writes| match writes {
        true => ("OutcomeUnknown", "ServiceMissing"),
        false => ("ServiceMissing", "ServiceMissing"),
    });
    run(a_service_that_is_killed_is_missing_or_an_unknown_outcome, &cells);
}

#[test]
fn an_answer_of_the_wrong_type_is_a_failure_or_an_unknown_outcome() {
    let cells = each_step(Fault::Does(Act::Nonsense), |_, step, writes| match (step, writes) {
        // Nothing is left to look for once it cannot be told whether the item is there.
        ("GetSecret", true) => ("OutcomeUnknown", "Exists"),
        (_, true) => ("OutcomeUnknown", "OutcomeUnknown"),
        (_, false) => ("Failed", "Failed"),
    });
    run(an_answer_of_the_wrong_type_is_a_failure_or_an_unknown_outcome, &cells);
}

#[test]
fn an_answer_of_16_mib_is_the_secret_or_a_failure() {
    let cells =
        each_step(Fault::Does(Act::Large(16 << 20)), |operation, step, writes| match step {
            "GetSecret" if operation == Read => ("16777216 bytes", "16777216 bytes"),
            // What does not come back is removed, so the next creation begins again.
            "GetSecret" => ("Failed", "Failed"),
            "SetSecret" if operation == Create => ("OutcomeUnknown", "Exists"),
            _ if writes => ("OutcomeUnknown", "OutcomeUnknown"),
            _ => ("Failed", "Failed"),
        });
    run(an_answer_of_16_mib_is_the_secret_or_a_failure, &cells);
}

#[test]
fn an_error_of_16_mib_is_a_failure_or_an_unknown_outcome() {
    let cells =
        each_step(Fault::Does(Act::Refuse(16 << 20)), |operation, step, writes| match step {
            "GetSecret" | "SetSecret" if operation == Create => ("OutcomeUnknown", "Exists"),
            _ if writes => ("OutcomeUnknown", "OutcomeUnknown"),
            _ => ("Failed", "Failed"),
        });
    run(an_error_of_16_mib_is_a_failure_or_an_unknown_outcome, &cells);
}

#[test]
fn a_secret_of_64_mib_less_a_little_is_a_failure() {
    let large = Fault::Does(Act::Large((64 << 20) - 4096));
    let cell =
        Cell { operation: Read, at: "GetSecret", fault: large, first: "Failed", later: "Failed" };
    run(a_secret_of_64_mib_less_a_little_is_a_failure, &[cell]);
}

#[test]
fn what_wants_a_prompt_is_locked_and_only_unlock_shows_it() {
    let prompt = Fault::Does(Act::Prompt);
    let locked = Fault::Does(Act::Locked);
    let cell =
        |operation, at, fault| Cell { operation, at, fault, first: "Locked", later: "Locked" };
    let dismissed = Cell {
        first: "PromptDismissed",
        later: "PromptDismissed",
        ..cell(Unlock, "Unlock", prompt)
    };
    let cells = [
        cell(Read, "GetSecret", locked),
        cell(ReadAbsent, "Locked", locked),
        cell(Create, "Locked", locked),
        cell(Create, "CreateItem", prompt),
        cell(Create, "CreateItem", locked),
        cell(Create, "SetSecret", locked),
        cell(Write, "SetSecret", locked),
        cell(WriteAbsent, "Locked", locked),
        cell(WriteAbsent, "CreateItem", prompt),
        cell(Delete, "Delete", prompt),
        cell(Delete, "Delete", locked),
        cell(UnlockQuietly, "Unlock", prompt),
        dismissed,
    ];
    run(what_wants_a_prompt_is_locked_and_only_unlock_shows_it, &cells);
}

fn each_step(
    fault: Fault,
    answers: impl Fn(Operation, &str, bool) -> (&'static str, &'static str),
) -> Vec<Cell> {
    let steps = STEPS
        .iter()
        .flat_map(|(operation, steps)| steps.iter().map(move |step| (*operation, *step)));
    steps
        .map(|(operation, (at, writes))| {
            let (first, later) = answers(operation, at, writes);
            Cell { operation, at, fault, first, later }
        })
        .collect()
}
