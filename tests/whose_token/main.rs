//! Whose a token is when the provider does not say, says it otherwise than before, or names
//! somebody else; and which account a request without a name means.
#![allow(missing_docs, clippy::print_stderr, clippy::unwrap_used, reason = "it is a test")]

mod answers;
mod app;
mod choice;
#[allow(dead_code, reason = "each test binary uses its part")]
#[path = "../oracle/mod.rs"]
mod oracle;
mod reference;
mod renewal;
mod replaced;
mod sign_in;
mod unclaimed;
