//! The operating system layer of tokenkeep: vaults, durable files, and locks between processes.
//!
//! Nothing here knows what a token is. Every module has the same interface on every system.

pub mod clock;
#[cfg(feature = "desktop")]
pub mod descriptor;
#[cfg(feature = "desktop")]
pub mod environment;
#[cfg(feature = "desktop")]
pub mod file;
#[cfg(feature = "desktop")]
pub mod lock;
#[cfg(feature = "desktop")]
pub mod protect;
pub mod random;
#[cfg(feature = "desktop")]
pub mod signal;
#[cfg(feature = "desktop")]
pub mod sync;
pub mod text;
#[cfg(all(feature = "desktop", unix))]
mod user;
#[cfg(feature = "desktop")]
pub mod vault;
#[cfg(feature = "desktop")]
pub mod wipe;

#[cfg(feature = "desktop")]
pub use wipe::allocator::WipingAllocator;
