//! Secrets that can be told from everything else, and the search for the least part of them.

use std::{
    collections::{BTreeSet, HashMap},
    fmt::Write as _,
};

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD},
};

/// Secrets to be looked for, raw and in every encoding in which a program may copy or print them.
///
/// A part is enough: eight bytes in a row of the raw secret, and as much of an encoding as cannot
/// be met by chance.
#[derive(Clone, Debug)]
pub struct Canaries {
    patterns: Vec<Pattern>,
    /// The places in `patterns` at which these eight bytes stand.
    windows: HashMap<[u8; WINDOW], Vec<(usize, usize)>>,
    /// Whether any window begins with these two bytes: most places are passed by at once.
    begins: Vec<bool>,
}

#[derive(Clone, Debug)]
struct Pattern {
    name: String,
    bytes: Vec<u8>,
    /// So many bytes in a row are a find.
    enough: usize,
}

impl Canaries {
    /// None yet.
    #[expect(clippy::new_without_default, reason = "an empty search is only a beginning")]
    pub fn new() -> Self {
        Self { patterns: Vec::new(), windows: HashMap::new(), begins: vec![false; 1 << 16] }
    }

    /// Looks for `secret`, too.
    ///
    /// # Panics
    ///
    /// When it is too short to be told from chance.
    #[must_use]
    pub fn with(mut self, name: &str, secret: impl AsRef<[u8]>) -> Self {
        let secret = secret.as_ref();
        assert!(secret.len() >= 16, "{name} is too short to be told from chance");
        self.add(name, "as it is", secret.into(), WINDOW);
        let (mut lower, mut list) = (String::new(), String::new());
        for byte in secret {
            write!(lower, "{byte:02x}").expect("a text grows");
            write!(list, "{byte}, ").expect("a text grows");
        }
        self.add(name, "in capital hexadecimal", lower.to_uppercase().into(), 2 * WINDOW);
        self.add(name, "in hexadecimal", lower.into(), 2 * WINDOW);
        self.add(name, "as a list of numbers", list.into(), 4 * WINDOW);
        for shift in 0..3 {
            // Whole groups of three from there: what stands before and behind changes nothing of
            // them.
            let groups = &secret[shift..];
            let groups = &groups[..groups.len() / 3 * 3];
            for engine in [STANDARD_NO_PAD, URL_SAFE_NO_PAD] {
                self.add(name, "in base64", engine.encode(groups).into(), WINDOW + 4);
            }
        }
        self
    }

    /// What was found of them, by name.
    pub fn found_in(&self, bytes: &[u8]) -> BTreeSet<&str> {
        let mut found = BTreeSet::new();
        let mut at = 0;
        while let Some(window) = bytes.get(at..at + WINDOW) {
            // Most of a core is empty.
            if bytes.get(at..at + EMPTY.len()) == Some(&EMPTY) {
                at += EMPTY.len() - WINDOW;
                continue;
            }
            if self.begins[begin(window)] {
                let places = self.windows.get(window).into_iter().flatten();
                for (pattern, offset) in places {
                    let pattern = &self.patterns[*pattern];
                    if bytes[at..].starts_with(&pattern.bytes[*offset..*offset + pattern.enough]) {
                        found.insert(pattern.name.as_str());
                    }
                }
            }
            at += 1;
        }
        found
    }

    fn add(&mut self, name: &str, encoding: &str, bytes: Vec<u8>, enough: usize) {
        let nth = self.patterns.len();
        for offset in 0..=bytes.len().saturating_sub(enough) {
            let window = &bytes[offset..offset + WINDOW];
            self.begins[begin(window)] = true;
            let window = window.try_into().expect("as long as a window");
            self.windows.entry(window).or_default().push((nth, offset));
        }
        self.patterns.push(Pattern { name: format!("{name} {encoding}"), bytes, enough });
    }
}

fn begin(window: &[u8]) -> usize {
    usize::from(u16::from_le_bytes([window[0], window[1]]))
}

const WINDOW: usize = 8;
const EMPTY: [u8; 256] = [0; 256];

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "Qx7Zk9WvBn4Ht2Lm8Rd5";

    fn found_in(bytes: impl AsRef<[u8]>) -> Vec<String> {
        let canaries = Canaries::new().with("the token", SECRET);
        canaries.found_in(bytes.as_ref()).into_iter().map(str::to_owned).collect()
    }

    #[test]
    fn a_part_of_a_secret_is_found_in_every_encoding() {
        for shift in 0..3 {
            let around = format!("{}{SECRET}}}", &"{\"a"[..shift]);
            for engine in [STANDARD_NO_PAD, URL_SAFE_NO_PAD] {
                assert_eq!(found_in(engine.encode(&around)), ["the token in base64"], "{shift}");
            }
        }
        assert_eq!(
            found_in(format!("{:?}", SECRET.as_bytes())),
            ["the token as a list of numbers"]
        );
        assert_eq!(found_in("..5178375a6b395776.."), ["the token in hexadecimal"]);
        assert_eq!(found_in("..5178375A6B395776.."), ["the token in capital hexadecimal"]);
        let mut core = vec![0; 10_000];
        core[7000..7008].copy_from_slice(&SECRET.as_bytes()[12..]);
        assert_eq!(found_in(&core), ["the token as it is"]);
        core[7003] = 0;
        assert!(found_in(&core).is_empty());
        assert!(found_in("nothing of it").is_empty());
    }
}
