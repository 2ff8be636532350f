//! Detects a thread that would wait for itself: a change inside a change, and a callback that uses
//! the cache it serves.

use std::{cell::RefCell, fmt, marker::PhantomData, ops::Deref, process, sync::Arc};

use tokenkeep_platform::interrupt::Interruptible;

use crate::{Error, lock::CrossProcessLock, persistence::Persistence};

thread_local! {
    static OPEN: RefCell<Vec<Entry>> = const { RefCell::new(Vec::new()) };
}

/// Identifies the store of a value.
#[derive(Debug)]
pub(super) struct Store {
    /// Its lock between processes. Without one, each value is a store of its own.
    lock: Option<CrossProcessLock>,
}

/// What this thread is doing.
struct Entry {
    store: Arc<Store>,
    kind: Kind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Code that may be the program's own runs: a persistence, a key source, a lock notice.
    Call,
    /// The process with this id changes the store.
    Change(u32),
    /// The process with this id asks a provider for a token of the store.
    Exchange(u32),
}

/// Marks what this thread is doing, until it is dropped.
#[derive(Debug)]
pub(super) struct Nesting {
    is_marked: bool,
    /// Not `Send`: the mark is in a thread-local.
    _thread: PhantomData<*const ()>,
}

/// A persistence whose calls are marked.
pub(super) struct Served {
    persistence: Box<dyn Persistence>,
    store: Arc<Store>,
}

/// A persistence for one call, during which nothing may use the cache that it serves.
pub(super) struct Called<'a> {
    persistence: &'a (dyn Persistence + 'static),
    _call: Nesting,
    _stop: Option<Interruptible>,
}

impl Store {
    pub(super) fn new(lock: Option<CrossProcessLock>) -> Arc<Self> {
        Arc::new(Self { lock })
    }

    fn is_same(self: &Arc<Self>, other: &Arc<Self>) -> bool {
        let by_lock = || Some(self.lock.as_ref()?.is_same(other.lock.as_ref()?));
        // Pointers first: comparing locks may have to look at the file system.
        Arc::ptr_eq(self, other) || by_lock().unwrap_or(false)
    }

    /// Whether this thread may read.
    pub(super) fn check_read(self: &Arc<Self>) -> Result<(), Error> {
        self.check(|kind| kind == Kind::Call)
    }

    /// Whether this thread may change anything. In a forked child, a change that the parent began
    /// does not count.
    pub(super) fn check_change(self: &Arc<Self>) -> Result<(), Error> {
        self.check(|kind| match kind {
            Kind::Call => true,
            Kind::Change(pid) => pid == process::id(),
            Kind::Exchange(_) => false,
        })
    }

    /// Whether this thread may renew a token. Inside an exchange it would wait for its own lease.
    pub(super) fn check_renewal(self: &Arc<Self>) -> Result<(), Error> {
        self.check(|kind| match kind {
            Kind::Call => true,
            Kind::Change(pid) | Kind::Exchange(pid) => pid == process::id(),
        })
    }

    /// Marks that this thread asks a provider for a token.
    pub(super) fn exchange(self: &Arc<Self>) -> Nesting {
        Nesting::mark(self, Kind::Exchange(process::id()))
    }

    fn check(self: &Arc<Self>, hinders: impl Fn(Kind) -> bool) -> Result<(), Error> {
        let nested = |open: &RefCell<Vec<Entry>>| {
            open.borrow().iter().any(|entry| hinders(entry.kind) && entry.store.is_same(self))
        };
        // A thread whose locals are destroyed is about to end, and is inside no call.
        if OPEN.try_with(nested).unwrap_or(false) { Err(Error::Nested) } else { Ok(()) }
    }

    /// Marks the store as being changed by this thread.
    pub(super) fn change(self: &Arc<Self>) -> Result<Nesting, Error> {
        self.check_change()?;
        Ok(Nesting::mark(self, Kind::Change(process::id())))
    }

    /// Marks that code runs which may be the program's own.
    pub(super) fn call(self: &Arc<Self>) -> Nesting {
        Nesting::mark(self, Kind::Call)
    }
}

impl Nesting {
    fn mark(store: &Arc<Store>, kind: Kind) -> Self {
        let entry = Entry { store: Arc::clone(store), kind };
        let is_marked = OPEN.try_with(|open| open.borrow_mut().push(entry)).is_ok();
        Self { is_marked, _thread: PhantomData }
    }
}

impl Drop for Nesting {
    fn drop(&mut self) {
        if self.is_marked {
            // Marks end in reverse order, so the last entry is this mark's.
            drop(OPEN.try_with(|open| open.borrow_mut().pop()));
        }
    }
}

impl Served {
    pub(super) fn new(persistence: Box<dyn Persistence>, store: &Arc<Store>) -> Self {
        Self { persistence, store: Arc::clone(store) }
    }

    /// For one call: the mark ends when the returned value is dropped.
    pub(super) fn call(&self, stop: Option<Interruptible>) -> Called<'_> {
        Called { persistence: &*self.persistence, _call: self.store.call(), _stop: stop }
    }
}

impl fmt::Debug for Served {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.persistence.fmt(f)
    }
}

impl Deref for Called<'_> {
    type Target = dyn Persistence;

    fn deref(&self) -> &Self::Target {
        self.persistence
    }
}
