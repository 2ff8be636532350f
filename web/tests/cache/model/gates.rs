//! The gates, and the store and the provider behind them.

use std::{
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use tokenkeep::silent::{ExchangeError, Spend, TokenReply};
use tokenkeep_web::{
    MemoryStore, Provider,
    store::{
        BoxFuture, Lease, LeaseRequest, Loaded, Mark, Put, PutOutcome, Store as _, StoreError,
        StoreKey,
    },
};
use tokio::{
    sync::{Notify, oneshot},
    time::timeout,
};

use super::{Mutant, NODES};
use crate::{
    around::{Around, AroundStore, Op},
    provider::TestProvider,
};

/// Where steps wait for their turn.
#[derive(Clone, Default)]
pub(super) struct Gates(Arc<Mutex<State>>, Arc<Notify>);

#[derive(Default)]
pub(super) struct State {
    pub(super) waiting: Vec<Gate>,
    pub(super) ended: [bool; NODES],
    /// The exchange was answered, and its node ended before the put.
    pub(super) in_doubt: [bool; NODES],
    pub(super) lost: bool,
    pub(super) is_open: bool,
}

pub(super) struct Gate {
    pub(super) node: usize,
    pub(super) op: &'static str,
    pub(super) open: oneshot::Sender<Turn>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    Go,
    LoseReply,
}

impl Gates {
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Waits until a step waits, or for a time.
    pub(super) async fn arrival(&self, limit: Duration) {
        timeout(limit, self.1.notified()).await.ok();
    }

    pub(super) async fn pass(&self, node: usize, op: &'static str) -> Turn {
        let receiver = {
            let mut state = self.lock();
            if state.is_open {
                return Turn::Go;
            }
            let (open, receiver) = oneshot::channel();
            state.waiting.push(Gate { node, op, open });
            self.1.notify_one();
            receiver
        };
        match receiver.await {
            Ok(turn) => turn,
            // The node has ended.
            Err(_) => std::future::pending().await,
        }
    }
}

/// The store as one node reaches it.
pub(super) type NodeStore = AroundStore<Node>;

/// Where a node's steps wait, and what is taken out of them.
#[derive(Clone)]
pub(super) struct Node {
    pub(super) number: usize,
    pub(super) gates: Gates,
    pub(super) mutant: Mutant,
}

impl Around for Node {
    async fn step<T: Send>(
        &self,
        op: Op,
        step: impl Future<Output = Result<T, StoreError>> + Send,
    ) -> Result<T, StoreError> {
        let name = match op {
            Op::Load => "load",
            Op::Put => "put",
            Op::Remove => "remove",
            Op::Lease => "lease",
            // A lost release is a lease that ends by itself, which crashes cover.
            Op::Release => return step.await,
        };
        match self.gates.pass(self.number, name).await {
            Turn::Go => step.await,
            Turn::LoseReply => {
                step.await?;
                Err(StoreError::Timeout { after: Duration::from_millis(500), source: None })
            }
        }
    }

    fn put<'a>(
        &'a self,
        store: &'a MemoryStore,
        key: &'a StoreKey,
        put: Put<'a>,
    ) -> BoxFuture<'a, Result<PutOutcome, StoreError>> {
        Box::pin(async move {
            self.gates.lock().in_doubt[self.number] = false;
            let now = store.load(key, None).await?;
            let mark = match &now {
                Loaded::Value(value) => Mark::of(value),
                _ => None,
            };
            match self.mutant {
                Mutant::NoCompare => {
                    let forced = Put::new(mark.as_ref(), put.value, put.keep_for);
                    store.put(key, forced.release(put.release)).await
                }
                Mutant::NoOwnMark if mark == Mark::of(put.value) => Ok(PutOutcome::Conflict(now)),
                _ => store.put(key, put).await,
            }
        })
    }

    fn lease<'a>(
        &'a self,
        store: &'a MemoryStore,
        key: &'a StoreKey,
        lease: LeaseRequest<'a>,
    ) -> BoxFuture<'a, Result<(Lease, Loaded), StoreError>> {
        Box::pin(async move {
            let (granted, loaded) = store.lease(key, lease).await?;
            match (self.mutant, lease.known) {
                (Mutant::NoReload, Some(_)) => Ok((granted, Loaded::Unchanged)),
                _ => Ok((granted, loaded)),
            }
        })
    }
}

/// The provider as one node reaches it.
pub(super) struct NodeProvider {
    pub(super) node: usize,
    pub(super) provider: TestProvider,
    pub(super) gates: Gates,
    /// The caller went away, and the renewal with it.
    pub(super) dropped: Option<Arc<Mutex<bool>>>,
}

impl Provider for NodeProvider {
    fn exchange<'a>(
        &'a self,
        spend: &'a Spend,
    ) -> BoxFuture<'a, Result<TokenReply, ExchangeError>> {
        Box::pin(async move {
            self.gates.pass(self.node, "ask").await;
            let reply = self.provider.exchange(spend).await;
            self.gates.lock().in_doubt[self.node] = true;
            self.gates.pass(self.node, "answer").await;
            if self.dropped.as_ref().is_some_and(|dropped| *dropped.lock().unwrap()) {
                return std::future::pending().await;
            }
            reply
        })
    }

    fn revoke<'a>(
        &'a self,
        token: &'a tokenkeep::Secret,
    ) -> BoxFuture<'a, Result<(), ExchangeError>> {
        self.provider.revoke(token)
    }
}
