//! The keyring's daemon, which may crash under the faults.

use std::sync::{
    RwLock,
    atomic::{AtomicUsize, Ordering},
};

use tokenkeep_test_support::keyring::Keyring;

/// The daemon that all updates use at the same time.
pub(crate) struct Daemon<'a> {
    keyring: &'a Keyring,
    /// The id of its process. A user of the daemon reads it for as long as it is used.
    process: RwLock<u32>,
    crashes: AtomicUsize,
}

impl<'a> Daemon<'a> {
    pub(crate) fn new(keyring: &'a Keyring) -> Self {
        let process = RwLock::new(keyring.daemon().unwrap());
        Self { keyring, process, crashes: AtomicUsize::new(0) }
    }

    /// Uses the daemon, and once more where that fails because it crashed.
    pub(crate) fn unless_it_crashes<T, E>(
        &self,
        mut used: impl FnMut() -> Result<T, E>,
    ) -> Result<T, E> {
        loop {
            let process = self.process.read().unwrap();
            let (before, result) = (*process, used());
            drop(process);
            if result.is_ok() || !self.has_replaced(before) {
                return result;
            }
        }
    }

    /// How often it was replaced.
    pub(crate) fn crashes(&self) -> usize {
        self.crashes.load(Ordering::Relaxed)
    }

    /// Whether this process has crashed. Another is there then, with its collection unlocked.
    fn has_replaced(&self, before: u32) -> bool {
        let mut process = self.process.write().unwrap();
        if *process == before {
            let now = self.keyring.daemon();
            if now.as_ref().is_ok_and(|now| *now == before) {
                return false;
            }
            let crashes = self.crashes.fetch_add(1, Ordering::Relaxed) + 1;
            assert!(crashes <= MOST, "the daemon crashed {crashes} times");
            if now.is_ok() {
                // The bus has started it, and its collection is locked.
                self.keyring.kill_daemon().unwrap();
            }
            self.keyring.start_daemon().unwrap();
            *process = self.keyring.daemon().unwrap();
        }
        true
    }
}

/// Far more than chance makes of one in about a thousand kills.
const MOST: usize = 10;
