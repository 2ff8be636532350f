//! One entry of an access list.

use super::Sid;

/// One entry of an access list, [MS-DTYP] 2.4.4.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    /// Grants `who` the rights in `mask` on the object itself.
    Allow { who: Sid, mask: u32 },
    /// Grants nothing: the entry denies, or is only inherited by children.
    Idle,
    /// An entry type that files do not have. What it grants is unknown.
    Unknown(u8),
}

impl Entry {
    /// Parses the entry at the start of `bytes`. Returns it with its size in bytes.
    pub(super) fn parse(bytes: &[u8]) -> Option<(Self, usize)> {
        let (kind, flags) = (*bytes.first()?, *bytes.get(1)?);
        let size = usize::from(u16::from_le_bytes(bytes.get(2..4)?.try_into().ok()?));
        // `None` too if the size is smaller than this head, so that a reader always moves on.
        let body = bytes.get(4..size)?;
        let entry = match kind {
            _ if flags & INHERIT_ONLY != 0 => Self::Idle,
            DENIED | DENIED_OBJECT | DENIED_CALLBACK | DENIED_CALLBACK_OBJECT => Self::Idle,
            // A conditional entry is treated as if its condition holds, which is the strict
            // reading.
            ALLOWED | ALLOWED_CALLBACK => {
                let mask = u32::from_le_bytes(body.get(..4)?.try_into().ok()?);
                Self::Allow { who: Sid::parse(&body[4..])?, mask }
            }
            kind => Self::Unknown(kind),
        };
        Some((entry, size))
    }

    /// Builds an entry that grants `who` full access. For a folder it is inherited by everything
    /// inside.
    pub(super) fn full(who: &Sid, folder: bool) -> Vec<u8> {
        let size = u16::try_from(8 + who.bytes().len()).expect("an identifier is short");
        let inherit = if folder { OBJECT_INHERIT | CONTAINER_INHERIT } else { 0 };
        let mut bytes = vec![ALLOWED, inherit];
        bytes.extend(size.to_le_bytes());
        bytes.extend(FULL.to_le_bytes());
        bytes.extend(who.bytes());
        bytes
    }
}

/// `FILE_ALL_ACCESS` of winnt.h.
pub(super) const FULL: u32 = 0x001F_01FF;

const OBJECT_INHERIT: u8 = 1;
const CONTAINER_INHERIT: u8 = 2;
const INHERIT_ONLY: u8 = 8;

const ALLOWED: u8 = 0;
const DENIED: u8 = 1;
const DENIED_OBJECT: u8 = 6;
const ALLOWED_CALLBACK: u8 = 9;
const DENIED_CALLBACK: u8 = 10;
const DENIED_CALLBACK_OBJECT: u8 = 12;
