//! Stores a provider's response: the account that it belongs to, and what was requested.

use zeroize::Zeroizing;

use crate::{
    Error, Secret,
    cache::{
        TokenCache,
        access_token::{AccessToken, AccessTokenRef, EntryAt},
        entry::{Entry, ISSUER},
        event::{Identity, SignInEvent},
        identity::Stated,
        json::{decode, quoted},
        owner::{NOBODY, owner},
        refresh_token::{renewal, spender, spender_of_any},
        request::{Lookup, TokenRequest},
        schema::CredentialType,
        section::lookup_token,
    },
};

/// What became of the response to a refresh token.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Refreshed {
    /// It is stored.
    Stored(AccessToken),
    /// Nothing is stored: the account has another refresh token by now, from a renewal by another
    /// program or from a sign-in. The access token of the response may still be used.
    Replaced(AccessToken),
    /// Nothing is stored: the account signed out. The response's access token, and the refresh
    /// token to revoke, if it has one.
    SignedOut(AccessToken, Option<Secret>),
    /// Nothing is stored: the response is for another user than the spent token. The refresh token
    /// to revoke, if it has one.
    AnotherUser(Option<Secret>),
}

impl TokenCache {
    /// Stores the JSON with which a provider's token endpoint answered the request, and returns its
    /// access token. `now` is the time of the response in Unix seconds. For the response to a
    /// refresh token, use [`add_renewal`](Self::add_renewal).
    ///
    /// If the response does not say who signed in, the tokens belong to the request's account. If
    /// the request names none, they belong to the only account of which the client has a token
    /// there. If only an ID token says who signed in, the tokens belong to the account with that
    /// home account id or local account id. If there is no such account, they belong to a new one.
    /// The response to a request that is [`TokenRequest::app_only`] belongs to no account.
    ///
    /// If the provider granted other scopes than were requested, the requested scopes are stored as
    /// well, and the same request finds the token. [`AccessToken::scopes`] returns the granted
    /// scopes.
    ///
    /// # Errors
    ///
    /// [`Error::SignInNeeded`] or [`Error::Refused`] if the response is an `error`.
    /// [`Error::ProviderAnswer`] if it is no such response or has no access token.
    /// [`Error::Invalid`] if the request cannot be used. [`Error::Corrupt`] as for
    /// [`add`](Self::add). Nothing is changed then.
    pub fn add_response(
        &mut self,
        request: &TokenRequest,
        response: impl AsRef<[u8]>,
        now: u64,
    ) -> Result<AccessToken, Error> {
        let event = SignInEvent::from_response(request, response.as_ref())?;
        self.add_answer(request, event, now)
    }

    /// Stores the event of a user's sign-in for the request as
    /// [`add_response`](Self::add_response) does.
    #[cfg(all(feature = "desktop", feature = "ureq"))]
    pub(crate) fn add_sign_in(
        &mut self,
        request: &TokenRequest,
        event: SignInEvent,
        now: u64,
    ) -> Result<AccessToken, Error> {
        self.add_answer(request, event, now)
    }

    fn add_answer(
        &mut self,
        request: &TokenRequest,
        mut event: SignInEvent,
        now: u64,
    ) -> Result<AccessToken, Error> {
        let lookup = request.lookup()?;
        let expected = lookup.home.as_deref().filter(|&home| home != NOBODY);
        let home = match Stated::of(&event) {
            _ if request.is_app_only() => None,
            None => self.silent_owner(lookup, expected),
            Some(stated) => {
                // Another user may have signed in than the one that the request names.
                let expected = expected.filter(|home| self.is_same_user(home, &stated, lookup));
                Some(match expected {
                    Some(home) => home.to_owned(),
                    None => self.stated_owner(&stated, lookup),
                })
            }
        };
        if request.is_app_only() {
            // An application is no user, so nothing of one is stored.
            event.identity = Identity::default();
            (event.response.id_token, event.response.refresh_token) = (None, None);
        }
        self.name_owner(&mut event, home.as_deref(), lookup);
        self.store_answer(event.entries(now)?)
    }

    /// Stores the response to a refresh token as [`add_refreshed`](Self::add_refreshed) does, and
    /// returns its access token. If the cache does not hold the spent token any more, the returned
    /// token [is not stored](AccessToken::is_stored), and its reason is
    /// [`Error::RefreshTokenGone`].
    ///
    /// # Errors
    ///
    /// The errors of [`add_refreshed`](Self::add_refreshed). [`Error::ProviderAnswer`] also if the
    /// response is for another user than the spent token.
    pub fn add_renewal(
        &mut self,
        request: &TokenRequest,
        spent: &Entry,
        response: impl AsRef<[u8]>,
        now: u64,
    ) -> Result<AccessToken, Error> {
        Ok(match self.add_refreshed(request, spent, response, now)? {
            Refreshed::Stored(token) => token,
            Refreshed::Replaced(token) | Refreshed::SignedOut(token, _) => {
                token.unstored(Error::RefreshTokenGone)
            }
            Refreshed::AnotherUser(_) => return Err(another_user()),
        })
    }

    /// Stores the response to a refresh token as [`add_response`](Self::add_response) does. `now`
    /// is the time right before the request in Unix seconds, so that a slow response does not make
    /// its token look younger.
    ///
    /// `spent` is the entry that [`refresh_tokens`](Self::refresh_tokens) returned. The new entries
    /// belong to the account of `spent`, whatever the request names. A new refresh token replaces
    /// the spent one in all entries of the account. If the response has none, the spent one stays.
    ///
    /// If the cache does not hold the spent token any more, nothing is stored. Then another program
    /// renewed it in the meantime, or the account signed out or signed in again.
    ///
    /// # Errors
    ///
    /// The errors of [`add_response`](Self::add_response). [`Error::Invalid`] also if `spent` is
    /// not a refresh token of the request's cloud. Nothing is changed then.
    pub fn add_refreshed(
        &mut self,
        request: &TokenRequest,
        spent: &Entry,
        response: impl AsRef<[u8]>,
        now: u64,
    ) -> Result<Refreshed, Error> {
        self.add_refreshed_for(request, request, spent, response.as_ref(), now)
    }

    /// [`add_refreshed`](Self::add_refreshed) for a request that was `sent` with other scopes. They
    /// were granted if the response names none (RFC 6749, section 5.1).
    pub(crate) fn add_refreshed_for(
        &mut self,
        request: &TokenRequest,
        sent: &TokenRequest,
        spent: &Entry,
        response: &[u8],
        now: u64,
    ) -> Result<Refreshed, Error> {
        let lookup = request.lookup()?;
        let secret = spent_secret(spent, request)?;
        let mut event = SignInEvent::from_response(sent, response)
            .map_err(|error| error.without_secret(&secret))?;
        event.was_asked_for(request);
        // The account has a refresh token, the spent one.
        event.response.is_lasting = false;
        let before = owner(spent).to_owned();
        let expected = Some(before.as_str()).filter(|&home| home != NOBODY);
        let home = match (Stated::of(&event), expected) {
            (Some(stated), Some(home)) if !self.may_be_same_user(home, &stated, lookup) => {
                return Ok(Refreshed::AnotherUser(revocable(event.response.refresh_token)));
            }
            (_, Some(home)) => Some(home.to_owned()),
            (Some(stated), None) => Some(self.stated_owner(&stated, lookup)),
            (None, None) => {
                let named = lookup.home.as_deref().filter(|&home| home != NOBODY);
                self.silent_owner(lookup, named)
            }
        };
        // As in msal, a renewal writes no account entry.
        event.skip_account |= expected.is_some();
        self.name_owner(&mut event, home.as_deref(), lookup);
        // Checked before the store: a sign-out during the request to the provider must not be
        // undone.
        let mut held = self.holding(&before, &secret);
        if let Some(home) = home.as_deref().filter(|_| held.is_empty()) {
            // A token without an account may have got this one since.
            held = self.holding(home, &secret);
        }
        if held.is_empty() {
            let token = self.issued(access_token(&event.entries(now)?)?);
            let renewed = event.response.refresh_token;
            return Ok(match self.is_replaced(spent, renewed.as_deref().map(String::as_str)) {
                true => Refreshed::Replaced(token),
                false => Refreshed::SignedOut(token, revocable(renewed)),
            });
        }
        // Stored below instead, in each entry that has the spent one.
        let renewed = event.response.refresh_token.take();
        // Before anything is stored, so that an error leaves the cache unchanged.
        self.can_write(CredentialType::RefreshToken)?;
        let token = self.store_answer(event.entries(now)?)?;
        // The issuer that accepted it, which another program may have dropped.
        let issuer = event.issuer.map(|text| (quoted(ISSUER), Zeroizing::new(quoted(&text))));
        let changes = |secret: &str| {
            let mut changes = renewal(secret, now);
            changes.extend(issuer.clone());
            changes
        };
        let renewed = renewed.as_deref().map(String::as_str);
        match home.filter(|_| expected.is_none()) {
            // The refresh token had no account, and the response names one.
            Some(home) => self.give(&held, &home, renewed.map(changes))?,
            // The same one again was used now, which is what its idle time counts from.
            None => {
                self.renew(&held, &changes(renewed.unwrap_or(&secret)))?;
            }
        }
        self.remove_refused(request, &token)?;
        Ok(Refreshed::Stored(token))
    }

    /// Whether a refresh token that the cache does not hold any more has a successor there: this
    /// one, or another one of the same account and the same client or family. For a token without
    /// an account, one of any account.
    fn is_replaced(&self, spent: &Entry, renewed: Option<&str>) -> bool {
        let of = spender(spent);
        self.entries(CredentialType::RefreshToken).any(|entry| {
            let is_anybodys = owner(spent) == NOBODY;
            renewed.is_some() && entry.secret() == renewed
                || spender(entry) == of
                || is_anybodys && spender_of_any(entry) == spender_of_any(spent)
        })
    }

    /// Stores nothing of a response to a refresh token but the new refresh token. For a response
    /// that cannot be used otherwise: the spent token may be worthless by now.
    #[cfg(feature = "desktop")]
    pub(crate) fn add_renewed_token(
        &mut self,
        spent: &Entry,
        response: &[u8],
        now: u64,
    ) -> Result<usize, Error> {
        let Some(renewed) = SignInEvent::refresh_token_in(response) else { return Ok(0) };
        self.can_write(CredentialType::RefreshToken)?;
        let held = self.holding(owner(spent), spent.secret().unwrap_or_default());
        self.renew(&held, &renewal(&renewed, now))
    }

    /// Removes the access token that the request's `instead_of` names, now that it has a successor.
    pub(crate) fn remove_refused(
        &mut self,
        request: &TokenRequest,
        successor: &AccessToken,
    ) -> Result<(), Error> {
        let Some(refused) = request.refused_secret() else { return Ok(()) };
        if refused == successor.secret() {
            return Ok(());
        }
        let tokens = self.entries(CredentialType::AccessToken);
        let dead: Vec<Entry> =
            tokens.filter(|entry| entry.secret() == Some(refused)).cloned().collect();
        for entry in &dead {
            self.remove_access_token(entry)?;
        }
        Ok(())
    }

    /// The access token in a response as [`add_renewal`](Self::add_renewal) returns it, if there is
    /// no cache to store it in.
    ///
    /// Does not check whether the response is for another user, because only a cache knows that.
    ///
    /// # Errors
    ///
    /// As for `add_renewal`.
    #[cfg(feature = "desktop")]
    pub(crate) fn unkept_renewal(
        request: &TokenRequest,
        spent: &Entry,
        response: impl AsRef<[u8]>,
        now: u64,
    ) -> Result<AccessToken, Error> {
        let lookup = request.lookup()?;
        let secret = spent_secret(spent, request)?;
        let mut nothing = Self::new();
        if owner(spent) == NOBODY {
            let token = nothing.add_response(request, response, now);
            return token.map_err(|error| error.without_secret(&secret));
        }
        let mut event = SignInEvent::from_response(request, response.as_ref())
            .map_err(|error| error.without_secret(&secret))?;
        event.response.is_lasting = false;
        nothing.name_owner(&mut event, Some(owner(spent)), lookup);
        Ok(nothing.issued(access_token(&event.entries(now)?)?))
    }

    /// Stores the entries of a response if one of them is an access token.
    fn store_answer(&mut self, entries: Vec<Entry>) -> Result<AccessToken, Error> {
        let token = access_token(&entries)?.clone();
        self.store(entries)?;
        Ok(self.issued(&token))
    }

    /// The access token, marked as just issued by the provider.
    fn issued(&self, token: &Entry) -> AccessToken {
        AccessTokenRef::new(EntryAt::Entry(token), self, false).to_owned().issued_now()
    }

    /// The account, as a canonical token, of a response that does not say who signed in.
    fn silent_owner(&self, lookup: &Lookup, named: Option<&str>) -> Option<String> {
        named.or_else(|| self.sole_account(self.client_at(lookup))).map(str::to_owned)
    }

    /// Sets the account of the event. Sets the known user name if the response has none.
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

/// The access token among the entries of a response.
fn access_token(entries: &[Entry]) -> Result<&Entry, Error> {
    let token = entries.iter().find(|entry| {
        let is_token = entry.kind() == CredentialType::AccessToken;
        is_token && entry.secret().and(entry.expires_on()).is_some()
    });
    token.ok_or_else(|| Error::ProviderAnswer { detail: "it has no access token".to_owned() })
}

/// The secret of the refresh token that is spent for a request.
///
/// # Errors
///
/// [`Error::Invalid`] if it is none, or not one for this request.
pub(crate) fn spent_secret(
    spent: &Entry,
    request: &TokenRequest,
) -> Result<Zeroizing<String>, Error> {
    let lookup = request.lookup()?;
    crate::cache::update::check_type(spent, CredentialType::RefreshToken)?;
    let host = lookup_token(spent.token("environment"));
    let is_there = lookup.environments.iter().any(|name| name.eq_ignore_ascii_case(host))
        && (spent.issuer().is_none() || spent.issuer_name() == lookup.issuer);
    match spent.secret().filter(|_| is_there && !request.is_app_only()) {
        Some(secret) => Ok(Zeroizing::new(secret.to_owned())),
        None => Err(Error::Invalid {
            detail: "the refresh token that was spent is not for this request, but for another \
                     authority or a user; pass one that `refresh_tokens` gave for the request"
                .to_owned(),
        }),
    }
}

fn revocable(refresh_token: Option<Zeroizing<String>>) -> Option<Secret> {
    refresh_token.map(|secret| Secret::new(secret.as_str()))
}

fn another_user() -> Error {
    Error::ProviderAnswer {
        detail: "it is for another user than the one whose refresh token was spent".to_owned(),
    }
}
