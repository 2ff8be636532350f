//! A proxy in front of any server, which does to connections what networks do.
//!
//! It parts what a connection carries into turns. A turn is what the client sends until the server
//! answers, and that answer until the client sends again. Requests that a client sends before it
//! has the answer to an earlier one belong to one turn.

mod connection;
mod listener;
mod passage;
mod state;
mod writes;

use std::net::TcpStream;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use listener::Listener;
use state::State;

use super::port::Port;

pub use writes::{no_writes, postgres_writes, redis_writes};

/// A proxy on loopback. It ends when this is dropped, with its connections.
#[derive(Debug)]
pub struct Proxy {
    // Ended before its port is given back.
    listener: Mutex<Option<Listener>>,
    state: Arc<State>,
    port: Port,
}

/// What the proxy does with all connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Mode {
    /// Passes on what it receives.
    Pass,
    /// That, and lets each answer wait this long before its first byte.
    Delay(Duration),
    /// That, with at most this many bytes a second in each direction of a connection.
    Bandwidth(u64),
    /// Passes nothing on. What it holds back is passed on in a later mode.
    BlackHole,
    /// Resets connections, new ones as soon as they are made.
    Reset,
    /// Resets connections and refuses new ones, as the system of a server that is down does.
    Refuse,
    /// Loses the server's end of each connection and answers nothing, as where the server's
    /// computer lost its power. The clients' ends are reset in a later mode.
    HalfOpen,
}

/// What the proxy does once, to one answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// Passes on this many bytes of the answer, and closes the connection: with 0 the answer is
    /// lost.
    CutAfter(usize),
    /// Passes on neither the answer nor anything later on that connection, which stays open.
    Silence,
}

/// What the proxy has counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counts {
    /// Connections that clients made.
    pub connections: usize,
    /// Turns that the server has answered.
    pub round_trips: usize,
    /// Those of them that were writes.
    pub writes: usize,
    /// Answers that met with a fault.
    pub faults: usize,
}

impl Proxy {
    /// Starts a proxy in front of the server on this port of 127.0.0.1.
    ///
    /// `writes` makes for each connection a function that says of what a client sent in one turn
    /// whether it writes.
    ///
    /// # Panics
    /// When there is no free port.
    pub fn start<W>(server: u16, writes: impl Fn() -> W + Send + Sync + 'static) -> Self
    where
        W: FnMut(&[u8]) -> bool + Send + 'static,
    {
        let port = Port::reserve();
        let state = Arc::new(State::new(server, Box::new(move || Box::new(writes()))));
        let listener = Listener::start(port.number(), &state);
        Self { listener: Mutex::new(Some(listener)), state, port }
    }

    /// Its port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port.number()
    }

    /// Its address as that of a server of Redis.
    pub fn redis_url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port())
    }

    /// Its address as that of a server of PostgreSQL.
    pub fn postgres_url(&self) -> String {
        format!("postgresql://postgres@127.0.0.1:{}/postgres", self.port())
    }

    /// Changes what it does, with the connections that there are too.
    ///
    /// # Panics
    /// When it cannot listen again.
    pub fn set(&self, mode: Mode) {
        let mut listener = self.listener.lock().unwrap_or_else(PoisonError::into_inner);
        if mode == Mode::Refuse {
            *listener = None;
        }
        self.state.set(mode);
        if mode != Mode::Refuse && listener.is_none() {
            *listener = Some(Listener::start(self.port(), &self.state));
        }
    }

    /// Leads new connections to another port of 127.0.0.1.
    pub fn lead_to(&self, server: u16) {
        self.state.lead_to(server);
    }

    /// Resets the connections that there are.
    pub fn reset_all(&self) {
        self.state.reset_all();
    }

    /// Lets the answer to the `n`-th write from now on, counted from 1, meet with this fault.
    pub fn on_write(&self, n: usize, fault: Fault) {
        self.state.arm(n, true, fault);
    }

    /// Lets the answer to the `n`-th turn from now on, counted from 1, meet with this fault.
    pub fn on_answer(&self, n: usize, fault: Fault) {
        self.state.arm(n, false, fault);
    }

    /// Takes back [`on_write`](Self::on_write) and [`on_answer`](Self::on_answer).
    pub fn disarm(&self) {
        self.state.disarm();
    }

    /// What it has counted since its start or since [`forget`](Self::forget). An answer is counted
    /// before its client has it.
    pub fn counts(&self) -> Counts {
        self.state.counts()
    }

    /// Counts from nothing again.
    pub fn forget(&self) {
        self.state.forget();
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.set(Mode::Refuse);
    }
}

/// A connection that ends with a reset when its last part is dropped.
fn resets_at_end(stream: &TcpStream) {
    rustix::net::sockopt::set_socket_linger(stream, Some(Duration::ZERO)).ok();
}

#[cfg(test)]
mod tests;
