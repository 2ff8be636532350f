//! A store in memory, and what decides what becomes of the steps at it.

use std::fmt;

use tokenkeep_web::{
    MemoryStore,
    store::{
        BoxFuture, Cursor, Durability, Inspection, Lease, LeaseRequest, Loaded, Mark, Note, Owner,
        Page, Put, PutOutcome, Removals, Store, StoreError, StoreKey,
    },
};

/// A step of the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Op {
    Load,
    Put,
    Remove,
    Lease,
    Release,
}

/// What becomes of steps.
pub(crate) trait Around: Send + Sync + 'static {
    /// Does a step, or not, and says what came of it.
    fn step<T: Send>(
        &self,
        op: Op,
        step: impl Future<Output = Result<T, StoreError>> + Send,
    ) -> impl Future<Output = Result<T, StoreError>> + Send;

    /// What a put does.
    fn put<'a>(
        &'a self,
        store: &'a MemoryStore,
        key: &'a StoreKey,
        put: Put<'a>,
    ) -> BoxFuture<'a, Result<PutOutcome, StoreError>> {
        store.put(key, put)
    }

    /// What a lease does.
    fn lease<'a>(
        &'a self,
        store: &'a MemoryStore,
        key: &'a StoreKey,
        lease: LeaseRequest<'a>,
    ) -> BoxFuture<'a, Result<(Lease, Loaded), StoreError>> {
        store.lease(key, lease)
    }
}

/// A store in memory with something around it. Clones are the same store.
#[derive(Clone)]
pub(crate) struct AroundStore<A> {
    pub(crate) store: MemoryStore,
    pub(crate) around: A,
}

impl<A> fmt::Debug for AroundStore<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AroundStore")
    }
}

impl<A: Around> Store for AroundStore<A> {
    fn load<'a>(
        &'a self,
        key: &'a StoreKey,
        known: Option<&'a Mark>,
    ) -> BoxFuture<'a, Result<Loaded, StoreError>> {
        Box::pin(self.around.step(Op::Load, self.store.load(key, known)))
    }

    fn put<'a>(
        &'a self,
        key: &'a StoreKey,
        put: Put<'a>,
    ) -> BoxFuture<'a, Result<PutOutcome, StoreError>> {
        Box::pin(self.around.step(Op::Put, self.around.put(&self.store, key, put)))
    }

    fn remove<'a>(
        &'a self,
        key: &'a StoreKey,
        durability: Durability,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(self.around.step(Op::Remove, self.store.remove(key, durability)))
    }

    fn lease<'a>(
        &'a self,
        key: &'a StoreKey,
        lease: LeaseRequest<'a>,
    ) -> BoxFuture<'a, Result<(Lease, Loaded), StoreError>> {
        Box::pin(self.around.step(Op::Lease, self.around.lease(&self.store, key, lease)))
    }

    fn release<'a>(
        &'a self,
        key: &'a StoreKey,
        owner: Owner,
        failed: Option<(&'a Note, std::time::Duration)>,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(self.around.step(Op::Release, self.store.release(key, owner, failed)))
    }

    fn page<'a>(
        &'a self,
        app: &'a str,
        from: Option<Cursor>,
    ) -> BoxFuture<'a, Result<Page, StoreError>> {
        self.store.page(app, from)
    }

    fn removals(&self, app: &str) -> Box<dyn Removals> {
        self.store.removals(app)
    }

    fn inspect(&self) -> BoxFuture<'_, Result<Inspection, StoreError>> {
        self.store.inspect()
    }
}
