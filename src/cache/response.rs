//! Keeping a provider's answer: whose it is, and what was asked.

use zeroize::Zeroizing;

use crate::{
    Error,
    cache::{
        TokenCache,
        access_token::{AccessToken, AccessTokenRef, EntryAt},
        entry::Entry,
        event::{Identity, SignInEvent},
        identity::Stated,
        json::{decode, quoted},
        owner::{ClientAt, NOBODY, owner},
        request::{Lookup, TokenRequest},
        schema::CredentialType,
        section::lookup_token,
    },
};

impl TokenCache {
    /// Keeps the JSON with which a provider's token endpoint answered the request at `now` (Unix
    /// seconds), and returns the access token in it. For the answer to a refresh token that was
    /// spent there is [`add_renewal`](Self::add_renewal).
    ///
    /// Where the answer does not say whose it is, the tokens belong to the request's account, or
    /// else to the only account of which the program has any token there. Where it says so with an
    /// ID token alone, they belong to the account whose home account id or local account id that
    /// is; if there is none, to a new one. What answers a request that is
    /// [`TokenRequest::app_only`] is nobody's.
    ///
    /// Where the provider granted other scopes than were asked for, these are kept beside them, and
    /// the same request finds the token. [`AccessToken::scopes`] tells what was granted.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] if it is no such answer, says `error`, or has no access token;
    /// [`Error::TooLarge`] and [`Error::Corrupt`] as for [`add`](Self::add). Nothing is changed
    /// then.
    pub fn add_response(
        &mut self,
        request: &TokenRequest,
        response: impl AsRef<[u8]>,
        now: u64,
    ) -> Result<AccessToken, Error> {
        let lookup = request.lookup()?;
        let mut event = SignInEvent::from_response(request, response.as_ref())?;
        let expected = lookup.home.as_deref().filter(|&home| home != NOBODY);
        let home = match Stated::of(&event) {
            _ if request.is_app_only() => None,
            None => self.silent_owner(lookup, expected),
            Some(stated) => {
                let expected = expected.filter(|home| self.is_same_user(home, &stated, lookup));
                Some(match expected {
                    Some(home) => home.to_owned(),
                    None => self.stated_owner(&stated, lookup),
                })
            }
        };
        if request.is_app_only() {
            event.identity = Identity::default();
            (event.response.id_token, event.response.refresh_token) = (None, None);
        }
        self.name_owner(&mut event, home.as_deref(), lookup);
        self.store_answer(event.entries(now)?)
    }

    /// Keeps the answer to a refresh token that was spent at `now` (Unix seconds), as
    /// [`add_response`](Self::add_response) does, and returns the access token in it.
    ///
    /// `spent` is the entry as [`refresh_tokens`](Self::refresh_tokens) gave it. What the answer
    /// brings is of that entry's account, whatever the request names. A new refresh token takes the
    /// place of the spent one wherever the account has it; without one in the answer it stays.
    ///
    /// If the cache does not have the spent token any more, because the account was signed out or
    /// signed in again in the meantime, nothing is kept: the access token that is returned
    /// [is not stored](AccessToken::is_stored), and says why.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] also if the answer is for another user than the spent token, or `spent`
    /// is no refresh token of the request's cloud. Nothing is changed then.
    pub fn add_renewal(
        &mut self,
        request: &TokenRequest,
        spent: &Entry,
        response: impl AsRef<[u8]>,
        now: u64,
    ) -> Result<AccessToken, Error> {
        let lookup = request.lookup()?;
        let secret = spent_secret(spent, request, lookup)?;
        let mut event = SignInEvent::from_response(request, response.as_ref())?;
        let before = owner(spent).to_owned();
        let expected = Some(before.as_str()).filter(|&home| home != NOBODY);
        let home = match (Stated::of(&event), expected) {
            (Some(stated), Some(home)) if !self.may_be_same_user(home, &stated, lookup) => {
                return Err(another_user());
            }
            (_, Some(home)) => Some(home.to_owned()),
            (Some(stated), None) => Some(self.stated_owner(&stated, lookup)),
            (None, None) => {
                let named = lookup.home.as_deref().filter(|&home| home != NOBODY);
                self.silent_owner(lookup, named)
            }
        };
        event.skip_account |= expected.is_some();
        self.name_owner(&mut event, home.as_deref(), lookup);
        let held = self.holding(&before, &secret);
        if held.is_empty() {
            let entries = event.entries(now)?;
            return Ok(self.issued(access_token(&entries)?).unstored(signed_out()));
        }
        let renewed = event.response.refresh_token.take();
        self.can_write(CredentialType::RefreshToken)?;
        let token = self.store_answer(event.entries(now)?)?;
        match home.filter(|_| expected.is_none()) {
            // It was nobody's and is somebody's now.
            Some(home) => self.give(&held, &home, renewed.as_deref().map(String::as_str), now)?,
            None => {
                if let Some(renewed) = renewed {
                    self.renew(&held, &renewed, now)?;
                }
            }
        }
        Ok(token)
    }

    /// The access token in an answer as [`add_renewal`](Self::add_renewal) gives it, where there is
    /// no cache to keep it.
    ///
    /// Only a cache knows whether the answer is for another user, so that is not looked at.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] and [`Error::TooLarge`] as there.
    #[cfg(feature = "desktop")]
    pub(crate) fn unkept_renewal(
        request: &TokenRequest,
        spent: &Entry,
        response: impl AsRef<[u8]>,
        now: u64,
    ) -> Result<AccessToken, Error> {
        let lookup = request.lookup()?;
        spent_secret(spent, request, lookup)?;
        let mut nothing = Self::new();
        if owner(spent) == NOBODY {
            return nothing.add_response(request, response, now);
        }
        let mut event = SignInEvent::from_response(request, response.as_ref())?;
        nothing.name_owner(&mut event, Some(owner(spent)), lookup);
        Ok(nothing.issued(access_token(&event.entries(now)?)?))
    }

    /// Stores the entries of an answer, if there is an access token among them.
    fn store_answer(&mut self, entries: Vec<Entry>) -> Result<AccessToken, Error> {
        let token = access_token(&entries)?.clone();
        self.store(entries)?;
        Ok(self.issued(&token))
    }

    /// The access token as a provider issued it just now.
    fn issued(&self, token: &Entry) -> AccessToken {
        AccessTokenRef::new(EntryAt::Entry(token), self, false).to_owned().issued_now()
    }

    /// Whose an answer is that does not say so, as a canonical token.
    fn silent_owner(&self, lookup: &Lookup, named: Option<&str>) -> Option<String> {
        named.or_else(|| self.sole_account(ClientAt::of(lookup))).map(str::to_owned)
    }

    /// Writes into the event whose it is, and for want of a name in the answer the known one.
    fn name_owner(&self, event: &mut SignInEvent, home: Option<&str>, lookup: &Lookup) {
        let home = home.and_then(decode).map(|home| home.into_owned());
        event.identity.is_user = Stated::of(event).is_some();
        if event.username.is_none() {
            let known = home.as_deref().and_then(|home| self.username(&quoted(home), lookup));
            event.username = known.as_deref().map(quoted);
        }
        event.identity.home_account_id = home;
    }
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

/// The secret of the refresh token that was spent for a request.
fn spent_secret(
    spent: &Entry,
    request: &TokenRequest,
    lookup: &Lookup,
) -> Result<Zeroizing<String>, Error> {
    crate::cache::update::check_type(spent, CredentialType::RefreshToken)?;
    let host = lookup_token(spent.token("environment"));
    let is_there = lookup.environments.iter().any(|name| name.eq_ignore_ascii_case(host));
    match spent.secret().filter(|_| is_there && !request.is_app_only()) {
        Some(secret) => Ok(Zeroizing::new(secret.to_owned())),
        None => Err(Error::Invalid {
            detail: "the refresh token that was spent is not for this request, but for another \
                     authority or a user; pass one that `refresh_tokens` gave for the request"
                .to_owned(),
        }),
    }
}

fn another_user() -> Error {
    Error::Invalid {
        detail: "the provider answered for another user than the one whose refresh token was \
                 spent; nothing was kept: sign in again"
            .to_owned(),
    }
}

fn signed_out() -> Error {
    Error::Invalid {
        detail: "the refresh token that was spent is not in the cache any more, because its user \
                 signed out or signed in again meanwhile; look again"
            .to_owned(),
    }
}
