//! News of removals.

use super::{BoxFuture, StoreKey};

/// News of removals by any node.
///
/// It listens from the first [`next`](Self::next), which answers [`Removal::Unsure`] once it does.
/// Of every removal after that there is news, or [`Removal::Unsure`].
pub trait Removals: Send {
    /// Waits for the next news. A future that is dropped loses none. While the engine cannot be
    /// reached it waits and connects again by itself.
    fn next(&mut self) -> BoxFuture<'_, Removal>;
}

/// One piece of news.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Removal {
    /// This value was removed.
    One(StoreKey),
    /// Any value may have been removed: the connection is new.
    Unsure,
}
