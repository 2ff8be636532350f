//! What differs by operating system for tokenkeep: vaults, durable files, locks between processes.
//!
//! Nothing here knows what a token is. Every module offers the same names on every system.

pub mod clock;
pub mod descriptor;
pub mod environment;
pub mod file;
pub mod lock;
pub mod protect;
pub mod random;
pub mod sync;
pub mod text;
#[cfg(unix)]
mod user;
pub mod vault;
pub mod wipe;

pub use wipe::allocator::WipingAllocator;
