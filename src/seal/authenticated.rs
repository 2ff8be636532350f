//! A header that was authenticated, as a type of its own.

use std::ops::Deref;

use super::Header;

/// A header that came with the content it belongs to, and a key that proved it:
/// [`open`](super::open) and [`seal`](super::seal) alone make one.
///
/// What is decided by a header for longer than one look takes this type: the stamp, the generation,
/// what the next save counts from, which key is removed. A parsed [`Header`] is no more than what
/// somebody wrote into a file; it says which key to try.
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
