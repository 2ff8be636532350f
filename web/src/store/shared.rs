//! A store behind an `Arc`, as programs have it that choose their store when they run.

use std::{sync::Arc, time::Duration};

use super::{
    BoxFuture, Cursor, Durability, Inspection, Lease, LeaseRequest, Loaded, Mark, Note, Owner,
    Page, Put, PutOutcome, Removals, Store, StoreError, StoreKey,
};

impl<S: Store + ?Sized> Store for Arc<S> {
    fn load<'a>(
        &'a self,
        key: &'a StoreKey,
        known: Option<&'a Mark>,
    ) -> BoxFuture<'a, Result<Loaded, StoreError>> {
        (**self).load(key, known)
    }

    fn put<'a>(
        &'a self,
        key: &'a StoreKey,
        put: Put<'a>,
    ) -> BoxFuture<'a, Result<PutOutcome, StoreError>> {
        (**self).put(key, put)
    }

    fn remove<'a>(
        &'a self,
        key: &'a StoreKey,
        durability: Durability,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        (**self).remove(key, durability)
    }

    fn lease<'a>(
        &'a self,
        key: &'a StoreKey,
        lease: LeaseRequest<'a>,
    ) -> BoxFuture<'a, Result<(Lease, Loaded), StoreError>> {
        (**self).lease(key, lease)
    }

    fn release<'a>(
        &'a self,
        key: &'a StoreKey,
        owner: Owner,
        failed: Option<(&'a Note, Duration)>,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        (**self).release(key, owner, failed)
    }

    fn page<'a>(
        &'a self,
        app: &'a str,
        from: Option<Cursor>,
    ) -> BoxFuture<'a, Result<Page, StoreError>> {
        (**self).page(app, from)
    }

    fn removals(&self, app: &str) -> Box<dyn Removals> {
        (**self).removals(app)
    }

    fn inspect(&self) -> BoxFuture<'_, Result<Inspection, StoreError>> {
        (**self).inspect()
    }
}
