//! For systems that do not pass descriptors by number, such as Windows.

use zeroize::Zeroizing;

use super::DescriptorError;

#[derive(Clone, Debug)]
pub(super) struct Descriptor;

impl Descriptor {
    pub(super) fn open(_: u32) -> Result<Self, DescriptorError> {
        Err(DescriptorError::Unsupported)
    }

    pub(super) fn read(&self, _: usize) -> Result<Zeroizing<Vec<u8>>, DescriptorError> {
        Err(DescriptorError::Unsupported)
    }
}
