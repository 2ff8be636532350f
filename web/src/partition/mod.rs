//! Partitions: who or what a value in the store belongs to.

mod session_id;
mod user_id;

use std::{fmt, sync::Arc};

use hmac::{Hmac, Mac};
use sha2::Sha256;

pub use self::{session_id::SessionId, user_id::UserId};
use crate::{keys::Ring, store::StoreKey};

/// The value of one user, session, application token or assertion.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Partition {
    kind: Kind,
    key: StoreKey,
}

/// What a partition is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    User,
    Session,
    Application,
    OnBehalfOf,
    LongRunning,
}

impl Kind {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Session => "session",
            Self::Application => "application",
            Self::OnBehalfOf => "on_behalf_of",
            Self::LongRunning => "long_running",
        }
    }

    fn letter(self) -> u8 {
        match self {
            Self::User => b'u',
            Self::Session => b's',
            Self::Application => b'a',
            Self::OnBehalfOf => b'o',
            Self::LongRunning => b'l',
        }
    }

    /// Whether tokens are renewed with a refresh token, so that a lost answer signs a user out.
    pub(crate) fn has_refresh_tokens(self) -> bool {
        matches!(self, Self::User | Self::Session | Self::LongRunning)
    }
}

impl Partition {
    /// The partition of this kind for these parts. The id says nothing about the parts to who does
    /// not have the naming key.
    pub(crate) fn new(ring: &Ring, app: &Arc<str>, kind: Kind, parts: &[&[u8]]) -> Self {
        let mut mac: Hmac<Sha256> = ring.naming();
        mac.update(b"tokenkeep web 1");
        let mut part = |bytes: &[u8]| {
            mac.update(&(bytes.len() as u64).to_be_bytes());
            mac.update(bytes);
        };
        part(app.as_bytes());
        part(&[kind.letter()]);
        parts.iter().for_each(|bytes| part(bytes));
        let all = mac.finalize().into_bytes();
        let id = *all.first_chunk().expect("a tag of SHA-256 has 32 bytes");
        Self { kind, key: StoreKey::new(Arc::clone(app), id) }
    }

    pub(crate) fn kind(&self) -> Kind {
        self.kind
    }

    pub(crate) fn key(&self) -> &StoreKey {
        &self.key
    }

    /// The first 8 hexadecimal digits of the id, by which a log follows it.
    pub(crate) fn short(&self) -> String {
        let [a, b, c, d, ..] = self.id();
        format!("{a:02x}{b:02x}{c:02x}{d:02x}")
    }

    pub(crate) fn id(&self) -> [u8; 16] {
        *self.key.as_bytes()
    }
}

impl fmt::Debug for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {:?}", self.kind, self.key)
    }
}

/// The name under which the value of a key is sealed.
pub(crate) fn seal_name(key: &StoreKey) -> String {
    use fmt::Write as _;
    let mut name = format!("tokenkeep-web/1/{}/", key.app());
    for byte in key.as_bytes() {
        write!(name, "{byte:02x}").expect("a String takes all text");
    }
    name
}
