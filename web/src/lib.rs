//! One OAuth token cache per user for web apps and web APIs, on Redis or PostgreSQL, for any number
//! of nodes.
//!
//! [`WebTokenCache`] has the tokens of all users of an application. [`Tokens`] are those of one
//! user, session, assertion or of the application itself. A token comes from this node's memory,
//! from the store, or from the provider: one renewal for all callers of all nodes.
//!
//! ```
//! use tokenkeep::{
//!     TokenRequest,
//!     silent::{ExchangeError, Spend, TokenReply},
//! };
//! use tokenkeep_web::{KeyRing, MemoryStore, Provider, WebTokenCache, store::BoxFuture};
//!
//! struct MyProvider;
//!
//! impl Provider for MyProvider {
//!     fn exchange<'a>(
//!         &'a self,
//!         spend: &'a Spend,
//!     ) -> BoxFuture<'a, Result<TokenReply, ExchangeError>> {
//!         // Any HTTP client: POST spend.form() within spend.left().
//!         assert_eq!(spend.refresh_token(), Some("first"));
//!         let body = r#"{"access_token": "two", "refresh_token": "next", "expires_in": 3600}"#;
//!         Box::pin(async move { Ok(TokenReply::new(200, body)) })
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), tokenkeep_web::Error> {
//! let authority = "https://id.example/realm";
//! let cache = WebTokenCache::builder("shop")
//!     .store(MemoryStore::new())
//!     .keys(KeyRing::generate()?)
//!     .provider("my-client-id", authority, MyProvider)
//!     .build()?;
//! let request = TokenRequest::new("my-client-id", authority, ["read"]).account("ada");
//! let response = r#"{"access_token": "one", "refresh_token": "first", "expires_in": 3600}"#;
//! let (user, _) = cache.keep_sign_in(&request, response).await?;
//! assert_eq!(cache.user(&user).token(["read"]).await?.secret(), "one");
//! assert_eq!(cache.user(&user).token(["write"]).await?.secret(), "two");
//! # Ok(())
//! # }
//! ```
//!
//! # Errors
//!
//! [`Error::is_sign_in_needed`] says that only the user can help. No failure of the store says so.
//! [`Error::status`] is the status code for a response, and [`Error::next_step`] what to do.
//!
//! # Seeing it work
//!
//! All spans and events have the target `tokenkeep_web`. The spans are `token` (kind, outcome, the
//! first 8 digits of the partition's id), `lease` (waited_ms), `store` (op, outcome) and `exchange`
//! (grant, status). [`WebTokenCache::stats`] has numbers. With the feature `metrics` they are also
//! at the facade of that name, as `tokenkeep_web_…`.
//!
//! # Features
//!
//! - `redis`, `postgres`: the stores.
//! - `axum`: responses for errors, and an extractor.
//! - `metrics`: counters and histograms.
//! - `contract`: the checks for a store of your own.
#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(any(feature = "redis", feature = "postgres"))]
mod answered;
mod assertion;
#[cfg(feature = "axum")]
mod axum;
mod background;
mod bound;
#[cfg(any(feature = "redis", feature = "postgres"))]
mod breaker;
mod builder;
mod client;
mod close;
#[cfg(feature = "contract")]
pub mod contract;
mod counts;
mod digest;
mod error;
mod flight;
mod inner;
mod keys;
mod l1;
mod lane;
mod lifetime;
mod memory;
mod observed;
mod options;
mod partition;
#[cfg(feature = "postgres")]
pub mod postgres;
mod provider;
mod received;
#[cfg(feature = "redis")]
mod redis;
mod removal;
mod renewal;
mod rewrap;
mod sign_in;
mod stats;
mod steps;
pub mod store;
mod tokens;
mod transaction;
mod turns;
mod unsaved;
mod value;
mod verify;
mod web_token_cache;
mod write;

#[cfg(feature = "axum")]
pub use self::axum::{UserTokens, UserTokensRejection};
#[cfg(feature = "postgres")]
pub use self::postgres::PostgresStore;
#[cfg(feature = "redis")]
pub use self::redis::{RedisStore, RedisStoreBuilder};
pub use self::{
    builder::WebTokenCacheBuilder,
    close::Unsaved,
    error::{Error, SignInReason},
    keys::{KeyRing, KeySource},
    memory::MemoryStore,
    options::{MemoryPolicy, Staleness},
    partition::{SessionId, UserId},
    provider::Provider,
    rewrap::{Pace, Rewrapped},
    stats::Stats,
    tokens::Tokens,
    verify::Report,
    web_token_cache::WebTokenCache,
};

/// The target of all spans and events.
const TARGET: &str = "tokenkeep_web";

// Its examples are tested, and it is not part of the documentation.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct ReadMe;
