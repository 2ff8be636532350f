//! A forked child reads and writes at once, whatever the threads of its parent were doing.
// Not on Windows: it has no fork
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test may")]

mod support;

use std::{
    fmt, process,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use support::{Forked, OpenCache, Place, child_says_yes, event, token};
use tokenkeep::{
    Error, KeySource, PersistedTokenCache, Secret,
    lock::LockGuard,
    persistence::{
        Intent, KeyCallback, Loaded, MemoryPersistence, Persistence, Saved, SealedPersistence,
        Stamp,
    },
};

/// A time at which what is added is still valid now.
const NOW: u64 = 4_000_000_000;

/// Stands still in the process that made it, while it is closed.
#[derive(Clone)]
struct Gate {
    pid: u32,
    closed: Arc<AtomicBool>,
    reached: mpsc::Sender<()>,
}

impl Gate {
    fn new() -> (Self, mpsc::Receiver<()>) {
        let (reached, is_reached) = mpsc::channel();
        (Self { pid: process::id(), closed: Arc::default(), reached }, is_reached)
    }

    fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
    }

    fn open(&self) {
        self.closed.store(false, Ordering::SeqCst);
    }

    fn pass(&self) {
        if self.pid == process::id() && self.closed.load(Ordering::SeqCst) {
            self.reached.send(()).ok();
            while self.closed.load(Ordering::SeqCst) {
                thread::sleep(Duration::from_millis(1));
            }
        }
    }
}

/// A persistence of one's own that takes its time to load.
struct Slow(SealedPersistence, Gate);

impl fmt::Debug for Slow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Slow")
    }
}

impl Persistence for Slow {
    fn prepare(&self, intent: Intent) -> Result<(), Error> {
        self.0.prepare(intent)
    }

    fn load(&self, known: Option<&Stamp>) -> Result<Loaded, Error> {
        self.1.pass();
        self.0.load(known)
    }

    fn save(
        &self,
        content: &[u8],
        base: Option<&Stamp>,
        guard: &LockGuard,
    ) -> Result<Saved, Error> {
        self.0.save(content, base, guard)
    }

    fn delete(&self, base: Option<&Stamp>, guard: &LockGuard) -> Result<(), Error> {
        self.0.delete(base, guard)
    }

    fn stamp(&self) -> Result<Option<Stamp>, Error> {
        self.0.stamp()
    }

    fn lock(&self) -> Option<tokenkeep::lock::CrossProcessLock> {
        self.0.lock()
    }
}

/// A child reads what is kept, adds to it, and drops what it inherited.
fn use_it(cache: PersistedTokenCache) -> bool {
    let read = token(&cache, "client").as_deref() == Some("kept");
    let added = cache.add(&event("child", "of the child"));
    let again = token(&cache, "child").as_deref() == Some("of the child");
    drop(cache);
    read && added.is_ok() && again
}

/// The child's answer while a thread of this process is at `gate` with `work`.
fn asked_while(
    gate: &(Gate, mpsc::Receiver<()>),
    work: impl FnOnce() + Send,
    question: impl FnOnce() -> bool,
) -> bool {
    thread::scope(|scope| {
        gate.0.close();
        scope.spawn(work);
        gate.1.recv().unwrap();
        let answer = child_says_yes(question);
        gate.0.open();
        answer
    })
}

#[test]
fn while_a_thread_of_the_parent_loads() {
    let place = Place::new();
    place.open().add(&event("client", "kept")).unwrap();
    let gate = Gate::new();
    let slow = Slow(place.builder().build().unwrap(), gate.0.clone());
    let cache = PersistedTokenCache::new(slow);
    let reader = cache.clone();
    let child = cache.clone();
    assert!(asked_while(&gate, move || drop(reader.accounts()), move || use_it(child)));
    assert_eq!(token(&cache, "child").as_deref(), Some("of the child"));
}

#[test]
fn while_a_thread_of_the_parent_asks_for_the_key() {
    let place = Place::new();
    let key = || Ok(Secret::new([7; 32]));
    let open =
        |callback| place.builder().key_source(KeySource::Callback(callback)).cache().unwrap();
    open(KeyCallback::new(move |_| key())).add(&event("client", "kept")).unwrap();
    for changes in [false, true] {
        let gate = Gate::new();
        let theirs = gate.0.clone();
        let cache = open(KeyCallback::new(move |_| {
            theirs.pass();
            key()
        }));
        let (asks, child) = (cache.clone(), cache.clone());
        let work = move || match changes {
            true => asks.add(&event("parent", "later")).unwrap(),
            false => drop(asks.accounts().unwrap()),
        };
        assert!(asked_while(&gate, work, move || use_it(child)), "changes: {changes}");
    }
}

#[test]
fn while_a_thread_of_the_parent_changes_the_cache() {
    let place = Place::new();
    place.open().add(&event("client", "kept")).unwrap();
    let cache = place.open();
    let (begun, has_begun) = mpsc::channel();
    let (go_on, may_go_on) = mpsc::channel::<()>();
    thread::scope(|scope| {
        let parent = cache.clone();
        scope.spawn(move || {
            parent.transaction(|cache| {
                begun.send(()).unwrap();
                may_go_on.recv().unwrap();
                cache.add(&event("parent", "of the parent"), NOW)
            })
        });
        has_begun.recv().unwrap();
        let child = cache.clone();
        // It waits for its parent's change as any process does.
        let child = Forked::asked(move || use_it(child));
        thread::sleep(Duration::from_millis(200));
        go_on.send(()).unwrap();
        assert!(child.said_yes());
    });
    for client in ["parent", "child"] {
        assert!(token(&place.open(), client).is_some(), "{client} is lost");
    }
}

#[test]
fn inside_a_change_of_the_parent() {
    let place = Place::new();
    place.open().add(&event("client", "kept")).unwrap();
    let cache = place.open();
    let child = cache
        .transaction(|working| {
            let child = cache.clone();
            let child = Forked::asked(move || use_it(child));
            working.add(&event("parent", "of the parent"), NOW)?;
            Ok(child)
        })
        .unwrap();
    assert!(child.said_yes());
    for client in ["parent", "child"] {
        assert!(token(&place.open(), client).is_some(), "{client} is lost");
    }
}

#[test]
fn while_a_thread_of_the_parent_changes_a_cache_in_memory() {
    let cache = PersistedTokenCache::new(MemoryPersistence::new());
    cache.add(&event("client", "kept")).unwrap();
    let gate = Gate::new();
    let (theirs, parent, child) = (gate.0.clone(), cache.clone(), cache.clone());
    let work = move || {
        parent
            .transaction(|_| {
                theirs.pass();
                Ok(())
            })
            .unwrap();
    };
    assert!(asked_while(&gate, work, move || use_it(child)));
}

/// Forks at any moment, also in the middle of the shortest critical section.
#[test]
fn while_threads_of_the_parent_never_rest() {
    const FORKS: usize = 60;
    let place = Place::in_memory();
    place.open().add(&event("client", "kept")).unwrap();
    let cache = place.open();
    let ends = AtomicBool::new(false);
    thread::scope(|scope| {
        for number in 0..4 {
            let (cache, ends) = (&cache, &ends);
            scope.spawn(move || {
                while !ends.load(Ordering::SeqCst) {
                    if number == 0 {
                        cache.add(&event("parent", "again")).unwrap();
                    }
                    assert_eq!(token(cache, "client").as_deref(), Some("kept"));
                }
            });
        }
        let answers: Vec<bool> = (0..FORKS)
            .map(|_| {
                let child = cache.clone();
                child_says_yes(move || use_it(child))
            })
            .collect();
        ends.store(true, Ordering::SeqCst);
        let stuck = answers.iter().filter(|answer| !**answer).count();
        assert_eq!(stuck, 0, "of {FORKS} children");
    });
}
