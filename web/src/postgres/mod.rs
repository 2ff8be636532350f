//! A store on PostgreSQL 13 or newer.
//!
//! The tables are made by the operator, with the text [`SCHEMA`]; the store runs no migration.
//!
//! ```no_run
//! use tokenkeep_web::PostgresStore;
//!
//! # fn main() -> Result<(), tokenkeep_web::store::StoreError> {
//! let store = PostgresStore::connect("postgresql://shop@localhost/shop")?;
//! # Ok(())
//! # }
//! ```
//!
//! Every statement stands alone, or in one transaction that is sent at once, and none is prepared
//! for later. So the pool may go through PgBouncer in transaction mode. The connection that listens
//! to removals may not: see [`PostgresStoreBuilder::listen`].

mod builder;
mod dial;
mod engine;
mod failure;
mod inspect;
mod lease;
mod load;
mod pipeline;
mod removals;
mod remove;
mod replicated;
mod schema;
mod standby;
mod step;
mod sweep;
mod write;

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use deadpool_postgres::Pool;
use tokio::{task::AbortHandle, time::Instant};
use tokio_postgres::{
    Config, Socket,
    tls::{MakeTlsConnect, TlsConnect},
};

pub use self::{
    builder::PostgresStoreBuilder,
    schema::{SCHEMA, SCHEMA_IN_PARTS},
    sweep::Swept,
};
use self::{dial::Dial, engine::Engine, write::Written};
use crate::store::{
    BoxFuture, Cursor, Durability, Inspection, Lease, LeaseRequest, Loaded, Mark, Note, Owner,
    Page, Put, PutOutcome, Removals, Store, StoreError, StoreKey,
};

/// A store on PostgreSQL. A clone uses the same pool.
///
/// - A call ends within 500 ms, or [`PostgresStoreBuilder::timeout`], the wait for a connection
///   included. With [`Durability::Replicated`] a `put`, a `remove` or a `lease` may take its
///   timeout longer.
/// - [`Durability::Local`] waits for the disk of the server itself. It waits for no standby server,
///   whatever `synchronous_commit` says.
/// - [`Durability::Replicated`] waits until the value, the removal or the lease is on the disks of
///   as many standby servers as `synchronous_standby_names` says. If that is fewer than the caller
///   wants, or none, it is written and the answer is [`StoreError::NotReplicated`]. For a lease the
///   table `tokenkeep_web_lease` has to be logged, or the answer is [`StoreError::Refused`].
/// - While the server does not answer, calls end at once with [`StoreError::Unreachable`].
/// - It works under every isolation level that the role may have as its default.
/// - Times run on the server's clock.
/// - It removes values and leases whose time has ended, about once a minute, from its first call
///   until it is dropped. Every node does, and each takes other rows.
#[derive(Clone)]
pub struct PostgresStore {
    engine: Arc<Engine>,
    dialer: Option<Arc<dyn Dial>>,
    /// The task that removes what has ended. It ends with the runtime that it was started on.
    sweeps: Arc<Mutex<Option<AbortHandle>>>,
}

impl PostgresStore {
    /// A store on the caller's pool.
    ///
    /// It cannot listen: [`Store::removals`] answers [`Removal::Unsure`] every 30 s instead, so a
    /// sign-out at another node is noticed within that time. [`builder`](Self::builder) makes one
    /// that listens.
    ///
    /// [`Removal::Unsure`]: crate::store::Removal::Unsure
    pub fn new(pool: Pool) -> Self {
        Self::builder(pool).build()
    }

    /// A builder of a store on the caller's pool.
    pub fn builder(pool: Pool) -> PostgresStoreBuilder {
        PostgresStoreBuilder::new(pool)
    }

    /// A store with a pool of at most 16 connections, and a connection that listens, all without
    /// TLS. It opens none yet.
    ///
    /// # Errors
    ///
    /// [`StoreError::Refused`] if the connection string cannot be read.
    pub fn connect(url: &str) -> Result<Self, StoreError> {
        builder::connected_plainly(url)
    }

    /// As [`connect`](Self::connect), with the caller's connector for TLS.
    ///
    /// # Errors
    ///
    /// [`StoreError::Other`] if the pool cannot be made.
    pub fn connect_with<T>(config: Config, tls: T) -> Result<Self, StoreError>
    where
        T: MakeTlsConnect<Socket> + Clone + Send + Sync + 'static,
        T::Stream: Send + Sync + 'static,
        T::TlsConnect: Send + Sync,
        <T::TlsConnect as TlsConnect<Socket>>::Future: Send,
    {
        builder::connected(config, tls)
    }

    fn of(engine: Engine, dialer: Option<Arc<dyn Dial>>) -> Self {
        Self { engine: Arc::new(engine), dialer, sweeps: Arc::default() }
    }

    /// Removes values and leases whose time has ended, for about 50 ms at most. The store does it
    /// by itself.
    ///
    /// # Errors
    ///
    /// As of the other calls.
    pub async fn sweep(&self) -> Result<Swept, StoreError> {
        sweep::turn(&self.engine).await
    }

    /// The engine, for a call.
    fn engine(&self) -> &Engine {
        let mut sweeps = self.sweeps.lock().unwrap_or_else(PoisonError::into_inner);
        if sweeps.as_ref().is_none_or(AbortHandle::is_finished) {
            let task = tokio::spawn(sweep::from_time_to_time(Arc::downgrade(&self.engine)));
            *sweeps = Some(task.abort_handle());
        }
        drop(sweeps);
        &self.engine
    }

    async fn put_within(&self, key: &StoreKey, put: Put<'_>) -> Result<PutOutcome, StoreError> {
        let Some(mark) = Mark::of(put.value) else {
            let what = "the value is shorter than the header of a sealed value".into();
            return Err(StoreError::Other { what, source: None });
        };
        let (start, mut was_repeated) = (Instant::now(), false);
        let outcome = self.put_since(start, key, &put, &mark, &mut was_repeated).await;
        outcome.map_err(|error| match was_repeated {
            true => error.of_second_try(start.elapsed()),
            false => error,
        })
    }

    async fn put_since(
        &self,
        start: Instant,
        key: &StoreKey,
        put: &Put<'_>,
        mark: &Mark,
        was_repeated: &mut bool,
    ) -> Result<PutOutcome, StoreError> {
        let engine = self.engine();
        for _ in 0..MOST_ROUNDS {
            let write = write::Write { key, put, mark };
            let written = engine.done_since(&write, start).await?;
            *was_repeated |= written.was_repeated;
            let Written { is_stored, confirmed } = written.answer;
            if is_stored {
                return confirmed_by(confirmed, put.durability);
            }
            let loaded = engine.run_since(&load::Load { key, known: None }, start).await?;
            let found = match &loaded {
                Loaded::Value(value) => Mark::of(value),
                _ => None,
            };
            // The value was replaced since by the one that was expected, or by this one.
            let is_fit = match put.expect {
                None => loaded == Loaded::Absent,
                Some(expected) => found == Some(*expected),
            };
            if !is_fit && found != Some(*mark) {
                // The first try may have stored the value before others did.
                return match *was_repeated {
                    true => Err(StoreError::Timeout { after: start.elapsed(), source: None }),
                    false => Ok(PutOutcome::Conflict(loaded)),
                };
            }
        }
        Err(changes_too_often())
    }

    async fn lease_within(
        &self,
        key: &StoreKey,
        lease: LeaseRequest<'_>,
    ) -> Result<(Lease, Loaded), StoreError> {
        let (engine, start) = (self.engine(), Instant::now());
        for _ in 0..MOST_ROUNDS {
            let take = lease::Take { key, lease: &lease };
            if let Some(answer) = engine.run_since(&take, start).await? {
                return Ok(answer);
            }
        }
        Err(changes_too_often())
    }
}

/// Goes on without its caller. If it were dropped, the server could wait for a standby server that
/// never confirms.
async fn to_its_end<T: Send + 'static>(
    step: impl Future<Output = Result<T, StoreError>> + Send + 'static,
) -> Result<T, StoreError> {
    let start = Instant::now();
    // Its runtime may end.
    let ended = |_| Err(StoreError::Timeout { after: start.elapsed(), source: None });
    tokio::spawn(step).await.unwrap_or_else(ended)
}

fn confirmed_by(confirmed: Option<u8>, durability: Durability) -> Result<PutOutcome, StoreError> {
    match (confirmed, durability) {
        (Some(reached), Durability::Replicated { replicas: wanted, .. }) if reached < wanted => {
            Err(StoreError::NotReplicated { reached, wanted, written: true })
        }
        _ => Ok(PutOutcome::Stored),
    }
}

fn changes_too_often() -> StoreError {
    StoreError::Other { what: "the value changed during each attempt".into(), source: None }
}

const MOST_ROUNDS: u32 = 8;

impl Store for PostgresStore {
    fn load<'a>(
        &'a self,
        key: &'a StoreKey,
        known: Option<&'a Mark>,
    ) -> BoxFuture<'a, Result<Loaded, StoreError>> {
        Box::pin(async move { self.engine().run(&load::Load { key, known }).await })
    }

    fn put<'a>(
        &'a self,
        key: &'a StoreKey,
        put: Put<'a>,
    ) -> BoxFuture<'a, Result<PutOutcome, StoreError>> {
        if put.durability == Durability::Local {
            return Box::pin(self.put_within(key, put));
        }
        let (store, key) = (self.clone(), key.clone());
        let Put { expect, value, keep_for, release, durability } = put;
        let (expect, value) = (expect.copied(), value.to_vec());
        Box::pin(to_its_end(async move {
            let put = Put::new(expect.as_ref(), &value, keep_for);
            store.put_within(&key, put.release(release).durability(durability)).await
        }))
    }

    fn remove<'a>(
        &'a self,
        key: &'a StoreKey,
        durability: Durability,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        if durability == Durability::Local {
            return Box::pin(async move {
                self.engine().run(&remove::Remove { key, durability }).await
            });
        }
        let (store, key) = (self.clone(), key.clone());
        Box::pin(to_its_end(async move {
            store.engine().run(&remove::Remove { key: &key, durability }).await
        }))
    }

    fn lease<'a>(
        &'a self,
        key: &'a StoreKey,
        lease: LeaseRequest<'a>,
    ) -> BoxFuture<'a, Result<(Lease, Loaded), StoreError>> {
        if lease.durability == Durability::Local {
            return Box::pin(self.lease_within(key, lease));
        }
        let (store, key) = (self.clone(), key.clone());
        let LeaseRequest { owner, ttl, known, instead_of, durability } = lease;
        let (known, instead_of) = (known.copied(), instead_of.cloned());
        Box::pin(to_its_end(async move {
            let lease = LeaseRequest::new(owner, ttl).known(known.as_ref()).durability(durability);
            store.lease_within(&key, lease.instead_of(instead_of.as_ref())).await
        }))
    }

    fn release<'a>(
        &'a self,
        key: &'a StoreKey,
        owner: Owner,
        failed: Option<(&'a Note, Duration)>,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move { self.engine().run(&lease::Release { key, owner, failed }).await })
    }

    fn page<'a>(
        &'a self,
        app: &'a str,
        from: Option<Cursor>,
    ) -> BoxFuture<'a, Result<Page, StoreError>> {
        Box::pin(async move { self.engine().run(&load::List { app, from: from.as_ref() }).await })
    }

    fn removals(&self, app: &str) -> Box<dyn Removals> {
        let engine = Arc::downgrade(&self.engine);
        Box::new(removals::Listening::new(app, self.dialer.clone(), engine))
    }

    fn inspect(&self) -> BoxFuture<'_, Result<Inspection, StoreError>> {
        Box::pin(async move { self.engine().run(&inspect::Inspect).await })
    }
}

impl fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let listens = self.dialer.is_some();
        f.debug_struct("PostgresStore")
            .field("listens", &listens)
            .field("is_answered", &self.engine.is_answered())
            .finish_non_exhaustive()
    }
}
