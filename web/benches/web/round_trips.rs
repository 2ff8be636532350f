//! How often a call asks the store, counted by a proxy in front of it.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use tokenkeep::{
    TokenRequest,
    silent::{ExchangeError, Spend, TokenReply},
};
use tokenkeep_test_support::engines::proxy::Proxy;
use tokenkeep_web::{KeyRing, Provider, Staleness, WebTokenCache, store::BoxFuture};

use crate::{
    caches,
    drive::runtime,
    engine::Engine,
    row,
    user::{self, AUTHORITY, CLIENT},
};

pub(crate) fn run() {
    for engine in Engine::all() {
        row::title(&format!("round trips, {}", engine.name()));
        runtime().block_on(of(&engine));
    }
}

async fn of(engine: &Engine) {
    let proxy = engine.proxy();
    let store = engine.store_behind(&proxy).await;
    let keys = KeyRing::generate().expect("random bytes");
    let clock = Arc::new(AtomicU64::new(user::now()));
    let node = |staleness| {
        let clock = Arc::clone(&clock);
        let builder = caches::builder(store.clone(), &keys).provider(CLIENT, AUTHORITY, Answers);
        let builder = builder.clock(move || clock.load(Ordering::Relaxed));
        builder.staleness(staleness).build().expect("a cache")
    };
    let [here, always, other] =
        [Staleness::default(), Staleness::Always, Staleness::default()].map(node);
    // Every cache listens from its first call, on a connection of its own.
    let [ada, ben, cid] = [1, 2, 3].map(user::response);
    let (ada, _) = here.keep_sign_in(&user::sign_in(), ada).await.expect("signed in");
    let (ben, _) = always.keep_sign_in(&user::sign_in(), ben).await.expect("signed in");
    let (cid, _) = other.keep_sign_in(&user::sign_in(), cid).await.expect("signed in");
    // A server has to be sent each script once.
    let (eve, _) = here.keep_sign_in(&user::sign_in(), user::response(4)).await.expect("signed in");
    let refused = here.user(&eve).get(&user::request()).await.expect("a token");
    let instead = user::request().instead_of(&refused);
    here.user(&eve).get(&instead).await.expect("another token");
    here.user(&eve).sign_out().await.expect("signed out");
    settled(&proxy).await;
    let request = user::request();
    // A connection that begins to listen empties the memory of its node.
    here.user(&ada).get(&request).await.expect("a token");
    always.user(&ben).get(&request).await.expect("a token");
    let trips = async |cache: &WebTokenCache, id, request: &TokenRequest| {
        proxy.forget();
        cache.user(id).get(request).await.expect("a token");
        proxy.counts().round_trips as u64
    };
    row::exactly("token from memory", trips(&here, &ada, &request).await, 0);
    row::exactly("token from memory, stale", trips(&always, &ben, &request).await, 1);
    row::exactly("token from the store", trips(&here, &cid, &request).await, 1);
    clock.fetch_add(7200, Ordering::Relaxed);
    row::exactly("renewal of a value in memory", trips(&here, &ada, &request).await, 2);
    row::exactly("renewal of another value", trips(&other, &ben, &request).await, 3);
    proxy.forget();
    here.user(&ada).sign_out().await.expect("signed out");
    row::exactly("sign-out", proxy.counts().round_trips as u64, 1);
}

/// Waits until connections that are made behind the calls are there.
async fn settled(proxy: &Proxy) {
    let mut seen = proxy.counts();
    let mut still = 0;
    while still < 20 {
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        let now = proxy.counts();
        still = if now == seen { still + 1 } else { 0 };
        seen = now;
    }
}

/// A provider that renews everything.
struct Answers;

impl Provider for Answers {
    fn exchange<'a>(
        &'a self,
        _spend: &'a Spend,
    ) -> BoxFuture<'a, Result<TokenReply, ExchangeError>> {
        let answer = r#"{"token_type":"Bearer","expires_in":3600,"access_token":"new",
            "refresh_token":"new too","scope":"Mail.Read User.Read"}"#;
        Box::pin(async move { Ok(TokenReply::new(200, answer)) })
    }
}
