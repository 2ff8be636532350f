//! The content of a lock file, or of a note next to one: the holder.
//!
//! Peers write `PID`, `PID PROGRAM`, the same after a byte order mark, `{PID} {PROGRAM}`, or `PID
//! HOST`. Our content starts the same way and adds where the process id is valid: `PID PROGRAM
//! boot=ID pidns=ID`.

use std::{env, path::Path, process};

use super::peer::{self, Process};
use crate::text::is_obeyed;

/// The parsed content of a lock file. Fields that cannot be read are absent.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Content<'a> {
    pid: Option<u32>,
    program: &'a str,
    boot: Option<&'a str>,
    namespace: Option<&'a str>,
    is_empty: bool,
}

/// This process, and the boot and namespace in which its process ids are valid.
#[derive(Debug)]
pub(super) struct Here {
    boot: Option<String>,
    namespace: Option<String>,
    host: fn() -> Option<String>,
    look_up: fn(u32) -> Process,
}

impl<'a> Content<'a> {
    pub(super) fn parse(bytes: &'a [u8]) -> Self {
        // .NET programs write a byte order mark.
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let text = bytes.utf8_chunks().next().map_or("", |chunk| chunk.valid());
        let text = text.trim_matches(|c: char| c.is_whitespace() || c == '\0');
        let (first, rest) = text.split_once(' ').unwrap_or((text, ""));
        let (program, tail) = match rest.split_once(BOOT) {
            Some((program, tail)) => (program, Some(tail)),
            None => (rest, None),
        };
        let (boot, namespace) = match tail.map(|tail| tail.split_once(NAMESPACE)) {
            Some(Some((boot, namespace))) => (known(boot), known(namespace)),
            _ => (None, None),
        };
        Self {
            pid: bare(first).parse().ok(),
            program: bare(program),
            boot,
            namespace,
            is_empty: text.is_empty(),
        }
    }

    pub(super) fn pid(&self) -> Option<u32> {
        self.pid
    }

    /// The holder as shown to a user.
    pub(super) fn holder(&self) -> Option<String> {
        Some(process_name(self.pid?, self.program))
    }
}

/// The state of the process that a [`Content`] names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Judged {
    /// Certainly not the holder: no process is named, it has ended, or its id now belongs to
    /// another program.
    Gone,
    /// Running, as far as can be told.
    There,
    /// In another namespace or from another boot, so its id means nothing here.
    Elsewhere,
}

impl Here {
    pub(super) fn find() -> Self {
        Self {
            boot: peer::boot_id(),
            namespace: peer::namespace(),
            host: peer::host_name,
            look_up: peer::look_up,
        }
    }

    /// What this process writes into its own lock files.
    pub(super) fn content(&self) -> String {
        let program = Some(bare_name(&program_name())).filter(|name| name.len() <= NAME_BYTES);
        let program = program.unwrap_or_default();
        let boot = self.boot.as_deref().unwrap_or(UNKNOWN);
        let namespace = self.namespace.as_deref().unwrap_or(UNKNOWN);
        format!("{} {program}{BOOT}{boot}{NAMESPACE}{namespace}", process::id())
    }

    /// Whether the named holder certainly no longer exists.
    pub(super) fn is_gone(&self, content: &Content<'_>) -> bool {
        self.judge(content) == Judged::Gone
    }

    pub(super) fn judge(&self, content: &Content<'_>) -> Judged {
        if content.is_empty {
            return Judged::Gone;
        }
        let elsewhere = |theirs: Option<&str>, ours: &Option<String>| {
            theirs.is_some_and(|theirs| Some(theirs) != ours.as_deref())
        };
        if elsewhere(content.boot, &self.boot) || elsewhere(content.namespace, &self.namespace) {
            return Judged::Elsewhere;
        }
        // What cannot be read may be a running peer's own form, so it is waited for.
        let Some(pid) = content.pid else { return Judged::There };
        match (self.look_up)(pid) {
            Process::Absent => Judged::Gone,
            Process::Named(names) if !self.may_be(content, &names) => Judged::Gone,
            Process::Named(_) | Process::Unknown => Judged::There,
        }
    }

    /// Whether a process with these names may have written the content.
    fn may_be(&self, content: &Content<'_>, names: &[String]) -> bool {
        // Java programs write the host instead of the program.
        if content.program.is_empty() || (self.host)().as_deref() == Some(content.program) {
            return true;
        }
        let said = peer::names_of_path(content.program);
        said.iter().any(|name| names.iter().any(|known| known == name || bare_name(known) == *name))
    }
}

/// A process as shown in a message. Leaves out a program name that could disturb a terminal.
pub(super) fn process_name(pid: u32, program: &str) -> String {
    match program {
        "" => format!("process {pid}"),
        program if program.contains(is_obeyed) => format!("process {pid}"),
        program => format!("process {pid} ({program})"),
    }
}

/// The file name that this program was started with.
pub(super) fn program_name() -> String {
    let program = env::args_os().next().unwrap_or_default();
    Path::new(&program).file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// A program's name as it is written: one word.
fn bare_name(program: &str) -> String {
    program.replace(|c: char| c.is_whitespace() || c.is_control(), "_")
}

fn bare(text: &str) -> &str {
    text.strip_prefix('{').and_then(|text| text.strip_suffix('}')).unwrap_or(text)
}

fn known(text: &str) -> Option<&str> {
    (text != UNKNOWN).then_some(text)
}

/// A longer name is omitted, because a truncated name would match nothing. File systems allow 255.
const NAME_BYTES: usize = 100;
/// Written if the system has no such id.
const UNKNOWN: &str = "?";
const BOOT: &str = " boot=";
const NAMESPACE: &str = " pidns=";

#[cfg(test)]
mod tests {
    use super::*;

    fn here(look_up: fn(u32) -> Process) -> Here {
        let known = |text: &str| Some(text.to_owned());
        Here { boot: known("b"), namespace: known("n"), host: || Some("box".to_owned()), look_up }
    }

    fn az(_: u32) -> Process {
        Process::Named(vec!["python3".to_owned(), "az".to_owned()])
    }

    #[test]
    fn every_peers_content_is_read() {
        let cases: [(&[u8], Option<u32>, &str); 8] = [
            (b"", None, ""),
            (b"812", Some(812), ""),
            (b"812 ", Some(812), ""),
            (b"812 /usr/bin/a b.py", Some(812), "/usr/bin/a b.py"),
            (b"\xef\xbb\xbf812 dotnet\n", Some(812), "dotnet"),
            (b"{812} {/bin/kubelogin}", Some(812), "/bin/kubelogin"),
            (b"812 \xff\xfe", Some(812), ""),
            (b"\0\0\0", None, ""),
        ];
        for (bytes, pid, program) in cases {
            let content = Content::parse(bytes);
            assert_eq!((content.pid, content.program), (pid, program), "{bytes:?}");
        }
    }

    #[test]
    fn what_we_write_begins_as_the_peers_content_and_is_read_again() {
        let here = Here::find();
        let text = here.content();
        let mut tokens = text.split(' ');
        assert_eq!(tokens.next(), Some(process::id().to_string().as_str()));
        assert_eq!(tokens.next(), Some(program_name().as_str()));
        let content = Content::parse(text.as_bytes());
        assert_eq!(content.pid, Some(process::id()));
        assert_eq!(content.program, program_name());
        if here.boot.is_some() {
            assert_eq!(content.boot, here.boot.as_deref());
        }
        if here.namespace.is_some() {
            assert_eq!(content.namespace, here.namespace.as_deref());
        }
        assert!(!here.is_gone(&content), "this process is here: {text}");
    }

    #[test]
    fn a_system_that_has_neither_boot_ids_nor_namespaces_judges_by_the_process_id() {
        let nowhere =
            Here { boot: None, namespace: None, host: || None, look_up: |_| Process::Absent };
        assert!(nowhere.is_gone(&Content::parse(nowhere.content().as_bytes())));
    }

    #[test]
    fn only_a_holder_that_is_certainly_not_there_is_gone() {
        let (absent, unknown) = (here(|_| Process::Absent), here(|_| Process::Unknown));
        let az = here(az);
        let gone = |here: &Here, text: &str| here.is_gone(&Content::parse(text.as_bytes()));
        assert!(gone(&az, ""), "nobody");
        assert!(gone(&absent, "812 /usr/bin/az"));
        assert!(!gone(&unknown, "812 /usr/bin/az"));
        assert!(!gone(&az, "812 /usr/bin/az"));
        assert!(gone(&az, "812 /usr/bin/kubelogin"), "another program has its id");
        assert!(!gone(&az, "812"), "a process id alone decides nothing");
        assert!(!gone(&az, "812 box"), "a host is no program");
        assert!(!gone(&absent, "not a number"), "cannot be judged");
        assert!(gone(&absent, "812 az boot=b pidns=n"));
        assert!(!gone(&absent, "812 az boot=b pidns=m"), "of another namespace");
        assert!(!gone(&absent, "812 az boot=c pidns=n"), "of another run of the system");
        let judged = |text: &str| absent.judge(&Content::parse(text.as_bytes()));
        assert_eq!(judged("812 az boot=c pidns=n"), Judged::Elsewhere);
        let spaced = here(|_| Process::Named(vec!["my tool".to_owned()]));
        assert!(!gone(&spaced, "812 my_tool"), "a name is written as one word");
    }

    #[test]
    fn a_holder_is_named_without_what_could_disturb_a_terminal() {
        let holder = |text: &str| Content::parse(text.as_bytes()).holder();
        assert_eq!(holder(""), None);
        assert_eq!(holder("812").as_deref(), Some("process 812"));
        assert_eq!(holder("812 az").as_deref(), Some("process 812 (az)"));
        for program in ["a\u{1b}[2J", "a\u{202e}b", "a\u{9b}2J"] {
            assert_eq!(holder(&format!("812 {program}")).as_deref(), Some("process 812"));
        }
    }
}
