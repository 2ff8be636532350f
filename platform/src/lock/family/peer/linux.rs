//! Linux tells in /proc.

use std::{fs, process, sync::OnceLock};

use super::{Process, names_of_path};

/// Another one at each start of the system: random(4).
pub(in super::super) fn boot_id() -> Option<String> {
    static ID: OnceLock<Option<String>> = OnceLock::new();
    ID.get_or_init(|| read("/proc/sys/kernel/random/boot_id")).clone()
}

/// The number of the namespace of this process's id: pid_namespaces(7).
pub(in super::super) fn namespace() -> Option<String> {
    let link = fs::read_link("/proc/self/ns/pid").ok()?;
    let number = link.to_str()?.strip_prefix("pid:[")?.strip_suffix(']')?;
    Some(number.to_owned())
}

pub(in super::super) fn host_name() -> Option<String> {
    read("/proc/sys/kernel/hostname")
}

pub(in super::super) fn look_up(pid: u32) -> Process {
    if super::is_absent(pid) {
        return Process::Absent;
    }
    // /proc may be that of another namespace, in which this id is somebody else's.
    let ours = fs::read_link("/proc/self").ok();
    if ours.is_none_or(|ours| ours.as_os_str() != process::id().to_string().as_str()) {
        return Process::Unknown;
    }
    let Some(command) = read(&format!("/proc/{pid}/comm")) else { return Process::Unknown };
    if is_zombie(pid) {
        return Process::Absent;
    }
    let mut names = vec![command];
    if let Ok(program) = fs::read_link(format!("/proc/{pid}/exe")) {
        names.extend(names_of_path(&program.to_string_lossy()));
    }
    let arguments = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    if is_child_of_multiprocessing(&arguments) {
        return Process::Unknown;
    }
    for argument in arguments.split(|byte| *byte == 0) {
        names.extend(names_of_path(&String::from_utf8_lossy(argument)));
    }
    Process::Named(names)
}

/// Python's multiprocessing starts a child with arguments of its own, and the child takes its parent's for `sys.argv`.
fn is_child_of_multiprocessing(arguments: &[u8]) -> bool {
    let texts = arguments.split(|byte| *byte == 0).map(String::from_utf8_lossy);
    texts
        .into_iter()
        .any(|text| text == "--multiprocessing-fork" || text.starts_with("from multiprocessing."))
}

/// Ended, but its parent has not asked how. A first thread that ended before the others looks alike.
fn is_zombie(pid: u32) -> bool {
    let state = read(&format!("/proc/{pid}/stat"));
    let state = state.and_then(|stat| stat.rsplit_once(") ")?.1.chars().next());
    let threads = || fs::read_dir(format!("/proc/{pid}/task")).map_or(0, |tasks| tasks.count());
    state == Some('Z') && threads() <= 1
}

fn read(path: &str) -> Option<String> {
    Some(fs::read_to_string(path).ok()?.trim_end().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    // Not on Windows: nothing is known of another process's arguments
    #[test]
    fn a_child_of_pythons_multiprocessing_is_not_judged_by_its_arguments() {
        for (arguments, is_child) in [
            (
                "python3\0-c\0from multiprocessing.spawn import spawn_main; …\0--multiprocessing-fork\0",
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
