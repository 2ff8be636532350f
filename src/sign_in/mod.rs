//! The sign-in of a user, with any provider of OAuth 2 or OpenID Connect (feature `ureq`).
//!
//! A [`ClientApplication`] is a program as its provider knows it. It signs a user in with a browser
//! on this machine ([RFC 8252](https://www.rfc-editor.org/rfc/rfc8252)), or with a code that the
//! user enters on another device ([RFC 8628](https://www.rfc-editor.org/rfc/rfc8628)). The names
//! are those of MSAL.
//!
//! ```no_run
//! use tokenkeep::{
//!     PersistedTokenCache, TokenRequest,
//!     sign_in::ClientApplication,
//!     silent::{HttpEndpoint, SilentOptions},
//! };
//!
//! let cache = PersistedTokenCache::open("com.example.mytool")?;
//! let request = TokenRequest::new("my-app", "https://id.example.org", ["api.read"]);
//! // The record of the sign-in says where tokens are renewed, so that a token in the cache needs
//! // no network.
//! let known = match cache.record(&request)? {
//!     Some(record) => {
//!         let endpoint = HttpEndpoint::of_record(&record)?;
//!         cache.acquire_token_silent_with(&request, &SilentOptions::new(), endpoint)?
//!     }
//!     None => None,
//! };
//! let token = match known {
//!     Some(token) => token,
//!     None => {
//!         let app = ClientApplication::builder("https://id.example.org", "my-app")
//!             .scopes(["api.read"])
//!             .discover()?;
//!         // What would keep the sign-in from being kept is found out before the user signs in.
//!         cache.prepare_sign_in(&app)?;
//!         let flow = app.initiate_device_flow()?;
//!         println!("Open {} and enter {}", flow.verification_uri(), flow.user_code());
//!         let signed_in = app.acquire_token_by_device_flow(&flow, || false)?;
//!         cache.keep_sign_in(&signed_in)?.access_token
//!     }
//! };
//! # Ok::<(), tokenkeep::Error>(())
//! ```
//!
//! # Ways to sign in
//!
//! - [`acquire_token_interactive`](ClientApplication::acquire_token_interactive) opens the browser
//!   of this machine and waits for its redirect to a port on loopback.
//! - [`initiate_device_flow`](ClientApplication::initiate_device_flow) gives a code for any device.
//! - [`initiate_auth_code_flow`](ClientApplication::initiate_auth_code_flow) gives an address to
//!   open anywhere. The user brings back the address at which it ends.
//!
//! A browser on this machine needs a desktop. Over SSH and in a container the user's browser cannot
//! reach a port of this machine.

mod application;
mod authorization;
mod device;
mod device_response;
mod id_token;
mod interactive;
mod issuer;
mod keep;
mod known;
mod pages;
mod random;
mod redirect;
mod signed_in;
mod unkept;
mod userinfo;

pub use application::{ClientApplication, ClientApplicationBuilder};
pub use authorization::AuthCodeFlow;
pub use device::DeviceFlow;
pub use interactive::{Interactive, InteractiveOptions};
pub use keep::KeptSignIn;
pub use signed_in::SignedIn;

pub use crate::{
    error::{IssuerSource, SignInFailure},
    silent::ProviderMetadata,
};

/// Whether a browser of this machine can sign in. Over SSH and in a container it cannot: the user's
/// browser is on another machine, and reaches no port of this one.
pub fn has_browser() -> bool {
    tokenkeep_platform::environment::Environment::here().has_browser()
}
