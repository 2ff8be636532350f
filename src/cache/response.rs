//! Keeping a provider's answer: whose it is, and what was asked.

use zeroize::Zeroizing;

use crate::{
    Error,
    cache::{
        TokenCache,
        access_token::{AccessToken, AccessTokenRef, Place as At},
        credential::CredentialType,
        entry::{ASKED, Entry},
        event::SignInEvent,
        json::quoted,
        request::TokenRequest,
        scope::ScopeRule,
        section::lookup_token,
    },
};

impl TokenCache {
    /// Keeps the JSON with which a provider's token endpoint answered the request at `now` (Unix
    /// seconds), and returns the access token in it.
    ///
    /// If the response does not say whose it is, the tokens belong to the request's account.
    ///
    /// Where the provider granted other scopes than were asked for, these are kept beside them, and
    /// the same request finds the token.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] if it is no such answer, says `error`, or has no access token;
    /// [`Error::Corrupt`] as for [`add`](Self::add). Nothing is changed then.
    pub fn add_response(
        &mut self,
        request: &TokenRequest,
        response: &[u8],
        now: u64,
    ) -> Result<AccessToken, Error> {
        let event = SignInEvent::from_response(request, response)?;
        let entries = entries(&event, request, now)?;
        let token = AccessTokenRef::new(At::Entry(access_token(&entries)?), false).to_owned();
        self.store(entries)?;
        Ok(token.issued_now())
    }
}

/// The entries that an answer makes, with what was asked for where that is not what was granted.
fn entries(event: &SignInEvent, request: &TokenRequest, now: u64) -> Result<Vec<Entry>, Error> {
    let mut entries = event.entries(now)?;
    let Some(token) = entries.iter_mut().find(|e| e.kind() == CredentialType::AccessToken) else {
        return Ok(entries);
    };
    let rule = ScopeRule::of(lookup_token(token.token("environment")));
    let granted = token.text("target").unwrap_or_default();
    let asked = request.target();
    if !rule.covers(&granted, &asked) {
        *token = token.with(&[(quoted(ASKED), Zeroizing::new(quoted(&asked)))]);
    }
    Ok(entries)
}

/// The access token among the entries of an answer.
fn access_token(entries: &[Entry]) -> Result<&Entry, Error> {
    let token = entries.iter().find(|entry| {
        let is_token = entry.kind() == CredentialType::AccessToken;
        is_token && entry.secret().and(entry.expires_on()).is_some()
    });
    token.ok_or_else(|| Error::Invalid {
        detail: "the provider's response has no access token".to_owned(),
    })
}
