//! Keeps OAuth sign-ins across runs of a program, so that users sign in once.
//!
//! [`PersistedTokenCache::open`] opens the cache of a program. It holds tokens in the schema of
//! Microsoft's MSAL libraries, encrypted under a key in the operating system's vault. Any number of
//! threads and processes use it at once, and one of them renews a token for all. The crate does no
//! HTTP, unless its feature `ureq` is on: bring your own OAuth flow.
//!
//! ```no_run
//! # fn sign_in() -> Vec<u8> { br#"{"access_token": "eyJ0eXAi", "expires_in": 3600}"#.to_vec() }
//! # use tokenkeep::silent::{ExchangeError, Spend};
//! use tokenkeep::{PersistedTokenCache, TokenRequest, silent::TokenReply};
//!
//! let cache = PersistedTokenCache::open("com.example.mytool")?;
//! let authority = "https://login.microsoftonline.com/organizations";
//! let request = TokenRequest::new("my-client-id", authority, ["User.Read"]);
//! # fn post(_: &Spend) -> Result<(u16, Vec<u8>), ExchangeError> { Ok((200, sign_in())) }
//! let exchange = |spend: &_| {
//!     // POST `spend.form()` to the token endpoint, with any HTTP client.
//!     let (status, body) = post(spend)?;
//!     Ok(TokenReply::new(status, body))
//! };
//! let token = match cache.acquire_token_silent(&request, exchange)? {
//!     Some(token) => token,
//!     None => {
//!         // What would keep the sign-in from being kept is found out before the user signs in.
//!         cache.prepare()?;
//!         cache.add_response(&request, sign_in())?
//!     }
//! };
//! if let Some(reason) = token.unstored_because() {
//!     eprintln!("signed in for this run only: {reason}; {}", reason.next_step());
//! }
//! println!("signed in until {}", token.expires_on());
//! # Ok::<(), tokenkeep::Error>(())
//! ```
//!
//! # Renewing
//!
//! [`acquire_token_silent`](PersistedTokenCache::acquire_token_silent) returns a cached token, or
//! renews it: one of all threads and processes asks the provider, and all get its token. Many
//! providers replace a refresh token when it is used, and sign the user out if it is used twice, so
//! programs must not renew side by side.
//! [`acquire_token_for_client`](PersistedTokenCache::acquire_token_for_client) does the same for a
//! token of the application itself.
//!
//! - Call [`settle`](PersistedTokenCache::settle) before the program ends, if it may end during a
//!   renewal.
//! - An API may refuse a token that seems valid. Ask again
//!   [`instead_of`](TokenRequest::instead_of) it.
//! - [`find_access_token`](PersistedTokenCache::find_access_token) only looks, and asks nobody.
//! - A library that renews in its own way takes the
//!   [`refresh_lease`](PersistedTokenCache::refresh_lease) first, and stores the answer with
//!   [`add_renewal`](PersistedTokenCache::add_renewal).
//!
//! # Accounts
//!
//! An account comes with an `id_token` or `client_info` in the provider's answer. For a provider
//! that sends neither, [`SignInEvent::account`] says whose sign-in it is. A later answer without
//! them belongs to the request's account, or to the only one that the program has there. Tokens are
//! told apart by client id, account, scopes, and the authority's host and first path segment, as in
//! MSAL.
//!
//! [`sign_out`](PersistedTokenCache::sign_out) signs an account out of one client, and
//! [`sign_out_everywhere`](PersistedTokenCache::sign_out_everywhere) out of all. Neither revokes
//! anything at the provider; [`sign_out_with`](PersistedTokenCache::sign_out_with) does. This signs
//! everybody out:
//!
//! ```
//! use tokenkeep::PersistedTokenCache;
//!
//! # let cache = PersistedTokenCache::in_memory();
//! # use tokenkeep::{CredentialType, SignInEvent, TokenRequest};
//! # let answer = br#"{"access_token": "a", "expires_in": 3600, "refresh_token": "r"}"#;
//! # let authority = "https://login.example.com/tenant";
//! # for client in ["one", "two"] {
//! #     let request = TokenRequest::new(client, authority, ["read"]);
//! #     cache.add(&SignInEvent::from_response(&request, answer)?.account("7", "bob"))?;
//! # }
//! # cache.add_response(&TokenRequest::new("three", authority, ["read"]), answer)?;
//! # cache.sign_out(&cache.accounts()?[0], "one")?;
//! # assert!(cache.accounts()?.is_empty());
//! # assert_eq!(cache.snapshot()?.entries(CredentialType::RefreshToken).count(), 2);
//! cache.transaction(|cache| {
//!     // Not `accounts`: it lacks an account that only one client signed out.
//!     for account in cache.owners() {
//!         cache.sign_out_everywhere(&account)?;
//!     }
//!     // Tokens of an app, and of a provider that does not say who signed in.
//!     cache.sign_out_without_account(None)
//! })?;
//! # let kinds = [CredentialType::AccessToken, CredentialType::RefreshToken];
//! # assert!(kinds.iter().all(|&kind| cache.snapshot().unwrap().entries(kind).next().is_none()));
//! # Ok::<(), tokenkeep::Error>(())
//! ```
//!
//! [`clear`](PersistedTokenCache::clear) removes the whole cache with its key.
//!
//! # Where there may be no vault
//!
//! There is no silent fallback. [`KeySource`] has the choices, and a program lists its own:
//!
//! ```no_run
//! use tokenkeep::{KeySource, PersistedTokenCache, persistence::SealedPersistence};
//!
//! // The best first; what a cache was sealed with, it keeps.
//! let persistence = SealedPersistence::builder("com.example.mytool")
//!     .key_sources([KeySource::OsVault, KeySource::Passphrase("several words".into())])
//!     .open()?;
//! let cache = PersistedTokenCache::new(persistence);
//! println!("{}", cache.protection());
//! // … or memory, with the reason to show.
//! let (_cache, _reason) = PersistedTokenCache::open_or_memory("com.example.mytool");
//! # Ok::<(), tokenkeep::Error>(())
//! ```
//!
//! In a debug build a passphrase takes seconds. `[profile.dev.package.argon2] opt-level = 3` in
//! your Cargo.toml changes that.
//!
//! # Errors
//!
//! [`Error::next_step`] says in one line what the user can do. For a vault that does not work, the
//! command `tokenkeep doctor` of the package `tokenkeep-cli` tries each vault and key source, and
//! says how to fix it.
//!
//! # Asynchronous programs
//!
//! The feature `tokio` adds `open_async`, `find_access_token_async`, `acquire_token_silent_async`,
//! `transaction_async`, and `call_async` for every other call. They work on threads that no runtime
//! waits for, so a runtime can end while a vault is stuck. The synchronous calls may stand in a
//! task, too: none needs or starts a runtime. A wait for the vault, for the lock or for another
//! thread ends at its deadline. Reads and writes of files, and a callback or question of yours,
//! have none.
//!
//! # A sign-in that is shared with Python
//!
//! [`build_encrypted_persistence`] opens what the function of that name in Python's msal-extensions
//! opens at a location.
//!
//! ```no_run
//! use tokenkeep::{PersistedTokenCache, build_encrypted_persistence};
//!
//! let persistence = build_encrypted_persistence("/home/ada/.mytool/token_cache.bin")?;
//! let cache = PersistedTokenCache::new(persistence);
//! for account in cache.accounts()? {
//!     println!("{}", account.username());
//! }
//! # Ok::<(), tokenkeep::Error>(())
//! ```
//!
//! Use it where programs in other languages keep their sign-ins. A program that shares with nobody,
//! or with programs that use this crate, is better served by `open`: its file is replaced
//! atomically, survives a power cut, and costs no call to the vault at each change.
//!
//! # Tests of your program
//!
//! [`PersistedTokenCache::in_memory`] needs no vault and writes nothing, and
//! [`clock`](PersistedTokenCache::clock) sets its time:
//!
//! ```
//! use tokenkeep::{PersistedTokenCache, TokenRequest};
//!
//! let cache = PersistedTokenCache::in_memory().clock(|| 1_000_000_000);
//! let request = TokenRequest::new("client", "https://login.example.com/tenant", ["read"]);
//! let answer = r#"{"access_token": "eyJ0eXAi", "expires_in": 3600}"#;
//! assert_eq!(cache.add_response(&request, answer)?.expires_on(), 1_000_003_600);
//! assert!(cache.find_access_token(&request)?.is_some());
//! # Ok::<(), tokenkeep::Error>(())
//! ```
//!
//! # Features
//!
//! - `desktop` (default): files, locks, vaults and passphrases. Without it there is the token cache
//!   in memory: [`TokenCache`] and what it works with, [`silent`] and [`envelope`]. There is no
//!   `PersistedTokenCache`, `KeySource`, `Protection`, `Interaction`,
//!   `build_encrypted_persistence`, `interruptible`, `lock` or `persistence`.
//! - `tokio`: the asynchronous calls. It includes `desktop`.
//! - `ureq`: `silent::HttpEndpoint`, a token endpoint over HTTPS. It uses ureq, rustls and
//!   graviola, and compiles no C.
#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod cache;
pub mod envelope;
mod error;
#[cfg(feature = "desktop")]
mod interaction;
#[cfg(feature = "desktop")]
mod interrupt;
#[cfg(feature = "desktop")]
pub mod lock;
#[cfg(feature = "desktop")]
mod persisted;
#[cfg(feature = "desktop")]
pub mod persistence;
#[cfg_attr(not(feature = "desktop"), allow(dead_code, reason = "stores use it"))]
mod seal;
mod secret;
#[cfg(all(feature = "desktop", feature = "ureq"))]
pub mod sign_in;
pub mod silent;

pub use cache::{
    AccessToken, AccessTokenRef, Account, AuthorityType, ClientAuthMethod, CredentialType, Entry,
    MergeReport, MergedEntries, MergedSections, Query, SerializableTokenCache, SignInEvent,
    SignInRecord, TokenCache, TokenRequest, TokenSource, ext_cache_key,
};
pub use error::{Error, IssuerSource, SignInFailure};
#[cfg(feature = "desktop")]
pub use interaction::Interaction;
#[cfg(feature = "desktop")]
pub use interrupt::interruptible;
#[cfg(feature = "desktop")]
pub use persisted::{PersistedTokenCache, RefreshLease, SignedOut};
#[cfg(feature = "desktop")]
pub use persistence::{KeySource, Protection, build_encrypted_persistence};
pub use secret::Secret;

// Its examples are tested, and it is not part of the documentation.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct ReadMe;
