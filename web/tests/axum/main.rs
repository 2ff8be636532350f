//! The feature `axum`, with a server of axum and requests over HTTP.
#![allow(clippy::unwrap_used, reason = "a test may")]

mod responses;
mod server;
mod user_tokens;
