//! A connection to the session bus that one thread drives by itself, with a deadline on everything.
//!
//! zbus gets a socket of ours and no executor thread, and [`Bus::run`] polls both. So a call needs
//! no reactor shared by the process, which a forked child could not use, no runtime's feature
//! matters, and at the deadline everything just stops.

use std::future::Future;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Instant;

use futures_lite::future;
use serde::Serialize;
use zbus::zvariant::{DynamicDeserialize, DynamicType};

use super::address;
use super::error::{Fault, Stopped};
use super::names::{ANSWER_LIMIT, BUS, BUS_PATH};
use super::socket::{Ends, News, Wire};
use crate::vault::Turn;

/// A connection, closed when dropped.
pub(super) struct Bus {
    wire: Arc<Wire>,
    connection: zbus::Connection,
}

impl Bus {
    /// Connects to the user's session bus.
    pub(super) fn connect(until: Instant) -> Result<Self, Fault> {
        let (stream, id) = address::connect(until)?;
        let wire = Arc::new(Wire::new(stream));
        let build = zbus::connection::Builder::authenticated_socket(Ends(Arc::clone(&wire)), &*id)?
            .internal_executor(false)
            .build();
        let connection = drive(&wire, None, Some(until), build)??;
        let bus = Self { wire, connection };
        let hello = bus.connection.call_method(Some(BUS), BUS_PATH, Some(BUS), "Hello", &());
        bus.run(Some(until), hello)??;
        Ok(bus)
    }

    pub(super) fn connection(&self) -> &zbus::Connection {
        &self.connection
    }

    /// Asks the bus itself.
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
        Ok(self.run(Some(turn.until), call)??.body().deserialize()?)
    }

    /// Asks the bus for the messages that fit `rules`.
    pub(super) fn watch(&self, turn: &Turn, rules: [&str; 3]) -> Result<(), Fault> {
        turn.remaining()?;
        let add =
            |rule| self.connection.call_method(Some(BUS), BUS_PATH, Some(BUS), "AddMatch", rule);
        let [one, two, three] = rules.each_ref().map(add);
        let all = future::try_zip(future::try_zip(one, two), three);
        self.run(Some(turn.until), all)??;
        Ok(())
    }

    /// What the service has told of its items and collections since the last time.
    pub(super) fn news(&self) -> Vec<News> {
        self.wire.news()
    }

    /// Runs `call` until it returns, or until `until`; without one for as long as the connection
    /// lives.
    pub(super) fn run<T>(
        &self,
        until: Option<Instant>,
        call: impl Future<Output = T>,
    ) -> Result<T, Stopped> {
        self.run_taking(ANSWER_LIMIT, until, call)
    }

    /// The same for a call whose answer may have up to `limit` bytes.
    pub(super) fn run_taking<T>(
        &self,
        limit: usize,
        until: Option<Instant>,
        call: impl Future<Output = T>,
    ) -> Result<T, Stopped> {
        self.wire.take_up_to(limit);
        drive(&self.wire, Some(self.connection.executor()), until, call)
    }

    /// Whether the service that has answered so far has gone, by what has arrived until now. No
    /// call is made.
    pub(super) fn is_over(&self) -> bool {
        let executor = self.connection.executor();
        let mut context = Context::from_waker(Waker::noop());
        for _ in 0..MAX_BACKLOG {
            if pin!(executor.tick()).poll(&mut context).is_pending() && !self.wire.wake_if_ready() {
                break;
            }
        }
        self.wire.is_over()
    }

    /// The same, by what the last call has seen.
    pub(super) fn was_over(&self) -> bool {
        self.wire.is_over()
    }
}

impl Drop for Bus {
    fn drop(&mut self) {
        // A forked child may hold a copy of the socket; the service must see the end all the same.
        self.wire.shut_down();
    }
}

fn drive<T>(
    wire: &Wire,
    executor: Option<&zbus::Executor<'_>>,
    until: Option<Instant>,
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
                future::yield_now().await;
            },
            None => std::future::pending::<()>().await,
        }
    });
    loop {
        if let Poll::Ready(value) = call.as_mut().poll(&mut context) {
            return Ok(value);
        }
        if until.is_some() && wire.is_over() {
            return Err(Stopped::Failed(io::Error::from(io::ErrorKind::ConnectionAborted).into()));
        }
        if tasks.as_mut().poll(&mut context).is_ready() {
            return Err(Stopped::Failed(io::Error::from(io::ErrorKind::BrokenPipe).into()));
        }
        if until.is_some_and(|until| until <= Instant::now()) {
            return Err(Stopped::Elapsed);
        }
        if !woken.0.swap(false, Ordering::SeqCst) {
            match wire.wait(until) {
                Ok(true) => {}
                Ok(false) => return Err(Stopped::Elapsed),
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

/// Messages that may lie unread before the next call.
const MAX_BACKLOG: usize = 1000;
