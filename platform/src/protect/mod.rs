//! The data protection of Windows (DPAPI): bytes that only this user on this machine can read
//! again.
//!
//! The key belongs to the user's Windows sign-in, so there is nothing to name, to keep or to lock.
//! It does not guard against other programs of the same user.
//!
//! # Platform differences
//!
//! Windows alone has it. Elsewhere every call is [`ProtectError::Missing`].

mod error;

cfg_if::cfg_if! {
    if #[cfg(windows)] {
        mod windows;
        use windows as os;
    } else {
        mod unsupported;
        use unsupported as os;
    }
}

use zeroize::Zeroizing;

pub use self::error::ProtectError;

/// Whether this operating system has it. A session without the user's key has it too, and says so
/// at each call.
pub const IS_BUILT: bool = os::IS_BUILT;

/// Protects `bytes` for the current user on this machine. Never asks the user.
///
/// Who unprotects them has to give the same `entropy`, which is no secret: a program's own value
/// keeps other programs from reading its data by mistake. Empty is the same as none.
///
/// # Errors
///
/// [`ProtectError::NetworkLogon`] in a session without the user's key, such as over SSH;
/// [`ProtectError::Missing`] elsewhere than on Windows; else [`ProtectError::Failed`].
pub fn protect(bytes: &[u8], entropy: Option<&[u8]>) -> Result<Vec<u8>, ProtectError> {
    protect_described(bytes, "", entropy)
}

/// [`protect`] with a description, which is stored beside the bytes in clear and plays no part in
/// giving them back.
///
/// # Errors
///
/// As [`protect`].
pub fn protect_described(
    bytes: &[u8],
    description: &str,
    entropy: Option<&[u8]>,
) -> Result<Vec<u8>, ProtectError> {
    os::protect(bytes, description, entropy.filter(|entropy| !entropy.is_empty()))
}

/// Gives back what was protected by the same user on the same machine. Never asks the user.
///
/// # Errors
///
/// [`ProtectError::Empty`] and [`ProtectError::NotData`] where `bytes` are not what was protected,
/// or the entropy is another; [`ProtectError::OtherKey`] where they belong to somebody or somewhere
/// else; else as [`protect`].
pub fn unprotect(bytes: &[u8], entropy: Option<&[u8]>) -> Result<Zeroizing<Vec<u8>>, ProtectError> {
    if bytes.is_empty() {
        return Err(ProtectError::Empty);
    }
    os::unprotect(bytes, entropy.filter(|entropy| !entropy.is_empty()))
}
