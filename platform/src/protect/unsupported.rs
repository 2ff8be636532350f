//! For operating systems without data protection. Every call returns `Missing`.

use zeroize::Zeroizing;

use super::ProtectError;

pub(super) const IS_BUILT: bool = false;

pub(super) fn protect(_: &[u8], _: &str, _: Option<&[u8]>) -> Result<Vec<u8>, ProtectError> {
    Err(ProtectError::Missing)
}

pub(super) fn unprotect(_: &[u8], _: Option<&[u8]>) -> Result<Zeroizing<Vec<u8>>, ProtectError> {
    Err(ProtectError::Missing)
}
