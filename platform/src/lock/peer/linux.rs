//! Linux: process information from /proc.

use std::{
    fs::{self, File},
    process,
};

use super::{Process, names_of_path};
use crate::sync::ForkLock;

/// The boot id, a new one at each system start: random(4).
pub(in super::super) fn boot_id() -> Option<String> {
    // Read once: no process outlives a boot.
    static ID: ForkLock<Option<String>> = ForkLock::new(None);
    let known = ID.read().clone();
    known.or_else(|| {
        let id = read("/proc/sys/kernel/random/boot_id")?;
        ID.write().get_or_insert(id).clone().into()
    })
}

/// The number of this process's PID namespace: pid_namespaces(7).
pub(in super::super) fn namespace() -> Option<String> {
    let link = fs::read_link("/proc/self/ns/pid").ok()?;
    let number = link.to_str()?.strip_prefix("pid:[")?.strip_suffix(']')?;
    Some(number.to_owned())
}

pub(in super::super) fn host_name() -> Option<String> {
    read("/proc/sys/kernel/hostname")
}

pub(in super::super) fn look_up(pid: u32) -> Process {
    // By a signal first: `/proc` may belong to another namespace, or be missing.
    if super::is_absent(pid) {
        return Process::Absent;
    }
    if !is_ours() {
        return Process::Unknown;
    }
    let Some(command) = read(&format!("/proc/{pid}/comm")) else { return Process::Unknown };
    // A zombie still has a name.
    if is_zombie(pid) {
        return Process::Absent;
    }
    // This name is cut to 15 bytes, so the path of the program counts as well.
    let mut names = vec![command];
    if let Ok(program) = fs::read_link(format!("/proc/{pid}/exe")) {
        names.extend(names_of_path(&program.to_string_lossy()));
    }
    let arguments = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    if is_child_of_multiprocessing(&arguments) {
        return Process::Unknown;
    }
    // Of an interpreter only the arguments tell which script it runs.
    for argument in arguments.split(|byte| *byte == 0) {
        names.extend(names_of_path(&String::from_utf8_lossy(argument)));
    }
    Process::Named(names)
}

/// Python's multiprocessing starts a child with arguments of its own, but the child uses its
/// parent's arguments as `sys.argv`.
fn is_child_of_multiprocessing(arguments: &[u8]) -> bool {
    let texts = arguments.split(|byte| *byte == 0).map(String::from_utf8_lossy);
    texts
        .into_iter()
        .any(|text| text == "--multiprocessing-fork" || text.starts_with("from multiprocessing."))
}

/// Whether the process is stopped by a signal or a debugger: proc_pid_stat(5); or frozen with its
/// cgroup, like a paused container: cgroups(7).
pub(in super::super) fn is_stopped(pid: u32) -> bool {
    is_ours() && (matches!(state(pid), Some('T' | 't')) || is_frozen(pid))
}

fn is_frozen(pid: u32) -> bool {
    let says = |file: String, line: &str| {
        read(&file).is_some_and(|text| text.lines().any(|said| said == line))
    };
    let groups = read(&format!("/proc/{pid}/cgroup")).unwrap_or_default();
    groups.lines().any(|line| match line.splitn(3, ':').collect::<Vec<_>>()[..] {
        [_, "", group] => ["", "/unified"]
            .iter()
            .any(|at| says(format!("/sys/fs/cgroup{at}{group}/cgroup.events"), "frozen 1")),
        [_, "freezer", group] => {
            says(format!("/sys/fs/cgroup/freezer{group}/freezer.state"), "FROZEN")
        }
        _ => false,
    })
}

/// The name of the process's program, cut to 15 bytes.
pub(in super::super) fn program(pid: u32) -> Option<String> {
    is_ours().then(|| read(&format!("/proc/{pid}/comm")))?
}

/// The process that has `file` locked, if the kernel tells: proc_locks(5). Some file systems show
/// another device number there. If only the inode matches, the answer is accepted only for the
/// process `noted`.
pub(in super::super) fn locker(file: &File, noted: Option<u32>) -> Option<u32> {
    let stat = rustix::fs::fstat(file).ok().filter(|_| is_ours())?;
    let device = (rustix::fs::major(stat.st_dev), rustix::fs::minor(stat.st_dev));
    let locks = fs::read_to_string("/proc/locks").ok()?;
    let of_inode = |line: &str| {
        let (pid, place) = flock(line)?;
        let mut place = place.split(':');
        let mut number = |radix| u64::from_str_radix(place.next()?, radix).ok();
        let on = (number(16)?, number(16)?);
        let same = number(10)? == stat.st_ino;
        same.then_some((pid, on == (device.0.into(), device.1.into())))
    };
    let found: Vec<(u32, bool)> = locks.lines().filter_map(of_inode).collect();
    let exact = found.iter().find(|(_, exact)| *exact);
    let likely = || found.iter().find(|(pid, _)| Some(*pid) == noted);
    exact.or_else(likely).map(|(pid, _)| *pid)
}

/// Parses a line of `/proc/locks`. Returns the process and the place if the line is a flock(2) lock
/// held by a process of this namespace.
fn flock(line: &str) -> Option<(u32, &str)> {
    let mut words = line.split_ascii_whitespace().skip(1);
    // `1: FLOCK ADVISORY WRITE 42 08:01:1234 0 EOF`; a waiter's line has `->` before `FLOCK`.
    if words.next()? != "FLOCK" {
        return None;
    }
    // 0 stands for a process of another namespace.
    let pid = words.nth(2)?.parse().ok().filter(|pid| *pid != 0)?;
    Some((pid, words.next()?))
}

/// Whether `/proc` belongs to this PID namespace. In another one an id means another process.
fn is_ours() -> bool {
    let ours = fs::read_link("/proc/self");
    ours.is_ok_and(|ours| ours.as_os_str() == process::id().to_string().as_str())
}

/// Whether the process has ended but was not waited for. A main thread that ended before the other
/// threads looks the same, so the threads are counted.
fn is_zombie(pid: u32) -> bool {
    let threads = || fs::read_dir(format!("/proc/{pid}/task")).map_or(0, |tasks| tasks.count());
    state(pid) == Some('Z') && threads() <= 1
}

fn state(pid: u32) -> Option<char> {
    // From the last bracket on: the program's name may contain any text, and brackets too.
    read(&format!("/proc/{pid}/stat"))?.rsplit_once(") ")?.1.chars().next()
}

fn read(path: &str) -> Option<String> {
    Some(fs::read_to_string(path).ok()?.trim_end().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_that_somebody_waits_for_or_of_another_kind_names_nobody() {
        let held = "4: FLOCK  ADVISORY  WRITE 812 fe:00:5414915 0 EOF";
        assert_eq!(flock(held), Some((812, "fe:00:5414915")));
        for line in [
            "4: -> FLOCK  ADVISORY  WRITE 812 fe:00:5414915 0 EOF",
            "4: POSIX  ADVISORY  WRITE 812 fe:00:5414915 0 EOF",
            "4: FLOCK  ADVISORY  WRITE 0 fe:00:5414915 0 EOF",
            "4: FLOCK  ADVISORY  WRITE -1 fe:00:5414915 0 EOF",
            "",
        ] {
            assert_eq!(flock(line), None, "{line}");
        }
    }

    // Not on Windows: the arguments of another process are not known there.
    #[test]
    fn a_child_of_pythons_multiprocessing_is_not_judged_by_its_arguments() {
        for (arguments, is_child) in [
            (
                "python3\0-c\0from multiprocessing.spawn import spawn_main; …\0\
                 --multiprocessing-fork\0",
                true,
            ),
            ("python3\0-c\0from multiprocessing.forkserver import main; …\0", true),
            // A frozen program.
            ("/opt/tool\0--multiprocessing-fork\0tracker_fd=5\0", true),
            ("python3\0/usr/bin/az\0login\0", false),
            ("", false),
        ] {
            assert_eq!(
                is_child_of_multiprocessing(arguments.as_bytes()),
                is_child,
                "{arguments:?}"
            );
        }
    }
}
