//! What a store of sealed values does. For stores of one's own.
//!
//! A [`Store`] keeps one sealed value and one lease for each [`StoreKey`]. It compares the
//! [`Mark`]s of values and never opens one.

mod advice;
mod durability;
mod error;
mod key;
mod lease;
mod loaded;
mod mark;
mod page;
mod put;
mod removals;
mod shared;

use std::{fmt, pin::Pin, time::Duration};

pub use self::{
    advice::{Advice, Inspection},
    durability::Durability,
    error::StoreError,
    key::StoreKey,
    lease::{Lease, LeaseRequest, Note, Owner},
    loaded::Loaded,
    mark::Mark,
    page::{Cursor, Page},
    put::{Put, PutOutcome},
    removals::{Removal, Removals},
};

/// A future of a store, in a box.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Keeps sealed values and leases, for all nodes of an application.
///
/// What every store promises:
///
/// - [`put`](Self::put) compares and writes as one step, and all nodes see these steps of one key
///   in one order. A second `put` of the same value is [`PutOutcome::Stored`].
/// - [`Loaded::Absent`] is said only by an answer of the engine. Silence is an error.
/// - Every call ends by itself, with an error if the engine does not answer in time.
/// - A future may be dropped at any time. The store stays whole; whether the step happened is not
///   known then.
/// - Times of leases and values run on the engine's clock, or on one clock of all nodes.
pub trait Store: fmt::Debug + Send + Sync + 'static {
    /// Reads the value of `key`. With the mark of a value that the caller has, the answer may be
    /// [`Loaded::Unchanged`], and only the mark was sent.
    fn load<'a>(
        &'a self,
        key: &'a StoreKey,
        known: Option<&'a Mark>,
    ) -> BoxFuture<'a, Result<Loaded, StoreError>>;

    /// Writes a value in place of the one with the expected mark.
    ///
    /// The lease of [`Put::release`] is released in the same step, only if the value is stored, and
    /// only if this owner has it.
    fn put<'a>(
        &'a self,
        key: &'a StoreKey,
        put: Put<'a>,
    ) -> BoxFuture<'a, Result<PutOutcome, StoreError>>;

    /// Removes the value and the lease of `key`, and announces it to all
    /// [`removals`](Self::removals) of the same application. Absence is not an error.
    ///
    /// With [`Durability::Replicated`] it is [`StoreError::NotReplicated`] if too few replicas
    /// confirmed the removal in time. Then it is done, and may be undone by a failover. A second
    /// removal waits for the first one's replicas too.
    fn remove<'a>(
        &'a self,
        key: &'a StoreKey,
        durability: Durability,
    ) -> BoxFuture<'a, Result<(), StoreError>>;

    /// Takes the lease of `key`, or renews it for its owner, and reads the value after that: one
    /// round trip.
    ///
    /// With [`Durability::Replicated`] it is [`StoreError::NotReplicated`] if too few replicas
    /// confirmed the lease in time. The engine may have it then; a caller that does not use it
    /// gives it back. A lease of another owner needs no replica.
    fn lease<'a>(
        &'a self,
        key: &'a StoreKey,
        lease: LeaseRequest<'a>,
    ) -> BoxFuture<'a, Result<(Lease, Loaded), StoreError>>;

    /// Gives the lease back, if `owner` has it. With a note and its time the note takes the
    /// lease's place for that time. Of another owner's lease nothing changes.
    fn release<'a>(
        &'a self,
        key: &'a StoreKey,
        owner: Owner,
        failed: Option<(&'a Note, Duration)>,
    ) -> BoxFuture<'a, Result<(), StoreError>>;

    /// Lists keys of the application `app` that have a value, some at a time.
    ///
    /// All pages together have every key that has a value from the first page to the last. A key
    /// may come twice. A store without a list of its own by application may list keys of other
    /// applications too.
    fn page<'a>(
        &'a self,
        app: &'a str,
        from: Option<Cursor>,
    ) -> BoxFuture<'a, Result<Page, StoreError>>;

    /// Listens for removals of values of the application `app` by any node.
    fn removals(&self, app: &str) -> Box<dyn Removals>;

    /// Looks at the engine's settings, and says which put the sign-ins at risk.
    fn inspect(&self) -> BoxFuture<'_, Result<Inspection, StoreError>>;
}
