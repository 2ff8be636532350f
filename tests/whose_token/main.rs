//! A token that took the place of another is not lost to it.
#![allow(missing_docs, clippy::print_stderr, clippy::unwrap_used, reason = "it is a test")]

#[allow(dead_code, reason = "further tests use it")]
mod answers;
#[allow(dead_code, reason = "each test binary uses its part")]
#[path = "../oracle/mod.rs"]
mod oracle;
mod reference;
mod replaced;
