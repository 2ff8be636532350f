//! What the examples share.

// Each example needs a part.
#![allow(dead_code, unreachable_pub)]

// It serves any program.
#[path = "../../../examples/silent_reqwest/endpoint.rs"]
pub(crate) mod endpoint;
pub(crate) mod html;
pub(crate) mod options;
pub(crate) mod provider;
pub(crate) mod random;
pub(crate) mod token_endpoint;

/// Why an example ends.
pub(crate) type Failure = Box<dyn std::error::Error + Send + Sync>;
