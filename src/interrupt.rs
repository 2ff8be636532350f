//! Ends the waits of a thread before their time.

use std::sync::Arc;

use tokenkeep_platform::interrupt::Interruptible;

/// Runs `work`, and ends a wait of this thread in it when `stop` returns `true`: for a lock, for
/// another thread, for a vault, and for the user's answer to a vault's prompt. The call that waited
/// then fails with [`Error::WaitCanceled`](crate::Error::WaitCanceled), and changed nothing. Only a
/// write that a vault has begun is [`Error::OutcomeUnknown`](crate::Error::OutcomeUnknown).
///
/// `stop` is called on this thread, at least every 50 ms of a wait and never otherwise. Calls may
/// stand in each other; then every `stop` counts. It does not reach an asynchronous call, which
/// works on another thread: see
/// [`PersistedTokenCache::stop_when`](crate::PersistedTokenCache::stop_when).
///
/// Not every wait ends early. Reads and writes of files, a callback or question of the program's
/// own, and a request to a provider go on. A vault whose call was stopped may still be busy with
/// it, and a later call waits for that.
///
/// ```
/// use std::{cell::Cell, rc::Rc, time::Duration};
/// use tokenkeep::{Error, interruptible, lock::{CrossProcessLock, Wait}};
///
/// # let place = tempfile::tempdir().unwrap();
/// # let path = place.path().join("x.lock");
/// # let other = CrossProcessLock::msal_extensions_at(&path);
/// # let held = std::thread::spawn(move || other.acquire(&Wait::default()).unwrap()).join().unwrap();
/// let lock = CrossProcessLock::msal_extensions_at(path);
/// let asked = Rc::new(Cell::new(0));
/// let theirs = Rc::clone(&asked);
/// let third_time = move || { theirs.set(theirs.get() + 1); theirs.get() == 3 };
/// // Another thread or program has the lock.
/// let stopped = interruptible(third_time, || lock.acquire(&Wait::default()));
/// assert!(matches!(stopped, Err(Error::WaitCanceled { .. })));
/// assert_eq!(asked.get(), 3);
/// ```
pub fn interruptible<T>(stop: impl Fn() -> bool + 'static, work: impl FnOnce() -> T) -> T {
    let _stop = Interruptible::new(Arc::new(stop));
    work()
}
