//! The operating system layer of tokenkeep: vaults, durable files, locks between processes, and a
//! server on loopback.
//!
//! Nothing here knows what a token is. Every module has the same interface on every system.

#[cfg(feature = "browser")]
pub mod browser;
pub mod clock;
#[cfg(feature = "desktop")]
pub mod descriptor;
#[cfg(feature = "desktop")]
pub mod environment;
#[cfg(feature = "desktop")]
pub mod file;
#[cfg(feature = "desktop")]
pub mod interrupt;
#[cfg(feature = "desktop")]
pub mod lock;
#[cfg(feature = "loopback")]
pub mod loopback;
mod os_code;
#[cfg(feature = "desktop")]
pub mod protect;
pub mod random;
#[cfg(feature = "desktop")]
pub mod signal;
#[cfg(feature = "desktop")]
pub mod sync;
#[cfg(feature = "desktop")]
pub mod terminal;
pub mod text;
#[cfg(all(feature = "desktop", unix))]
mod user;
#[cfg(feature = "desktop")]
pub mod vault;
#[cfg(feature = "desktop")]
pub mod wipe;

pub use os_code::{CodedError, os_code};
#[cfg(feature = "desktop")]
pub use wipe::allocator::WipingAllocator;
