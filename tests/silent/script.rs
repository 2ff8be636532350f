//! What the tests share: a sign-in, and a provider that answers as it is told.

use std::{
    cell::RefCell,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use tokenkeep::{
    AccessToken, CredentialType, Error, PersistedTokenCache, Query, Secret, TokenRequest,
    silent::{ExchangeError, Revoked, SilentOptions, Spend, TokenEndpoint, TokenReply},
};

pub(crate) const ELSEWHERE: &str = "https://id.example/tenant";

pub(crate) const NOW: u64 = 1_700_000_000;

pub(crate) fn request() -> TokenRequest {
    TokenRequest::new("client", ELSEWHERE, ["read"])
}

/// A cache whose clock a test moves.
pub(crate) fn nobody() -> (PersistedTokenCache, Arc<AtomicU64>) {
    let clock = Arc::new(AtomicU64::new(NOW));
    let now = Arc::clone(&clock);
    (PersistedTokenCache::in_memory().clock(move || now.load(Ordering::SeqCst)), clock)
}

/// A cache whose clock a test moves, with the refresh token `r0` and an access token `a0` of an
/// hour.
pub(crate) fn signed_in() -> (PersistedTokenCache, Arc<AtomicU64>) {
    let (cache, clock) = nobody();
    cache.add_response(&request(), tokens("a0", Some("r0"), 3600)).unwrap();
    (cache, clock)
}

pub(crate) fn tokens(access: &str, refresh: Option<&str>, lifetime: u64) -> String {
    let refresh = refresh.map(|token| format!(r#""refresh_token": "{token}", "#));
    format!(
        r#"{{"access_token": "{access}", {}"expires_in": {lifetime}}}"#,
        refresh.unwrap_or_default()
    )
}

pub(crate) fn ok(access: &str, refresh: Option<&str>) -> Result<TokenReply, ExchangeError> {
    Ok(TokenReply::new(200, tokens(access, refresh, 3600)))
}

pub(crate) fn refused(code: &str) -> Result<TokenReply, ExchangeError> {
    Ok(TokenReply::new(400, format!(r#"{{"error": "{code}"}}"#)))
}

/// An exchange that answers with each of `answers` in turn, and the refresh tokens it was given.
pub(crate) struct Script {
    pub(crate) answers: RefCell<Vec<Result<TokenReply, ExchangeError>>>,
    pub(crate) spent: RefCell<Vec<String>>,
    pub(crate) forms: RefCell<Vec<String>>,
}

impl Script {
    pub(crate) fn new(
        answers: impl IntoIterator<Item = Result<TokenReply, ExchangeError>>,
    ) -> Self {
        let mut answers: Vec<_> = answers.into_iter().collect();
        answers.reverse();
        let (spent, forms) = Default::default();
        Self { answers: RefCell::new(answers), spent, forms }
    }

    pub(crate) fn answer(&self, spend: &Spend) -> Result<TokenReply, ExchangeError> {
        self.spent.borrow_mut().push(spend.refresh_token().unwrap().to_owned());
        let form: Vec<String> =
            spend.form().map(|(name, value)| format!("{name}={value}")).collect();
        self.forms.borrow_mut().push(form.join("&"));
        self.answers.borrow_mut().pop().expect("no more requests than answers")
    }

    pub(crate) fn call(&self, cache: &PersistedTokenCache) -> Result<Option<AccessToken>, Error> {
        cache.acquire_token_silent(&request(), |spend| self.answer(spend))
    }

    pub(crate) fn call_for(
        &self,
        cache: &PersistedTokenCache,
        request: &TokenRequest,
    ) -> Result<Option<AccessToken>, Error> {
        cache.acquire_token_silent_with(request, &SilentOptions::new(), self)
    }

    pub(crate) fn spent(&self) -> Vec<String> {
        self.spent.take()
    }
}

impl TokenEndpoint for &Script {
    fn exchange(&mut self, spend: &Spend) -> Result<TokenReply, ExchangeError> {
        self.answer(spend)
    }
}

pub(crate) fn secret(token: Result<Option<AccessToken>, Error>) -> String {
    token.unwrap().expect("somebody is signed in").secret().to_owned()
}

pub(crate) fn refresh_token(cache: &PersistedTokenCache) -> String {
    let entries = cache.search(CredentialType::RefreshToken, &Query::new()).unwrap();
    let [entry] = &entries[..] else { panic!("{entries:?}") };
    entry.secret().unwrap().to_owned()
}

/// An endpoint that answers for somebody else.
pub(crate) struct Bobs<'c> {
    pub(crate) answer: String,
    pub(crate) revoked: &'c RefCell<Vec<String>>,
}

impl TokenEndpoint for Bobs<'_> {
    fn exchange(&mut self, _: &Spend) -> Result<TokenReply, ExchangeError> {
        Ok(TokenReply::new(200, self.answer.clone()))
    }

    fn revoke(&mut self, token: &Secret) -> Revoked {
        self.revoked.borrow_mut().push(token.expose_str().unwrap().to_owned());
        Revoked::Done
    }
}

/// The answer to a sign-in of Ada: the refresh token `r0`, and `a0` for an hour.
pub(crate) fn adas_tokens() -> String {
    format!(
        r#"{{"access_token": "a0", "refresh_token": "r0", "expires_in": 3600,
            "client_info": "{}"}}"#,
        client_info("ada")
    )
}

pub(crate) fn client_info(user: &str) -> String {
    base64(&format!(r#"{{"uid":"{user}","utid":"tenant"}}"#))
}

pub(crate) fn base64(text: &str) -> String {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut encoded = String::new();
    for part in text.as_bytes().chunks(3) {
        let bits = part.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte));
        let bits = bits << (8 * (3 - part.len()));
        for at in 0..=part.len() {
            encoded.push(ALPHABET[(bits >> (18 - 6 * at) & 63) as usize].into());
        }
    }
    encoded
}
