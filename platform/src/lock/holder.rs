//! The holder of a lock.

use std::fs::File;

use super::{
    content::{Content, Here, Judged, process_name},
    peer::{self, Process::Absent},
};

/// The process that claims to hold a lock.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Holder {
    /// Process id and program, as far as they are known.
    pub name: Option<String>,
    /// No process is named, or the named process certainly no longer exists. The file was left
    /// behind or is just being created.
    pub is_gone: bool,
    /// The process is stopped, for instance by Ctrl-Z. Known only if the system tells.
    pub is_stopped: bool,
    /// No process has the id in the lock file.
    has_ended: bool,
}

impl Holder {
    /// The holder that a note or a lock file names, judged by the current state of that process.
    pub(super) fn noted(content: &[u8]) -> Self {
        let content = Content::parse(content);
        let name = content.holder();
        match Here::find().judge(&content) {
            Judged::Gone => {
                let has_ended = content.pid().is_some_and(|pid| peer::look_up(pid) == Absent);
                Self { name, is_gone: true, has_ended, ..Self::default() }
            }
            Judged::Elsewhere => {
                let name = name.map(|name| format!("{name} of another system or container"));
                Self { name, ..Self::default() }
            }
            Judged::There => {
                let is_stopped = content.pid().is_some_and(peer::is_stopped);
                Self { name, is_stopped, ..Self::default() }
            }
        }
    }

    /// The process that has `file` locked. The kernel's answer, if there is one, takes precedence
    /// over the note, which may be from an earlier holder.
    pub(super) fn of_locked(file: &File, note: &[u8]) -> Self {
        let noted = Content::parse(note);
        let Some(pid) = peer::locker(file, noted.pid()) else {
            return Self { has_ended: false, ..Self::noted(note) };
        };
        let is_noted = noted.pid() == Some(pid);
        // The kernel records the process that took the lock. That id may since belong to another
        // program, while a child of the first process still holds the lock.
        let is_gone =
            peer::look_up(pid) == Absent || is_noted && Here::find().judge(&noted) == Judged::Gone;
        let known = noted.holder().filter(|_| is_noted);
        let name = known.unwrap_or_else(|| {
            process_name(pid, peer::program(pid).as_deref().unwrap_or_default())
        });
        let is_stopped = peer::is_stopped(pid);
        Self { name: Some(name), is_gone, is_stopped, has_ended: false }
    }

    /// The holder as shown in a message about a wait: a running one, or one that left a lock file
    /// behind. Not shown: an earlier holder, or a process id that now belongs to another program.
    pub(super) fn shown(self) -> Option<String> {
        let name = self.name.filter(|_| !self.is_gone || self.has_ended)?;
        Some(match (self.has_ended, self.is_stopped) {
            (true, _) => format!("{name}, which has ended"),
            (false, true) => format!("{name}, which is stopped"),
            (false, false) => name,
        })
    }
}

#[cfg(all(test, target_os = "linux"))]
#[allow(clippy::unwrap_used, reason = "a test may")]
mod tests {
    use super::*;

    // Linux only: other kernels do not tell who holds a lock.
    #[test]
    fn a_process_that_has_the_id_of_another_program_by_now_is_not_named() {
        let file = tempfile::tempfile().unwrap();
        assert!(super::super::flock::try_lock(&file).unwrap());
        let own = Here::find().content();
        let shown = |note: &str| Holder::of_locked(&file, note.as_bytes()).shown();
        assert!(shown(&own).unwrap().contains(&std::process::id().to_string()), "{own}");
        let (pid, rest) = own.split_once(' ').unwrap();
        let (_, tail) = rest.split_once(" boot=").unwrap();
        assert_eq!(shown(&format!("{pid} another-program boot={tail}")), None);
    }
}
