//! What differs by operating system for tokenkeep: vaults, durable files, locks between processes.
//!
//! Nothing here knows what a token is. Every module offers the same names on every system.

pub mod file;
pub mod lock;
pub mod vault;
