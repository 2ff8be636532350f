//! What differs by operating system.

pub mod file;
pub mod lock;
