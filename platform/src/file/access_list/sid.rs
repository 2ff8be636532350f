//! Security identifiers (SIDs): the users and groups that access lists name.

use std::fmt;

/// A security identifier in its binary form, [MS-DTYP] 2.4.2.2.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Sid(Vec<u8>);

impl Sid {
    /// Parses the identifier at the start of `bytes`.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let (&revision, &count) = (bytes.first()?, bytes.get(1)?);
        if revision != REVISION || count > MOST_PARTS {
            return None;
        }
        Some(Self(bytes.get(..HEAD + 4 * usize::from(count))?.to_vec()))
    }

    /// Builds an identifier whose authority is below 256.
    pub(crate) fn of(authority: u8, parts: &[u32]) -> Self {
        let count = u8::try_from(parts.len()).expect("an identifier is short");
        // The authority has six bytes, the most significant first; the parts are little-endian.
        let mut bytes = vec![REVISION, count, 0, 0, 0, 0, 0, authority];
        bytes.extend(parts.iter().flat_map(|part| part.to_le_bytes()));
        Self(bytes)
    }

    pub(crate) fn system() -> Self {
        Self::of(5, &[18])
    }

    pub(crate) fn administrators() -> Self {
        Self::of(5, &[32, 544])
    }

    /// In an entry, stands for the owner of the object.
    pub(crate) fn owner_rights() -> Self {
        Self::of(3, &[4])
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// The name to show: the English name if the SID is the same on every computer, else its text
    /// form.
    pub(crate) fn name(&self) -> String {
        let text = self.to_string();
        let known = NAMES.iter().find(|(sid, _)| *sid == text);
        known.map_or(text, |(_, name)| (*name).to_owned())
    }
}

impl fmt::Display for Sid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (head, parts) = self.0.split_at(HEAD);
        let authority = head[2..].iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
        // [MS-DTYP] 2.4.2.1: hexadecimal only where 32 bits are not enough.
        if authority <= u64::from(u32::MAX) {
            write!(f, "S-1-{authority}")?;
        } else {
            write!(f, "S-1-{authority:#x}")?;
        }
        parts.chunks_exact(4).try_for_each(|part| {
            write!(f, "-{}", u32::from_le_bytes([part[0], part[1], part[2], part[3]]))
        })
    }
}

impl fmt::Debug for Sid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

const REVISION: u8 = 1;
const HEAD: usize = 8;
const MOST_PARTS: u8 = 15;

const NAMES: &[(&str, &str)] = &[
    ("S-1-1-0", "Everyone"),
    ("S-1-5-2", "Network"),
    ("S-1-5-4", "Interactive"),
    ("S-1-5-7", "Anonymous"),
    ("S-1-5-11", "Authenticated Users"),
    ("S-1-5-18", "SYSTEM"),
    ("S-1-5-19", "Local Service"),
    ("S-1-5-20", "Network Service"),
    ("S-1-5-32-544", "Administrators"),
    ("S-1-5-32-545", "Users"),
    ("S-1-5-32-546", "Guests"),
    ("S-1-15-2-1", "All Application Packages"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identifier_is_written_as_windows_writes_it() {
        let user = Sid::of(5, &[21, 1, 2, 4_294_967_295, 1001]);
        assert_eq!(user.to_string(), "S-1-5-21-1-2-4294967295-1001");
        assert_eq!(Sid::parse(user.bytes()), Some(user));
        assert_eq!(Sid::of(1, &[0]).name(), "Everyone");
        let large = Sid::parse(&[1, 0, 1, 2, 3, 4, 5, 6]).unwrap();
        assert_eq!(large.to_string(), "S-1-0x10203040506");
    }

    #[test]
    fn what_is_no_identifier_is_none() {
        let whole = Sid::administrators();
        for bytes in [&[][..], &[1], &[2, 0, 0, 0, 0, 0, 0, 5], &[1, 16, 0, 0, 0, 0, 0, 5]] {
            assert_eq!(Sid::parse(bytes), None);
        }
        assert_eq!(Sid::parse(&whole.bytes()[..15]), None);
    }
}
