//! tokenkeep keeps OAuth sign-ins across runs of a program.
#![forbid(unsafe_code)]

mod cache;
mod error;
#[allow(dead_code, unused_imports, reason = "the format is whole before its callers are")]
mod seal;
mod secret;

pub use cache::{
    AccessToken, AccessTokenRef, Account, AuthorityType, CredentialType, Entry, Query,
    SerializableTokenCache, SignInEvent, TokenCache, TokenRequest, TokenSource, ext_cache_key,
};
pub use error::Error;
pub use seal::KeyId;
pub use secret::Secret;
