//! Unpredictable bytes.

use std::io;

/// Fills `bytes` from the operating system's generator.
///
/// # Errors
/// What the operating system said.
pub fn fill(bytes: &mut [u8]) -> io::Result<()> {
    getrandom::fill(bytes).map_err(io::Error::other)
}
