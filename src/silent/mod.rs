//! Silent sign-in: what is sent to a token endpoint, and what its answer means.
//!
//! Nothing here does input or output, except `HttpEndpoint` (feature `ureq`). A program, or a crate
//! that renews tokens in its own way, sends a [`Spend`] with any HTTP client and reads the
//! [`TokenReply`] as this crate does:
//!
//! ```
//! use std::time::{Duration, Instant};
//! use tokenkeep::{
//!     TokenCache, TokenRequest,
//!     silent::{Answer, Spend, TokenReply},
//! };
//!
//! let mut cache = TokenCache::new();
//! let request = TokenRequest::new("client", "https://login.example.com/tenant", ["read"]);
//! let answer = r#"{"access_token": "one", "refresh_token": "first", "expires_in": 3600}"#;
//! cache.add_response(&request, answer, 1_000)?;
//!
//! let token = &cache.refresh_tokens(&request)?[0];
//! let spend = Spend::of_refresh_token(&request, token, Instant::now() + Duration::from_secs(30))?;
//! assert!(spend.form().any(|pair| pair == ("refresh_token", "first")));
//!
//! // What an HTTP client brought back.
//! let reply = TokenReply::new(400, r#"{"error": "invalid_grant"}"#);
//! match reply.read(1_000) {
//!     Answer::Refused(refusal) => assert!(refusal.is_sign_in_needed()),
//!     other => panic!("{other:?}"),
//! }
//! # Ok::<(), tokenkeep::Error>(())
//! ```

mod answer;
mod claims;
mod endpoint;
#[cfg(feature = "ureq")]
mod http;
#[cfg(feature = "desktop")]
mod options;
mod reply;
mod spend;

pub use answer::Answer;
#[cfg(feature = "desktop")]
pub(crate) use claims::sent_claims;
#[cfg(feature = "desktop")]
pub(crate) use endpoint::Exchange;
pub use endpoint::{Revoked, TokenEndpoint};
#[cfg(feature = "ureq")]
pub use http::{HttpEndpoint, ProviderMetadata};
#[cfg(all(feature = "desktop", feature = "ureq"))]
pub(crate) use http::{
    encoded_form, endpoint_address, root_certificates, unreachable, without_slash,
};
#[cfg(feature = "desktop")]
pub use options::SilentOptions;
pub use reply::{ExchangeError, TokenReply};
pub use spend::{Grant, Spend};

pub use crate::{cache::Refreshed, error::Refusal};
