//! The log that every process appends to: a line before and a line after each read and write of the
//! store.
//!
//! Each line is one append, so the order of the lines is an order of the events: what has a line
//! before another's had begun, or ended, before it.

use std::{collections::BTreeMap, fmt, fs, io::Write as _, path::Path};

use sha2::{Digest as _, Sha256};
use tokenkeep_test_support::hexadecimal;

/// What one process appends.
#[derive(Debug)]
pub(crate) struct Log {
    process: usize,
    file: fs::File,
}

/// The lines of a log; a line's place is its position.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) process: usize,
    pub(crate) event: Event,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Event {
    Load,
    /// The digest of what was read; none where nothing is kept.
    Loaded(Option<String>),
    Save(String, Members),
    Saved,
    NotSaved,
    /// The update of that number returned without an error.
    Acknowledged(u32),
    /// Waits for the lock.
    Wait,
    /// Has it after so many milliseconds.
    Enter(u32),
    Refused,
    /// Is about to release the lock.
    Leave,
    /// Has released it.
    Left,
}

/// Which entries a content has: for each process the numbers of its updates, in runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Members(BTreeMap<usize, Vec<(u32, u32)>>);

impl Log {
    pub(crate) fn open(folder: &Path, process: usize) -> Self {
        let file = fs::File::options().append(true).open(folder.join("log")).unwrap();
        Self { process, file }
    }

    pub(crate) fn note(&self, words: fmt::Arguments<'_>) {
        (&self.file).write_all(format!("{} {words}\n", self.process).as_bytes()).unwrap();
    }
}

pub(crate) fn digest(content: &[u8]) -> String {
    hexadecimal(Sha256::digest(content))
}

pub(crate) fn parse(text: &str) -> Vec<Line> {
    text.lines().map(|line| parse_line(line).unwrap_or_else(|| panic!("{line:?}"))).collect()
}

fn parse_line(line: &str) -> Option<Line> {
    let mut words = line.split(' ');
    let process = words.next()?.parse().ok()?;
    let event = match words.next()? {
        "load" => Event::Load,
        "loaded" => Event::Loaded(Some(words.next()?.to_owned()).filter(|digest| digest != "-")),
        "save" => Event::Save(words.next()?.to_owned(), Members::parse(words.next()?)?),
        "saved" => Event::Saved,
        "not-saved" => Event::NotSaved,
        "ack" => Event::Acknowledged(words.next()?.parse().ok()?),
        "wait" => Event::Wait,
        "enter" => Event::Enter(words.next()?.parse().ok()?),
        "refused" => Event::Refused,
        "leave" => Event::Leave,
        "left" => Event::Left,
        _ => return None,
    };
    words.next().is_none().then_some(Line { process, event })
}

impl Members {
    pub(crate) fn of(content: &[u8]) -> Self {
        let text = str::from_utf8(content).unwrap();
        let mut found: BTreeMap<usize, Vec<u32>> = BTreeMap::new();
        for part in text.split("client-").skip(1) {
            let (process, rest) = part.split_once('-').unwrap();
            let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap();
            found.entry(process.parse().unwrap()).or_default().push(rest[..end].parse().unwrap());
        }
        Self(found.into_iter().map(|(process, entries)| (process, runs(entries))).collect())
    }

    pub(crate) fn has(&self, process: usize, entry: u32) -> bool {
        let runs = self.0.get(&process).map_or(&[][..], Vec::as_slice);
        runs.iter().any(|(first, last)| (*first..=*last).contains(&entry))
    }

    /// The same and one entry more, which is this process's; `None` where that is not the
    /// difference.
    pub(crate) fn grown_by(&self, process: usize, base: &Self) -> Option<u32> {
        let mut entries = self.entries(process);
        let before = base.entries(process);
        entries.retain(|entry| !before.contains(entry));
        let [added] = entries[..] else { return None };
        let mut expected = base.clone();
        let mut all = before;
        all.push(added);
        expected.0.insert(process, runs(all));
        (*self == expected).then_some(added)
    }

    fn entries(&self, process: usize) -> Vec<u32> {
        let runs = self.0.get(&process).map_or(&[][..], Vec::as_slice);
        runs.iter().flat_map(|(first, last)| *first..=*last).collect()
    }

    fn parse(text: &str) -> Option<Self> {
        if text == "-" {
            return Some(Self::default());
        }
        let mut members = BTreeMap::new();
        for part in text.split(';') {
            let (process, text) = part.split_once(':')?;
            let mut runs = Vec::new();
            for run in text.split(',') {
                let (first, last) = run.split_once('-')?;
                runs.push((first.parse().ok()?, last.parse().ok()?));
            }
            members.insert(process.parse().ok()?, runs);
        }
        Some(Self(members))
    }
}

impl fmt::Display for Members {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("-");
        }
        for (at, (process, runs)) in self.0.iter().enumerate() {
            write!(f, "{}{process}:", if at == 0 { "" } else { ";" })?;
            for (at, (first, last)) in runs.iter().enumerate() {
                write!(f, "{}{first}-{last}", if at == 0 { "" } else { "," })?;
            }
        }
        Ok(())
    }
}

fn runs(mut entries: Vec<u32>) -> Vec<(u32, u32)> {
    entries.sort_unstable();
    let mut runs: Vec<(u32, u32)> = Vec::new();
    for entry in entries {
        match runs.last_mut() {
            Some((_, last)) if entry <= *last + 1 => *last = entry,
            _ => runs.push((entry, entry)),
        }
    }
    runs
}
