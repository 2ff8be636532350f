//! What guards a cache, for a program to show.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use tokenkeep_platform::text::shown_path;

/// What guards a cache at rest.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Protection {
    /// Nothing is kept: the sign-ins end with the process.
    Memory,
    /// The operating system keeps or encrypts it for this user, where programs in other languages
    /// look for it.
    MsalExtensions {
        /// The file that stands for the cache: the encrypted cache itself, or the one that is
        /// touched at each change.
        location: PathBuf,
        /// What guards it: "Secret Service", "Keychain", "DPAPI".
        guard: &'static str,
    },
    /// A persistence of the program's own, which says nothing of its protection.
    Other,
    /// Anyone who can read the file can use the sign-ins.
    Plaintext {
        /// The file.
        path: PathBuf,
        /// Other users of the machine can read it now; the next save ends that.
        exposed: bool,
    },
    /// Authenticated encryption; the key lies elsewhere.
    Sealed {
        /// The folder of the cache.
        folder: PathBuf,
        /// Where the key is: "Secret Service", "Keychain", "Credential Manager", "DPAPI", "kernel
        /// keyring", "program's credential store", "callback", "passphrase" or "key file".
        key: &'static str,
    },
}

impl Protection {
    /// Whether bytes at rest are encrypted.
    pub fn is_encrypted(&self) -> bool {
        matches!(self, Self::MsalExtensions { .. } | Self::Sealed { .. })
    }

    /// The file of a plain text cache, the folder of a sealed one, the location of an
    /// msal-extensions cache.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::Plaintext { path, .. } | Self::MsalExtensions { location: path, .. } => {
                Some(path)
            }
            Self::Sealed { folder, .. } => Some(folder),
            Self::Memory | Self::Other => None,
        }
    }
}

/// A path in it is escaped where a terminal would obey it.
impl fmt::Display for Protection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory => f.write_str("in memory only, gone when the program ends"),
            Self::MsalExtensions { location, guard } => {
                write!(f, "encrypted by the {guard}, shared at {}", shown_path(location))
            }
            Self::Other => f.write_str("kept by the program's own persistence"),
            Self::Plaintext { path, exposed: false } => {
                write!(f, "PLAIN TEXT in {}", shown_path(path))
            }
            Self::Plaintext { path, exposed: true } => write!(
                f,
                "PLAIN TEXT in {}, which other users can read until the next save",
                shown_path(path)
            ),
            Self::Sealed { folder, key } => {
                write!(f, "encrypted in {}, key: {key}", shown_path(folder))
            }
        }
    }
}
