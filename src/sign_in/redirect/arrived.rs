//! The browser's request while the sign-in is finished, and the page after that.

use std::{
    cell::Cell,
    fmt,
    sync::mpsc::{Receiver, RecvTimeoutError, Sender, TryRecvError, channel},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use tokenkeep_platform::loopback::Request;
use zeroize::Zeroizing;

use super::{Redirect, notice, respond};
use crate::{
    Error,
    sign_in::pages::{Notice, Outcome},
};

/// The response to the authorization request. The browser waits for [`finish`](Self::finish), at
/// most 40 s.
///
/// A thread answers the browser's other requests meanwhile. If this is dropped without an outcome,
/// the browser is told that the sign-in failed.
pub(crate) struct Arrived {
    response: Zeroizing<String>,
    outcome: Sender<Outcome>,
    server: JoinHandle<()>,
}

impl Arrived {
    pub(super) fn new(
        redirect: Redirect,
        request: Request,
        response: Zeroizing<String>,
    ) -> Result<Self, Error> {
        let (outcome, told) = channel();
        let known = response.clone();
        let serve = move || Server { redirect, response: known, told }.serve(request);
        let server = thread::Builder::new().name("redirect".into()).spawn(serve);
        let server = server.map_err(|error| Error::NoThread { source: error.into() })?;
        Ok(Self { response, outcome, server })
    }

    /// Its parameters as they were received, in the encoding of a form.
    pub(crate) fn response(&self) -> &str {
        &self.response
    }

    /// Shows the browser how the sign-in ended, and closes the port.
    ///
    /// The browser is sent to another address, so that the code does not stay in its history. This
    /// returns when it has the page, or after 2 s; sooner if the browser was closed.
    pub(crate) fn finish(self, outcome: Outcome) {
        // After 40 s nobody receives it.
        self.outcome.send(outcome).ok();
        self.server.join().ok();
    }
}

impl fmt::Debug for Arrived {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Arrived").finish_non_exhaustive()
    }
}

struct Server {
    redirect: Redirect,
    response: Zeroizing<String>,
    told: Receiver<Outcome>,
}

impl Server {
    fn serve(self, first: Request) {
        let mut held = vec![first];
        let outcome = self.hold(&mut held);
        let began = Instant::now();
        held.retain(|request| !request.is_abandoned());
        // A browser that was reloaded has closed its first connection, and its next may be on its
        // way.
        let mut until = began + if held.is_empty() { RELOAD } else { AFTERWARDS };
        let mut waiting = held.len();
        held.into_iter().for_each(|request| see_other(request, &outcome));
        while let Ok(Some(request)) = self.redirect.place.listener.next(until, &|| false) {
            if request.method() == "GET" && request.target() == outcome.path() {
                respond(request, 200, &[], &outcome.page());
                waiting = waiting.saturating_sub(1);
                if waiting == 0 {
                    return;
                }
            } else if let Some(request) = self.same(request) {
                see_other(request, &outcome);
                waiting += 1;
                until = began + AFTERWARDS;
            }
        }
    }

    /// Waits for the outcome, and holds what repeats the response, as a user does who reloads.
    fn hold(&self, held: &mut Vec<Request>) -> Outcome {
        let until = Instant::now() + self.redirect.hold;
        let outcome = Cell::new(None);
        let is_known = || {
            let told = match self.told.try_recv() {
                Ok(outcome) => Some(outcome),
                Err(TryRecvError::Empty) => None,
                Err(TryRecvError::Disconnected) => Some(unfinished()),
            };
            let is_known = told.is_some();
            outcome.set(told);
            is_known
        };
        while let Ok(Some(request)) = self.redirect.place.listener.next(until, &is_known) {
            let Some(request) = self.same(request) else { continue };
            held.retain(|request| !request.is_abandoned());
            match held.len() {
                MAX_HELD.. => notice(request, 409, Notice::AlreadyDone),
                _ => held.push(request),
            }
        }
        if let Some(outcome) = outcome.take() {
            return outcome;
        }
        // The time is over, or no connection can be accepted any more.
        match self.told.recv_timeout(until.saturating_duration_since(Instant::now())) {
            Ok(outcome) => outcome,
            Err(RecvTimeoutError::Timeout) => Outcome::Unknown,
            Err(RecvTimeoutError::Disconnected) => unfinished(),
        }
    }

    /// The request if it repeats the response. Otherwise it is answered.
    fn same(&self, request: Request) -> Option<Request> {
        let (request, response) = self.redirect.place.response(request)?;
        if response == self.response {
            return Some(request);
        }
        notice(request, 409, Notice::AlreadyDone);
        None
    }
}

/// With 303 the browser forgets the form of a `POST` too (RFC 9110, section 15.4.4).
fn see_other(request: Request, outcome: &Outcome) {
    respond(request, 303, &[("Location", outcome.path())], "");
}

fn unfinished() -> Outcome {
    Outcome::Failed { reason: "the program ended it".into() }
}

const AFTERWARDS: Duration = Duration::from_secs(2);
const RELOAD: Duration = Duration::from_millis(250);
/// Fewer than the connections that there may be.
const MAX_HELD: usize = 4;
