//! The sign-in of a user at a scripted provider.

// Not under Wine: the feature `ureq`, which is not built there
#![cfg(feature = "ureq")]
#![allow(clippy::unwrap_used, reason = "a test may")]

mod browser;
mod device;
mod discovery;
mod kept;
mod programs;
mod provider;
