//! One OAuth token cache per user for web apps and web APIs, on Redis or PostgreSQL, for any number
//! of nodes.
#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(any(feature = "redis", feature = "postgres"))]
mod breaker;
#[cfg(feature = "contract")]
pub mod contract;
mod memory;
pub mod store;

pub use self::memory::MemoryStore;
