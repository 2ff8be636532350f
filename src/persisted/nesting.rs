//! Notices a transaction inside a transaction, which would wait for itself.

use std::cell::RefCell;

use crate::Error;

thread_local! {
    static OPEN: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// Marks a store as being written by this thread, until it is dropped.
#[derive(Debug)]
pub(super) struct Nesting(String);

impl Nesting {
    /// `store` is the same for every value that opens the same store.
    pub(super) fn enter(store: String) -> Result<Self, Error> {
        OPEN.with_borrow_mut(|open| {
            if open.contains(&store) {
                return Err(Error::Nested);
            }
            open.push(store.clone());
            Ok(Self(store))
        })
    }
}

impl Drop for Nesting {
    fn drop(&mut self) {
        OPEN.with_borrow_mut(|open| open.retain(|store| *store != self.0));
    }
}
