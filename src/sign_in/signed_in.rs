//! A sign-in that has succeeded and is not kept yet.

use std::{
    fmt,
    sync::{Mutex, PoisonError},
};

use super::{
    ClientApplication,
    id_token::{Expected, IdToken},
    pages::Outcome,
    redirect::Arrived,
    unkept::Unkept,
};
use crate::{
    Error, SignInEvent, SignInRecord, TokenRequest,
    silent::{HttpEndpoint, Revoked, TokenReply},
};

/// A sign-in that has succeeded and is not kept yet. Keep it with
/// [`keep_sign_in`](crate::PersistedTokenCache::keep_sign_in).
///
/// Its refresh token is revoked if this is dropped and no cache took it, unless a panic unwinds:
/// otherwise it would stay valid, and nobody could sign it out. That asks the provider and takes at
/// most 5 s. [`discard`](Self::discard) does the same and says what became of it.
///
/// `Debug` shows no secret.
pub struct SignedIn {
    pub(super) request: TokenRequest,
    pub(super) record: SignInRecord,
    pub(super) event: SignInEvent,
    pub(super) asked: u64,
    pub(super) endpoint: HttpEndpoint,
    clock_ahead: i64,
    /// The host of the provider.
    pub(super) provider: String,
    /// The revocation of the former refresh token would end this sign-in, too.
    pub(super) revokes_all: bool,
    /// The browser that waits to show how the sign-in ended.
    browser: Mutex<Option<Arrived>>,
    /// Dropped last, so that no browser waits for it.
    pub(super) unkept: Unkept,
}

impl SignedIn {
    /// The record that is kept with the tokens.
    pub fn record(&self) -> &SignInRecord {
        &self.record
    }

    /// The browser shows how it ended as soon as it is kept.
    pub(super) fn shown_in(self, browser: Arrived) -> Self {
        Self { browser: Mutex::new(Some(browser)), ..self }
    }

    /// Tells the browser how the sign-in ended.
    pub(super) fn show(&self, outcome: Outcome) {
        let browser = self.browser.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(browser) = browser {
            browser.finish(outcome);
        }
    }

    /// The provider gave a refresh token, so that the user need not sign in again soon.
    pub fn has_refresh_token(&self) -> bool {
        self.event.has_refresh_token()
    }

    /// Revokes the refresh token instead of keeping it, which takes at most 5 s. `None` if there is
    /// none, or if a cache took it.
    pub fn discard(self) -> Option<Revoked> {
        // The browser need not wait for it.
        drop(self.browser);
        self.unkept.revoke()
    }

    /// How many seconds this machine's clock is ahead of the provider's, by the ID token. 0 without
    /// one, and if they differ by 5 minutes or less.
    pub fn clock_ahead(&self) -> i64 {
        self.clock_ahead
    }
}

impl ClientApplication {
    /// Checks a response with tokens, and finds out who signed in. `asked` is when the provider was
    /// asked, in Unix seconds.
    pub(super) fn signed_in(
        &self,
        reply: TokenReply,
        grant: &'static str,
        nonce: Option<&str>,
        asked: u64,
    ) -> Result<SignedIn, Error> {
        // Revoked if one of the checks fails.
        let unkept = self.unkept(&reply);
        let request = self.request();
        let mut event = SignInEvent::from_response(&request, reply.body().expose())?;
        let mut clock_ahead = 0;
        if let Some(token) = event.id_token() {
            let expected = Expected {
                issuer: &self.metadata.issuer,
                client_id: &self.settings.client_id,
                nonce,
            };
            let token = IdToken::check(token, &expected)?;
            let issued_at = token.issued_at.unwrap_or(asked);
            let ahead = i64::try_from(asked).unwrap_or(i64::MAX)
                - i64::try_from(issued_at).unwrap_or(i64::MAX);
            clock_ahead = if ahead.abs() > SKEW { ahead } else { 0 };
        } else if grant == AUTHORIZATION_CODE && self.is_id_token_due(&event) {
            let detail = "it has no ID token, although `openid` was granted".into();
            return Err(Error::ProviderAnswer { detail });
        }
        if !event.names_user() {
            let (id, username) = self.user(event.access_token().unwrap_or_default())?;
            event = event.of_user(id, username);
        }
        Ok(SignedIn {
            request,
            record: self.record(asked),
            event: event.grant_type(grant),
            asked,
            endpoint: self.endpoint(),
            provider: self.provider(),
            revokes_all: self.known().revokes_all,
            clock_ahead,
            browser: Mutex::new(None),
            unkept,
        })
    }

    /// Whether the response to a code has to have an ID token (OpenID Connect Core 1.0, section
    /// 3.1.3.3). Of a device sign-in no standard says so.
    fn is_id_token_due(&self, event: &SignInEvent) -> bool {
        self.metadata.is_openid && self.is_openid() && event.has_scope("openid")
    }

    /// What the browser shows of an error.
    pub(super) fn outcome(&self, error: &Error) -> Outcome {
        match error.refusal() {
            Some(refusal) => Outcome::Refused {
                provider: self.provider(),
                code: refusal.code().to_owned(),
                description: refusal.description().map(str::to_owned),
            },
            None => Outcome::Failed { reason: error.to_string() },
        }
    }

    /// The time in Unix seconds.
    pub(super) fn now(&self) -> u64 {
        tokenkeep_platform::clock::unix_seconds()
    }
}

impl fmt::Debug for SignedIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignedIn").field("request", &self.request).finish_non_exhaustive()
    }
}

/// The grant type of a sign-in with a browser.
pub(super) const AUTHORIZATION_CODE: &str = "authorization_code";
/// Clocks differ by a few minutes without harm, in seconds.
const SKEW: i64 = 300;
