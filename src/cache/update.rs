//! Adding, changing and removing entries.

use std::cell::OnceCell;

use zeroize::Zeroizing;

use crate::{
    Error,
    cache::{
        TokenCache, entry::Entry, entry::key, event::SignInEvent, json::quoted, merge::times,
        schema::CredentialType,
    },
};

impl TokenCache {
    /// Keeps what a sign-in at `now` (Unix seconds) brought: an access token, account, ID token and
    /// refresh token as far as they are there, and the program's metadata. All or nothing.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] if the event's times are out of range, [`Error::TooLarge`] if client id,
    /// authority, account and scopes have more than 1 MiB together, [`Error::Corrupt`] if a section
    /// that it belongs to is not a JSON object.
    pub fn add(&mut self, event: &SignInEvent, now: u64) -> Result<(), Error> {
        self.store(event.entries(now)?)
    }

    /// Stores entries of one event: all of them or, if a section cannot be written to, none.
    pub(super) fn store(&mut self, entries: Vec<Entry>) -> Result<(), Error> {
        for entry in &entries {
            self.can_write(entry.kind())?;
        }
        self.touched = true;
        for entry in entries {
            let kind = entry.kind();
            self.section_mut(kind)?.replace(None, entry);
        }
        Ok(())
    }

    /// Stores an entry, in the place of the one with the same key if there is one.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`] if the section it belongs to is not a JSON object.
    pub fn put(&mut self, entry: &Entry) -> Result<(), Error> {
        let entry = match key::own(entry) {
            Some(key) => entry.respelled(&key),
            None => entry.clone(),
        };
        self.section_mut(entry.kind())?.replace(None, entry);
        Ok(())
    }

    /// Stores an entry with some fields set to text, or to null; its other fields stay.
    ///
    /// It takes the place of the entry as it was before, also if the key changes. If the cache did
    /// not hold the entry any more, it does now, as in the reference.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] if another token took the entry's place since it was read, which would be
    /// lost; [`Error::Corrupt`] if the section it belongs to is not a JSON object.
    pub fn modify(&mut self, entry: &Entry, changes: &[(&str, Option<&str>)]) -> Result<(), Error> {
        let old = key::own(entry);
        self.can_write(entry.kind())?;
        let section = self.section(entry.kind());
        let held = section.map(|section| section.rivals(old.as_deref(), entry.spelled_key()));
        let (same, others): (Vec<&Entry>, Vec<&Entry>) = held
            .into_iter()
            .flatten()
            .map(|(_, held)| held)
            .partition(|held| held.secret() == entry.secret());
        let time = OnceCell::new();
        let is_older = |other: &Entry| *time.get_or_init(|| times(entry)) < times(other);
        if others.iter().any(|other| same.is_empty() || is_older(other)) {
            return Err(Error::Invalid {
                detail: "another token took the place of this one since it was read; search again"
                    .to_owned(),
            });
        }
        let changes: Vec<(String, Zeroizing<String>)> = changes
            .iter()
            .map(|(name, value)| {
                (quoted(name), Zeroizing::new(value.map_or("null".to_owned(), quoted)))
            })
            .collect();
        let changed = entry.with(&changes);
        let changed = match key::own(&changed) {
            Some(key) => changed.respelled(&key),
            None => changed,
        };
        self.section_mut(entry.kind())?.replace(old.as_deref(), changed);
        Ok(())
    }

    /// Removes a refresh token, whatever its key is. False if it is not there any more, because
    /// it was removed or another one took its place, which stays.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] if the entry is no refresh token, [`Error::Corrupt`] if the section is
    /// not a JSON object.
    pub fn remove_refresh_token(&mut self, entry: &Entry) -> Result<bool, Error> {
        self.remove(entry, CredentialType::RefreshToken)
    }

    /// Removes an access token, whatever its key is. False if it is not there any more, because
    /// it was removed or another one took its place, which stays.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] if the entry is no access token, [`Error::Corrupt`] if the section is
    /// not a JSON object.
    pub fn remove_access_token(&mut self, entry: &Entry) -> Result<bool, Error> {
        self.remove(entry, CredentialType::AccessToken)
    }

    /// Removes an ID token, whatever its key is. False if it is not there any more, because it was
    /// removed or another one took its place, which stays.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] if the entry is no ID token, [`Error::Corrupt`] if the section is not a
    /// JSON object.
    pub fn remove_id_token(&mut self, entry: &Entry) -> Result<bool, Error> {
        self.remove(entry, CredentialType::IdToken)
    }

    /// Removes an account's entry, whatever its key is, and none of its tokens; false if it was
    /// not there. To sign out, see [`sign_out`](Self::sign_out).
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] if the entry is no account, [`Error::Corrupt`] if the section is not a
    /// JSON object.
    pub fn remove_account(&mut self, entry: &Entry) -> Result<bool, Error> {
        self.remove(entry, CredentialType::Account)
    }

    fn remove(&mut self, entry: &Entry, kind: CredentialType) -> Result<bool, Error> {
        check_type(entry, kind)?;
        Ok(self.section_mut(kind)?.remove(entry) > 0)
    }
}

/// # Errors
///
/// [`Error::Invalid`] if the entry is of another kind, or says so.
pub(super) fn check_type(entry: &Entry, kind: CredentialType) -> Result<(), Error> {
    let says_so = match kind {
        CredentialType::Account => entry.token("authority_type").is_some(),
        _ => entry.text("credential_type").is_some_and(|text| text == kind.as_str()),
    };
    if says_so && entry.kind() == kind {
        return Ok(());
    }
    Err(Error::Invalid {
        detail: format!("the entry is not of kind {kind}; search for one that is"),
    })
}
