//! The code of `docs/ADAPTERS.md`, one file for each of its crates.

#[path = "../../examples/silent_reqwest/endpoint.rs"]
pub mod endpoint;

#[cfg(feature = "crates")]
pub mod azure_credential;
#[cfg(feature = "crates")]
pub mod google_token;
#[cfg(feature = "crates")]
pub mod mcp_credentials;
