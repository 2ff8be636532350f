//! What must hold after a fault, whatever it was.

use std::{
    fs,
    os::unix::process::ExitStatusExt as _,
    time::{Duration, Instant},
};

use tokenkeep_test_support::strace::{Call, Fault, Injection, Traced};

use crate::{
    keep::{KEY_FILE, Keep, text},
    operation::{NEXT, Operation},
};

/// How a disturbed operation ended.
pub(crate) struct Found {
    /// Whether the state after it was found, not the one before it.
    pub(crate) new: bool,
    /// Whether it said that it was done.
    pub(crate) done: bool,
    /// Whether a temporary file was left.
    pub(crate) leftover: bool,
    /// What the next write took.
    pub(crate) next_write: Duration,
}

/// `None` where the fault found no call to strike.
pub(crate) fn judge(
    operation: &Operation,
    injection: &Injection<'_>,
    keep: &Keep,
    traced: &Traced,
) -> Result<Option<Found>, String> {
    let killed = traced.status.signal() == Some(KILL);
    let struck: Vec<&Call> = traced.calls.iter().filter(|call| call.injected).collect();
    if !killed && struck.is_empty() {
        return match traced.status.success() {
            true => Ok(None),
            false => Err(format!("ended with {} without a fault", traced.status)),
        };
    }
    let done = traced.status.success();
    if !killed {
        check_end(keep, traced, &struck)?;
        check_syncs(&traced.calls)?;
    }
    let leftovers = keep.leftovers();
    let one_temporary = leftovers.len() <= 1 && leftovers.iter().all(|file| file.ends_with(".tmp"));
    ensure(one_temporary, || format!("left {leftovers:?}"))?;
    if let Fault::Once(_) = injection.fault {
        let swept = leftovers.is_empty() || injection.call.starts_with("unlink");
        ensure(swept, || format!("reported an error and left {leftovers:?}"))?;
    }

    let new = find_state(operation, keep)?;
    ensure(new || !done, || "said it was done and was not".into())?;
    let before_the_name = |call: &&Call| {
        call.name.starts_with("rename") || call.name.contains("sync") && is_temporary(call)
    };
    if let Some(call) = struck.iter().find(|call| before_the_name(call)) {
        // A call that was interrupted may be made again.
        let repeated = done && matches!(injection.fault, Fault::Once("EINTR"));
        ensure(repeated || !new && !done, || {
            format!("{} failed, and yet the new state is there", call.name)
        })?;
    }
    if killed && let Some(event) = operation.request.event {
        let token = keep.token(event.client)?;
        let expected = format!("at-{}", event.secret);
        ensure(new == (token.as_ref() == Some(&expected)), || {
            format!("token and export differ: new is {new}, the token {token:?}")
        })?;
    }

    let state = if new { &operation.new } else { &operation.old };
    let began = Instant::now();
    keep.must(&NEXT)?;
    let next_write = began.elapsed();
    ensure(next_write < STUCK, || format!("the next write took {next_write:?}"))?;
    ensure(keep.contents()? == state.after_next, || "the next write lost something".into())?;
    let remaining = keep.leftovers();
    ensure(remaining.is_empty(), || format!("the next write left {remaining:?}"))?;
    Ok(Some(Found { new, done, leftover: !leftovers.is_empty(), next_write }))
}

/// Whether a new process finds the new state; an error where it finds neither.
fn find_state(operation: &Operation, keep: &Keep) -> Result<bool, String> {
    let contents = keep.contents()?;
    if contents == operation.new.contents {
        return Ok(true);
    }
    ensure(contents == operation.old.contents, || "neither the old state nor the new".into())?;
    ensure(keep.sealed() == operation.old.sealed, || "the old state in other bytes".into())?;
    Ok(false)
}

fn check_end(keep: &Keep, traced: &Traced, struck: &[&Call]) -> Result<(), String> {
    let message = text(&traced.stderr);
    for secret in SECRETS {
        ensure(!message.contains(secret), || format!("a token in the message: {message}"))?;
    }
    if let Some(key) = key(keep) {
        ensure(!message.contains(&key), || "the key in the message".into())?;
    }
    let code = traced.status.code();
    if code == Some(0) {
        return Ok(());
    }
    // 2 would blame the command line, 3 would say that nothing is there.
    let documented = matches!(code, Some(1 | 4 | 5 | 6));
    ensure(documented, || format!("ended with {}: {message}", traced.status))?;
    let muted = struck.iter().any(|call| call.descriptor(0).is_some_and(|(number, _)| number == 2));
    let clear = message.starts_with("tokenkeep: ") && !message.contains("panicked");
    ensure(clear || muted, || format!("no clear message: `{message}`"))
}

/// After a failed sync the kernel may count pages as clean that were never written.
fn check_syncs(calls: &[Call]) -> Result<(), String> {
    for (at, failed) in calls.iter().enumerate() {
        if !failed.injected || !failed.name.contains("sync") {
            continue;
        }
        let descriptor = failed.descriptor(0);
        let opened_anew = |call: &&Call| call.returned_descriptor() != descriptor;
        let mut same = calls[at + 1..].iter().take_while(opened_anew);
        let again = same.any(|call| call.name.contains("sync") && call.descriptor(0) == descriptor);
        ensure(!again, || format!("{} failed on {descriptor:?} and was retried", failed.name))?;
    }
    Ok(())
}

fn is_temporary(call: &Call) -> bool {
    call.descriptor(0).is_some_and(|(_, path)| path.to_string_lossy().ends_with(".tmp"))
}

fn key(keep: &Keep) -> Option<String> {
    let content = fs::read_to_string(keep.root().join(KEY_FILE)).ok()?;
    content.lines().find_map(|line| line.strip_prefix("key: ").map(str::to_owned))
}

fn ensure(holds: bool, otherwise: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(otherwise()) }
}

const KILL: i32 = 9;
/// Longer than any write, shorter than the time for which a lock is waited for.
const STUCK: Duration = Duration::from_secs(20);
const SECRETS: [&str; 3] = ["-one", "-two", "-three"];
