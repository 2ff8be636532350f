//! The lease of a key: who may renew its tokens.

use std::{fmt, time::Duration};

use super::{Durability, Mark};

/// Who holds a lease: random bytes, new for each renewal.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Owner([u8; Self::LEN]);

impl Owner {
    /// The length in bytes.
    pub const LEN: usize = 16;

    /// The owner with these bytes.
    pub const fn from_bytes(bytes: [u8; Self::LEN]) -> Self {
        Self(bytes)
    }

    /// The bytes.
    pub const fn as_bytes(&self) -> &[u8; Self::LEN] {
        &self.0
    }
}

impl fmt::Debug for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Owner({:08x}…)", u128::from_be_bytes(self.0) >> 96)
    }
}

/// What a failed renewal leaves in place of the lease, so that other nodes do not repeat it. It has
/// no secret. A store keeps the bytes as they are.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Note(Box<[u8]>);

impl Note {
    /// The length of the longest note in bytes.
    pub const MAX_LEN: usize = 256;

    /// The note with these bytes. `None` if they are not more than an [`Owner`] has, by which a
    /// store tells the two apart, or more than [`MAX_LEN`](Self::MAX_LEN).
    pub fn from_bytes(bytes: impl Into<Box<[u8]>>) -> Option<Self> {
        let bytes = bytes.into();
        (Owner::LEN + 1..=Self::MAX_LEN).contains(&bytes.len()).then_some(Self(bytes))
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// What a node asks for when it wants a lease.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct LeaseRequest<'a> {
    /// Who wants it. A lease of the same owner is renewed.
    pub owner: Owner,
    /// How long it lasts from now, at least a millisecond.
    pub ttl: Duration,
    /// The mark of the value that the caller has; see [`Store::load`](super::Store::load).
    pub known: Option<&'a Mark>,
    /// The note that may be replaced by the lease. A note of other bytes is respected.
    pub instead_of: Option<&'a Note>,
    /// When the lease counts as taken.
    pub durability: Durability,
}

impl<'a> LeaseRequest<'a> {
    /// A lease for `owner` that lasts `ttl`.
    pub fn new(owner: Owner, ttl: Duration) -> Self {
        Self { owner, ttl, known: None, instead_of: None, durability: Durability::Local }
    }

    /// Answers [`Loaded::Unchanged`](super::Loaded::Unchanged) for a value with this mark.
    pub fn known(self, known: Option<&'a Mark>) -> Self {
        Self { known, ..self }
    }

    /// Takes the place of this note.
    pub fn instead_of(self, note: Option<&'a Note>) -> Self {
        Self { instead_of: note, ..self }
    }

    /// When the lease counts as taken.
    pub fn durability(self, durability: Durability) -> Self {
        Self { durability, ..self }
    }
}

/// Whose the lease is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Lease {
    /// The caller's, until its time ends.
    Mine,
    /// Another owner's.
    Other {
        /// When it ends, if nothing happens.
        ends_in: Duration,
    },
    /// Nobody's: the last renewal failed, and no other is wanted for now.
    Failed {
        /// What the failed renewal left.
        note: Note,
        /// When the note ends.
        ends_in: Duration,
    },
}
