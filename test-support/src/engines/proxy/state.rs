//! What all connections of a proxy share.

use core::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::connection::Connection;
use super::{Counts, Fault, Mode};

/// Says of what a client sent in one turn whether it writes.
pub(super) type Writes = Box<dyn FnMut(&[u8]) -> bool + Send>;

pub(super) struct State {
    inner: Mutex<Inner>,
    changed: Condvar,
    writes: Box<dyn Fn() -> Writes + Send + Sync>,
}

struct Inner {
    mode: Mode,
    server: u16,
    counts: Counts,
    armed: Option<Armed>,
    connections: Vec<Arc<Connection>>,
}

struct Armed {
    left: usize,
    writes_only: bool,
    fault: Fault,
}

impl State {
    pub(super) fn new(server: u16, writes: Box<dyn Fn() -> Writes + Send + Sync>) -> Self {
        let inner = Inner {
            mode: Mode::Pass,
            server,
            counts: Counts::default(),
            armed: None,
            connections: Vec::new(),
        };
        Self { inner: Mutex::new(inner), changed: Condvar::new(), writes }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn mode(&self) -> Mode {
        self.inner().mode
    }

    pub(super) fn set(&self, mode: Mode) {
        let mut inner = self.inner();
        inner.mode = mode;
        match mode {
            Mode::Reset | Mode::Refuse => inner.connections.drain(..).for_each(|one| one.reset()),
            Mode::HalfOpen => inner.connections.iter().for_each(|one| one.lose_server()),
            _ => inner.connections.retain(|one| !one.reset_if_lost()),
        }
        drop(inner);
        self.changed.notify_all();
    }

    pub(super) fn reset_all(&self) {
        self.inner().connections.drain(..).for_each(|one| one.reset());
        self.changed.notify_all();
    }

    pub(super) fn server(&self) -> SocketAddr {
        ([127, 0, 0, 1], self.inner().server).into()
    }

    pub(super) fn lead_to(&self, server: u16) {
        self.inner().server = server;
    }

    pub(super) fn writes(&self) -> Writes {
        (self.writes)()
    }

    pub(super) fn count_connection(&self) {
        self.inner().counts.connections += 1;
    }

    /// Takes in a connection whose ends are there. The mode may have changed meanwhile.
    pub(super) fn add(&self, connection: &Arc<Connection>) {
        let mut inner = self.inner();
        match inner.mode {
            Mode::Reset | Mode::Refuse => return connection.reset(),
            Mode::HalfOpen => connection.lose_server(),
            _ => {}
        }
        inner.connections.push(Arc::clone(connection));
    }

    pub(super) fn remove(&self, connection: &Arc<Connection>) {
        self.inner().connections.retain(|one| !Arc::ptr_eq(one, connection));
    }

    pub(super) fn arm(&self, n: usize, writes_only: bool, fault: Fault) {
        self.inner().armed = Some(Armed { left: n, writes_only, fault });
    }

    pub(super) fn disarm(&self) {
        self.inner().armed = None;
    }

    /// Counts an answer, and says what it meets with.
    pub(super) fn answered(&self, write: bool) -> Option<Fault> {
        let mut inner = self.inner();
        inner.counts.round_trips += 1;
        inner.counts.writes += usize::from(write);
        let armed = inner.armed.as_mut().filter(|armed| write || !armed.writes_only)?;
        armed.left = armed.left.saturating_sub(1);
        if armed.left > 0 {
            return None;
        }
        inner.counts.faults += 1;
        inner.armed.take().map(|armed| armed.fault)
    }

    pub(super) fn counts(&self) -> Counts {
        self.inner().counts
    }

    pub(super) fn forget(&self) {
        self.inner().counts = Counts::default();
    }

    /// Waits for the end of a black hole, unless the connection ends before.
    pub(super) fn wait_for_passage(&self, connection: &Connection) -> Mode {
        let is_held = |inner: &mut Inner| inner.mode == Mode::BlackHole && !connection.has_ended();
        let waited = self.changed.wait_while(self.inner(), is_held);
        waited.unwrap_or_else(PoisonError::into_inner).mode
    }

    /// Waits this long, or until the mode is another one.
    pub(super) fn pause(&self, mode: Mode, time: Duration) {
        let end = Instant::now() + time;
        let mut inner = self.inner();
        while inner.mode == mode {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            let waited = self.changed.wait_timeout(inner, left);
            inner = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = self.inner();
        let mut shown = f.debug_struct("State");
        shown.field("mode", &inner.mode).field("counts", &inner.counts).finish_non_exhaustive()
    }
}
