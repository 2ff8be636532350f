//! Steps on connections of the pool, each within its time.

use std::{ops::Deref, time::Duration};

use deadpool_postgres::{Client as Pooled, Pool, PoolError};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_postgres::Client;

use super::{
    failure::{Source, Verdict, at_connect, at_statement, unreachable},
    step::{Step, Trouble, Waiting},
};
use crate::{answered::answered_by, breaker::Breaker, store::StoreError};

/// The pool, and what is known of the server behind it.
pub(super) struct Engine {
    pool: Pool,
    breaker: Breaker,
    /// The longest call.
    call: Duration,
}

impl Engine {
    pub(super) fn new(pool: Pool, call: Duration) -> Self {
        Self { pool, breaker: Breaker::default(), call }
    }

    /// Whether calls are let through.
    pub(super) fn is_answered(&self) -> bool {
        !self.breaker.is_open()
    }

    /// Runs a step that starts now.
    pub(super) async fn run<S: Step>(&self, step: &S) -> Result<S::Answer, StoreError> {
        self.run_since(step, Instant::now()).await
    }

    /// Runs a step of a call that started at `start`.
    pub(super) async fn run_since<S: Step>(
        &self,
        step: &S,
        start: Instant,
    ) -> Result<S::Answer, StoreError> {
        Ok(self.done_since(step, start).await?.answer)
    }

    /// As [`run_since`](Self::run_since), and says whether the step may have been done before.
    pub(super) async fn done_since<S: Step>(
        &self,
        step: &S,
        start: Instant,
    ) -> Result<Done<S::Answer>, StoreError> {
        let admitted = self
            .breaker
            .admit(start.into_std())
            .map_err(|retry_after| StoreError::Unreachable { retry_after, source: None })?;
        let result = self.attempts(step, start).await;
        let now = Instant::now().into_std();
        match &result {
            Err(StoreError::Unreachable { .. } | StoreError::Timeout { .. }) => {
                admitted.failed(now);
            }
            _ => admitted.answered(now),
        }
        result
    }

    /// A step may run again: see [`Step`].
    async fn attempts<S: Step>(
        &self,
        step: &S,
        start: Instant,
    ) -> Result<Done<S::Answer>, StoreError> {
        let end = start + self.call;
        let (mut conflicts, mut lost) = (0, Lost::default());
        loop {
            let client = match timeout_at(end, self.pool.get()).await {
                Ok(Ok(client)) => Borrowed(Some(client)),
                Ok(Err(error)) => return Err(lost.or(without_connection(error), start, S::WRITES)),
                Err(_) => return Err(lost.or(unreachable(None), start, S::WRITES)),
            };
            let answer = answered_by(end + step.extra(), step.run(&client, end)).await;
            let trouble = match answer {
                Some(Ok(answer)) => {
                    client.give_back();
                    return Ok(Done { answer, was_repeated: lost.0 > 0 });
                }
                Some(Err(trouble)) => trouble,
                None => Trouble::Silence,
            };
            let verdict = match trouble {
                Trouble::Engine(error) => at_statement(error),
                Trouble::Refused(what) => {
                    let what = what.into();
                    Verdict::Final(StoreError::Refused { what, source: None })
                }
                Trouble::Silence => return Err(silence(start, None)),
                Trouble::Unconfirmed { reached, wanted, waiting } => {
                    match waiting {
                        Some(waiting) => {
                            drop(client);
                            tokio::spawn(end_wait(self.pool.clone(), self.call, waiting));
                        }
                        None => client.give_back(),
                    }
                    return Err(StoreError::NotReplicated { reached, wanted, written: true });
                }
            };
            match verdict {
                Verdict::Final(error) => {
                    client.give_back();
                    return Err(lost.or(error, start, S::WRITES));
                }
                Verdict::Slow(source) => {
                    client.give_back();
                    return Err(silence(start, Some(source)));
                }
                Verdict::Again(source) => {
                    client.give_back();
                    conflicts += 1;
                    if conflicts == MOST_CONFLICTS {
                        let what = "other transactions were in the way each time".into();
                        return Err(StoreError::Other { what, source: Some(source) });
                    }
                }
                Verdict::ReadOnly(source) => {
                    drop(client);
                    return Err(lost.or(unreachable(Some(source)), start, S::WRITES));
                }
                Verdict::Lost(source) => {
                    drop(client);
                    lost.0 += 1;
                    if lost.0 == MOST_LOST {
                        return Err(lost.or(unreachable(Some(source)), start, S::WRITES));
                    }
                }
            }
        }
    }
}

/// The answer to a step.
pub(super) struct Done<A> {
    pub(super) answer: A,
    /// A connection was lost with it under way, so it may have been done before others changed what
    /// it found.
    pub(super) was_repeated: bool,
}

/// Connections that were lost with a statement under way.
#[derive(Clone, Copy, Default)]
struct Lost(u32);

impl Lost {
    /// The error of a step. If a write may have been done, that is what it says.
    fn or(self, error: StoreError, start: Instant, writes: bool) -> StoreError {
        match self.0 > 0 && writes {
            true => error.of_second_try(start.elapsed()),
            false => error,
        }
    }
}

fn silence(start: Instant, source: Option<Source>) -> StoreError {
    StoreError::Timeout { after: start.elapsed(), source }
}

fn without_connection(error: PoolError) -> StoreError {
    match error {
        PoolError::Backend(error) => at_connect(error),
        PoolError::Closed => StoreError::Refused {
            what: "the pool of connections is closed; close it after the store".into(),
            source: None,
        },
        PoolError::Timeout(_) | PoolError::PostCreateHook(_) => unreachable(Some(Box::new(error))),
        PoolError::NoRuntimeSpecified => StoreError::Refused {
            what: "the pool has timeouts and no runtime; give it Runtime::Tokio1".into(),
            source: None,
        },
    }
}

/// Ends a wait on another connection.
async fn end_wait(pool: Pool, call: Duration, waiting: Waiting) {
    let ended = async {
        let client = Borrowed(Some(pool.get().await.ok()?));
        waiting.run(&client, Instant::now() + call).await.ok()?;
        client.give_back();
        Some(())
    };
    if !matches!(timeout(call, ended).await, Ok(Some(()))) {
        let pid = waiting.pid;
        tracing::warn!(target: "tokenkeep_web", pid, "a process of PostgreSQL waits on");
    }
}

/// A connection of the pool. Unless it is given back it is closed when this is dropped: a statement
/// may be under way, and the next call would wait for it.
struct Borrowed(Option<Pooled>);

impl Borrowed {
    fn give_back(mut self) {
        self.0 = None;
    }
}

impl Deref for Borrowed {
    type Target = Client;

    fn deref(&self) -> &Client {
        self.0.as_ref().expect("it is taken only by functions that take `self`")
    }
}

impl Drop for Borrowed {
    fn drop(&mut self) {
        if let Some(client) = self.0.take() {
            drop(Pooled::take(client));
        }
    }
}

const MOST_CONFLICTS: u32 = 8;
const MOST_LOST: u32 = 3;
