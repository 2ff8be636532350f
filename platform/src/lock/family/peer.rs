//! What can be known of another process, and where a process id means the same as here.

use std::path::Path;

/// What a process id stands for now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Process {
    /// None, or one that ended and was not waited for.
    Absent,
    /// One of which nothing is known.
    Unknown,
    /// One with these names: its program, and the scripts or modules it was started with.
    #[cfg_attr(not(any(target_os = "linux", target_os = "android")), allow(dead_code))]
    Named(Vec<String>),
}

pub(super) use self::os::{boot_id, host_name, look_up, namespace};

/// By which names a program may be known that was started as `text`: a path, a module's name, or an option.
pub(super) fn names_of_path(text: &str) -> Vec<String> {
    let path = Path::new(text);
    let part =
        |part: Option<&std::ffi::OsStr>| part.map(|part| part.to_string_lossy().into_owned());
    let mut names: Vec<String> =
        [part(path.file_name()), part(path.file_stem())].into_iter().flatten().collect();
    // `python -m package` runs `package/__main__.py`, `python -m package.module` runs `package/module.py`.
    if path.file_stem().is_some_and(|stem| stem == "__main__") {
        names.extend(part(path.parent().and_then(Path::file_name)));
    }
    if !text.contains(['/', '\\']) {
        names.extend(text.rsplit_once('.').map(|(_, module)| module.to_owned()));
    }
    names.retain(|name| !name.is_empty());
    names
}

cfg_if::cfg_if! {
    if #[cfg(any(target_os = "linux", target_os = "android"))] {
        /// Linux tells in /proc.
        mod os {
            use std::{fs, process};

            use super::{Process, names_of_path};

            /// Another one at each start of the system: random(4).
            pub(in super::super) fn boot_id() -> Option<String> {
                read("/proc/sys/kernel/random/boot_id")
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
                for argument in arguments.split(|byte| *byte == 0) {
                    names.extend(names_of_path(&String::from_utf8_lossy(argument)));
                }
                Process::Named(names)
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
        }
    } else if #[cfg(unix)] {
        /// Other Unix systems tell whether a process is there, and nothing else that is simple to ask.
        mod os {
            use super::Process;

            pub(in super::super) fn boot_id() -> Option<String> {
                None
            }

            pub(in super::super) fn namespace() -> Option<String> {
                None
            }

            pub(in super::super) fn host_name() -> Option<String> {
                None
            }

            pub(in super::super) fn look_up(pid: u32) -> Process {
                if super::is_absent(pid) { Process::Absent } else { Process::Unknown }
            }
        }
    } else {
        #[path = "windows_peer.rs"]
        mod os;
    }
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

    // Not on Windows: nothing is known of another process but whether it is there
    #[cfg(target_os = "linux")]
    #[test]
    fn a_process_has_the_names_it_was_started_with() {
        let Process::Named(names) = look_up(std::process::id()) else { panic!("it is here") };
        let name = super::super::super::files::program_name();
        assert!(names.contains(&name), "{names:?}");
    }

    // Not on Windows: there is no such state
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
        // Its output is closed before it has ended.
        while look_up(child.id()) != Process::Absent {
            std::thread::yield_now();
        }
        child.wait().unwrap();
    }
}
