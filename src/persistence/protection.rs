//! What protects a cache, for a program to show.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use tokenkeep_platform::text::shown_path;

/// What protects a cache at rest.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Protection {
    /// Nothing is stored: the sign-ins end with the process.
    Memory,
    /// The operating system stores or encrypts the cache for this user, in the shared store of
    /// msal-extensions.
    MsalExtensions {
        /// The encrypted cache itself, or the file that is touched at each change.
        location: PathBuf,
        /// What protects it: "Secret Service", "Keychain", "DPAPI".
        guard: &'static str,
    },
    /// A persistence of the program's own, which does not say how it protects the cache.
    Other,
    /// Anyone who can read the file can use the sign-ins.
    Plaintext {
        /// The file.
        path: PathBuf,
        /// Whether other users of the machine can read it now. The next save ends that.
        exposed: bool,
    },
    /// Authenticated encryption. The key is stored elsewhere.
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

/// Control characters in a path are escaped, so that a terminal does not obey them.
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
