//! What a vault call is about: an item, and the part of the vault where it lies.

use std::fmt;

use super::Secret;

/// An item of a vault: what finds it, and a label for people.
///
/// `service` and `account` find it, except on the Secret Service, where the attributes do. They
/// tell items apart as they are, but that Credential Manager takes upper and lower case for the
/// same. None of it is secret: most vaults store it in clear.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Item {
    /// The program or the group of programs that the item belongs to.
    pub service: String,
    /// Whose item it is, or which one of the service.
    pub account: String,
    /// What a user sees in the vault's own program, where the vault keeps such a text. Plays no
    /// part in a search.
    pub label: String,
    /// Names and values, each name once: what the Secret Service stores and searches by,
    /// `xdg:schema` included.
    pub attributes: Vec<(String, String)>,
    /// More attributes, which a new item on the Secret Service gets as well and which no search
    /// asks for. libsecret treats `xdg:schema` so where a schema has the flag
    /// `SECRET_SCHEMA_DONT_MATCH_NAME`.
    pub unsearched: Vec<(String, String)>,
    /// What the secret is, as a MIME type. The Secret Service keeps it, and libsecret takes for a
    /// password what is `text/plain` alone.
    pub content_type: String,
}

impl Item {
    /// The item of `service` and `account`; these are its attributes too, and its label is the
    /// service.
    pub fn new(service: impl Into<String>, account: impl Into<String>) -> Self {
        let (service, account) = (service.into(), account.into());
        let attributes =
            vec![("service".into(), service.clone()), ("account".into(), account.clone())];
        let (label, content_type) = (service.clone(), BINARY.into());
        Self { service, account, label, attributes, unsearched: Vec::new(), content_type }
    }

    /// The same with another label.
    #[must_use]
    pub fn labelled(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    /// The same, found on the Secret Service by these attributes instead.
    #[must_use]
    pub fn with_attributes<N: Into<String>, V: Into<String>>(
        mut self,
        attributes: impl IntoIterator<Item = (N, V)>,
    ) -> Self {
        self.attributes = attributes.into_iter().map(|(n, v)| (n.into(), v.into())).collect();
        self
    }

    /// The same, stored with these attributes too, by which it is not found.
    #[must_use]
    pub fn storing_too<N: Into<String>, V: Into<String>>(
        mut self,
        attributes: impl IntoIterator<Item = (N, V)>,
    ) -> Self {
        self.unsearched = attributes.into_iter().map(|(n, v)| (n.into(), v.into())).collect();
        self
    }

    /// The same with a secret of another kind than `application/octet-stream`.
    #[must_use]
    pub fn holding(mut self, content_type: impl Into<String>) -> Self {
        self.content_type = content_type.into();
        self
    }

    /// Service and account as one name that no other pair in any collection has, for vaults that
    /// know only one name and may find an item of one collection through another.
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

/// Which part of a vault: one collection, and on the Secret Service how secrets cross the bus.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Place {
    /// Where items are created, and where they are looked for but on the Secret Service, which
    /// looks in every collection.
    pub collection: Collection,
    /// How secrets cross the bus.
    pub session: Session,
}

/// A collection of a vault: where an item is created.
///
/// On the Secret Service an item is found in whichever collection it lies, as libsecret finds it,
/// and a user may choose another default one meanwhile. Elsewhere an item of another collection
/// is absent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Collection {
    /// Where the user's items lie: the default collection of a Secret Service, the default
    /// keychain, the credentials of this machine, the user's kernel keyring.
    #[default]
    Default,
    /// Gone when the login session ends: the Secret Service's `session` collection, the credentials
    /// of a Windows logon session, the session's kernel keyring. macOS has none.
    Session,
    /// The collection of a Secret Service with this label. Other vaults have none.
    Named(String),
}

/// How secrets cross the bus of the Secret Service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Session {
    /// Agreed by Diffie-Hellman, so that who records the bus learns no secret.
    #[default]
    Encrypted,
    /// In clear on the bus of the user's own session.
    Plain,
}

const BINARY: &str = "application/octet-stream";

/// One item of a service.
#[non_exhaustive]
pub struct Listed {
    /// Whose item it is, or which one of the service: whatever the vault keeps, written by any
    /// program.
    pub account: String,
    /// Its secret; empty if its creation was cut off.
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
