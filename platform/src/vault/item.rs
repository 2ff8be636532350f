//! What a vault call is about: an item, and its collection in the vault.

use std::fmt;

use super::Secret;

/// An item of a vault: the names that identify it, and a label for users.
///
/// `service` and `account` identify it, except on the Secret Service, where the attributes do.
/// Names are compared exactly, except that Credential Manager ignores case. None of it is secret:
/// most vaults store it in clear text.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Item {
    /// The program or group of programs that owns the item.
    pub service: String,
    /// The user of the item, or which item of the service it is.
    pub account: String,
    /// The text shown in the vault's own program, if the vault stores one. Not used in searches.
    pub label: String,
    /// Names and values, each name once. The Secret Service stores and searches by them, including
    /// `xdg:schema`.
    pub attributes: Vec<(String, String)>,
    /// Additional attributes that a new item on the Secret Service gets and that no search uses.
    /// libsecret treats `xdg:schema` this way if a schema has the flag
    /// `SECRET_SCHEMA_DONT_MATCH_NAME`.
    pub unsearched: Vec<(String, String)>,
    /// The MIME type of the secret. The Secret Service stores it. libsecret treats only
    /// `text/plain` as a password.
    pub content_type: String,
}

impl Item {
    /// The item of `service` and `account`. They are also its attributes, and the service is its
    /// label.
    pub fn new(service: impl Into<String>, account: impl Into<String>) -> Self {
        let (service, account) = (service.into(), account.into());
        let attributes =
            vec![("service".into(), service.clone()), ("account".into(), account.clone())];
        let (label, content_type) = (service.clone(), BINARY.into());
        Self { service, account, label, attributes, unsearched: Vec::new(), content_type }
    }

    /// Sets the label.
    #[must_use]
    pub fn labelled(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    /// Sets the attributes that identify the item on the Secret Service.
    #[must_use]
    pub fn with_attributes<N: Into<String>, V: Into<String>>(
        mut self,
        attributes: impl IntoIterator<Item = (N, V)>,
    ) -> Self {
        self.attributes = attributes.into_iter().map(|(n, v)| (n.into(), v.into())).collect();
        self
    }

    /// Sets attributes that are stored with the item but not searched by.
    #[must_use]
    pub fn storing_too<N: Into<String>, V: Into<String>>(
        mut self,
        attributes: impl IntoIterator<Item = (N, V)>,
    ) -> Self {
        self.unsearched = attributes.into_iter().map(|(n, v)| (n.into(), v.into())).collect();
        self
    }

    /// Sets a MIME type other than `application/octet-stream`.
    #[must_use]
    pub fn holding(mut self, content_type: impl Into<String>) -> Self {
        self.content_type = content_type.into();
        self
    }

    /// Combines service and account into a name that is unique across all collections. For vaults
    /// that have only one name per item, and may find an item of one collection through another.
    #[cfg_attr(
        not(any(target_os = "linux", windows)),
        expect(dead_code, reason = "only some vaults know one name alone")
    )]
    pub(super) fn one_name(&self, collection: &Collection) -> String {
        let service = self.service.replace('%', "%25").replace('/', "%2F");
        let collection = match collection {
            Collection::Default => "",
            Collection::Session => "%session/",
            Collection::Named(_) => "%named/",
        };
        format!("{collection}{service}/{}", self.account)
    }
}

impl fmt::Debug for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.attributes.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("Item").field("attributes", &names).finish_non_exhaustive()
    }
}

/// The collection of a vault in which an item is created.
///
/// On the Secret Service an item is found in any collection, as with libsecret, because the user
/// may choose another default. In other vaults an item of another collection is absent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Collection {
    /// The collection of the user's items: the default collection of a Secret Service, the default
    /// keychain, the credentials of this machine, the user keyring of the kernel.
    #[default]
    Default,
    /// Deleted when the login session ends: the Secret Service's `session` collection, the
    /// credentials of a Windows logon session, the session keyring of the kernel. macOS has none.
    Session,
    /// The collection of a Secret Service with this label. Other vaults have none.
    Named(String),
}

const BINARY: &str = "application/octet-stream";

/// One item of a service.
#[non_exhaustive]
pub struct Listed {
    /// The user of the item, or which item of the service it is. Any program may have written it.
    pub account: String,
    /// The secret. Empty if the creation was interrupted.
    pub secret: Secret,
}

impl fmt::Debug for Listed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listed").field("account", &self.account).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_pairs_share_one_name() {
        let names = [
            ("a/b", "c"),
            ("a", "b/c"),
            ("a%2Fb", "c"),
            ("", "a/b/c"),
            ("a", ""),
            ("", "a"),
            ("%session", "a/"),
        ];
        let collections = [Collection::Default, Collection::Session];
        let mut shared: Vec<_> = collections
            .iter()
            .flat_map(|collection| names.map(|(s, a)| Item::new(s, a).one_name(collection)))
            .collect();
        shared.sort();
        shared.dedup();
        assert_eq!(shared.len(), 2 * names.len(), "{shared:?}");
    }
}
