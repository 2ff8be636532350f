//! Why a value was not sealed or not opened.

use std::error::Error;

use crate::seal::SealError;

/// Why a value was not sealed or not opened. The text also says what to do.
///
/// No text contains a key, a name or a byte of the content.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EnvelopeError {
    /// The value was cut off, extended or altered.
    #[error("the sealed value is corrupt: {detail}; restore it, or remove it and sign in again")]
    Corrupt {
        /// What does not fit.
        detail: String,
    },
    /// The bytes were never sealed. Plaintext is never read.
    #[error("the value is not sealed; remove it, or look who else writes to the store")]
    NotSealed,
    /// The value was sealed for a store of another name, or the tag of the name was altered.
    #[error("the value was sealed for another store; look whether it was moved or copied")]
    OtherStore,
    /// The value was sealed with another key, or the id or check of the key was altered.
    #[error("the value was sealed with another key; use the key that its header names")]
    WrongKey,
    /// The whole value has, or would have, more bytes than the limit.
    #[error("the sealed value has {size} bytes, the limit is {limit}; store less, or raise it")]
    TooLarge {
        /// The size of the whole value in bytes.
        size: u64,
        /// The limit in bytes.
        limit: u64,
    },
    /// A version of the format that is not known here.
    #[error("format version {version} of the sealed value is not known; update the program")]
    UnsupportedVersion {
        /// The version in the header.
        version: u16,
    },
    /// A cipher suite that is not known here.
    #[error("the sealed value has a cipher suite that is not known; update the program")]
    UnsupportedSuite,
    /// A key source that is not known here.
    #[error("the sealed value has a key source that is not known; update the program")]
    UnknownKeySource,
    /// A name or a generation that no reader accepts.
    #[error("the value cannot be sealed: {detail}")]
    Parameters {
        /// What is out of bounds, and the bounds.
        detail: String,
    },
    /// There were no random bytes.
    #[error("no random bytes; try again, and check the system's random generator")]
    Random {
        /// What the generator said.
        source: Box<dyn Error + Send + Sync>,
    },
}

impl From<SealError> for EnvelopeError {
    fn from(error: SealError) -> Self {
        match error {
            // Only the reader of key files returns the second.
            SealError::Corrupt { detail } | SealError::InvalidKeyFile { detail } => {
                Self::Corrupt { detail }
            }
            SealError::NotSealed { .. } => Self::NotSealed,
            SealError::OtherStore => Self::OtherStore,
            SealError::Parameters { detail } => Self::Parameters { detail },
            SealError::Random { source } => Self::Random { source },
            SealError::TooLarge { size, limit } => Self::TooLarge { size, limit },
            SealError::UnknownKeySource { .. } => Self::UnknownKeySource,
            SealError::UnsupportedSuite { .. } => Self::UnsupportedSuite,
            SealError::UnsupportedVersion { version } => Self::UnsupportedVersion { version },
            SealError::WrongKey => Self::WrongKey,
        }
    }
}
