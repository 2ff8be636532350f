//! The examples, run as a user does.
#![allow(clippy::unwrap_used, reason = "a test may")]

mod programs;
mod running;
mod shop;
