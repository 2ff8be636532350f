//! The extractor.

use axum::{
    Router,
    extract::Request,
    middleware::{Next, from_fn},
    response::Response,
    routing::get,
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::json;
use tokenkeep::{
    TokenRequest,
    silent::{ExchangeError, Spend, TokenReply},
};
use tokenkeep_web::{
    Error, KeyRing, MemoryStore, Provider, UserId, UserTokens, WebTokenCache, store::BoxFuture,
};

use crate::server::Server;

const CLIENT: &str = "client";
const ISSUER: &str = "https://id.example.org";

/// No test needs a renewal.
struct Offline;

impl Provider for Offline {
    fn exchange<'a>(&'a self, _: &'a Spend) -> BoxFuture<'a, Result<TokenReply, ExchangeError>> {
        Box::pin(async { Err(ExchangeError::not_sent("offline")) })
    }
}

/// The session is the user id itself, in a header field.
async fn who(mut request: Request, next: Next) -> Response {
    let session = request.headers().get("session").and_then(|text| text.to_str().ok());
    if let Some(user) = session.and_then(|text| text.parse::<UserId>().ok()) {
        request.extensions_mut().insert(user);
    }
    next.run(request).await
}

async fn token(UserTokens(tokens): UserTokens) -> Result<String, Error> {
    Ok(tokens.token(["read"]).await?.secret().to_owned())
}

async fn is_signed_in(tokens: Option<UserTokens>) -> String {
    tokens.is_some().to_string()
}

async fn start() -> (Server, WebTokenCache) {
    let cache = WebTokenCache::builder("app")
        .store(MemoryStore::new())
        .keys(KeyRing::generate().unwrap())
        .provider(CLIENT, ISSUER, Offline)
        .build()
        .unwrap();
    let app = Router::new()
        .route("/token", get(token))
        .route("/is-signed-in", get(is_signed_in))
        .layer(from_fn(who))
        .with_state(cache.clone());
    (Server::start(app).await, cache)
}

/// Signs a user in. Returns the session.
async fn sign_in(cache: &WebTokenCache, user: &str) -> String {
    let claims = json!({ "iss": ISSUER, "aud": CLIENT, "sub": user, "preferred_username": user });
    let id_token = format!("e30.{}.e30", URL_SAFE_NO_PAD.encode(claims.to_string()));
    let response = json!({
        "token_type": "Bearer", "access_token": format!("token-of-{user}"), "expires_in": 3600,
        "refresh_token": format!("refresh-{user}"), "id_token": id_token,
    });
    let request = TokenRequest::new(CLIENT, ISSUER, ["read"]);
    let kept = cache.keep_sign_in(&request, response.to_string().as_bytes()).await;
    kept.unwrap().0.to_string()
}

/// Status and text of a response, as the user of a session gets it.
async fn get_as(server: &Server, path: &str, session: &str) -> (u16, String) {
    let response = server.get(path).header("session", session).send().await.unwrap();
    (response.status().as_u16(), response.text().await.unwrap())
}

#[tokio::test]
async fn a_handler_gets_the_tokens_of_the_user_of_its_request() {
    let (server, cache) = start().await;
    let (ada, bob) = (sign_in(&cache, "ada").await, sign_in(&cache, "bob").await);
    for (session, expected) in [(&ada, "token-of-ada"), (&bob, "token-of-bob")] {
        assert_eq!(get_as(&server, "/token", session).await, (200, expected.into()));
        assert_eq!(get_as(&server, "/is-signed-in", session).await, (200, "true".into()));
    }
    let ada_id: UserId = ada.parse().unwrap();
    cache.user(&ada_id).sign_out().await.unwrap();
    assert_eq!(get_as(&server, "/token", &ada).await.0, 401, "the cache has nothing of this user");
    assert_eq!(get_as(&server, "/token", &bob).await.0, 200);
}

#[tokio::test]
async fn without_a_user_the_response_is_401_unless_the_handler_is_for_everybody() {
    let (server, _cache) = start().await;
    let response = server.get("/token").send().await.unwrap();
    assert_eq!(response.status().as_u16(), 401);
    assert_eq!(response.headers()["www-authenticate"], r#"Bearer error="invalid_token""#);
    assert_eq!(response.headers()["cache-control"], "no-store");
    assert_eq!(get_as(&server, "/is-signed-in", "nobody").await, (200, "false".into()));
}
