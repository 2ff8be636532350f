//! Waits that the program stops.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "a test may")]

mod support;

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
        mpsc::{self, Receiver, Sender},
    },
    thread,
    time::Duration,
};

use support::{Place, event, held_elsewhere};
use tokenkeep::{
    Error, PersistedTokenCache, interruptible,
    lock::{CrossProcessLock, LockGuard, Wait},
    persistence::{
        Intent, Loaded, MemoryPersistence, Persistence, PlaintextPersistence, Saved, Stamp,
    },
};

/// Longer than a test may take: a wait that nobody stops would hang.
const LATE: Duration = Duration::from_secs(3600);

/// A callback that stops the third time that it is asked, and how often it was.
fn third_time() -> (impl Fn() -> bool + Send + Sync + 'static, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let theirs = Arc::clone(&asked);
    (move || theirs.fetch_add(1, Ordering::SeqCst) == 2, asked)
}

fn is_canceled<T>(result: Result<T, Error>, what: &str) -> bool {
    match result {
        Err(Error::WaitCanceled { what: of }) => of.contains(what),
        _ => false,
    }
}

#[test]
fn a_wait_for_the_lock_of_each_store_ends_when_the_program_says_so() {
    let place = Place::new();
    let sealed = place.builder().build().unwrap();
    sealed.prepare(Intent::Verify).unwrap();
    let file = PlaintextPersistence::new(place.path().join("cache.json")).unwrap();
    let stores: [(Box<dyn Fn() -> PersistedTokenCache>, CrossProcessLock); 2] = [
        (Box::new(|| place.open()), sealed.lock().unwrap()),
        (
            Box::new(|| support::plaintext(place.path().join("cache.json")).unwrap()),
            file.lock().unwrap(),
        ),
    ];
    for (open, lock) in stores {
        let name = lock.path().file_name().unwrap().to_str().unwrap();
        let guard = held_elsewhere(&lock);
        let (stop, asked) = third_time();
        let cache = open().lock_timeout(LATE).stop_when(stop);
        assert!(is_canceled(cache.add(&event("client", "a token")), name));
        assert_eq!(asked.load(Ordering::SeqCst), 3);

        let (stop, asked) = third_time();
        let cache = open().lock_timeout(LATE);
        let added = interruptible(stop, || cache.add(&event("client", "a token")));
        assert!(is_canceled(added, name));
        assert_eq!(asked.load(Ordering::SeqCst), 3);

        drop(guard);
        let (stop, _) = third_time();
        open().stop_when(stop).add(&event("client", "a token")).unwrap();
    }
}

#[test]
fn a_change_while_this_thread_has_the_stores_lock_is_refused_at_once() {
    let place = Place::new();
    let store = PlaintextPersistence::new(place.path().join("cache.json")).unwrap();
    let lock = store.lock().unwrap();
    let cache = PersistedTokenCache::new(store).lock_timeout(LATE);
    let guard = lock.acquire(&Wait::default()).unwrap();
    let refused = cache.add(&event("client", "a token"));
    assert!(matches!(refused, Err(Error::AlreadyLocked { .. })), "{refused:?}");
    drop(guard);
    cache.add(&event("client", "a token")).unwrap();
}

/// A store whose loads wait until the test lets them go.
#[derive(Debug)]
struct Slow {
    memory: MemoryPersistence,
    begun: Mutex<Sender<()>>,
    go: Mutex<Receiver<()>>,
}

impl Persistence for Slow {
    fn load(&self, known: Option<&Stamp>) -> Result<Loaded, Error> {
        self.begun.lock().unwrap().send(()).ok();
        self.go.lock().unwrap().recv().ok();
        self.memory.load(known)
    }

    fn save(
        &self,
        content: &[u8],
        base: Option<&Stamp>,
        guard: &LockGuard,
    ) -> Result<Saved, Error> {
        self.memory.save(content, base, guard)
    }

    fn delete(&self, base: Option<&Stamp>, guard: &LockGuard) -> Result<(), Error> {
        self.memory.delete(base, guard)
    }

    fn stamp(&self) -> Result<Option<Stamp>, Error> {
        self.memory.stamp()
    }
}

#[test]
fn a_wait_for_another_thread_ends_when_the_program_says_so() {
    let (begin, begun) = mpsc::channel();
    let (let_go, go) = mpsc::channel();
    let slow =
        Slow { memory: MemoryPersistence::new(), begun: Mutex::new(begin), go: Mutex::new(go) };
    let cache = PersistedTokenCache::new(slow).lock_timeout(LATE);
    thread::scope(|scope| {
        let loading = scope.spawn(|| cache.accounts());
        begun.recv().unwrap();
        let (stop, asked) = third_time();
        assert!(is_canceled(cache.clone().stop_when(stop).accounts(), "(memory)"));
        assert_eq!(asked.load(Ordering::SeqCst), 3);
        drop(let_go);
        loading.join().unwrap().unwrap();
    });
}

#[test]
fn nobody_is_asked_without_a_wait() {
    let place = Place::new();
    let asked = Arc::new(AtomicBool::new(false));
    let theirs = Arc::clone(&asked);
    let cache = place.open().stop_when(move || {
        theirs.store(true, Ordering::SeqCst);
        true
    });
    cache.add(&event("client", "a token")).unwrap();
    cache.accounts().unwrap();
    assert!(!asked.load(Ordering::SeqCst));
}

#[cfg(target_os = "linux")]
mod vault {
    use std::rc::Rc;

    use tokenkeep::{Interaction, build_encrypted_persistence};
    use tokenkeep_test_support::{
        keyring::{State, inside},
        mock::{Act, Mock},
    };

    use super::*;

    #[test]
    fn a_prompt_of_the_vault_that_nobody_answers_ends_when_the_program_says_so() {
        let name = "vault::a_prompt_of_the_vault_that_nobody_answers_ends_when_the_program_says_so";
        inside(name, State::Absent, |_| {
            let is_locked = Arc::new(AtomicBool::new(true));
            let theirs = Arc::clone(&is_locked);
            let mock = Mock::start(None, move |member| match member {
                "Locked" if theirs.load(Ordering::SeqCst) => Act::Locked,
                "Unlock" => Act::Prompt,
                "Prompt" => Act::Silence,
                _ => Act::Answer,
            });
            let place = tempfile::tempdir().unwrap();
            let location = place.path().join("cache.bin");
            let open = || {
                let store = build_encrypted_persistence(&location).unwrap();
                store.interaction(Interaction::Allow { deadline: LATE })
            };
            let mock = Rc::new(mock);
            let theirs = Rc::clone(&mock);
            let is_shown = move || theirs.count("Prompt") > 0;
            let cache = PersistedTokenCache::new(open());
            let added = interruptible(is_shown, || cache.add(&event("client", "a token")));
            assert!(is_canceled(added, "Secret Service"));
            let reached = interruptible(|| true, || open().reach());
            assert!(is_canceled(reached, "Secret Service"));
            assert!(!location.with_extension("bin.lockfile").exists());

            is_locked.store(false, Ordering::SeqCst);
            cache.add(&event("client", "a token")).unwrap();
            assert_eq!(support::token(&cache, "client").as_deref(), Some("a token"));
        });
    }
}
