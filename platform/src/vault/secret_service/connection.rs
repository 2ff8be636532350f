//! A connection to the session bus that the calling thread drives itself, with a deadline on every
//! step.
//!
//! zbus gets our own socket and no executor thread; [`Bus::run`] polls both. So a call needs no
//! process-wide reactor, which a forked child could not use, and depends on no async runtime. At
//! the deadline everything simply stops.

use std::future::Future;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use futures_lite::future;
use serde::Serialize;
use zbus::zvariant::{DynamicDeserialize, DynamicType};

use super::address;
use super::error::{Fault, Stopped};
use super::names::{ANSWER_LIMIT, BUS, BUS_PATH};
use super::socket::{Ends, News, Wire};
use crate::vault::Turn;

/// When a step ends without an answer.
#[derive(Clone, Copy)]
pub(super) struct Limit<'a> {
    until: Instant,
    /// The call whose caller may stop waiting earlier.
    turn: Option<&'a Turn>,
}

impl From<Instant> for Limit<'_> {
    fn from(until: Instant) -> Self {
        Self { until, turn: None }
    }
}

impl<'a> From<&'a Turn> for Limit<'a> {
    fn from(turn: &'a Turn) -> Self {
        Self { until: turn.until, turn: turn.may_stop().then_some(turn) }
    }
}

impl Limit<'_> {
    fn is_over(&self) -> bool {
        self.until <= Instant::now() || self.turn.is_some_and(Turn::is_abandoned)
    }

    /// When to look again whether the step is over.
    fn next_look(&self) -> Instant {
        match self.turn {
            Some(_) => self.until.min(Instant::now() + BETWEEN_LOOKS),
            None => self.until,
        }
    }
}

/// A connection. Closed on drop.
pub(super) struct Bus {
    wire: Arc<Wire>,
    connection: zbus::Connection,
}

impl Bus {
    /// Connects to the user's session bus.
    pub(super) fn connect(turn: &Turn) -> Result<Self, Fault> {
        let (stream, id) = address::connect(turn.until)?;
        let wire = Arc::new(Wire::new(stream));
        let build = zbus::connection::Builder::authenticated_socket(Ends(Arc::clone(&wire)), &*id)?
            .internal_executor(false)
            .build();
        let connection = drive(&wire, None, Some(turn.into()), build)??;
        let bus = Self { wire, connection };
        let hello = bus.connection.call_method(Some(BUS), BUS_PATH, Some(BUS), "Hello", &());
        bus.run(Some(turn.into()), hello)??;
        Ok(bus)
    }

    pub(super) fn connection(&self) -> &zbus::Connection {
        &self.connection
    }

    /// Calls a method of the bus itself.
    pub(super) fn ask<T>(
        &self,
        turn: &Turn,
        method: &str,
        body: &(impl Serialize + DynamicType),
    ) -> Result<T, Fault>
    where
        T: for<'d> DynamicDeserialize<'d>,
    {
        turn.remaining()?;
        let call = self.connection.call_method(Some(BUS), BUS_PATH, Some(BUS), method, body);
        Ok(self.run(Some(turn.into()), call)??.body().deserialize()?)
    }

    /// Subscribes to the messages that match `rules`.
    pub(super) fn watch(&self, turn: &Turn, rules: [&str; 3]) -> Result<(), Fault> {
        turn.remaining()?;
        let add =
            |rule| self.connection.call_method(Some(BUS), BUS_PATH, Some(BUS), "AddMatch", rule);
        // Sent together, so the three calls wait only once.
        let [one, two, three] = rules.each_ref().map(add);
        let all = future::try_zip(future::try_zip(one, two), three);
        self.run(Some(turn.into()), all)??;
        Ok(())
    }

    /// The item and collection signals received since the last call of this method.
    pub(super) fn news(&self) -> Vec<News> {
        self.wire.news()
    }

    /// Runs `call` until it returns or `end` comes. Without `end` it runs as long as the connection
    /// lives.
    pub(super) fn run<T>(
        &self,
        end: Option<Limit<'_>>,
        call: impl Future<Output = T>,
    ) -> Result<T, Stopped> {
        self.run_taking(ANSWER_LIMIT, end, call)
    }

    /// As [`run`](Self::run), for a call whose answer may have up to `limit` bytes.
    pub(super) fn run_taking<T>(
        &self,
        limit: usize,
        end: Option<Limit<'_>>,
        call: impl Future<Output = T>,
    ) -> Result<T, Stopped> {
        self.wire.take_up_to(limit);
        drive(&self.wire, Some(self.connection.executor()), end, call)
    }

    /// Whether the service that has answered so far is gone, judged by the messages received until
    /// now. Makes no call.
    pub(super) fn is_over(&self) -> bool {
        let executor = self.connection.executor();
        let mut context = Context::from_waker(Waker::noop());
        // Bounded, so that a peer that sends without end cannot keep this busy.
        for _ in 0..MAX_BACKLOG {
            if pin!(executor.tick()).poll(&mut context).is_pending() && !self.wire.wake_if_ready() {
                break;
            }
        }
        self.wire.is_over()
    }

    /// As [`is_over`](Self::is_over), but judged only by what the last call received.
    pub(super) fn was_over(&self) -> bool {
        self.wire.is_over()
    }
}

impl Drop for Bus {
    fn drop(&mut self) {
        // Shut down explicitly: a forked child may hold a copy of the socket, and closing ours
        // would not end the connection.
        self.wire.shut_down();
    }
}

fn drive<T>(
    wire: &Wire,
    executor: Option<&zbus::Executor<'_>>,
    end: Option<Limit<'_>>,
    call: impl Future<Output = T>,
) -> Result<T, Stopped> {
    let woken = Arc::new(Woken(AtomicBool::new(false)));
    let waker = Waker::from(Arc::clone(&woken));
    let mut context = Context::from_waker(&waker);
    let mut call = pin!(call);
    let mut tasks = pin!(async {
        match executor {
            Some(executor) => loop {
                executor.tick().await;
                // Yield after each task, so that the call and the deadline are checked in between.
                future::yield_now().await;
            },
            None => std::future::pending::<()>().await,
        }
    });
    loop {
        if let Poll::Ready(value) = call.as_mut().poll(&mut context) {
            return Ok(value);
        }
        // Only with a deadline: a write without one waits for its own answer.
        if end.is_some() && wire.is_over() {
            return Err(Stopped::Failed(io::Error::from(io::ErrorKind::ConnectionAborted).into()));
        }
        if tasks.as_mut().poll(&mut context).is_ready() {
            return Err(Stopped::Failed(io::Error::from(io::ErrorKind::BrokenPipe).into()));
        }
        if end.is_some_and(|end| end.is_over()) {
            return Err(Stopped::Elapsed);
        }
        if !woken.0.swap(false, Ordering::SeqCst) {
            match wire.wait(end.map(|end| end.next_look())) {
                // If nothing came, the loop looks whether the step is over.
                Ok(_) => {}
                Err(error) => return Err(Stopped::Failed(error.into())),
            }
        }
    }
}

struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// A caller that stops waiting must not leave its call, such as a prompt, to the next caller.
const BETWEEN_LOOKS: Duration = Duration::from_millis(50);
/// How many unread messages are processed before the next call.
const MAX_BACKLOG: usize = 1000;
