//! A type for headers that were authenticated.

use std::ops::Deref;

use super::Header;

/// A header that was verified with its content and a key. Only [`open`](super::open) and
/// [`seal`](super::seal) create one.
///
/// Code that relies on a header for more than one look takes this type: the stamp, the generation,
/// the base of the next save, and the key that is removed. A parsed [`Header`] may have been
/// written by anyone. It only says which key to try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Authenticated(Header);

impl Authenticated {
    pub(super) fn new(header: Header) -> Self {
        Self(header)
    }
}

impl Deref for Authenticated {
    type Target = Header;

    fn deref(&self) -> &Header {
        &self.0
    }
}
