//! Where a family's cache lies, in words for people.

use std::path::PathBuf;

/// Where the cache of a [`FamilyPersistence`](super::FamilyPersistence) lies. None of it is secret.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FamilyItem {
    /// An item of the Keychain.
    #[non_exhaustive]
    Keychain {
        /// Its service.
        service: String,
        /// Its account.
        account: String,
    },
    /// A file under DPAPI.
    #[non_exhaustive]
    ProtectedFile {
        /// The file.
        path: PathBuf,
    },
    /// An item of the Secret Service.
    #[non_exhaustive]
    SecretService {
        /// The collection: `default`, `session`, or else its label.
        collection: String,
        /// Its schema, which it keeps as the attribute `xdg:schema`.
        schema: String,
        /// Its further attributes.
        attributes: Vec<(String, String)>,
        /// What a person sees in the vault's own program.
        label: String,
    },
}
