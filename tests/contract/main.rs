//! The contract that everything that keeps bytes is held to: one table of promises, run on every
//! backend.
//!
//! A backend is one line in `backends.rs`, a promise one row in `checks.rs`. `fake.rs` shows that a
//! backend that breaks a promise fails by that promise's name.
#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a test may, and its processes talk")]

mod adapter;
mod backend;
mod backends;
mod bench;
mod checks;
mod elsewhere;
mod fake;
#[cfg(target_os = "macos")]
mod keychain;
mod log_lines;
#[cfg(target_os = "linux")]
mod sessions;
mod slot;
mod suite;
