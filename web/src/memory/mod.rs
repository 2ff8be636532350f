//! A store in the memory of this process.

mod entry;
mod news;
mod state;

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use self::{
    news::News,
    state::{Apps, Sweep},
};
use crate::store::{
    Advice, BoxFuture, Cursor, Durability, Inspection, Lease, LeaseRequest, Loaded, Mark, Note,
    Owner, Page, Put, PutOutcome, Removals, Store, StoreError, StoreKey,
};

/// A store in the memory of this process, for tests and for programs of one process.
///
/// Clones share their values. All values are gone when the last clone is.
#[derive(Clone)]
pub struct MemoryStore {
    shared: Arc<Shared>,
}

struct Shared {
    clock: Box<dyn Fn() -> Duration + Send + Sync>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    apps: Apps,
    sweep: Sweep,
}

impl MemoryStore {
    /// A store without values. Its times run on tokio's clock, which a test may pause and advance.
    pub fn new() -> Self {
        let start = tokio::time::Instant::now();
        Self::with_clock(move || start.elapsed())
    }

    /// A store whose times run on `clock`, which says how long ago some fixed moment was.
    pub fn with_clock(clock: impl Fn() -> Duration + Send + Sync + 'static) -> Self {
        let state = Mutex::default();
        Self { shared: Arc::new(Shared { clock: Box::new(clock), state }) }
    }

    fn now(&self) -> Duration {
        (self.shared.clock)()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics between two changes that belong together.
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MemoryStore")
    }
}

/// An error if replicas are wanted, because there are none.
fn without_replicas(durability: Durability) -> Result<(), StoreError> {
    match durability {
        Durability::Replicated { replicas: wanted @ 1.., .. } => {
            Err(StoreError::NotReplicated { reached: 0, wanted, written: true })
        }
        _ => Ok(()),
    }
}

impl Store for MemoryStore {
    fn load<'a>(
        &'a self,
        key: &'a StoreKey,
        known: Option<&'a Mark>,
    ) -> BoxFuture<'a, Result<Loaded, StoreError>> {
        Box::pin(async move {
            let now = self.now();
            Ok(self.lock().apps.entry(key).map_or(Loaded::Absent, |entry| entry.load(known, now)))
        })
    }

    fn put<'a>(
        &'a self,
        key: &'a StoreKey,
        put: Put<'a>,
    ) -> BoxFuture<'a, Result<PutOutcome, StoreError>> {
        Box::pin(async move {
            let Some(mark) = Mark::of(put.value) else {
                let what = "the value is shorter than a sealed value's header".into();
                return Err(StoreError::Other { what, source: None });
            };
            let now = self.now();
            let outcome = {
                let mut state = self.lock();
                let State { apps, sweep } = &mut *state;
                sweep.step(apps, now);
                apps.entry_or_new(key).put(&put, mark, now)
            };
            if outcome == PutOutcome::Stored {
                without_replicas(put.durability)?;
            }
            Ok(outcome)
        })
    }

    fn remove<'a>(
        &'a self,
        key: &'a StoreKey,
        durability: Durability,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            self.lock().apps.remove(key);
            without_replicas(durability)
        })
    }

    fn lease<'a>(
        &'a self,
        key: &'a StoreKey,
        lease: LeaseRequest<'a>,
    ) -> BoxFuture<'a, Result<(Lease, Loaded), StoreError>> {
        Box::pin(async move {
            let now = self.now();
            let mut state = self.lock();
            let State { apps, sweep } = &mut *state;
            sweep.step(apps, now);
            let entry = apps.entry_or_new(key);
            let who = entry.lease(&lease, now);
            if who == Lease::Mine {
                without_replicas(lease.durability)?;
            }
            Ok((who, entry.load(lease.known, now)))
        })
    }

    fn release<'a>(
        &'a self,
        key: &'a StoreKey,
        owner: Owner,
        failed: Option<(&'a Note, Duration)>,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            let now = self.now();
            if let Some(entry) = self.lock().apps.entry_mut(key) {
                entry.release(owner, failed, now);
            }
            Ok(())
        })
    }

    fn page<'a>(
        &'a self,
        app: &'a str,
        from: Option<Cursor>,
    ) -> BoxFuture<'a, Result<Page, StoreError>> {
        Box::pin(async move {
            let now = self.now();
            self.lock().apps.page(app, from.as_ref(), now)
        })
    }

    fn removals(&self, app: &str) -> Box<dyn Removals> {
        Box::new(News::new(self.clone(), app.into()))
    }

    fn inspect(&self) -> BoxFuture<'_, Result<Inspection, StoreError>> {
        Box::pin(async {
            let mut inspection = Inspection::new("memory of this process");
            inspection.advice.push(Advice::new(
                "The sign-ins are in the memory of this process alone.",
                "Use a store of Redis or PostgreSQL if they have to outlive it, or if there is \
                 more than one process.",
            ));
            Ok(inspection)
        })
    }
}
