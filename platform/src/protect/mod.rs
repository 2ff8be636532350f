//! The data protection of Windows (DPAPI): protected bytes can be read only by this user on this
//! machine.
//!
//! The key belongs to the user's Windows sign-in, so there is nothing to name, store or lock. It
//! does not protect against other programs of the same user.
//!
//! # Platform differences
//!
//! Only Windows has it. On other systems every call returns [`ProtectError::Missing`].

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

/// Whether this operating system has data protection. A session without the user's key has it too,
/// but each call fails.
pub const IS_BUILT: bool = os::IS_BUILT;

/// Protects `bytes` for the current user on this machine. Never prompts.
///
/// The same `entropy` is required to unprotect them. It is not a secret: a program-specific value
/// keeps other programs from reading the data by mistake. Empty is the same as `None`.
///
/// # Errors
///
/// [`ProtectError::NetworkLogon`] in a session without the user's key, such as over SSH;
/// [`ProtectError::Missing`] on systems other than Windows; otherwise [`ProtectError::Failed`].
pub fn protect(bytes: &[u8], entropy: Option<&[u8]>) -> Result<Vec<u8>, ProtectError> {
    protect_described(bytes, "", entropy)
}

/// As [`protect`], with a description. It is stored in clear text next to the bytes and is not
/// needed to unprotect them.
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

/// Unprotects bytes that the same user protected on the same machine. Never prompts.
///
/// # Errors
///
/// [`ProtectError::Empty`] and [`ProtectError::NotData`] if `bytes` were not protected, or with
/// another entropy; [`ProtectError::OtherKey`] if they belong to another user or machine; otherwise
/// as [`protect`].
pub fn unprotect(bytes: &[u8], entropy: Option<&[u8]>) -> Result<Zeroizing<Vec<u8>>, ProtectError> {
    if bytes.is_empty() {
        return Err(ProtectError::Empty);
    }
    os::unprotect(bytes, entropy.filter(|entropy| !entropy.is_empty()))
}
