//! Text or bytes of any kind, where token caches of other programs are kept.

use super::{
    Intent, MsalExtensionsPersistence, Persistence, PlaintextPersistence, Protection, Stamp,
};
use crate::{
    Error, Secret,
    lock::{CrossProcessLock, LockGuard, Wait},
};

/// Text or bytes of any kind, kept where a [`MsalExtensionsPersistence`] or a
/// [`PlaintextPersistence`] keeps a token cache.
///
/// For a program that keeps something else than a token cache there, and for one that reads and
/// writes the cache with a library of its own. The content is not examined. It may be empty: an
/// empty file and an empty item are content of no bytes. So a file that an interrupted writer left
/// empty cannot be told from one that was saved empty. A
/// [`PersistedTokenCache`](crate::PersistedTokenCache) cannot have this store, and keeps refusing
/// an empty file.
///
/// [`update`](Self::update) is a whole change. A program that needs the steps takes them in this
/// order: [`prepare`](Self::prepare), which may ask the user; [`lock`](Self::lock), and acquire it;
/// [`load`](Self::load); [`is_intact`](LockGuard::is_intact); [`save`](Self::save) or
/// [`delete`](Self::delete) with the guard. A read needs no lock. But other programs may write in
/// place, and then it may find a part of the content. What was loaded under the lock is whole.
///
/// An item of the Secret Service or the Keychain takes any text in UTF-8 without a NUL, because
/// other programs read it as a text that ends there. With
/// [`ItemEncoding::Base64`](super::ItemEncoding::Base64) it takes any bytes, as do files.
///
/// ```
/// use tokenkeep::{Secret, lock::Wait, persistence::{OpaqueStore, PlaintextPersistence}};
///
/// # let place = tempfile::tempdir().unwrap();
/// # let path = place.path().join("visits.txt");
/// let store = OpaqueStore::from(PlaintextPersistence::open(path)?);
/// store.update(&Wait::default(), |content| {
///     let visits = content.and_then(|content| str::from_utf8(content).ok()?.parse().ok());
///     Ok(Secret::new((visits.unwrap_or(0) + 1).to_string()))
/// })?;
/// let (content, _stamp) = store.load()?.expect("it was saved");
/// assert_eq!(content.expose_str(), Some("1"));
/// # Ok::<(), tokenkeep::Error>(())
/// ```
#[derive(Debug)]
pub struct OpaqueStore(Place);

#[derive(Debug)]
enum Place {
    MsalExtensions(Box<MsalExtensionsPersistence>),
    Plaintext(PlaintextPersistence),
}

impl OpaqueStore {
    /// Does everything that may prompt or take long, before the lock is acquired.
    ///
    /// # Errors
    /// Any error that would keep the coming `load` or `save` from working: the vault is locked or
    /// missing, the place is not safe.
    pub fn prepare(&self, intent: Intent) -> Result<(), Error> {
        self.persistence().prepare(intent)
    }

    /// Reaches the place: proves that the vault answers and is unlocked, or that the folders above
    /// a file are safe. Nothing is created or written, and nothing is read from a vault's item. A
    /// vault may prompt if that was allowed.
    ///
    /// # Errors
    /// The errors of [`MsalExtensionsPersistence::reach`], and of [`PlaintextPersistence::open`].
    pub fn reach(&self) -> Result<(), Error> {
        match &self.0 {
            Place::MsalExtensions(persistence) => persistence.reach(),
            Place::Plaintext(persistence) => persistence.reach(),
        }
    }

    /// The content and its stamp; `None` if nothing is kept.
    ///
    /// # Errors
    /// Any error of reading it. [`Error::TooLarge`] above the limit of the persistence.
    pub fn load(&self) -> Result<Option<(Secret, Stamp)>, Error> {
        match &self.0 {
            Place::MsalExtensions(persistence) => persistence.read_any(),
            Place::Plaintext(persistence) => persistence.read_any(),
        }
    }

    /// Replaces the content, and returns its stamp. The caller holds the lock. A file is replaced
    /// as a whole and durably.
    ///
    /// A vault may still be writing when this returns [`Error::OutcomeUnknown`]. It then keeps a
    /// clone of `guard`, so that the lock outlives the write.
    ///
    /// # Errors
    /// Any error that kept the content from being written. [`Error::Invalid`] for content that an
    /// item does not take.
    pub fn save(&self, content: &[u8], guard: &LockGuard) -> Result<Stamp, Error> {
        match &self.0 {
            Place::MsalExtensions(persistence) => persistence.write_any(content, guard),
            Place::Plaintext(persistence) => persistence.write_any(content),
        }
    }

    /// Removes the content. Succeeds if nothing is there. The caller holds the lock.
    ///
    /// # Errors
    /// Any error that kept something from being removed.
    pub fn delete(&self, guard: &LockGuard) -> Result<(), Error> {
        self.persistence().delete(None, guard)
    }

    /// Changes the content: prepares, acquires the lock, loads, and saves what `change` returns.
    /// `change` gets `None` if nothing is kept. It may run again if somebody took the lock away. If
    /// it fails, nothing is changed. The same content is not saved again.
    ///
    /// # Errors
    /// The error that `change` returns. The errors of [`CrossProcessLock::acquire`],
    /// [`load`](Self::load) and [`save`](Self::save).
    pub fn update(
        &self,
        wait: &Wait<'_>,
        mut change: impl FnMut(Option<&[u8]>) -> Result<Secret, Error>,
    ) -> Result<(), Error> {
        let lock = self.lock();
        for _ in 0..ATTEMPTS {
            self.prepare(Intent::Write)?;
            let guard = lock.acquire(wait)?;
            let before = self.load()?.map(|(content, _)| content);
            let before = before.as_ref().map(Secret::expose);
            let after = change(before)?;
            if before == Some(after.expose()) {
                // Its writer may have been killed before it was durable.
                return self.persistence().confirm();
            }
            if guard.is_intact()? {
                return self.save(after.expose(), &guard).map(drop);
            }
        }
        Err(Error::KeptChanging { path: lock.path().to_owned(), attempts: ATTEMPTS })
    }

    /// A cheap mark of what is kept now; `None` if nothing is. Equal stamps mean that a reader need
    /// not load again.
    ///
    /// # Errors
    /// Any error of looking at the place.
    pub fn stamp(&self) -> Result<Option<Stamp>, Error> {
        self.persistence().stamp()
    }

    /// The lock that every writer takes: [`CrossProcessLock::msal_extensions`].
    pub fn lock(&self) -> CrossProcessLock {
        self.persistence().lock().expect("both persistences have one")
    }

    /// What protects the bytes.
    pub fn protection(&self) -> Protection {
        self.persistence().protection()
    }

    fn persistence(&self) -> &dyn Persistence {
        match &self.0 {
            Place::MsalExtensions(persistence) => &**persistence,
            Place::Plaintext(persistence) => persistence,
        }
    }
}

impl From<MsalExtensionsPersistence> for OpaqueStore {
    fn from(persistence: MsalExtensionsPersistence) -> Self {
        Self(Place::MsalExtensions(Box::new(persistence)))
    }
}

impl From<PlaintextPersistence> for OpaqueStore {
    fn from(persistence: PlaintextPersistence) -> Self {
        Self(Place::Plaintext(persistence))
    }
}

/// How often one call tries again after somebody took the lock away.
const ATTEMPTS: usize = 32;
