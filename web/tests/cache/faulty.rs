//! A store that fails when a test says so.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use tokenkeep_web::{
    MemoryStore,
    store::{
        BoxFuture, Durability, Lease, LeaseRequest, Loaded, Mark, Put, PutOutcome, Store as _,
        StoreError, StoreKey,
    },
};

use crate::around::{Around, AroundStore};

pub(crate) use crate::around::Op;

/// How a step fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// At once, and nothing is done.
    Unreachable,
    /// Done, and the reply takes 200 ms.
    Slow,
    /// Done after 200 ms, with the reply.
    Late,
    /// Done, and the reply takes 6 s.
    Overdue,
    /// After 500 ms, and nothing is done.
    Frozen,
    /// After 500 ms, and it is done.
    Lost,
    Full,
    Refused,
    /// Done, and too few replicas have it.
    NotReplicated,
    /// It is the fault of this very call alone, done or not, by the answer of another store.
    Fine,
}

/// A store in memory that fails when it is told to.
pub(crate) type FaultyStore = AroundStore<Faults>;

#[derive(Clone, Debug, Default)]
pub(crate) struct Faults(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    /// What each step does until it is told otherwise.
    lasting: HashMap<Op, Fault>,
    /// What the next steps of a kind do, before that.
    next: HashMap<Op, VecDeque<Fault>>,
    calls: HashMap<Op, usize>,
    kept_for: Vec<Duration>,
    keys: Vec<StoreKey>,
    leases: Vec<(Durability, Duration)>,
}

pub(crate) const ALL: [Op; 5] = [Op::Load, Op::Put, Op::Remove, Op::Lease, Op::Release];

impl FaultyStore {
    pub(crate) fn new() -> Self {
        Self::on(MemoryStore::new())
    }

    pub(crate) fn on(store: MemoryStore) -> Self {
        Self { store, around: Faults::default() }
    }

    pub(crate) fn inner(&self) -> &MemoryStore {
        &self.store
    }

    /// Puts an earlier value back, without news, as a failover does that loses a save.
    pub(crate) async fn roll_back(&self, key: &StoreKey, value: &[u8]) {
        let Loaded::Value(now) = self.store.load(key, None).await.unwrap() else { panic!() };
        let mark = Mark::of(&now);
        let put = Put::new(mark.as_ref(), value, Duration::from_secs(9_999_999));
        assert_eq!(self.store.put(key, put).await.unwrap(), PutOutcome::Stored);
    }

    pub(crate) fn fail(&self, ops: impl IntoIterator<Item = Op>, fault: Fault) {
        self.lock().lasting.extend(ops.into_iter().map(|op| (op, fault)));
    }

    pub(crate) fn fail_next(&self, op: Op, faults: impl IntoIterator<Item = Fault>) {
        self.lock().next.entry(op).or_default().extend(faults);
    }

    pub(crate) fn heal(&self) {
        let mut state = self.lock();
        state.lasting.clear();
        state.next.clear();
    }

    pub(crate) fn calls(&self, op: Op) -> usize {
        self.lock().calls.get(&op).copied().unwrap_or_default()
    }

    pub(crate) fn all_calls(&self) -> usize {
        self.lock().calls.values().sum()
    }

    /// How long each put wanted to be kept.
    pub(crate) fn kept_for(&self) -> Vec<Duration> {
        self.lock().kept_for.clone()
    }

    /// The keys that were put, each once.
    pub(crate) fn keys(&self) -> Vec<StoreKey> {
        self.lock().keys.clone()
    }

    /// How durable each lease had to be, and for how long.
    pub(crate) fn leases(&self) -> Vec<(Durability, Duration)> {
        self.lock().leases.clone()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.around.lock()
    }
}

impl Faults {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Around for Faults {
    fn put<'a>(
        &'a self,
        store: &'a MemoryStore,
        key: &'a StoreKey,
        put: Put<'a>,
    ) -> BoxFuture<'a, Result<PutOutcome, StoreError>> {
        let mut state = self.lock();
        state.kept_for.push(put.keep_for);
        if !state.keys.contains(key) {
            state.keys.push(key.clone());
        }
        store.put(key, put)
    }

    fn lease<'a>(
        &'a self,
        store: &'a MemoryStore,
        key: &'a StoreKey,
        lease: LeaseRequest<'a>,
    ) -> BoxFuture<'a, Result<(Lease, Loaded), StoreError>> {
        self.lock().leases.push((lease.durability, lease.ttl));
        // The store in memory has no replicas.
        store.lease(key, lease.durability(Durability::Local))
    }

    async fn step<T: Send>(
        &self,
        op: Op,
        step: impl Future<Output = Result<T, StoreError>> + Send,
    ) -> Result<T, StoreError> {
        let fault = {
            let mut state = self.lock();
            *state.calls.entry(op).or_default() += 1;
            let next = state.next.get_mut(&op).and_then(VecDeque::pop_front);
            next.or_else(|| state.lasting.get(&op).copied()).unwrap_or(Fault::Fine)
        };
        let late = Duration::from_millis(500);
        let timeout = || StoreError::Timeout { after: late, source: None };
        match fault {
            Fault::Fine => step.await,
            Fault::Unreachable => {
                Err(StoreError::Unreachable { retry_after: Duration::from_secs(1), source: None })
            }
            Fault::Frozen => {
                tokio::time::sleep(late).await;
                Err(timeout())
            }
            Fault::Slow => {
                let done = step.await;
                tokio::time::sleep(Duration::from_millis(200)).await;
                done
            }
            Fault::Late => {
                tokio::time::sleep(Duration::from_millis(200)).await;
                step.await
            }
            Fault::Overdue => {
                let done = step.await;
                tokio::time::sleep(Duration::from_secs(6)).await;
                done
            }
            Fault::Lost => {
                step.await?;
                tokio::time::sleep(late).await;
                Err(timeout())
            }
            Fault::Full => Err(StoreError::Full { source: None }),
            Fault::Refused => {
                Err(StoreError::Refused { what: "the right to do so".into(), source: None })
            }
            Fault::NotReplicated => {
                step.await?;
                Err(StoreError::NotReplicated { reached: 0, wanted: 1, written: true })
            }
        }
    }
}
