//! What a stranger who can write to the store can and cannot do.
#![allow(clippy::unwrap_used, reason = "a test may")]

use std::{sync::Arc, time::Duration};

use tokenkeep::{
    TokenRequest,
    silent::{ExchangeError, Spend, TokenReply},
};
use tokenkeep_web::{
    Error, KeyRing, MemoryStore, Provider, UserId, WebTokenCache,
    store::{BoxFuture, Lease, LeaseRequest, Owner, Store},
};

const CLIENT: &str = "client";
const ISSUER: &str = "https://id.example.org";

/// A provider that is never asked.
struct NotAsked;

impl Provider for NotAsked {
    fn exchange<'a>(&'a self, _: &'a Spend) -> BoxFuture<'a, Result<TokenReply, ExchangeError>> {
        panic!("nobody may ask without the lease")
    }
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_is_never_given_back_signs_nobody_out() {
    let store = Arc::new(MemoryStore::new());
    let cache = WebTokenCache::builder("app")
        .store(Arc::clone(&store))
        .keys(KeyRing::generate().unwrap())
        .provider(CLIENT, ISSUER, NotAsked)
        .build()
        .unwrap();
    let (user, request) = (UserId::new(ISSUER, "1"), TokenRequest::new(CLIENT, ISSUER, ["read"]));
    let response = r#"{"access_token": "a", "expires_in": 3600, "refresh_token": "r"}"#;
    cache.user(&user).keep(&request, response).await.unwrap();

    let key = store.page("app", None).await.unwrap().keys.remove(0);
    let stranger = Owner::from_bytes([7; Owner::LEN]);
    let lease = LeaseRequest::new(stranger, Duration::from_secs(86_400));
    assert_eq!(store.lease(&key, lease).await.unwrap().0, Lease::Mine);

    let token = cache.user(&user).get(&request).await.unwrap();
    assert_eq!(token.secret(), "a", "what is valid goes on");
    let other = TokenRequest::new(CLIENT, ISSUER, ["write"]);
    let error = cache.user(&user).get(&other).await.unwrap_err();
    assert!(matches!(error, Error::RefreshInProgress { .. }), "{error:?}");
    assert_eq!((error.status(), error.is_sign_in_needed()), (503, false));
    assert!(store.load(&key, None).await.unwrap() != tokenkeep_web::store::Loaded::Absent);
}
