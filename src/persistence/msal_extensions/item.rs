//! Where an msal-extensions cache is stored, in words for users.

use std::path::PathBuf;

/// Where the cache of a [`MsalExtensionsPersistence`](super::MsalExtensionsPersistence) is stored.
/// None of it is secret.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MsalExtensionsItem {
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
        /// What a user sees in the vault's own program.
        label: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::persistence::{MsalExtensionsLocation, MsalExtensionsPersistence};

    #[test]
    fn a_location_says_by_which_names_its_cache_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let location = folder.path().join("cache");
        let identity = MsalExtensionsLocation::python("~/x")
            .attributes([("MsalClientID", "Microsoft.Developer.IdentityService")])
            .label("MSALCache")
            .collection("session");
        let persistence = MsalExtensionsPersistence::new(&location, &identity).unwrap();
        // hashlib.sha256("~/x".encode()).hexdigest()
        let hash = "a46d2df688f0b3d3719d1d8288b8fb3a";
        match persistence.item() {
            MsalExtensionsItem::SecretService { collection, schema, attributes, label } => {
                assert_eq!((&**collection, &**label), ("session", "MSALCache"));
                assert!(schema.starts_with(hash), "{schema}");
                assert_eq!(attributes[0].0, "MsalClientID");
                assert_eq!(persistence.signal_file(), Some(&*location));
            }
            MsalExtensionsItem::Keychain { service, account } => {
                assert!(service == "msal-extensions" && account.starts_with(hash));
                assert_eq!(persistence.signal_file(), Some(&*location));
            }
            MsalExtensionsItem::ProtectedFile { path } => {
                assert_eq!((path, persistence.signal_file()), (&location, None));
            }
        }
        assert_eq!(persistence.without_signal().signal_file(), None);
        assert!(!location.exists());
    }
}
