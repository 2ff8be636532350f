//! The connection to one server, which comes back by itself.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use redis::{
    Cmd, Pipeline, RedisError, Value,
    aio::{ConnectionLike as _, MultiplexedConnection},
};
use tokio::{
    sync::watch,
    task::AbortHandle,
    time::{Instant, sleep, timeout, timeout_at},
};

use super::{
    durable::{Durable, Undone},
    failure::{self, Failure, Stage, unreachable},
    limits::PAUSES,
    opening::{Answer, open},
    place::Place,
    script::ScriptCall,
};
use crate::{
    answered::answered_by,
    breaker::Breaker,
    store::{Durability, StoreError},
};

/// The connection to one server. While there is none, a task of its own makes one, and calls end at
/// once with what the last try said.
#[derive(Clone)]
pub(super) struct Link(Arc<Inner>);

struct Inner {
    place: Arc<dyn Place>,
    breaker: Breaker,
    state: watch::Sender<State>,
    /// The task that makes a connection. It ends with the runtime that it was started on.
    task: Mutex<Option<AbortHandle>>,
    durable: Mutex<Option<Arc<Durable>>>,
    /// The longest call.
    call: Duration,
}

#[derive(Clone)]
enum State {
    Up(Live),
    /// The connection was lost, and the first try for another has not ended.
    Connecting,
    Down(RedisError),
}

#[derive(Clone)]
struct Live {
    connection: MultiplexedConnection,
    /// Tells one connection from every other.
    number: u64,
}

/// What is sent to a server.
pub(super) enum Request<'a> {
    Command(Cmd),
    /// Commands that are sent together. The answer is the array of theirs, errors among them.
    Commands(Pipeline),
    Script(ScriptCall<&'a [u8]>),
}

/// How a request is sent.
#[derive(Clone, Copy)]
pub(super) struct Manner {
    /// To a node that is about to have the slot.
    pub(super) asking: bool,
    /// How many replicas have to confirm a script's writes, and how long to wait for them.
    pub(super) replicas: Option<(u8, Duration)>,
    /// When the call began.
    pub(super) start: Instant,
}

impl Manner {
    /// As it is done as a rule.
    pub(super) fn plain() -> Self {
        Self { asking: false, replicas: None, start: Instant::now() }
    }

    /// So that a script's writes are as durable as wanted.
    pub(super) fn of(durability: Durability) -> Self {
        let replicas = match durability {
            Durability::Replicated { replicas: wanted @ 1.., timeout } => Some((wanted, timeout)),
            _ => None,
        };
        Self { replicas, ..Self::plain() }
    }

    /// An error if fewer replicas than wanted confirmed a write.
    pub(super) fn confirmed_by(self, reached: u8) -> Result<(), StoreError> {
        match self.replicas {
            Some((wanted, _)) if reached < wanted => {
                Err(StoreError::NotReplicated { reached, wanted, written: true })
            }
            _ => Ok(()),
        }
    }

    /// What a failure means where there is no other node.
    pub(super) fn meaning(self, failure: Failure) -> StoreError {
        match (failure.into_store_error(), self.replicas) {
            (StoreError::NotReplicated { reached, written, .. }, Some((wanted, _))) => {
                StoreError::NotReplicated { reached, wanted, written }
            }
            (error, _) => error,
        }
    }
}

impl Link {
    /// A link to the server, which is not tried yet.
    pub(super) fn new(place: impl Place, call: Duration) -> Self {
        let link = Self(Arc::new(Inner {
            place: Arc::new(place),
            breaker: Breaker::default(),
            state: watch::Sender::new(State::Connecting),
            task: Mutex::default(),
            durable: Mutex::default(),
            call,
        }));
        link.reconnect(&mut link.task());
        link
    }

    /// Where its server is.
    pub(super) fn place(&self) -> Arc<dyn Place> {
        self.0.place.clone()
    }

    /// Waits for the first connection, or its failure.
    pub(super) async fn connected(&self) -> Result<(), StoreError> {
        // A try ends by itself.
        let deadline = Instant::now() + self.0.call * 4;
        self.live(deadline).await.map(drop).map_err(Failure::into_store_error)
    }

    /// Whether there is a connection.
    pub(super) fn is_up(&self) -> bool {
        matches!(*self.0.state.borrow(), State::Up(_))
    }

    /// The number of the connection, if there is one.
    pub(super) fn number(&self) -> Option<u64> {
        match &*self.0.state.borrow() {
            State::Up(live) => Some(live.number),
            _ => None,
        }
    }

    /// A call to a server that has no other nodes.
    pub(super) async fn call(&self, command: Cmd) -> Result<Value, StoreError> {
        let answer = self.run(&Request::Command(command), Manner::plain()).await;
        Ok(answer.map_err(Failure::into_store_error)?.value)
    }

    /// A call that ends in time. The breaker may end it at once.
    pub(super) async fn run(
        &self,
        request: &Request<'_>,
        manner: Manner,
    ) -> Result<Answer, Failure> {
        let admitted = self
            .0
            .breaker
            .admit(Instant::now().into_std())
            .map_err(|retry_after| StoreError::Unreachable { retry_after, source: None })?;
        let answer = match (request, manner.replicas) {
            (Request::Script(call), Some(replicas)) => {
                self.durably(call, replicas, manner.asking).await
            }
            _ => self.send(request, manner).await,
        };
        match &answer {
            Err(error) if failure::counts(error) => admitted.failed(Instant::now().into_std()),
            _ => admitted.answered(Instant::now().into_std()),
        }
        answer
    }

    /// Sends, and sends once more on a new connection where the first one broke: every step may be
    /// repeated.
    async fn send(&self, request: &Request<'_>, manner: Manner) -> Result<Answer, Failure> {
        let start = manner.start;
        let deadline = start + self.0.call;
        let mut broken = None;
        loop {
            let live = match (self.live(deadline).await, &broken) {
                (Ok(live), _) => live,
                // The first one was sent, so nobody knows whether the step was done.
                (Err(_), Some(_)) => return Err(unknown(start)),
                (Err(error), None) => return Err(error),
            };
            let answer = answered_by(deadline, exchange(&live, request, manner.asking)).await;
            let Some(answer) = answer else {
                self.lost(live.number);
                return Err(unknown(start));
            };
            let error = match answer {
                Ok(value) => {
                    return Ok(Answer { value, replicas: 0, was_repeated: broken.is_some() });
                }
                Err(error) => error,
            };
            if failure::ends_connection(&error) {
                self.lost(live.number);
            }
            if !failure::is_broken(&error) || broken.is_some() {
                let failure = Failure::of(error, Stage::Sent(start.elapsed()));
                let compares = matches!(request, Request::Script(call) if call.script.compares);
                return Err(match broken {
                    Some(()) => of_second(failure, compares, start),
                    None => failure,
                });
            }
            broken = Some(());
        }
    }

    async fn durably(
        &self,
        call: &ScriptCall<&[u8]>,
        (replicas, wait): (u8, Duration),
        asking: bool,
    ) -> Result<Answer, Failure> {
        let durable = self.durable();
        let start = Instant::now();
        let answer = durable.run(call.to_owned(), replicas, wait, asking);
        // A call may wait for the one before it.
        match timeout(self.0.call * 2 + wait * 2, answer).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(Undone { error, was_sent, was_repeated })) => {
                // Other errors are of the other connection.
                if failure::is_read_only(&error)
                    && let Some(number) = self.number()
                {
                    self.lost(number);
                }
                let sent = Stage::Sent(start.elapsed());
                let failure = Failure::of(error, if was_sent { sent } else { Stage::Connecting });
                let compares = call.script.compares;
                Err(if was_repeated { of_second(failure, compares, start) } else { failure })
            }
            Err(_) => Err(unknown(start)),
        }
    }

    /// The connection for writes that replicas confirm, which ends with its runtime.
    fn durable(&self) -> Arc<Durable> {
        let mut durable = self.0.durable.lock().unwrap_or_else(PoisonError::into_inner);
        match &*durable {
            Some(durable) if !durable.has_ended() => Arc::clone(durable),
            _ => Arc::clone(
                durable.insert(Arc::new(Durable::new(self.0.place.clone(), self.0.call))),
            ),
        }
    }

    /// The connection that there is, or the one that is being made.
    async fn live(&self, deadline: Instant) -> Result<Live, Failure> {
        if !self.is_up() {
            let mut task = self.task();
            if task.as_ref().is_none_or(AbortHandle::is_finished) && !self.is_up() {
                self.0.state.send_replace(State::Connecting);
                self.reconnect(&mut task);
            }
        }
        let mut state = self.0.state.subscribe();
        let settled = state.wait_for(|state| !matches!(state, State::Connecting));
        match timeout_at(deadline, settled).await {
            Ok(Ok(state)) => match &*state {
                State::Up(live) => Ok(live.clone()),
                State::Down(error) => Err(Failure::of(error.clone(), Stage::Connecting)),
                State::Connecting => Err(unreachable(None).into()),
            },
            _ => Err(unreachable(None).into()),
        }
    }

    /// Makes another connection in place of this one, unless somebody did.
    fn lost(&self, number: u64) {
        let mut task = self.task();
        let is_current = self.0.state.send_if_modified(|state| {
            let is_current = matches!(state, State::Up(live) if live.number == number);
            if is_current {
                *state = State::Connecting;
            }
            is_current
        });
        if is_current {
            self.reconnect(&mut task);
        }
    }

    fn reconnect(&self, task: &mut Option<AbortHandle>) {
        *task = Some(tokio::spawn(reconnect(Arc::downgrade(&self.0))).abort_handle());
    }

    fn task(&self) -> MutexGuard<'_, Option<AbortHandle>> {
        // Nothing panics while it is held, but a spawn without a runtime, which changes nothing.
        self.0.task.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the failure of a second try means. It was not done, but the first may have been. A further
/// try at another node does not know that, which matters if the request compares.
fn of_second(failure: Failure, compares: bool, start: Instant) -> Failure {
    match failure {
        Failure::Store(error) => error.of_second_try(start.elapsed()).into(),
        _ if compares => unknown(start),
        redirect => redirect,
    }
}

/// Nobody knows whether the step was done.
fn unknown(start: Instant) -> Failure {
    StoreError::Timeout { after: start.elapsed(), source: None }.into()
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link")
            .field("is_up", &self.is_up())
            .field("breaker_is_open", &self.0.breaker.is_open())
            .finish_non_exhaustive()
    }
}

async fn reconnect(inner: Weak<Inner>) {
    let [mut pause, longest] = PAUSES;
    loop {
        let Some(inner) = inner.upgrade() else { return };
        match open(&*inner.place, Some(inner.call), inner.call / 2).await {
            Ok(connection) => {
                let number = getrandom::u64().unwrap_or_default();
                inner.state.send_replace(State::Up(Live { connection, number }));
                inner.breaker.close();
                return;
            }
            Err(error) => {
                inner.state.send_replace(State::Down(error));
            }
        }
        drop(inner);
        sleep(pause).await;
        pause = (pause * 2).min(longest);
    }
}

async fn exchange(live: &Live, request: &Request<'_>, asking: bool) -> Result<Value, RedisError> {
    let connection = &mut live.connection.clone();
    match request {
        Request::Command(command) => together(connection, None, command, asking).await,
        Request::Commands(commands) => {
            let answers = connection.req_packed_commands(commands, 0, commands.len()).await?;
            Ok(Value::Array(answers))
        }
        Request::Script(call) => {
            match together(connection, call.before(), &call.by_digest(), asking).await {
                Err(error) if failure::is_no_script(&error) => {
                    together(connection, None, &call.by_text(), asking).await
                }
                answer => answer,
            }
        }
    }
}

/// Sends both, and returns what the second is answered, or else the first's error.
async fn together(
    connection: &mut MultiplexedConnection,
    first: Option<Cmd>,
    second: &Cmd,
    asking: bool,
) -> Result<Value, RedisError> {
    if first.is_none() && !asking {
        return second.query_async(connection).await;
    }
    let (mut all, mut count) = (redis::pipe(), 0);
    for command in first.iter().chain([second]) {
        if asking {
            all.cmd("ASKING");
            count += 1;
        }
        all.add_command(command.clone());
        count += 1;
    }
    let mut last = Value::Nil;
    for answer in connection.req_packed_commands(&all, 0, count).await? {
        last = answer.extract_error()?;
    }
    Ok(last)
}
