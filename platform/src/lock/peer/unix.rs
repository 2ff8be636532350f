//! Other Unix systems tell whether a process is there, and nothing else that is simple to ask.

use super::Process;

pub(in super::super) fn look_up(pid: u32) -> Process {
    if super::is_absent(pid) { Process::Absent } else { Process::Unknown }
}
