//! `RedisStore` on real servers.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod cluster;
mod faults;
mod proxy;
mod repeats;
mod replicated;
mod rights;
mod runtimes;
mod sentinel;
mod server;
mod support;
mod tls;
