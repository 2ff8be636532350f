//! A user signs in with the program, and what fails leaves the cache as it was.
// Not on Windows: pseudo-terminals and signals
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test may")]

mod support;

#[path = "login/events.rs"]
mod events;
#[path = "login/failures.rs"]
mod failures;
#[path = "login/interrupts.rs"]
mod interrupts;
#[path = "login/providers.rs"]
mod providers;
#[path = "login/pseudo_terminal.rs"]
mod pseudo_terminal;
#[path = "login/redirect.rs"]
mod redirect;
#[path = "login/screens.rs"]
mod screens;
#[path = "login/session.rs"]
mod session;
