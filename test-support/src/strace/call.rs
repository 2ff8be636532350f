//! One system call, as strace prints it.

use std::{collections::HashMap, io, os::unix::ffi::OsStringExt as _, path::PathBuf};

/// A system call with its arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Call {
    /// The thread that made it.
    pub thread: u32,
    /// Its name.
    pub name: String,
    /// Its arguments, as strace prints them.
    pub arguments: Vec<String>,
    /// What it returned; `None` where it did not return.
    pub result: Option<i64>,
    /// Whether strace made it fail.
    pub injected: bool,
    returned: String,
}

impl Call {
    /// A string or a buffer among the arguments; empty where it is neither.
    pub fn bytes(&self, argument: usize) -> Vec<u8> {
        let text = self.arguments.get(argument).map_or("", String::as_str);
        text.strip_prefix('"').and_then(|text| text.split('"').next()).map_or_else(Vec::new, unhex)
    }

    /// A path among the arguments.
    pub fn path(&self, argument: usize) -> PathBuf {
        path(self.bytes(argument))
    }

    /// A number among the arguments.
    pub fn number(&self, argument: usize) -> Option<i64> {
        self.arguments.get(argument)?.parse().ok()
    }

    /// Whether an argument, a list of flags, has this one.
    pub fn has_flag(&self, argument: usize, flag: &str) -> bool {
        self.arguments.get(argument).is_some_and(|text| text.split('|').any(|have| have == flag))
    }

    /// A descriptor among the arguments: its number and what it leads to. `AT_FDCWD` is -100.
    pub fn descriptor(&self, argument: usize) -> Option<(i64, PathBuf)> {
        descriptor(self.arguments.get(argument)?)
    }

    /// The descriptor that it returned.
    pub fn returned_descriptor(&self) -> Option<(i64, PathBuf)> {
        descriptor(&self.returned)
    }

    /// Every path that it names: as text, against the descriptor before it, and by descriptor.
    pub fn paths(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        let mut base = None;
        for argument in 0..self.arguments.len() {
            if let Some((_, path)) = self.descriptor(argument) {
                found.push(path.clone());
                base = Some(path);
            } else if self.arguments[argument].starts_with('"') {
                let path = self.path(argument);
                found.push(base.as_ref().map_or(path.clone(), |base: &PathBuf| base.join(path)));
            }
        }
        found.extend(self.returned_descriptor().map(|(_, path)| path));
        found
    }
}

/// Reads a record of strace with `-f -y -xx`. What is not a call is left out.
pub(super) fn parse(record: &str) -> io::Result<Vec<Call>> {
    let mut calls = Vec::new();
    let mut unfinished = HashMap::new();
    for line in record.lines() {
        let not_understood = || io::Error::other(format!("strace printed `{line}`"));
        let (thread, text) = line.split_once(' ').ok_or_else(not_understood)?;
        let thread: u32 = thread.parse().map_err(|_| not_understood())?;
        let text = text.trim_start();
        if text.starts_with("+++") || text.starts_with("---") {
            // A killed thread's last call has no end.
            if let Some(begun) = unfinished.remove(&thread) {
                calls.push(call(thread, begun, "").ok_or_else(not_understood)?);
            }
        } else if let Some(begun) = text.strip_suffix(" <unfinished ...>") {
            unfinished.insert(thread, begun);
        } else if let Some(resumed) = text.strip_prefix("<... ") {
            let (_, rest) = resumed.split_once(" resumed>").ok_or_else(not_understood)?;
            let begun = unfinished.remove(&thread).ok_or_else(not_understood)?;
            let whole = format!("{begun}{rest}");
            calls.push(split(thread, &whole).ok_or_else(not_understood)?);
        } else {
            calls.push(split(thread, text).ok_or_else(not_understood)?);
        }
    }
    Ok(calls)
}

fn split(thread: u32, text: &str) -> Option<Call> {
    // Strings are hex digits, so an equals sign after a parenthesis is the last one's.
    let (begun, returned) = match text.rsplit_once(" = ") {
        Some((begun, returned)) => (begun.trim_end().strip_suffix(')')?, returned),
        None => (text.trim_end_matches(')'), ""),
    };
    call(thread, begun, returned)
}

fn call(thread: u32, begun: &str, returned: &str) -> Option<Call> {
    let (name, arguments) = begun.split_once('(')?;
    let value = returned.split([' ', '<']).next().unwrap_or_default();
    let result = match value.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok().map(u64::cast_signed),
        None => value.parse().ok(),
    };
    Some(Call {
        thread,
        name: name.to_owned(),
        arguments: arguments_of(arguments),
        result,
        injected: returned.ends_with("(INJECTED)"),
        returned: returned.to_owned(),
    })
}

/// Splits at the commas that are not within a structure or a list.
fn arguments_of(text: &str) -> Vec<String> {
    let mut arguments = Vec::new();
    let (mut depth, mut start) = (0_usize, 0);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'{' | b'[' | b'(' => depth += 1,
            b'}' | b']' | b')' => depth = depth.saturating_sub(1),
            b',' if depth == 0 => {
                arguments.push(text[start..at].trim().to_owned());
                start = at + 1;
            }
            _ => {}
        }
    }
    arguments.push(text[start..].trim().to_owned());
    arguments.retain(|argument| !argument.is_empty());
    arguments
}

fn descriptor(text: &str) -> Option<(i64, PathBuf)> {
    let (number, rest) = text.split_once('<')?;
    let number = match number {
        "AT_FDCWD" => -100,
        _ => number.parse().ok()?,
    };
    Some((number, path(unhex(rest.split('>').next()?))))
}

fn path(bytes: Vec<u8>) -> PathBuf {
    std::ffi::OsString::from_vec(bytes).into()
}

fn unhex(text: &str) -> Vec<u8> {
    let digits = text.split("\\x").skip(1);
    digits.filter_map(|digits| u8::from_str_radix(digits.get(..2)?, 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn a_record_gives_names_arguments_paths_and_results() {
        let record = concat!(
            "12  openat(AT_FDCWD<\\x2f\\x61>, \"\\x62\", O_RDWR|O_CREAT, 0600) = \
             3<\\x2f\\x61\\x2f\\x62>\n",
            "13 fsync(3<\\x2f\\x61> <unfinished ...>\n",
            "12 newfstatat(3<\\x2f\\x61>, \"\", {st_mode=S_IFREG|0600, ...}, AT_EMPTY_PATH) = 0\n",
            "13 <... fsync resumed>) = -1 EIO (Input/output error) (INJECTED)\n",
            "12 write(1<\\x70\\x3a\\x5b\\x31\\x5d>, \"\\x0a\\x22\", 2) = 2\n",
            "12 exit_group(0)                     = ?\n",
            "12 +++ exited with 0 +++\n",
        );
        let calls = parse(record).unwrap();
        let names: Vec<_> = calls.iter().map(|call| call.name.as_str()).collect();
        assert_eq!(names, ["openat", "newfstatat", "fsync", "write", "exit_group"]);
        assert_eq!(calls[0].paths()[1], Path::new("/a/b"));
        assert_eq!(calls[0].returned_descriptor(), Some((3, "/a/b".into())));
        assert!(calls[0].has_flag(2, "O_CREAT") && !calls[0].has_flag(2, "O_EXCL"));
        assert_eq!(calls[1].arguments.len(), 4);
        assert_eq!(calls[2].descriptor(0), Some((3, "/a".into())));
        assert_eq!((calls[2].result, calls[2].injected, calls[2].thread), (Some(-1), true, 13));
        assert_eq!((calls[3].bytes(1), calls[3].number(2)), (vec![10, 34], Some(2)));
        assert_eq!(calls[4].result, None);
    }
}
