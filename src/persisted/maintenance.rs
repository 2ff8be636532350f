//! Operations on a store as a whole.

use std::path::PathBuf;

use super::{PersistedTokenCache, transaction::ATTEMPTS};
use crate::{
    Error, Protection,
    lock::LockGuard,
    persistence::{Intent, Loaded, Persistence},
};

impl PersistedTokenCache {
    /// What protects the stored bytes, as far as it is known without asking. Of several key sources
    /// it is the one that the last look at the cache found in use. [`verify`](Self::verify) looks.
    pub fn protection(&self) -> Protection {
        self.persistence().protection()
    }

    /// Proves that the cache can be read and written here and now. The key source in use makes a
    /// round trip, the lock can be acquired, the stored content can be read, and a file can be
    /// written. The stored content does not change. The cache's folder is created if it is missing.
    ///
    /// The source in use is the one that sealed the cache. For a cache that does not exist yet it
    /// is the first of the list that exists here. No other source is tested, not even one that
    /// comes earlier in the list. The returned value names the source in use. A callback is called,
    /// and a passphrase asked for, only if a cache exists that has not been read yet. Before this
    /// call or a read, [`protection`](Self::protection) names the first source of the list if none
    /// was needed so far.
    ///
    /// # Errors
    /// The error of the first check that fails.
    pub fn verify(&self) -> Result<Protection, Error> {
        // First: the steps before the lock would ask a key source although the call must fail.
        self.shared.store.check_change()?;
        // Finds out which source sealed the cache, so that the round trip below is made with that
        // one.
        self.snapshot()?;
        self.prepare_for(Intent::Verify)?;
        self.with_lock(|persistence, _| persistence.verify())?;
        Ok(self.protection())
    }

    /// Proves, before a user signs in, that the sign-in can be stored, and prepares the save. The
    /// stored content is read, and the key source makes a round trip. For a new cache, the
    /// passphrase is asked for, the callback called, or the key created in the vault. The lock is
    /// acquired once. A file as large as the next save is written and removed again. The save that
    /// follows through this value asks for nothing more.
    ///
    /// The cache's folder is created if it is missing. A vault may prompt if
    /// [`Interaction::Allow`](crate::Interaction::Allow) was chosen. A key that was created for a
    /// new cache is removed again if the value is dropped before its first save.
    ///
    /// # Errors
    /// The first error that keeps the cache from being read or saved. The stored content does not
    /// change.
    ///
    /// ```no_run
    /// # fn sign_in() -> Vec<u8> { Vec::new() }
    /// # let cache = tokenkeep::PersistedTokenCache::open("com.example.mytool")?;
    /// # let request = tokenkeep::TokenRequest::new("c", "https://login.example.com/t", ["read"]);
    /// cache.prepare()?; // A locked vault is found out here, before the browser opens.
    /// let token = cache.add_response(&request, sign_in())?;
    /// # Ok::<(), tokenkeep::Error>(())
    /// ```
    pub fn prepare(&self) -> Result<Protection, Error> {
        self.shared.store.check_change()?;
        self.snapshot()?;
        // The round trip first: a source that does not work must not be asked for a key.
        self.prepare_for(Intent::Verify)?;
        self.prepare_for(Intent::Write)?;
        self.with_lock(|persistence, _| persistence.verify())?;
        Ok(self.protection())
    }

    /// Removes the cache, its key, temporary files, and caches that were [set
    /// aside](Self::quarantine) with their keys. A sealed cache's lock files stay, because another
    /// process may be waiting for them. An absent cache is not an error.
    ///
    /// A key is removed only if it was made for the cache of this name in this folder. A cache that
    /// was copied or moved here leaves the key to the original. `tokenkeep doctor` lists keys that
    /// no cache names.
    ///
    /// # Errors
    /// A cache that cannot be read is not removed; use [`reset`](Self::reset) or
    /// [`quarantine`](Self::quarantine). Errors that would keep a part from being removed, such as
    /// [`Error::VaultLocked`] or [`Error::UnsafePath`], are found before anything is removed. A
    /// failure in the middle is [`Error::PartlyRemoved`], which names what is left. In the Secret
    /// Service a copy of the key in a locked collection is [`Error::VaultLocked`], because it would
    /// be found again after an unlock.
    pub fn clear(&self) -> Result<(), Error> {
        self.shared.store.check_change()?;
        for _ in 0..ATTEMPTS {
            // Only to read: no key must be made for a cache that is about to be removed.
            self.prepare_for(Intent::Read)?;
            let cleared = self.with_lock(|persistence, guard| {
                let Some(found) = self.load_locked()? else { return Ok(false) };
                // Another process may hold the lock by now, and may have saved since the load.
                if !guard.is_intact()? {
                    return Ok(false);
                }
                persistence.delete(found.stamp.as_ref(), guard).map(|()| true)
            })?;
            // `None`: nothing is kept, and there is not even a folder for the lock.
            if cleared != Some(false) {
                self.forget();
                self.shared.renewals.unsaved.forget();
                return Ok(());
            }
        }
        Err(self.kept_changing(ATTEMPTS))
    }

    /// Removes the cache and what was [set aside](Self::quarantine), even if it cannot be read, and
    /// starts over empty.
    ///
    /// The key is removed if it was made for the cache of this name in this folder, and the file
    /// still opens with it without asking the user. Otherwise the key stays in its source, where it
    /// does no harm: the file may have been written by somebody who does not hold the key. A
    /// `key.dpapi` that Windows does not decrypt is renamed to `key.dpapi.quarantine-` and 32
    /// digits, and stays.
    ///
    /// # Errors
    /// Any error that keeps a file from being removed, found before anything is removed. A failure
    /// in the middle is [`Error::PartlyRemoved`].
    pub fn reset(&self) -> Result<(), Error> {
        self.give_up(|persistence, guard| persistence.reset(guard)).map(drop)
    }

    /// Renames the cache to another name in the same folder, and starts over empty. Returns `None`
    /// if nothing was kept.
    ///
    /// A sealed cache is renamed to `cache.quarantine-` and 32 hexadecimal digits. File and key
    /// stay until the next [`clear`](Self::clear) or [`reset`](Self::reset) removes both, so the
    /// file can be examined. Renamed back, it is the cache again. This process accepts it as long
    /// as nothing else was kept since. A process that saw the cache absent meanwhile reports
    /// [`Error::RolledBack`].
    ///
    /// # Errors
    /// Any error that keeps the file from being renamed.
    pub fn quarantine(&self) -> Result<Option<PathBuf>, Error> {
        Ok(self.give_up(|persistence, guard| persistence.quarantine(guard))?.flatten())
    }

    /// Runs `work` with a lock that was intact right before it. Returns `None` if nothing is kept.
    fn give_up<T>(
        &self,
        work: impl Fn(&dyn Persistence, &LockGuard) -> Result<T, Error>,
    ) -> Result<Option<T>, Error> {
        for _ in 0..ATTEMPTS {
            // Nothing is prepared: what is given up need not open, and its key may be out of reach.
            let done = self.with_lock(|persistence, guard| match guard.is_intact()? {
                true => work(persistence, guard).map(Some),
                false => Ok(None),
            })?;
            if !matches!(done, Some(None)) {
                self.forget();
                self.shared.renewals.unsaved.forget();
                return Ok(done.flatten());
            }
        }
        Err(self.kept_changing(ATTEMPTS))
    }

    /// Runs `work` with the lock held. Returns `None` if the lock's folder does not exist and
    /// nothing is kept. If something is kept elsewhere, such as in a vault, creates the folder
    /// first.
    pub(super) fn with_lock<T>(
        &self,
        work: impl FnOnce(&dyn Persistence, &LockGuard) -> Result<T, Error>,
    ) -> Result<Option<T>, Error> {
        let _nesting = self.shared.store.change()?;
        let held = match self.acquire() {
            Err(error) if error.is_not_found() => match self.persistence().stamp()? {
                None => return Ok(None),
                // The stamp of a vault's item does not tell whether the item exists, so it is
                // loaded.
                Some(_) if matches!(self.persistence().load(None), Ok(Loaded::Absent)) => {
                    return Ok(None);
                }
                Some(_) => {
                    // This intent creates the folder and nothing else.
                    self.prepare_for(Intent::Verify)?;
                    self.acquire()?
                }
            },
            held => held?,
        };
        work(&*self.persistence(), held.guard()).map(Some)
    }
}
