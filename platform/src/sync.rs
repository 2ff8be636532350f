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

/// Guards what a process remembers and can do without.
///
/// A fork copies a lock as it is: held by a thread that the child does not have, it would never be
/// released there. A child that finds the lock in such a state forgets what was guarded and goes on
/// with `T::default()`, after half a second or so. In the process that used the lock first nothing
/// is ever forgotten.
///
/// It is for work of a few instructions: a thread of a child that looks at it for half a second is
/// taken for one that is not there. Once the child has locked it alone, nobody else can hold it,
/// and nothing is forgotten there any more. A panic of who holds it is no reason for others to
/// fail.
pub struct ForkLock<T> {
    value: RwLock<T>,
    /// The process whose threads may hold it, for all that is known; 0 before the first use.
    home: AtomicU32,
    /// What a child goes on with.
    next: OnceLock<Box<Self>>,
}

impl<T> ForkLock<T> {
    /// Guards `value`.
    pub const fn new(value: T) -> Self {
        Self { value: RwLock::new(value), home: AtomicU32::new(0), next: OnceLock::new() }
    }

    /// What is guarded, without waiting for anybody.
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
    /// Looks at what is guarded, beside others who look.
    pub fn read(&self) -> RwLockReadGuard<'_, T> {
        self.lock(RwLock::try_read, RwLock::read, false)
    }

    /// Changes what is guarded, alone.
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
            if alone {
                slot.home.store(process::id(), Ordering::Relaxed);
            }
            Some(guard)
        };
        loop {
            if slot.home.load(Ordering::Relaxed) == 0 {
                slot.home.store(process::id(), Ordering::Relaxed);
            }
            if let Some(guard) = try_lock(slot) {
                return guard;
            }
            if slot.home.load(Ordering::Relaxed) == process::id() {
                return wait(&slot.value).unwrap_or_else(PoisonError::into_inner);
            }
            // Counted and not timed: a process that is stopped for a while gives nobody time to go
            // on.
            for _ in 0..LOOKS {
                thread::sleep(PAUSE);
                if let Some(guard) = try_lock(slot) {
                    return guard;
                }
                // Another thread has just found out that only this process can hold it.
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

/// Locks `mutex` within `time`; `None` if others had it all the time, or a thread that a fork did
/// not copy. For what must not be forgotten, in place of a [`ForkLock`].
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

/// Nobody who is there holds it for half a second.
const LOOKS: u32 = 500;
const PAUSE: Duration = Duration::from_millis(1);

#[cfg(test)]
mod tests {
    use super::*;

    /// As if another process had used it before the fork.
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
        // A reader that was copied hinders no other.
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
