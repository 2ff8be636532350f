//! Silent sign-in: what one call does with each answer of a provider.
#![allow(clippy::unwrap_used, missing_docs, reason = "it is a test")]

mod aging;
mod asynchronous;
mod capabilities;
mod failures;
mod leases;
mod meanwhile;
mod requests;
mod script;
mod unsaved;
