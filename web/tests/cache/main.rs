//! The cache on the store in memory: what it promises, in virtual time.
#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a test may")]

mod around;
mod assertions;
mod basics;
mod failures;
mod faulty;
mod key_sources;
mod leases;
mod lifetimes;
#[cfg(feature = "metrics")]
mod metrics;
mod model;
mod overload;
mod provider;
mod renewals;
mod sign_outs;
mod turns;
mod unusable;
mod values;
mod world;
