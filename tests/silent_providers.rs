//! Silent sign-in at OpenID providers that rotate refresh tokens, where the provider decides
//! whether a promise was kept: it knows which token was spent, how often, and what it issued.
//!
//! The counts come from the environment: `TOKENKEEP_SILENT_PROCESSES`, `TOKENKEEP_SILENT_ROUNDS`,
//! `TOKENKEEP_SILENT_KILLS`, `TOKENKEEP_SILENT_SIGN_OUTS`, and `TOKENKEEP_SILENT_PEERS` for a
//! comparison with msal, which is left out otherwise.
// Not on Windows: the providers' Node.js and Python
#![cfg(target_os = "linux")]
#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a test may, and its workers talk")]

#[path = "silent_providers/answers.rs"]
mod answers;
#[path = "silent_providers/endpoint.rs"]
mod endpoint;
#[path = "silent_providers/kills.rs"]
mod kills;
#[path = "silent_providers/peers.rs"]
mod peers;
#[path = "silent_providers/random.rs"]
mod random;
#[path = "silent_providers/rounds.rs"]
mod rounds;
#[path = "silent_providers/sign_outs.rs"]
mod sign_outs;
mod support;
#[path = "silent_providers/worker.rs"]
mod worker;

use std::env;

/// A count from the environment.
fn number(name: &str, default: usize) -> usize {
    env::var(name).map_or(default, |text| text.parse().unwrap())
}
