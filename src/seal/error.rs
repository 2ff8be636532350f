//! The errors of sealing and opening.

use std::path::Path;

use tokenkeep_platform::text::shown_path;

use crate::error::{Error, Source};

/// Why bytes were not sealed or not opened. It contains no path; [`SealError::at`] adds one.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SealError {
    #[error("{detail}")]
    Corrupt { detail: String },
    #[error("not a key file: {detail}")]
    InvalidKeyFile { detail: String },
    #[error("{found}, not a sealed cache")]
    NotSealed { found: &'static str },
    #[error("sealed for a store of another name")]
    OtherStore,
    #[error("{detail}")]
    Parameters { detail: String },
    #[error("no random bytes")]
    Random { source: Source },
    #[error("{size} bytes, the limit is {limit}")]
    TooLarge { size: u64, limit: u64 },
    #[error("key source {tag} is not known")]
    UnknownKeySource { tag: u8 },
    #[error("cipher suite {suite} is not known")]
    UnsupportedSuite { suite: u8 },
    #[error("format version {version} is not known")]
    UnsupportedVersion { version: u16 },
    #[error("sealed with another key")]
    WrongKey,
}

impl SealError {
    pub(crate) fn corrupt(detail: impl Into<String>) -> Self {
        Self::Corrupt { detail: detail.into() }
    }

    /// The crate's error for a file at `path`, opened as the store `name`.
    pub(crate) fn at(self, path: &Path, name: &str) -> Error {
        let path = path.to_owned();
        match self {
            Self::Corrupt { detail } => {
                let what = format!("`{}`", shown_path(&path));
                Error::Corrupt { what, detail, source: None }
            }
            Self::InvalidKeyFile { detail } => Error::InvalidKeyFile { path, detail, source: None },
            Self::NotSealed { found } => {
                Error::OtherBackend { path, found: found.into(), expected: SEALED }
            }
            Self::OtherStore => Error::OtherStore { path, name: name.into() },
            Self::Parameters { detail } => Error::Invalid { detail },
            Self::Random { source } => {
                Error::System { what: "the operating system's random generator", source }
            }
            Self::TooLarge { size, limit } => {
                Error::TooLarge { what: format!("`{}`", shown_path(&path)), size, limit }
            }
            Self::UnknownKeySource { tag } => Error::OtherBackend {
                path,
                found: format!("a sealed cache with key source {tag}"),
                expected: "one with a key source that this program knows",
            },
            Self::UnsupportedSuite { suite } => Error::OtherBackend {
                path,
                found: format!("a sealed cache of cipher suite {suite}"),
                expected: "one of suite 1, XChaCha20-Poly1305",
            },
            Self::UnsupportedVersion { version } => Error::UnsupportedVersion { path, version },
            Self::WrongKey => Error::WrongKey { path, source: None },
        }
    }
}

const SEALED: &str = "a sealed cache";
