//! What the two processes of a cell do.

use std::io::Read as _;
use std::time::{Duration, Instant};

use tokenkeep_platform::vault::{Call, Vault, VaultError};
use tokenkeep_test_support::mock::{Act, Mock};

use super::Operation::{
    Create, Delete, Read, ReadAbsent, Unlock, UnlockQuietly, Write, WriteAbsent,
};
use super::{Cell, Fault};
use crate::item;

/// The service's process: until its input ends.
pub(crate) fn serve(cell: Cell) {
    let there = !matches!(cell.operation, ReadAbsent | Create | WriteAbsent);
    let mock = Mock::start(there.then_some(b"secret"), move |member| match (cell.fault, member) {
        (Fault::Killed, member) if member == cell.at => {
            println!("reached");
            Act::Silence
        }
        (Fault::Does(act), member) if member == cell.at => act,
        (_, "Locked") if matches!(cell.operation, Unlock | UnlockQuietly) => Act::Locked,
        (_, "Unlock") => Act::Prompt,
        _ => Act::Answer,
    });
    println!("ready");
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
    println!("calls {}", mock.calls().join(" "));
}

/// The calling process: a hundred calls, then it leaves.
pub(crate) fn call(cell: Cell) {
    let (vault, item) = (Vault::os(), item());
    let (quiet, prompting) =
        (Call::quiet().within(cell.deadline()), Call::prompting().within(cell.deadline()));
    let ask = || match cell.operation {
        Read | ReadAbsent => vault.read(&item, &quiet).map(|secret| match secret {
            Some(secret) => format!("{} bytes", secret.len()),
            None => "None".into(),
        }),
        // No call but an unlocking shows a prompt, not even where it is allowed.
        Create => vault.create(&item, b"secret", &prompting).map(|()| "done".into()),
        Write | WriteAbsent => vault.write(&item, b"new", &prompting, None).map(|()| "done".into()),
        Delete => vault.delete(&item, &prompting, None).map(|deleted| deleted.to_string()),
        Unlock => vault.unlock(&prompting).map(|()| "done".into()),
        UnlockQuietly => vault.unlock(&quiet).map(|()| "done".into()),
    };
    let before = threads();
    let (mut slowest, mut said) = (Duration::ZERO, false);
    // Each of them moves that much over the bus.
    let calls = if cell.moves_much() { 3 } else { 100 };
    for number in 0..calls {
        let started = Instant::now();
        let result = ask();
        slowest = slowest.max(started.elapsed());
        let answer = match &result {
            Ok(answer) => answer.as_str(),
            Err(error) => kind(error),
        };
        let expected = if number == 0 { cell.first } else { cell.later };
        if answer != expected && !said {
            println!("wrong: call {number} is {answer}, not {expected}: {result:?}");
            said = true;
        }
    }
    let slowest = slowest.as_millis();
    println!("figures {slowest} {} {}", threads().saturating_sub(before), memory());
}

fn kind(error: &VaultError) -> &'static str {
    match error {
        VaultError::Exists => "Exists",
        VaultError::Failed { .. } => "Failed",
        VaultError::Locked { .. } => "Locked",
        VaultError::OutcomeUnknown { .. } => "OutcomeUnknown",
        VaultError::PromptDismissed { .. } => "PromptDismissed",
        VaultError::ServiceMissing { .. } => "ServiceMissing",
        VaultError::TimedOut { .. } => "TimedOut",
        _ => "another error",
    }
}

fn threads() -> usize {
    std::fs::read_dir("/proc/self/task").map_or(0, Iterator::count)
}

/// The most that this process ever had in memory, in KiB.
fn memory() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    peak.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}
