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
    /// Stores the result of a sign-in at `now` (Unix seconds): the access token, account, ID token
    /// and refresh token that it has, and the app metadata. Stores everything or nothing.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] if `now` is out of range, or if client id, authority, account and scopes
    /// have more than 1 MiB together. [`Error::Corrupt`] if a section that an entry belongs to is
    /// not a JSON object.
    pub fn add(&mut self, event: &SignInEvent, now: u64) -> Result<(), Error> {
        self.store(event.entries(now)?)
    }

    /// Stores all entries of one event. If a section cannot be written, stores none.
    pub(super) fn store(&mut self, entries: Vec<Entry>) -> Result<(), Error> {
        // Checks all sections first, so that an error leaves the cache unchanged.
        for entry in &entries {
            self.can_write(entry.kind())?;
        }
        self.touched = true;
        entries.into_iter().try_for_each(|entry| self.replace(None, entry))
    }

    /// Stores an entry in place of those that it replaces, and of those whose fields make the key
    /// `old`.
    pub(super) fn replace(&mut self, old: Option<&str>, entry: Entry) -> Result<(), Error> {
        let twin = self.twin(&entry);
        self.section_mut(entry.kind())?.replace([old, twin.as_deref()], entry);
        Ok(())
    }

    /// Stores an entry. It replaces an entry with the same key.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`] if the section it belongs to is not a JSON object.
    pub fn put(&mut self, entry: &Entry) -> Result<(), Error> {
        let entry = match key::plain(entry) {
            Some(key) => entry.respelled(&key),
            None => entry.clone(),
        };
        self.replace(None, entry)
    }

    /// Stores an entry with some fields set to text or to null. Its other fields stay.
    ///
    /// The result replaces the entry as it was before, even if the key changes. If the cache does
    /// not hold the entry any more, it is added, as in msal.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] if another token has replaced the entry since it was read and would be
    /// lost; [`Error::Corrupt`] if the section that it belongs to is not a JSON object.
    pub fn modify(&mut self, entry: &Entry, changes: &[(&str, Option<&str>)]) -> Result<(), Error> {
        let old = key::own(entry);
        self.can_write(entry.kind())?;
        let keys: Vec<String> = old.clone().into_iter().chain(self.twin(entry)).collect();
        let section = self.section(entry.kind());
        let held = section.map(|section| section.rivals(entry, &keys, entry.spelled_key()));
        let (same, others): (Vec<&Entry>, Vec<&Entry>) = held
            .into_iter()
            .flatten()
            .map(|(_, held)| held)
            .partition(|held| held.secret() == entry.secret());
        // Computed at most once: for an ID token its payload has to be decoded.
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
        let changed = match key::plain(&changed) {
            Some(key) => changed.respelled(&key),
            None => changed,
        };
        self.replace(old.as_deref(), changed)
    }

    /// Removes a refresh token, whatever its key is. Returns `false` if the cache does not hold it
    /// any more, because it was removed or replaced by another token. The other token stays.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] if the entry is not a refresh token, [`Error::Corrupt`] if the section is
    /// not a JSON object.
    pub fn remove_refresh_token(&mut self, entry: &Entry) -> Result<bool, Error> {
        self.remove(entry, CredentialType::RefreshToken)
    }

    /// Removes an access token, whatever its key is. Returns `false` if the cache does not hold it
    /// any more, because it was removed or replaced by another token. The other token stays.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] if the entry is not an access token, [`Error::Corrupt`] if the section is
    /// not a JSON object.
    pub fn remove_access_token(&mut self, entry: &Entry) -> Result<bool, Error> {
        self.remove(entry, CredentialType::AccessToken)
    }

    /// Removes an ID token, whatever its key is. Returns `false` if the cache does not hold it any
    /// more, because it was removed or replaced by another token. The other token stays.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] if the entry is not an ID token, [`Error::Corrupt`] if the section is not
    /// a JSON object.
    pub fn remove_id_token(&mut self, entry: &Entry) -> Result<bool, Error> {
        self.remove(entry, CredentialType::IdToken)
    }

    /// Removes an account's entry, whatever its key is, but none of its tokens. Returns `false` if
    /// the entry was absent. To sign out, use [`sign_out`](Self::sign_out).
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] if the entry is not an account, [`Error::Corrupt`] if the section is not
    /// a JSON object.
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
/// [`Error::Invalid`] if the entry is of another kind, or its fields do not say that it is of this
/// kind.
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
