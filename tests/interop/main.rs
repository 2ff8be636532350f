//! Sign-ins shared with real programs in Python, and the table of docs/INTEROP.md that tells of
//! them.
// Not on Windows: the Secret Service
#![cfg(target_os = "linux")]
#![allow(clippy::disallowed_methods, reason = "a test writes what others leave behind")]
#![allow(clippy::unwrap_used, reason = "a test may")]

mod azure;
mod client;
mod evidence;
mod exchange;
mod python;
mod session;
mod sign_in;

#[path = "../support/mod.rs"]
mod support;
