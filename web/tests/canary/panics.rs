//! No secret and no user id in what a panic of the application prints.

use std::sync::{Arc, Mutex};

use tokenkeep::silent::{ExchangeError, Spend, TokenReply};
use tokenkeep_web::{KeyRing, KeySource, Provider, store::BoxFuture};

use crate::{
    Log,
    faulty::FaultyStore,
    provider::Act,
    world::{AUTHORITY, CLIENT, World, expire},
};

/// Panics with all that it has in its hands.
struct Panics;

impl Provider for Panics {
    fn exchange<'a>(
        &'a self,
        spend: &'a Spend,
    ) -> BoxFuture<'a, Result<TokenReply, ExchangeError>> {
        Box::pin(async move { panic!("the provider panics with {spend:?}, {:?}", spend.grant()) })
    }
}

/// Panics when the ring is wanted again.
#[derive(Debug)]
struct NoKeys;

impl KeySource for NoKeys {
    fn load(&self) -> BoxFuture<'_, Result<KeyRing, Box<dyn std::error::Error + Send + Sync>>> {
        Box::pin(async { panic!("the source of keys panics") })
    }
}

/// What panics print while this is there.
struct Hook(Arc<Mutex<String>>);

impl Hook {
    fn set() -> Self {
        let printed: Arc<Mutex<String>> = Arc::default();
        let of_hook = Arc::clone(&printed);
        std::panic::set_hook(Box::new(move |info| {
            of_hook.lock().unwrap().push_str(&format!("{info}\n"));
        }));
        Self(printed)
    }
}

impl Drop for Hook {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            drop(std::panic::take_hook());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_panic_of_the_application_prints_no_secret_and_no_user() {
    let log = Log::default();
    let _guard = tracing::subscriber::set_default(log.clone());
    let world = World::at(FaultyStore::new());
    let healthy = world.node();
    let user = world.sign_in(&healthy, "ada-canary").await;
    let panicking = world.builder().provider(CLIENT, AUTHORITY, Panics).build().unwrap();
    let mut said = String::new();
    let token = healthy.user(&user).token(["read"]).await.unwrap();
    assert!(token.secret().contains("-canary"));
    let hook = Hook::set();
    // In the application's own hands.
    let tokens = healthy.user(&user);
    let calls = [
        tokio::spawn({
            let tokens = tokens.clone();
            async move {
                let failed = tokens.token(["read"]).await;
                drop(failed.expect_err("a token panics"));
            }
        }),
        tokio::spawn({
            let tokens = tokens.clone();
            async move {
                let change = |cache: &mut tokenkeep::TokenCache| -> Result<(), tokenkeep::Error> {
                    panic!("a change panics with {cache:?}")
                };
                tokens.transaction(change).await.unwrap();
            }
        }),
        tokio::spawn({
            let (healthy, ring) = (healthy.clone(), world.ring.clone());
            async move { panic!("a cache panics: {healthy:?} {ring:?} {tokens:?}") }
        }),
    ];
    for call in calls {
        let ended = call.await.unwrap_err();
        assert!(ended.is_panic());
        said += &format!("{ended} {ended:?}\n");
    }
    // In what the cache calls.
    expire().await;
    world.provider.then([Act::Panic]);
    for node in [healthy, panicking] {
        let error = node.user(&user).token(["read"]).await.unwrap_err();
        said += &format!("{error} {error:?}\n");
        let error = node.on_behalf_of("assertion-canary").token(["api"]).await;
        said += &format!("{:?}\n", error.err());
        expire().await;
    }
    let keyless = world.builder().key_source(NoKeys).build().unwrap();
    let called = tokio::spawn(async move { keyless.user(&user).token(["read"]).await.map(drop) });
    said += &format!("{:?}\n", called.await);
    let printed = hook.0.lock().unwrap().clone();
    drop(hook);
    for expected in ["a token panics", "a change panics", "the provider panics", "source of keys"] {
        assert!(printed.contains(expected), "no {expected} in {printed}");
    }
    let logged = log.0.lock().unwrap().clone();
    for line in [&printed, &said, &logged].into_iter().flat_map(|text| text.lines()) {
        assert!(!line.contains("-canary"), "{line}");
    }
}
