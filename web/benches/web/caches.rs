//! Web token caches with users in them.

use tokenkeep::silent::{ExchangeError, Spend, TokenReply};
use tokenkeep_web::{
    KeyRing, Provider, Tokens, UserId, WebTokenCache, WebTokenCacheBuilder,
    store::{BoxFuture, Store},
};

use crate::{
    drive::Random,
    user::{self, AUTHORITY, CLIENT},
    values::APP,
};

/// A provider that must not be asked.
struct NotAsked;

impl Provider for NotAsked {
    fn exchange<'a>(
        &'a self,
        _spend: &'a Spend,
    ) -> BoxFuture<'a, Result<TokenReply, ExchangeError>> {
        panic!("the tokens are valid")
    }
}

/// A cache on this store, with the settings that it has by default.
pub(crate) fn builder(store: impl Store, keys: &KeyRing) -> WebTokenCacheBuilder {
    let builder = WebTokenCache::builder(APP).store(store).keys(keys.clone());
    builder.provider(CLIENT, AUTHORITY, NotAsked)
}

/// Users who are signed in, of whom any is asked.
pub(crate) struct Users {
    ids: Vec<UserId>,
    tokens: Vec<Tokens>,
}

impl Users {
    /// Signs users in; see [`sign_in`].
    pub(crate) async fn new(cache: &WebTokenCache, users: u64) -> Self {
        let ids = sign_in(cache, users).await;
        let tokens = ids.iter().map(|id| cache.user(id)).collect();
        Self { ids, tokens }
    }

    pub(crate) fn any_id(&self, random: &mut Random) -> &UserId {
        random.any(&self.ids)
    }

    pub(crate) fn any(&self, random: &mut Random) -> &Tokens {
        random.any(&self.tokens)
    }
}

/// Signs users in, who have two access tokens each.
pub(crate) async fn sign_in(cache: &WebTokenCache, users: u64) -> Vec<UserId> {
    let mut ids = Vec::new();
    for number in 0..users {
        ids.push(sign_one_in(cache, number).await);
    }
    ids
}

/// As [`sign_in`], several users at once.
pub(crate) async fn sign_in_at_once(cache: &WebTokenCache, users: u64) -> Vec<UserId> {
    let tasks = (0..AT_ONCE).map(|part| {
        let (cache, numbers) =
            (cache.clone(), users * part / AT_ONCE..users * (part + 1) / AT_ONCE);
        tokio::spawn(async move {
            let mut ids = Vec::new();
            for number in numbers {
                ids.push(sign_one_in(&cache, number).await);
            }
            ids
        })
    });
    let mut ids = Vec::new();
    for task in tasks.collect::<Vec<_>>() {
        ids.extend(task.await.expect("all sign in"));
    }
    ids
}

async fn sign_one_in(cache: &WebTokenCache, number: u64) -> UserId {
    let answer = user::response(number);
    let (id, token) = cache.keep_sign_in(&user::sign_in(), answer).await.expect("signed in");
    assert!(token.is_stored(), "the store has it");
    cache.user(&id).keep(&user::other_request(), user::other_response()).await.expect("kept");
    id
}

const AT_ONCE: u64 = 16;
