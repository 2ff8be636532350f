//! tokenkeep keeps OAuth sign-ins across runs of a program.
#![forbid(unsafe_code)]

mod error;
mod secret;

pub use error::Error;
pub use secret::Secret;
