//! The vault of operating systems for which this build has none. Every call returns `NotBuilt`.

use super::{Asked, Backend, Collection, Secret, Turn, VaultError};

#[cfg_attr(
    not(any(target_os = "ios", target_os = "android")),
    expect(dead_code, reason = "it stands for the kernel keyring alone")
)]
pub(super) const NAME: &str = "operating system's vault";

#[cfg_attr(
    not(any(target_os = "ios", target_os = "android")),
    expect(dead_code, reason = "it stands for the kernel keyring alone")
)]
pub(super) const FINDS_BY_ATTRIBUTES: bool = false;

pub(super) fn open() -> Box<dyn Backend> {
    Box::new(Unsupported)
}

struct Unsupported;

impl Backend for Unsupported {
    fn read(&mut self, _: Asked<'_>) -> Result<Option<Secret>, VaultError> {
        Err(VaultError::NotBuilt)
    }

    fn create(&mut self, _: Asked<'_>, _: &[u8]) -> Result<(), VaultError> {
        Err(VaultError::NotBuilt)
    }

    fn write(&mut self, _: Asked<'_>, _: &[u8]) -> Result<(), VaultError> {
        Err(VaultError::NotBuilt)
    }

    fn delete(&mut self, _: Asked<'_>) -> Result<bool, VaultError> {
        Err(VaultError::NotBuilt)
    }

    fn unlock(&mut self, _: &Collection, _: &Turn) -> Result<(), VaultError> {
        Err(VaultError::NotBuilt)
    }
}
