//! Any process of this machine, by its id.

use std::fs;
use std::path::Path;
use std::time::Duration;

use rustix::param::clock_ticks_per_second;
use rustix::process::{Pid, Signal, kill_process};

use super::wait::{PATIENCE, within};

/// Sends a signal. `false` if there is no such process.
pub(super) fn signal(pid: u32, signal: Signal) -> bool {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    pid.is_some_and(|pid| kill_process(pid, signal).is_ok())
}

/// Stops processes where they are, and waits until they stand still.
pub(super) fn freeze(pids: &[u32]) {
    for pid in pids {
        signal(*pid, Signal::STOP);
    }
    let still =
        || pids.iter().all(|pid| matches!(state(*pid), None | Some('T' | 'Z'))).then_some(());
    within(PATIENCE, still).expect("a process stops at SIGSTOP");
}

/// Whether a process was stopped where it is.
pub(super) fn is_frozen(pid: u32) -> bool {
    state(pid) == Some('T')
}

/// Lets processes that were frozen go on.
pub(super) fn thaw(pids: &[u32]) {
    for pid in pids {
        signal(*pid, Signal::CONT);
    }
}

/// The processes that `pid` has started and that have not ended.
pub(super) fn children(pid: u32) -> Vec<u32> {
    // Who has ended stays listed until the parent asks, and a frozen one does not.
    listed(pid).into_iter().filter(|pid| !has_ended(*pid)).collect()
}

fn listed(pid: u32) -> Vec<u32> {
    let list = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
    list.unwrap_or_default().split_whitespace().filter_map(|pid| pid.parse().ok()).collect()
}

fn has_ended(pid: u32) -> bool {
    matches!(state(pid), None | Some('Z'))
}

/// The CPU time that the threads of a process have used, without that of threads that ended.
pub(super) fn cpu_time(pid: u32) -> Duration {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let times = threads.filter_map(|thread| nanoseconds(&thread.path()));
    Duration::from_nanos(times.sum())
}

/// The CPU time of a process and its children. That of children that have ended is known to some
/// hundredths of a second. `None` while the end of one is not known to the process: it would count
/// twice, or not at all.
pub(super) fn cpu_time_with_children(pid: u32) -> Option<Duration> {
    let ended = cpu_time_of_ended_children(pid);
    let children = listed(pid);
    let alive: Duration = children.iter().chain([&pid]).map(|pid| cpu_time(*pid)).sum();
    let is_settled = !children.into_iter().any(has_ended);
    (is_settled && cpu_time_of_ended_children(pid) == ended).then_some(ended + alive)
}

/// Those of which the process knows that they have ended.
fn cpu_time_of_ended_children(pid: u32) -> Duration {
    let line = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // What follows the name begins with the third field (proc(5)).
    let fields = line.rsplit_once(") ").map(|(_, fields)| fields.split_whitespace());
    let ticks = fields.into_iter().flatten().skip(16 - 3).take(2);
    let ticks: u64 = ticks.filter_map(|ticks| ticks.parse::<u64>().ok()).sum();
    Duration::from_secs(ticks) / u32::try_from(clock_ticks_per_second()).expect("it is small")
}

fn nanoseconds(thread: &Path) -> Option<u64> {
    let figures = fs::read_to_string(thread.join("schedstat")).ok()?;
    figures.split_whitespace().next()?.parse().ok()
}

fn state(pid: u32) -> Option<char> {
    let line = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name before it is in parentheses and may contain any of them.
    line.rsplit_once(") ")?.1.chars().next()
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn the_time_of_a_child_counts_after_its_end() {
        // The shell, whose place sleep takes, has asked for the end of its child.
        let mut parent = Command::new("sh")
            .args([
                "-c",
                "sh -c 'i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done'; exec sleep 600",
            ])
            .spawn()
            .unwrap();
        let used = || cpu_time_of_ended_children(parent.id());
        let used = within(PATIENCE, || Some(used()).filter(|used| !used.is_zero())).unwrap();
        assert!(used > Duration::from_millis(10), "{used:?}");
        parent.kill().unwrap();
        parent.wait().unwrap();
    }

    #[test]
    fn a_child_that_ended_is_none_before_its_parent_asks() {
        // sleep, which takes the shell's place, never asks.
        let mut parent =
            Command::new("sh").args(["-c", "sleep 600 & exec sleep 600"]).spawn().unwrap();
        let child = within(PATIENCE, || children(parent.id()).first().copied()).unwrap();
        assert!(cpu_time_with_children(parent.id()).is_some());
        signal(child, Signal::KILL);
        within(PATIENCE, || (state(child) == Some('Z')).then_some(())).unwrap();
        assert_eq!(children(parent.id()), Vec::<u32>::new());
        assert_eq!(cpu_time_with_children(parent.id()), None);
        parent.kill().unwrap();
        parent.wait().unwrap();
    }
}
