//! A lock that a forked child can use, whatever the threads of its parent were doing.

use std::{
    fmt, process,
    sync::{
        LockResult, Mutex, MutexGuard, OnceLock, PoisonError, RwLock, RwLockReadGuard,
        RwLockWriteGuard, TryLockError, TryLockResult,
        atomic::{AtomicU32, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

/// A read-write lock for cached data that a process can do without.
///
/// A fork copies a lock in its current state. If another thread held it, it is never released in
/// the child, because the child does not have that thread. A child that finds the lock in this
/// state discards the guarded value and continues with `T::default()`, after about half a second.
/// In the process that used the lock first, the value is never discarded.
///
/// Hold it only for a few instructions: in a child, a thread that holds it for half a second is
/// treated as missing. Once the child has locked it exclusively, no copied thread can hold it, and
/// the value is no longer discarded there. A panic of the holder does not poison the lock.
pub struct ForkLock<T> {
    value: RwLock<T>,
    /// The process whose threads may hold the lock; 0 before the first use.
    home: AtomicU32,
    /// The lock that a child uses instead of this one.
    next: OnceLock<Box<Self>>,
}

impl<T> ForkLock<T> {
    /// Creates a lock that guards `value`.
    pub const fn new(value: T) -> Self {
        Self { value: RwLock::new(value), home: AtomicU32::new(0), next: OnceLock::new() }
    }

    /// The guarded value, without locking.
    pub fn get_mut(&mut self) -> &mut T {
        match self.next.get_mut() {
            Some(next) => next.get_mut(),
            None => self.value.get_mut().unwrap_or_else(PoisonError::into_inner),
        }
    }

    fn newest(&self) -> &Self {
        let mut slot = self;
        while let Some(next) = slot.next.get() {
            slot = next;
        }
        slot
    }
}

impl<T: Default> ForkLock<T> {
    /// Locks for reading, shared with other readers.
    pub fn read(&self) -> RwLockReadGuard<'_, T> {
        self.lock(RwLock::try_read, RwLock::read, false)
    }

    /// Locks exclusively for writing.
    pub fn write(&self) -> RwLockWriteGuard<'_, T> {
        self.lock(RwLock::try_write, RwLock::write, true)
    }

    fn lock<'a, G>(
        &'a self,
        attempt: impl Fn(&'a RwLock<T>) -> TryLockResult<G>,
        wait: impl Fn(&'a RwLock<T>) -> LockResult<G>,
        alone: bool,
    ) -> G {
        let mut slot = self.newest();
        let try_lock = |slot: &'a Self| {
            let guard = taken(attempt(&slot.value))?;
            // Only an exclusive lock proves that no copied thread holds it.
            if alone {
                slot.home.store(process::id(), Ordering::Relaxed);
            }
            Some(guard)
        };
        loop {
            if slot.home.load(Ordering::Relaxed) == 0 {
                // Threads that come here together store the same number.
                slot.home.store(process::id(), Ordering::Relaxed);
            }
            if let Some(guard) = try_lock(slot) {
                return guard;
            }
            if slot.home.load(Ordering::Relaxed) == process::id() {
                return wait(&slot.value).unwrap_or_else(PoisonError::into_inner);
            }
            // Attempts are counted, not timed: a stopped process gives the holder no time to
            // finish.
            for _ in 0..LOOKS {
                thread::sleep(PAUSE);
                if let Some(guard) = try_lock(slot) {
                    return guard;
                }
                // Another thread has since locked it exclusively, so only threads of this process
                // can hold it.
                if slot.home.load(Ordering::Relaxed) == process::id() {
                    return wait(&slot.value).unwrap_or_else(PoisonError::into_inner);
                }
            }
            slot = slot.next.get_or_init(Box::default);
        }
    }
}

fn taken<G>(result: TryLockResult<G>) -> Option<G> {
    match result {
        Ok(guard) => Some(guard),
        Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
        Err(TryLockError::WouldBlock) => None,
    }
}

impl<T: Default> Default for ForkLock<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T> fmt::Debug for ForkLock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ForkLock")
    }
}

/// Locks `mutex` within `time`. Returns `None` if it stays locked, by another thread or by one that
/// a fork did not copy. For data that must not be discarded, instead of a [`ForkLock`].
pub fn lock_within<T>(mutex: &Mutex<T>, time: Duration) -> Option<MutexGuard<'_, T>> {
    let begun = Instant::now();
    loop {
        if let Some(guard) = taken(mutex.try_lock()) {
            return Some(guard);
        }
        let left = time.checked_sub(begun.elapsed())?;
        thread::sleep(PAUSE.min(left));
    }
}

/// With `PAUSE`, half a second. No running thread holds the lock that long.
const LOOKS: u32 = 500;
const PAUSE: Duration = Duration::from_millis(1);

#[cfg(test)]
mod tests {
    use super::*;

    /// Simulates that another process used the lock before the fork.
    fn copied(lock: &ForkLock<u8>) {
        lock.home.store(process::id() + 1, Ordering::Relaxed);
    }

    #[test]
    fn a_child_forgets_what_a_thread_holds_that_it_does_not_have() {
        let lock = ForkLock::new(7);
        *lock.write() += 1;
        copied(&lock);
        let phantom = lock.value.write();
        assert_eq!(*lock.read(), 0);
        *lock.write() = 3;
        assert_eq!(*lock.read(), 3, "what the child remembers stays");
        drop(phantom);
        let mut lock = lock;
        assert_eq!(*lock.get_mut(), 3);
    }

    #[test]
    fn a_child_keeps_what_nobody_held() {
        let lock = ForkLock::new(7);
        copied(&lock);
        assert_eq!(*lock.read(), 7);
        // A copied reader does not block other readers.
        let _phantom = lock.value.read();
        assert_eq!(*lock.read(), 7);
        *lock.write() = 1;
        assert_eq!(*lock.read(), 1);
    }

    #[test]
    fn in_its_own_process_nothing_is_forgotten_however_long_it_is_held() {
        let lock = ForkLock::new(7);
        thread::scope(|scope| {
            let guard = lock.write();
            let waiting = scope.spawn(|| *lock.read());
            thread::sleep(PAUSE * (LOOKS + 50));
            drop(guard);
            assert_eq!(waiting.join().unwrap(), 7);
        });
    }

    #[test]
    fn a_child_forgets_nothing_that_it_has_locked_alone() {
        let lock = ForkLock::new(7);
        copied(&lock);
        thread::scope(|scope| {
            let mut guard = lock.write();
            let waiting = scope.spawn(|| *lock.read());
            thread::sleep(PAUSE * (LOOKS + 200));
            *guard = 8;
            drop(guard);
            assert_eq!(waiting.join().unwrap(), 8);
        });
    }

    #[test]
    fn what_must_not_be_forgotten_is_waited_for_and_not_for_ever() {
        let mutex = Mutex::new(7);
        let phantom = mutex.lock().unwrap();
        assert!(lock_within(&mutex, Duration::from_millis(20)).is_none());
        drop(phantom);
        assert_eq!(lock_within(&mutex, Duration::ZERO).map(|guard| *guard), Some(7));
    }

    #[test]
    fn a_panic_of_its_holder_fails_nobody_else() {
        let lock = ForkLock::new(7);
        let panicked = thread::scope(|scope| {
            scope
                .spawn(|| {
                    let _guard = lock.write();
                    panic!("on purpose")
                })
                .join()
        });
        assert!(panicked.is_err());
        assert_eq!(*lock.read(), 7);
    }
}
