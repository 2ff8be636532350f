//! What this crate does.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokenkeep::{
    AccessToken, Error, PersistedTokenCache, TokenCache, TokenRequest,
    silent::{ExchangeError, Spend, TokenReply},
};

use crate::world::{Call, Outcome, Reply, Setup};

pub(crate) struct Ours {
    cache: PersistedTokenCache,
    clock: Arc<AtomicU64>,
}

impl Ours {
    /// A cache with this content.
    pub(crate) fn new(content: &str) -> Self {
        let clock = Arc::new(AtomicU64::new(0));
        let now = Arc::clone(&clock);
        let cache = PersistedTokenCache::in_memory().clock(move || now.load(Ordering::SeqCst));
        let content = TokenCache::from_json(content.as_bytes()).unwrap();
        cache
            .transaction(|cache| {
                *cache = content.clone();
                Ok(())
            })
            .unwrap();
        Self { cache, clock }
    }

    pub(crate) fn call(&self, setup: &Setup, call: &Call) -> Outcome {
        self.clock.store(call.now, Ordering::SeqCst);
        let request = self.request(setup, call);
        let mut forms = Vec::new();
        let mut answers: VecDeque<&Reply> = call.answers.iter().collect();
        let exchange = |spend: &Spend| {
            let own = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
            forms.push(spend.form().map(own).collect::<BTreeMap<_, _>>());
            match answers.pop_front() {
                None => Err(ExchangeError::not_sent("nothing listens")),
                Some(Reply::Lost) => Err(ExchangeError::unknown("no answer came")),
                Some(Reply::Refused) => Err(ExchangeError::not_sent("nothing listens")),
                Some(Reply::Http { status, body, retry_after }) => {
                    Ok(TokenReply::new(*status, body.as_str()).retry_after(*retry_after))
                }
            }
        };
        let result = match setup.app_only {
            true => self.cache.acquire_token_for_client(&request, exchange),
            false => self.cache.acquire_token_silent(&request, exchange),
        };
        let cache = self.cache.snapshot().unwrap().to_json();
        let cache = serde_json::from_slice(cache.expose()).unwrap();
        Outcome { result: word(result), forms, cache }
    }

    fn request(&self, setup: &Setup, call: &Call) -> TokenRequest {
        let mut request = TokenRequest::new(setup.client, setup.authority, call.scopes)
            .client_capabilities(setup.capabilities.iter().copied());
        if let Some(home) = call.account {
            request = request.account(home);
        }
        if let Some(claims) = call.claims {
            request = request.claims(claims);
        }
        if !call.data.is_empty() {
            request = request.data(call.data.iter().copied());
        }
        if let Some((_, key)) = call.data.iter().find(|(name, _)| *name == "key_id") {
            request = request.key_id(*key);
        }
        // What msal calls a forced refresh is here one in place of a token that was refused.
        let any = request.clone().margin(Duration::ZERO);
        match call.force.then(|| self.cache.find_access_token(&any).unwrap()).flatten() {
            Some(token) => request.instead_of(&token),
            None => request,
        }
    }
}

/// A result as one word, with what the two sides have to agree on.
fn word(result: Result<Option<AccessToken>, Error>) -> String {
    match result {
        Ok(Some(token)) => format!("token {}", token.secret()),
        Ok(None) => "nobody".into(),
        Err(Error::SignInNeeded { refusal, .. } | Error::Refused { refusal }) => {
            format!("error {}", refusal.code())
        }
        Err(Error::ProviderUnreachable { .. }) => "unreachable".into(),
        Err(Error::ProviderUnavailable { .. }) => "unavailable".into(),
        Err(Error::ProviderAnswer { .. }) => "unusable".into(),
        Err(Error::AccountAmbiguous { .. }) => "ambiguous".into(),
        Err(Error::Invalid { .. }) => "invalid".into(),
        Err(error) => panic!("{error}"),
    }
}
