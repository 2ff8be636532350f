//! What can be found out about another process, and where a process id is valid.

use std::{ffi::OsStr, path::Path};

cfg_if::cfg_if! {
    if #[cfg(any(target_os = "linux", target_os = "android"))] {
        #[path = "linux.rs"]
        mod os;
        pub(super) use self::os::{boot_id, host_name, is_stopped, locker, namespace, program};
    } else if #[cfg(unix)] {
        #[path = "unix.rs"]
        mod os;
        pub(super) use self::unknown::{boot_id, host_name, is_stopped, locker, namespace, program};
    } else if #[cfg(windows)] {
        #[path = "windows.rs"]
        mod os;
        pub(super) use self::unknown::{boot_id, host_name, is_stopped, locker, namespace, program};
    }
}

pub(super) use self::os::look_up;

/// Defaults for systems that do not offer the information, or not simply.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
mod unknown {
    use std::fs::File;

    pub(in super::super) fn is_stopped(_: u32) -> bool {
        false
    }

    pub(in super::super) fn locker(_: &File, _: Option<u32>) -> Option<u32> {
        None
    }

    pub(in super::super) fn program(_: u32) -> Option<String> {
        None
    }

    pub(in super::super) fn boot_id() -> Option<String> {
        None
    }

    pub(in super::super) fn namespace() -> Option<String> {
        None
    }

    pub(in super::super) fn host_name() -> Option<String> {
        None
    }
}

/// The state of a process id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Process {
    /// There is no such process, or it has ended and was not waited for.
    Absent,
    /// A process of which nothing is known.
    Unknown,
    /// A process with these names: its program, and the scripts or modules it was started with.
    #[cfg_attr(not(any(target_os = "linux", target_os = "android")), allow(dead_code))]
    Named(Vec<String>),
}

/// The names by which a program may be known if it was started as `text`: a path, a module name, or
/// an option.
pub(super) fn names_of_path(text: &str) -> Vec<String> {
    let path = Path::new(text);
    let part = |part: Option<&OsStr>| part.map(|part| part.to_string_lossy().into_owned());
    let mut names: Vec<String> =
        [part(path.file_name()), part(path.file_stem())].into_iter().flatten().collect();
    // `python -m package` runs `package/__main__.py`, `python -m package.module` runs
    // `package/module.py`.
    if path.file_stem().is_some_and(|stem| stem == "__main__") {
        names.extend(part(path.parent().and_then(Path::file_name)));
    }
    if !text.contains(['/', '\\']) {
        names.extend(text.rsplit_once('.').map(|(_, module)| module.to_owned()));
    }
    names.retain(|name| !name.is_empty());
    names
}

#[cfg(unix)]
fn is_absent(pid: u32) -> bool {
    let pid = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw);
    pid.is_none_or(|pid| rustix::process::test_kill_process(pid) == Err(rustix::io::Errno::SRCH))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_known_by_its_file_its_module_and_its_package() {
        let names = |text: &str| names_of_path(text);
        assert!(names("/usr/lib/az/__main__.py").contains(&"az".to_owned()));
        assert!(names("azure.cli").contains(&"cli".to_owned()));
        assert!(names("/usr/bin/tool.py").contains(&"tool".to_owned()));
        assert!(names("-c").contains(&"-c".to_owned()));
        assert!(names("").is_empty());
    }

    #[test]
    fn no_process_has_the_id_zero_or_one_beyond_all() {
        for pid in [0, u32::MAX] {
            assert_eq!(look_up(pid), Process::Absent);
        }
    }

    // Linux only: elsewhere only the existence of another process is known.
    #[cfg(target_os = "linux")]
    #[test]
    fn a_process_has_the_names_it_was_started_with() {
        let Process::Named(names) = look_up(std::process::id()) else { panic!("it is here") };
        let name = std::env::current_exe().unwrap().file_name().unwrap().display().to_string();
        assert!(names.contains(&name), "{names:?}");
    }

    // Linux only: elsewhere only the existence of another process is known.
    #[cfg(target_os = "linux")]
    #[test]
    fn the_kernel_names_the_process_that_locked_a_file() {
        let file = tempfile::tempfile().unwrap();
        let own = std::process::id();
        assert_eq!(locker(&file, Some(own)), None);
        assert!(super::super::flock::try_lock(&file).unwrap());
        assert_eq!(locker(&file, Some(own)), Some(own));
        super::super::flock::unlock(&file).unwrap();
        assert_eq!(locker(&file, Some(own)), None);
        assert!(!is_stopped(own));
        assert!(program(own).is_some());
    }

    // Not on Windows: there is no such state.
    #[cfg(target_os = "linux")]
    #[test]
    fn a_process_that_ended_and_was_not_waited_for_is_absent() {
        use std::{
            io::Read as _,
            process::{Command, Stdio},
        };

        let mut child =
            Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        assert!(matches!(look_up(child.id()), Process::Named(_)));
        drop(child.stdin.take());
        child.stdout.take().unwrap().read_to_end(&mut Vec::new()).unwrap();
        // Its output closes before the process has ended.
        while look_up(child.id()) != Process::Absent {
            std::thread::yield_now();
        }
        child.wait().unwrap();
    }
}
