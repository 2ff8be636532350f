//! What is done to a store as a whole.

use std::path::PathBuf;

use super::{PersistedTokenCache, transaction::ATTEMPTS};
use crate::{
    Error, Protection,
    lock::LockGuard,
    persistence::{Intent, Loaded, Persistence},
};

impl PersistedTokenCache {
    /// What guards the kept bytes, as far as is known without asking: of several key sources the
    /// one that the last look at the cache found in use. [`verify`](Self::verify) looks.
    pub fn protection(&self) -> Protection {
        self.persistence().protection()
    }

    /// Proves that the cache can be read and written here and now: the key source in use makes a
    /// round trip, the lock can be had, what is kept can be read, a file can be written. Nothing
    /// that is kept changes; the cache's folder is made if it is not there.
    ///
    /// The source in use is the one that sealed the cache, or for a cache that does not exist yet
    /// the first of the list that exists here, and no other: one that comes earlier in the list may
    /// work, or not. The answer names it. A callback is called, and a passphrase asked for, only
    /// where a cache exists that has not been read yet. Before this, or a read,
    /// [`protection`](Self::protection) names the first source of the list where none was needed so
    /// far.
    ///
    /// # Errors
    /// The first thing that does not work.
    pub fn verify(&self) -> Result<Protection, Error> {
        self.shared.store.check_change()?;
        self.snapshot()?;
        self.prepare_for(Intent::Verify)?;
        self.with_lock(|persistence, _| persistence.verify())?;
        Ok(self.protection())
    }

    /// Proves, before a user signs in, that the sign-in can be kept, and makes everything ready for
    /// it: what is kept is read, the key source makes a round trip, for a new cache the passphrase
    /// is asked for, the callback called or the key made in the vault, the lock is taken once, and
    /// a file as large as the next save is written and removed again. The save that follows through
    /// this value asks for nothing more.
    ///
    /// The cache's folder is made if it is not there, and a vault may prompt where
    /// [`Interaction::Allow`](crate::Interaction::Allow) was chosen. A key that was made for a new
    /// cache is removed again when the value is dropped before its first save.
    ///
    /// # Errors
    /// The first thing that keeps the cache from being read or saved; nothing that is kept changes.
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

    /// Removes the cache, its key, temporary files, and what was [set aside](Self::quarantine) with
    /// the keys of that. A sealed cache's lock files stay: another process may be waiting at them.
    /// An absent cache is no error.
    ///
    /// A key goes only if it was made for the cache of this name in this folder: one that was
    /// copied or moved here leaves it to the original, and `tokenkeep doctor` lists keys that no
    /// cache names.
    ///
    /// # Errors
    /// A cache that cannot be read is left for [`reset`](Self::reset) or
    /// [`quarantine`](Self::quarantine). What would keep a part from being removed, such as
    /// [`Error::VaultLocked`] or [`Error::UnsafePath`], is found before anything is; what fails in
    /// the middle is [`Error::PartlyRemoved`], which names what is left.
    pub fn clear(&self) -> Result<(), Error> {
        self.shared.store.check_change()?;
        for _ in 0..ATTEMPTS {
            self.prepare_for(Intent::Read)?;
            let cleared = self.with_lock(|persistence, guard| {
                let Some(found) = self.load_locked()? else { return Ok(false) };
                if !guard.is_intact()? {
                    return Ok(false);
                }
                persistence.delete(found.stamp.as_ref(), guard).map(|()| true)
            })?;
            if cleared != Some(false) {
                self.forget();
                return Ok(());
            }
        }
        Err(self.kept_changing())
    }

    /// Gives up what is kept and what was [set aside](Self::quarantine) even if it cannot be read,
    /// and starts over empty.
    ///
    /// The key goes where the file still opens with it, without asking anybody, and it was made for
    /// the cache of this name in this folder. Otherwise it stays in its source, where it harms
    /// nobody: who does not hold the key may have written the file. A `key.dpapi` that Windows does
    /// not decrypt is renamed to `key.dpapi.quarantine-` and 32 digits, and stays.
    ///
    /// # Errors
    /// Whatever keeps a file from being removed, found before anything is; what fails in the middle
    /// is [`Error::PartlyRemoved`].
    pub fn reset(&self) -> Result<(), Error> {
        self.give_up(|persistence, guard| persistence.reset(guard)).map(drop)
    }

    /// Sets what is kept aside under another name in the same folder, and starts over empty. `None`
    /// if nothing was kept.
    ///
    /// Of a sealed cache that is `cache.quarantine-` and 32 hexadecimal digits. File and key stay
    /// until the next [`clear`](Self::clear) or [`reset`](Self::reset) removes both, so what was
    /// set aside can be examined. Renamed back, it is the cache again: to this process as long as
    /// nothing else was kept since, to another that saw the cache absent meanwhile it is
    /// [`Error::RolledBack`].
    ///
    /// # Errors
    /// Whatever keeps the file from being renamed.
    pub fn quarantine(&self) -> Result<Option<PathBuf>, Error> {
        Ok(self.give_up(|persistence, guard| persistence.quarantine(guard))?.flatten())
    }

    /// With a lock that is still our own right before; `None` if nothing is kept.
    fn give_up<T>(
        &self,
        work: impl Fn(&dyn Persistence, &LockGuard) -> Result<T, Error>,
    ) -> Result<Option<T>, Error> {
        for _ in 0..ATTEMPTS {
            let done = self.with_lock(|persistence, guard| match guard.is_intact()? {
                true => work(persistence, guard).map(Some),
                false => Ok(None),
            })?;
            if !matches!(done, Some(None)) {
                self.forget();
                return Ok(done.flatten());
            }
        }
        Err(self.kept_changing())
    }

    /// `None` if there is no place that could be locked, and nothing is kept. What is kept
    /// elsewhere than beside its lock gets the place made.
    pub(super) fn with_lock<T>(
        &self,
        work: impl FnOnce(&dyn Persistence, &LockGuard) -> Result<T, Error>,
    ) -> Result<Option<T>, Error> {
        let _nesting = self.shared.store.change()?;
        let held = match self.acquire() {
            Err(error) if error.is_not_found() => match self.persistence().stamp()? {
                None => return Ok(None),
                // Of a vault's item a look at the place says nothing.
                Some(_) if matches!(self.persistence().load(None), Ok(Loaded::Absent)) => {
                    return Ok(None);
                }
                Some(_) => {
                    self.prepare_for(Intent::Verify)?;
                    self.acquire()?
                }
            },
            held => held?,
        };
        work(&*self.persistence(), held.guard()).map(Some)
    }
}
