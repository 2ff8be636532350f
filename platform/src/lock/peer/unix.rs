//! Other Unix systems: only the existence of a process is known.

use super::Process;

pub(in super::super) fn look_up(pid: u32) -> Process {
    if super::is_absent(pid) { Process::Absent } else { Process::Unknown }
}
