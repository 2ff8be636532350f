#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod cache;
mod error;
mod failure;
mod interaction;
mod next_step;
mod persisted;
mod persistence;
mod seal;
mod secret;

pub use cache::{
    AccessToken, AccessTokenRef, Account, AuthorityType, CredentialType, Entry, Merged,
    MergedEntries, MergedSections, Query, SerializableTokenCache, SignInEvent, TokenCache,
    TokenRequest, TokenSource, ext_cache_key,
};
pub use error::Error;
pub use interaction::Interaction;
pub use persisted::PersistedTokenCache;
pub use persistence::{
    CredentialStore, FamilyIdentity, FamilyItem, FamilyPersistence, Hold, Intent, ItemEncoding,
    KernelKeyring, KeyCallback, KeyRequest, KeySource, LeftOverKey, Loaded, MemoryPersistence,
    Passphrase, Persistence, PersistenceBuilder, PlaintextPersistence, Protection, Saved,
    SealedPersistence, Stamp, build_encrypted_persistence,
};
pub use seal::KeyId;
pub use secret::Secret;
pub use tokenkeep_platform::lock::{CrossProcessLock, Holder, LockError, LockGuard, Wait};
