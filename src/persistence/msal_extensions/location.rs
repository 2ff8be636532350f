//! Which item of a vault, or which kind of encrypted file, a program with msal-extensions uses.

use std::fmt;

use sha2::{Digest as _, Sha256};
use tokenkeep_platform::{
    text::hexadecimal,
    vault::{Collection, FINDS_BY_ATTRIBUTES, Item},
};

use super::MsalExtensionsItem;
use crate::Error;

/// The names by which programs with msal-extensions find their cache in the operating system's
/// vault, and the form in which it is stored there.
///
/// Start with [`python`](Self::python), whose defaults are those of msal-extensions 1.3.1, and set
/// what differs. Each operating system ignores what it does not use, so one value serves all.
/// Service and account name an item of the Keychain. Schema, attributes, label and collection
/// belong to an item of the Secret Service. Description and entropy belong to a file under DPAPI.
#[derive(Clone, PartialEq, Eq)]
pub struct MsalExtensionsLocation {
    service: String,
    account: String,
    schema: String,
    schema_is_matched: bool,
    attributes: Vec<(String, String)>,
    label: String,
    collection: Collection,
    encoding: ItemEncoding,
    description: String,
    entropy: Vec<u8>,
}

/// How the cache is written in an item of the Secret Service. Elsewhere it is [`Raw`](Self::Raw) in
/// every language.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ItemEncoding {
    /// The JSON itself, as Python and Node store it.
    #[default]
    Raw,
    /// The JSON in standard base64 with padding, as .NET, Go and Java store it.
    Base64,
}

impl MsalExtensionsLocation {
    /// What msal-extensions for Python uses if it is given only a location. The service is
    /// `msal-extensions`. Account and schema are the SHA-256 of the location in hexadecimal. There
    /// are no further attributes, the label is empty, and the collection is the default one. The
    /// item is raw JSON. The description is `python_data`, and there is no entropy.
    ///
    /// `location` is hashed as it stands: `~` and relative paths are not expanded first.
    #[must_use]
    pub fn python(location: &str) -> Self {
        let hash = hash(location);
        Self {
            service: "msal-extensions".into(),
            account: hash.clone(),
            schema: hash,
            schema_is_matched: true,
            attributes: Vec::new(),
            label: String::new(),
            collection: Collection::Default,
            encoding: ItemEncoding::Raw,
            description: "python_data".into(),
            entropy: Vec::new(),
        }
    }

    /// The service of the Keychain's item.
    #[must_use]
    pub fn service(mut self, service: impl Into<String>) -> Self {
        self.service = service.into();
        self
    }

    /// The account of the Keychain's item.
    #[must_use]
    pub fn account(mut self, account: impl Into<String>) -> Self {
        self.account = account.into();
        self
    }

    /// The name of the schema, which the Secret Service keeps as the attribute `xdg:schema`.
    #[must_use]
    pub fn schema(mut self, schema: impl Into<String>) -> Self {
        self.schema = schema.into();
        self
    }

    /// Whether an item must have the schema to be found. The default is `true`. .NET stores a
    /// schema and does not ask for it (`SECRET_SCHEMA_DONT_MATCH_NAME`).
    #[must_use]
    pub fn match_schema(mut self, matched: bool) -> Self {
        self.schema_is_matched = matched;
        self
    }

    /// The attributes of the Secret Service's item besides its schema, any number of them. An item
    /// with exactly these is preferred to one that has more. An item with more is read and saved
    /// only if there is no other, and is never cleared.
    #[must_use]
    pub fn attributes<N: Into<String>, V: Into<String>>(
        mut self,
        attributes: impl IntoIterator<Item = (N, V)>,
    ) -> Self {
        self.attributes = attributes.into_iter().map(|(n, v)| (n.into(), v.into())).collect();
        self
    }

    /// What a user sees in the vault's own program, set when the item is created. It is not used to
    /// find the item.
    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    /// The collection of the Secret Service in which a new item is created: `default`, `session`,
    /// or else the one with this label. An existing item is found in any collection.
    #[must_use]
    pub fn collection(mut self, collection: impl Into<String>) -> Self {
        let name = collection.into();
        self.collection = match &*name {
            "default" => Collection::Default,
            "session" => Collection::Session,
            _ => Collection::Named(name),
        };
        self
    }

    /// How the cache is written in the Secret Service's item.
    #[must_use]
    pub fn encoding(mut self, encoding: ItemEncoding) -> Self {
        self.encoding = encoding;
        self
    }

    /// The description that DPAPI stores unencrypted in the file. A reader need not have the same
    /// one.
    #[must_use]
    pub fn description(mut self, description: impl Into<String>) -> Self {
        self.description = description.into();
        self
    }

    /// The entropy of DPAPI; empty for none. Every program that shares the cache must give the
    /// same. It is not a secret.
    #[must_use]
    pub fn entropy(mut self, entropy: impl Into<Vec<u8>>) -> Self {
        self.entropy = entropy.into();
        self
    }

    pub(super) fn item_encoding(&self) -> ItemEncoding {
        self.encoding
    }

    pub(super) fn blob_description(&self) -> &str {
        &self.description
    }

    pub(super) fn blob_entropy(&self) -> Option<&[u8]> {
        Some(&*self.entropy).filter(|entropy| !entropy.is_empty())
    }

    pub(super) fn names_of_attributes(&self) -> MsalExtensionsItem {
        MsalExtensionsItem::SecretService {
            collection: match &self.collection {
                Collection::Session => "session".into(),
                Collection::Named(label) => label.clone(),
                _ => "default".into(),
            },
            schema: self.schema.clone(),
            attributes: self.attributes.clone(),
            label: self.label.clone(),
        }
    }

    pub(super) fn names_of_keychain(&self) -> MsalExtensionsItem {
        MsalExtensionsItem::Keychain {
            service: self.service.clone(),
            account: self.account.clone(),
        }
    }

    /// The collection in which the vault creates the item.
    pub(super) fn collection_of_vault(&self) -> Collection {
        match FINDS_BY_ATTRIBUTES {
            true => self.collection.clone(),
            false => Collection::Default,
        }
    }

    pub(super) fn item(&self) -> Item {
        let mut attributes = self.attributes.clone();
        let mut unsearched = Vec::new();
        let schema = (SCHEMA.to_owned(), self.schema.clone());
        // .NET stores the schema, but does not search for it.
        if self.schema_is_matched { &mut attributes } else { &mut unsearched }.push(schema);
        // In the Keychain, Python's items are labelled with their service.
        let label = if FINDS_BY_ATTRIBUTES { &self.label } else { &self.service };
        Item::new(self.service.clone(), self.account.clone())
            .labelled(label.clone())
            .with_attributes(attributes)
            .storing_too(unsearched)
            .holding("text/plain")
    }

    /// Refuses an identity that would find another program's items, or that no vault can store.
    pub(super) fn check(&self) -> Result<(), Error> {
        let mut names: Vec<&str> = self.attributes.iter().map(|(name, _)| &**name).collect();
        names.sort_unstable();
        let repeated = names.windows(2).any(|pair| pair[0] == pair[1]);
        let mut texts = vec![&self.service, &self.account, &self.schema, &self.label];
        texts.extend(self.attributes.iter().flat_map(|(name, value)| [name, value]));
        let fault = if [&self.service, &self.account, &self.schema].iter().any(|t| t.is_empty()) {
            "its service, account or schema is empty"
        } else if repeated || names.contains(&SCHEMA) {
            "an attribute is named twice; the schema has a call of its own"
        } else if !self.schema_is_matched && self.attributes.is_empty() {
            "without attributes and without its schema it would find every item of the vault"
        } else if texts.iter().any(|text| text.contains('\0')) || self.description.contains('\0') {
            // Other programs pass these as C strings, which end at a NUL.
            "one of its texts contains a NUL"
        } else {
            return Ok(());
        };
        Err(Error::Invalid {
            detail: format!("the location of the msal-extensions cache cannot be used: {fault}"),
        })
    }
}

impl fmt::Debug for MsalExtensionsLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MsalExtensionsLocation")
            .field("service", &self.service)
            .field("account", &self.account)
            .field("schema", &self.schema)
            .finish_non_exhaustive()
    }
}

fn hash(text: &str) -> String {
    hexadecimal(Sha256::digest(text))
}

/// The attribute in which libsecret stores a schema's name.
const SCHEMA: &str = "xdg:schema";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_that_of_the_location_as_it_stands() {
        // hashlib.sha256("~/x".encode()).hexdigest()
        let expected = "a46d2df688f0b3d3719d1d8288b8fb3a";
        assert_eq!(&hash("~/x")[..32], expected);
    }

    #[test]
    fn an_identity_that_would_find_everything_or_nothing_is_refused() {
        let good = || MsalExtensionsLocation::python("x");
        assert!(good().check().is_ok());
        assert!(good().match_schema(false).attributes([("a", "b")]).check().is_ok());
        for bad in [
            good().match_schema(false),
            good().schema(""),
            good().attributes([("a", "1"), ("a", "2")]),
            good().attributes([("xdg:schema", "other")]),
            good().label("a\0b"),
        ] {
            assert!(bad.check().is_err(), "{bad:?}");
        }
    }
}
