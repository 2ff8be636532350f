//! Silent sign-in here and in msal's applications: the same cache and the same answers of a
//! provider on both sides, and then the same requests, the same result and the same cache.
//!
//! `TOKENKEEP_SEQUENCES` says how many random sequences, `TOKENKEEP_SEED` where they start.
#![allow(clippy::unwrap_used, reason = "a test may")]

#[path = "silent_differential/cases/mod.rs"]
mod cases;
#[path = "silent_differential/compare.rs"]
mod compare;
#[path = "silent_differential/differences.rs"]
mod differences;
#[path = "silent_differential/ours.rs"]
mod ours;
#[path = "silent_differential/random.rs"]
mod random;
#[path = "silent_differential/reference.rs"]
mod reference;
#[path = "silent_differential/world.rs"]
mod world;
