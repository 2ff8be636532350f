//! The owner and the access list of a file, in the binary form that Windows stores.

use super::{Sid, entry::Entry};

/// The part of a security descriptor that is judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Descriptor {
    pub(super) owner: Option<Sid>,
    /// `None` if there is no list. A missing list grants everybody everything.
    pub(super) entries: Option<Vec<Entry>>,
}

impl Descriptor {
    /// Parses the self-relative form. Returns `None` if the bytes are damaged.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let control = u16::from_le_bytes(bytes.get(2..4)?.try_into().ok()?);
        // The other form has pointers where this one has offsets.
        if bytes[0] != REVISION || control & SELF_RELATIVE == 0 {
            return None;
        }
        let part = |field: usize| -> Option<Option<&[u8]>> {
            let at = u32::from_le_bytes(bytes.get(field..field + 4)?.try_into().ok()?);
            if at == 0 { Some(None) } else { bytes.get(usize::try_from(at).ok()?..).map(Some) }
        };
        let owner = match part(OWNER)? {
            Some(bytes) => Some(Sid::parse(bytes)?),
            None => None,
        };
        let entries = match part(LIST)? {
            Some(bytes) if control & LIST_PRESENT != 0 => Some(entries(bytes)?),
            // Without the flag there is no list, whatever the offset says.
            _ => None,
        };
        Some(Self { owner, entries })
    }

    /// Builds a self-relative descriptor that grants access only to `user`, the system and
    /// administrators. It is protected: nothing is inherited from the parent folder.
    pub(crate) fn owner_only(user: &Sid, folder: bool) -> Vec<u8> {
        let control = SELF_RELATIVE | LIST_PRESENT | LIST_PROTECTED;
        let trusted = [user, &Sid::system(), &Sid::administrators()];
        let entries = trusted.map(|who| Entry::full(who, folder)).concat();
        let size = |size: usize| u32::try_from(size).expect("three entries are short");
        let list_at = HEAD + user.bytes().len();
        let mut bytes = vec![REVISION, 0];
        bytes.extend(control.to_le_bytes());
        // The four offsets: owner, group (none), system list (none), access list.
        for at in [HEAD, 0, 0, list_at] {
            bytes.extend(size(at).to_le_bytes());
        }
        bytes.extend(user.bytes());
        // Size and entry count are 16-bit fields, each followed by two zero bytes.
        bytes.extend([LIST_REVISION, 0]);
        bytes.extend(&size(LIST_HEAD + entries.len()).to_le_bytes()[..2]);
        bytes.extend(size(trusted.len()).to_le_bytes());
        bytes.extend(entries);
        bytes
    }
}

fn entries(list: &[u8]) -> Option<Vec<Entry>> {
    let number = |at: usize| Some(u16::from_le_bytes(list.get(at..at + 2)?.try_into().ok()?));
    let list_end = usize::from(number(2)?);
    let mut rest = list.get(LIST_HEAD..list_end)?;
    let mut entries = Vec::new();
    // The count is not used to reserve memory: damaged bytes may claim up to 65,535 entries.
    for _ in 0..number(4)? {
        let (entry, size) = Entry::parse(rest)?;
        entries.push(entry);
        rest = rest.get(size..)?;
    }
    Some(entries)
}

const REVISION: u8 = 1;
const LIST_PRESENT: u16 = 0x0004;
const LIST_PROTECTED: u16 = 0x1000;
const SELF_RELATIVE: u16 = 0x8000;

/// Offsets of the fields that store the offsets of the owner and of the list.
const OWNER: usize = 4;
const LIST: usize = 16;
const HEAD: usize = 20;

const LIST_REVISION: u8 = 2;
const LIST_HEAD: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::file::access_list::entry::FULL;

    fn user() -> Sid {
        Sid::of(5, &[21, 7, 8, 9, 1001])
    }

    #[test]
    fn what_we_create_is_for_its_user_the_system_and_administrators_and_inherits_nothing() {
        for folder in [false, true] {
            let bytes = Descriptor::owner_only(&user(), folder);
            assert_eq!(bytes[..4], [1, 0, 0x04, 0x90], "a protected list in a self-relative form");
            let full = |who| Entry::Allow { who, mask: FULL };
            let entries = vec![full(user()), full(Sid::system()), full(Sid::administrators())];
            let expected = Descriptor { owner: Some(user()), entries: Some(entries) };
            assert_eq!(Descriptor::parse(&bytes), Some(expected));
            let flags_of_first_entry = bytes[HEAD + user().bytes().len() + LIST_HEAD + 1];
            assert_eq!(flags_of_first_entry, if folder { 3 } else { 0 });
        }
    }

    #[test]
    fn no_list_is_told_from_an_empty_one() {
        let mut bytes = Descriptor::owner_only(&user(), false);
        let list = HEAD + user().bytes().len();
        bytes[list + 2..list + 6].copy_from_slice(&[8, 0, 0, 0]);
        assert_eq!(Descriptor::parse(&bytes).unwrap().entries, Some(vec![]));
        bytes[LIST..LIST + 4].fill(0);
        assert_eq!(Descriptor::parse(&bytes).unwrap().entries, None);
    }

    #[test]
    fn a_damaged_descriptor_is_none_and_never_a_panic() {
        let whole = Descriptor::owner_only(&user(), true);
        for end in 0..whole.len() {
            assert_eq!(Descriptor::parse(&whole[..end]), None, "{end} bytes");
        }
        for at in 0..whole.len() {
            for byte in [0, 1, 0x7F, 0xFF] {
                let mut bytes = whole.clone();
                bytes[at] = byte;
                drop(Descriptor::parse(&bytes));
            }
        }
    }

    #[test]
    fn denials_and_entries_for_inheritance_alone_grant_nothing_and_strange_kinds_are_told() {
        let list = HEAD + user().bytes().len() + LIST_HEAD;
        let parsed = |kind: u8, flags: u8| {
            let mut bytes = Descriptor::owner_only(&user(), false);
            bytes[list..list + 2].copy_from_slice(&[kind, flags]);
            Descriptor::parse(&bytes).unwrap().entries.unwrap().swap_remove(0)
        };
        let allow = Entry::Allow { who: user(), mask: FULL };
        for (kind, flags, expected) in [
            (0, 0, &allow),
            (0, 0x13, &allow),
            (9, 0, &allow),
            (0, 8, &Entry::Idle),
            (0, 0x1B, &Entry::Idle),
            (1, 0, &Entry::Idle),
            (10, 0, &Entry::Idle),
            (5, 0, &Entry::Unknown(5)),
            (0x42, 0, &Entry::Unknown(0x42)),
        ] {
            assert_eq!(parsed(kind, flags), *expected, "kind {kind}, flags {flags}");
        }
    }
}
