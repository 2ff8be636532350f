//! Decides which of the service's items a call is about.
//!
//! The search follows libsecret, so that a program in another language finds the same item. It
//! covers every collection and compares only the attributes given, so an item with more attributes
//! matches too. Of several matches the first unlocked one counts, in the order of the service.
//!
//! One rule differs: an item with exactly these attributes precedes one with more, which may belong
//! to another program. So while such an item is locked, no other match replaces it.

use std::collections::HashMap;

use md5::{Digest as _, Md5};
use zbus::zvariant::OwnedObjectPath;

use super::error::Fault;
use super::service::{Link, Matches};
use crate::text::hexadecimal;
use crate::vault::{Asked, IsOurs, Item, Listed, Secret, Turn, VaultError};

impl Matches {
    pub(super) fn is_empty(&self) -> bool {
        self.unlocked.is_empty() && self.locked.is_empty()
    }

    /// The unlocked items. Fails if there are only locked ones.
    fn into_readable(self) -> Result<Vec<OwnedObjectPath>, VaultError> {
        match self.unlocked.is_empty() && !self.locked.is_empty() {
            true => Err(VaultError::Locked { source: None }),
            false => Ok(self.unlocked),
        }
    }
}

/// The item that is read and written.
pub(super) enum Meant {
    Unlocked(OwnedObjectPath),
    Locked(OwnedObjectPath),
}

/// The item that is read and written, and all unlocked matches.
pub(super) fn the_one(
    link: &Link,
    asked: Asked<'_>,
) -> Result<(Option<OwnedObjectPath>, Vec<OwnedObjectPath>), Fault> {
    let found = search(link, asked, &asked.item.attributes, would_hide_a_new_item)?;
    // The search has looked for a hidden one.
    if found.is_empty() {
        return Ok((None, Vec::new()));
    }
    match meant(link, asked, &found)? {
        Some(Meant::Locked(_)) => Err(VaultError::Locked { source: None }.into()),
        Some(Meant::Unlocked(path)) => Ok((Some(path), found.unlocked)),
        None => Ok((None, found.unlocked)),
    }
}

/// Which of the matches is read and written.
pub(super) fn meant(
    link: &Link,
    asked: Asked<'_>,
    found: &Matches,
) -> Result<Option<Meant>, Fault> {
    for path in &found.unlocked {
        if is_exactly(asked.item, &link.attributes(path, asked.turn)?) {
            return Ok(Some(Meant::Unlocked(path.clone())));
        }
    }
    for path in &found.locked {
        if may_be_exactly(link, path, asked)? {
            return Ok(Some(Meant::Locked(path.clone())));
        }
    }
    if let Some(path) = hidden_copy(link, asked)? {
        return Ok(Some(Meant::Locked(path)));
    }
    let unlocked = found.unlocked.first().cloned().map(Meant::Unlocked);
    Ok(unlocked.or_else(|| found.locked.first().cloned().map(Meant::Locked)))
}

/// The distinct secrets of all unlocked items.
pub(super) fn secrets(link: &Link, asked: Asked<'_>) -> Result<Vec<Secret>, Fault> {
    let found = search(link, asked, &asked.item.attributes, could_hide_an_item)?.into_readable()?;
    let mut secrets = Vec::new();
    for path in &found {
        let secret = secret(link, path, asked)?;
        if !secrets.contains(&secret) {
            secrets.push(secret);
        }
    }
    Ok(secrets)
}

/// The items that have exactly these attributes and whose secret `is_ours` accepts. Fails if one of
/// them is locked: after "all are deleted", none may reappear at the next login.
pub(super) fn to_delete(
    link: &Link,
    asked: Asked<'_>,
    is_ours: Option<IsOurs<'_>>,
) -> Result<Vec<OwnedObjectPath>, Fault> {
    let found = search(link, asked, &asked.item.attributes, would_hide_a_new_item)?;
    for path in &found.locked {
        if may_be_exactly(link, path, asked)? {
            return Err(VaultError::Locked { source: None }.into());
        }
    }
    // gnome-keyring rereads a collection's file whenever it changes. After that a search misses
    // locked items.
    if hidden_copy(link, asked)?.is_some() {
        return Err(VaultError::Locked { source: None }.into());
    }
    let mut exact = Vec::new();
    for path in found.unlocked {
        if is_exactly(asked.item, &link.attributes(&path, asked.turn)?)
            && is_ours.map_or(Ok(true), |is_ours| {
                secret(link, &path, asked).map(|secret| is_ours(&secret))
            })?
        {
            exact.push(path);
        }
    }
    Ok(exact)
}

/// The items that differ from the one asked for only in the attribute that holds its account.
/// Returns `None` if there is no such attribute, or no other one.
pub(super) fn list(link: &Link, asked: Asked<'_>) -> Result<Option<Vec<Listed>>, Fault> {
    let attributes = &asked.item.attributes;
    let account = attributes.iter().find(|(_, value)| *value == asked.item.account);
    let Some((account, _)) = account.filter(|_| attributes.len() > 1) else { return Ok(None) };
    let shared: Vec<_> = attributes.iter().filter(|(name, _)| name != account).cloned().collect();
    let mut listed = Vec::new();
    for path in search(link, asked, &shared, could_hide_an_item)?.into_readable()? {
        if let Some(account) = link.attributes(&path, asked.turn)?.remove(account) {
            listed.push(Listed { account, secret: secret(link, &path, asked)? });
        }
    }
    Ok(Some(listed))
}

/// Searches by these attributes. A locked collection may hide items, so absence counts only if
/// nothing could hide one both before and after a search.
fn search(
    link: &Link,
    asked: Asked<'_>,
    attributes: &[(String, String)],
    hides: impl Fn(&Link, Asked<'_>, &[(String, String)]) -> Result<bool, Fault>,
) -> Result<Matches, Fault> {
    for hid_nothing in [false, true] {
        let found = link.search(attributes, asked.turn)?;
        if !found.is_empty() {
            return Ok(found);
        }
        if hides(link, asked, attributes)? {
            return Err(VaultError::Locked { source: None }.into());
        }
        if hid_nothing {
            break;
        }
    }
    Ok(Matches::default())
}

/// Whether the item may exist without being found. That is so if the collection for new items is
/// locked, or a locked collection of gnome-keyring holds it. Other locked collections are ignored:
/// a user may have some that are never opened.
fn would_hide_a_new_item(
    link: &Link,
    asked: Asked<'_>,
    _: &[(String, String)],
) -> Result<bool, Fault> {
    Ok(is_new_items_collection_locked(link, asked)? || hidden_copy(link, asked)?.is_some())
}

fn is_new_items_collection_locked(link: &Link, asked: Asked<'_>) -> Result<bool, Fault> {
    let collection = link.collection(asked.collection, asked.turn)?;
    link.is_collection_locked(&collection, asked.turn)
}

/// Whether any collection may hide an item with these attributes.
fn could_hide_an_item(
    link: &Link,
    asked: Asked<'_>,
    attributes: &[(String, String)],
) -> Result<bool, Fault> {
    if is_new_items_collection_locked(link, asked)? {
        return Ok(true);
    }
    for collection in link.collections(asked.turn)? {
        match hides(link, &collection, attributes, asked.turn) {
            // The collection was removed since.
            Ok(false) | Err(Fault::Gone(_)) => {}
            hides => return hides,
        }
    }
    Ok(false)
}

/// The item in a locked collection of gnome-keyring that may be exactly this one. A search misses
/// it if the collection was never unlocked, or its file was reread since.
fn hidden_copy(link: &Link, asked: Asked<'_>) -> Result<Option<OwnedObjectPath>, Fault> {
    if !link.is_gnome_keyring(asked.turn)? {
        return Ok(None);
    }
    for collection in link.collections(asked.turn)? {
        let items = match link.is_collection_locked(&collection, asked.turn) {
            Ok(true) => link.items(&collection, asked.turn),
            Ok(false) => continue,
            Err(fault) => Err(fault),
        };
        let items = match items {
            // The collection was removed since.
            Err(Fault::Gone(_)) => continue,
            items => items?,
        };
        for item in items {
            let is_a_copy = link.attributes(&item, asked.turn).and_then(|theirs| {
                let has_all = may_have(&theirs, &asked.item.attributes);
                Ok(has_all && may_be_exactly(link, &item, asked)?)
            });
            match is_a_copy {
                Ok(true) => return Ok(Some(item)),
                Ok(false) | Err(Fault::Gone(_)) => {}
                Err(fault) => return Err(fault),
            }
        }
    }
    Ok(None)
}

/// Whether the collection is locked and may hide such an item. gnome-keyring lists the items of a
/// locked collection, with their attributes or hashes of them. A search by schema misses items in a
/// collection that was never unlocked. For other services nothing is known, so the answer is yes.
fn hides(
    link: &Link,
    collection: &OwnedObjectPath,
    attributes: &[(String, String)],
    turn: &Turn,
) -> Result<bool, Fault> {
    if !link.is_collection_locked(collection, turn)? {
        return Ok(false);
    }
    if !link.is_gnome_keyring(turn)? {
        return Ok(true);
    }
    for item in link.items(collection, turn)? {
        match link.attributes(&item, turn) {
            Ok(theirs) if may_have(&theirs, attributes) => return Ok(true),
            // The item was removed since.
            Ok(_) | Err(Fault::Gone(_)) => {}
            Err(fault) => return Err(fault),
        }
    }
    Ok(false)
}

/// Whether an item that reports these attributes may have `ours`.
fn may_have(theirs: &HashMap<String, String>, ours: &[(String, String)]) -> bool {
    ours.iter().all(|(name, value)| {
        theirs.get(name) == Some(value)
            || theirs.get(&format!("{HASHED}{name}")) == Some(&hashed(value))
    })
}

/// Whether a locked item may have exactly these attributes. Not every service reports the
/// attributes of a locked item. gnome-keyring reports only names and hashes until the collection
/// was unlocked once.
fn may_be_exactly(link: &Link, path: &OwnedObjectPath, asked: Asked<'_>) -> Result<bool, Fault> {
    match link.attributes(path, asked.turn) {
        Ok(theirs) => Ok(theirs.iter().all(|(name, value)| match name.strip_prefix(HASHED) {
            Some(name) => {
                is_added(name)
                    || value_of(asked.item, name).is_some_and(|ours| hashed(ours) == *value)
            }
            None => belongs_to(asked.item, (name, value)) || (&**name, &**value) == NO_SCHEMA,
        })),
        Err(Fault::Said(VaultError::Locked { .. })) => Ok(true),
        Err(fault) => Err(fault),
    }
}

fn is_exactly(item: &Item, theirs: &HashMap<String, String>) -> bool {
    item.attributes.iter().all(|(name, value)| theirs.get(name) == Some(value))
        && theirs.iter().all(|theirs| belongs_to(item, theirs))
}

/// Whether an attribute of an item is one that `item` was created with, or one that a service adds
/// itself.
fn belongs_to(item: &Item, (name, value): (&String, &String)) -> bool {
    match value_of(item, name) {
        Some(ours) => ours == value,
        None => is_added(name) || (&**name, &**value) == NO_SCHEMA,
    }
}

fn value_of<'i>(item: &'i Item, name: &str) -> Option<&'i String> {
    let mut ours = item.attributes.iter().chain(&item.unsearched);
    ours.find(|(ours, _)| ours == name).map(|(_, value)| value)
}

/// Whether KeePassXC adds this attribute to every item.
fn is_added(name: &str) -> bool {
    let shown = ["FDO_SECRETS_CONTENT_TYPE", "Notes", "Path", "Title", "URL", "UserName", "Uuid"];
    shown.contains(&name)
}

/// The secret of an item. Empty if the item is unfinished.
pub(super) fn secret(
    link: &Link,
    path: &OwnedObjectPath,
    asked: Asked<'_>,
) -> Result<Secret, Fault> {
    let secret = link.secret(path, asked.turn)?;
    // A locked service may answer with an empty secret instead of an error.
    if secret.is_empty() && link.is_item_locked(path, asked.turn)? {
        return Err(VaultError::Locked { source: None }.into());
    }
    Ok(secret)
}

/// The form in which gnome-keyring reports an attribute value of an item in a locked collection:
/// its MD5, which the collection's file stores in clear text. It only distinguishes values and
/// protects nothing.
fn hashed(value: &str) -> String {
    hexadecimal(Md5::digest(value))
}

/// The prefix of an attribute name whose value gnome-keyring reports as a hash.
const HASHED: &str = "gkr:compat:hashed:";
/// What gnome-keyring reports instead of a schema that is missing or withheld.
const NO_SCHEMA: (&str, &str) = ("xdg:schema", "org.freedesktop.Secret.Generic");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_is_exactly_ours_with_what_a_service_adds_and_with_nothing_else() {
        let item = Item::new("s", "a")
            .with_attributes([("name", "n"), ("Title", "ours")])
            .storing_too([("xdg:schema", "x")]);
        let case = |theirs: &[(&str, &str)]| {
            let theirs = theirs.iter().map(|(name, value)| ((*name).into(), (*value).into()));
            is_exactly(&item, &theirs.collect())
        };
        assert!(case(&[("name", "n"), ("Title", "ours")]));
        assert!(case(&[("name", "n"), ("Title", "ours"), ("xdg:schema", "x")]));
        assert!(case(&[("name", "n"), ("Title", "ours"), ("Uuid", "1"), ("Path", "/p")]));
        for other in [("xdg:schema", "y"), ("Title", "theirs"), ("more", ""), ("uuid", "1")] {
            assert!(!case(&[("name", "n"), ("Title", "ours"), other]), "{other:?}");
        }
        assert!(!case(&[("name", "n")]), "one of ours is missing");
        let item = Item::new("s", "a");
        let theirs = |schema: &str| {
            let names = [("service", "s"), ("account", "a"), ("xdg:schema", schema)];
            names.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
        };
        assert!(is_exactly(&item, &theirs(NO_SCHEMA.1)));
        assert!(!is_exactly(&item, &theirs("another")));
    }
}
