//! Which of the service's items a call is about.
//!
//! Looked for as libsecret does it, so that a program in another language means the same item: in
//! every collection, by the attributes alone, so that an item with more attributes is a match too;
//! and of several the first that is not locked, in the order in which the service names them. One
//! thing is decided otherwise: an item with exactly these attributes goes before one with more,
//! which may belong to somebody else. So while such an item is locked, none with more is taken in
//! its place.

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

    /// Those that are not locked; an error if there are locked ones alone.
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

/// The item that is read and written, and all that were found unlocked.
pub(super) fn the_one(
    link: &Link,
    asked: Asked<'_>,
) -> Result<(Option<OwnedObjectPath>, Vec<OwnedObjectPath>), Fault> {
    let found = search(link, asked, &asked.item.attributes, would_hide_a_new_item)?;
    match meant(link, asked, &found)? {
        Some(Meant::Locked(_)) => Err(VaultError::Locked { source: None }.into()),
        Some(Meant::Unlocked(path)) => Ok((Some(path), found.unlocked)),
        None => Ok((None, found.unlocked)),
    }
}

/// Which of what was found is read and written.
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

/// The secret of each item that is not locked; equal ones once.
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

/// The items that have exactly these attributes and whose secret `is_ours` accepts. While one of
/// them is locked it is an error: who was told that all are deleted must not find one again after
/// the next login.
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
    // gnome-keyring reads a collection's file again whenever it changed, and a search misses a
    // locked item from then on.
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

/// The items that differ from the one asked for in the attribute alone that has its account; `None`
/// if it has no such attribute, or no other.
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

/// What has these attributes. A locked collection may hide its items, so absence is believed only
/// if nothing hid one before the search and after it.
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

/// Whether the item may be there and not be found: the collection is locked in which it would be
/// made, or a locked one of gnome-keyring has it. A user may well have others that are never
/// opened.
fn would_hide_a_new_item(
    link: &Link,
    asked: Asked<'_>,
    _: &[(String, String)],
) -> Result<bool, Fault> {
    Ok(is_new_items_collection_locked(link, asked)? || hidden_copy(link, asked)?.is_some())
}

fn is_new_items_collection_locked(link: &Link, asked: Asked<'_>) -> Result<bool, Fault> {
    let collection = link.collection(&asked.place.collection, asked.turn)?;
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
            // It was removed meanwhile.
            Ok(false) | Err(Fault::Gone(_)) => {}
            hides => return hides,
        }
    }
    Ok(false)
}

/// The item in a locked collection of gnome-keyring that may be exactly this one. A search misses
/// it if the collection was never unlocked, or was read from its file again since.
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
            // It was removed meanwhile.
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

/// Whether the collection is locked and may hide such an item. gnome-keyring names each item of a
/// locked one, and its attributes or their hashes. A search does not find by its schema what lies
/// in one that was never unlocked. Of another service nothing is known.
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
            // It was removed meanwhile.
            Ok(_) | Err(Fault::Gone(_)) => {}
            Err(fault) => return Err(fault),
        }
    }
    Ok(false)
}

/// Whether an item that shows these attributes may have `ours`.
fn may_have(theirs: &HashMap<String, String>, ours: &[(String, String)]) -> bool {
    ours.iter().all(|(name, value)| {
        theirs.get(name) == Some(value)
            || theirs.get(&format!("{HASHED}{name}")) == Some(&hashed(value))
    })
}

/// Whether an item may have exactly these attributes that is locked. Not every service tells what a
/// locked item has, and gnome-keyring tells the names alone until its collection was unlocked once.
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

/// Whether an attribute of an item is one of those that `item` was made with, or one that a service
/// adds by itself.
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

/// Whether KeePassXC shows it of every entry, as an attribute of its item.
fn is_added(name: &str) -> bool {
    let shown = ["FDO_SECRETS_CONTENT_TYPE", "Notes", "Path", "Title", "URL", "UserName", "Uuid"];
    shown.contains(&name)
}

/// The secret of an item, empty if it is unfinished.
pub(super) fn secret(
    link: &Link,
    path: &OwnedObjectPath,
    asked: Asked<'_>,
) -> Result<Secret, Fault> {
    let secret = link.secret(path, asked.place.session, asked.turn)?;
    if secret.is_empty() && link.is_item_locked(path, asked.turn)? {
        return Err(VaultError::Locked { source: None }.into());
    }
    Ok(secret)
}

/// An attribute's value as gnome-keyring tells it of an item in a locked collection: its MD5, as
/// the collection's file has it in clear. It tells values apart, and protects nothing.
fn hashed(value: &str) -> String {
    hexadecimal(Md5::digest(value))
}

/// Before the name of an attribute of whose value gnome-keyring tells the hash.
const HASHED: &str = "gkr:compat:hashed:";
/// What gnome-keyring shows in place of a schema that it was not given, or does not tell.
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
