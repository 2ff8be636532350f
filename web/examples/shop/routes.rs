//! What the shop answers.

use std::{
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use axum::{
    Extension, Router,
    extract::{FromRef, Query, Request, State},
    http::{HeaderMap, StatusCode, header},
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse, Redirect, Response},
    routing::{get, post},
};
use tokenkeep::{AccessToken, CredentialType, Secret, TokenRequest, TokenSource};
use tokenkeep_web::{Error, Provider as _, UserTokens, WebTokenCache};

use crate::{
    CLIENT_ID, SCOPES,
    guard::{Origins, guard},
    pages::{Page, STYLE, Said},
    parts::token_endpoint::TokenEndpoint,
    sessions::{Session, Sessions, User},
    sign_in::{Callback, SignIn},
};

/// What all requests share.
#[derive(Clone)]
pub(crate) struct Shop {
    pub(crate) cache: WebTokenCache,
    pub(crate) node: String,
    pub(crate) sessions: Arc<Sessions>,
    pub(crate) sign_in: Arc<SignIn>,
    pub(crate) endpoint: TokenEndpoint,
}

impl FromRef<Shop> for WebTokenCache {
    fn from_ref(shop: &Shop) -> Self {
        shop.cache.clone()
    }
}

pub(crate) fn app(shop: Shop, own: String, issuer: String) -> Router {
    let origins = Arc::new(Origins { own, provider: issuer });
    Router::new()
        .route("/", get(home))
        .route("/style.css", get(([(header::CONTENT_TYPE, "text/css")], STYLE)))
        .route("/sign-in", post(sign_in))
        .route("/signed-in", get(signed_in))
        .route("/token", post(token))
        .route("/expire", post(expire))
        .route("/sign-out", post(sign_out))
        .layer(from_fn_with_state(shop.clone(), who))
        .layer(from_fn_with_state(origins, guard))
        .with_state(shop)
}

/// Finds the session, and puts its user into the request's extensions.
async fn who(State(shop): State<Shop>, mut request: Request, next: Next) -> Response {
    if let Some(Session::SignedIn(user)) = shop.sessions.find(request.headers()) {
        request.extensions_mut().insert(user.id.clone());
        request.extensions_mut().insert(user);
    }
    next.run(request).await
}

async fn home(State(shop): State<Shop>, user: Option<Extension<User>>) -> Response {
    let user = user.as_ref().map(|user| &*user.name);
    Page { node: &shop.node, user, said: None }.html().into_response()
}

async fn sign_in(State(shop): State<Shop>, headers: HeaderMap) -> Response {
    let (url, begun) = shop.sign_in.begin();
    let cookie = shop.sessions.begin(&headers, Session::SigningIn(begun));
    ([(header::SET_COOKIE, cookie)], Redirect::to(&url)).into_response()
}

/// The provider sends the browser back to here.
async fn signed_in(
    State(shop): State<Shop>,
    headers: HeaderMap,
    Query(callback): Query<Callback>,
) -> Result<Response, Error> {
    let Some(Session::SigningIn(begun)) = shop.sessions.find(&headers) else {
        return Ok(bad_request("no sign-in was begun in this browser"));
    };
    let reply = match shop.sign_in.finish(begun, callback).await {
        Ok(reply) => reply,
        Err(error) => return Ok(bad_request(&error.to_string())),
    };
    let request = TokenRequest::new(CLIENT_ID, shop.sign_in.issuer(), SCOPES);
    let (id, token) = shop.cache.keep_sign_in(&request, reply.body().expose()).await?;
    let name = token.account().map_or_else(String::new, |account| account.username().to_owned());
    let cookie = shop.sessions.begin(&headers, Session::SignedIn(User { id, name }));
    Ok(([(header::SET_COOKIE, cookie)], Redirect::to("/")).into_response())
}

async fn token(
    State(shop): State<Shop>,
    user: Option<Extension<User>>,
    UserTokens(tokens): UserTokens,
) -> Result<Response, Error> {
    let before = shop.cache.stats();
    let (status, said) = match tokens.token(SCOPES).await {
        Ok(token) => {
            let has_read = shop.cache.stats().from_store > before.from_store;
            (StatusCode::OK, Said { source: source(&token, has_read), token: shown(&token) })
        }
        // Another node signed the user out, or the provider did.
        Err(error) if error.is_sign_in_needed() => {
            let said = Said { token: "none".into(), source: "sign in again".into() };
            (StatusCode::UNAUTHORIZED, said)
        }
        Err(error) => return Err(error),
    };
    let user = user.as_ref().map(|user| &*user.name);
    Ok((status, Page { node: &shop.node, user, said: Some(said) }.html()).into_response())
}

/// Removes what an hour would end.
async fn expire(UserTokens(tokens): UserTokens) -> Result<Redirect, Error> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
    tokens.transaction(|cache| cache.remove_expired(now + 3_601)).await?;
    Ok(Redirect::to("/"))
}

/// Signs out at all nodes, and revokes the sign-in at the provider.
async fn sign_out(
    State(shop): State<Shop>,
    headers: HeaderMap,
    tokens: Option<UserTokens>,
) -> Result<Response, Error> {
    if let Some(UserTokens(tokens)) = tokens {
        let secrets = tokens.transaction(|cache| {
            let tokens = cache.entries(CredentialType::RefreshToken);
            Ok(tokens.filter_map(|token| token.secret().map(Secret::new)).collect::<Vec<_>>())
        });
        let secrets = secrets.await?;
        tokens.sign_out().await?;
        for secret in &secrets {
            // The user is signed out here, whatever the provider says.
            shop.endpoint.revoke(secret).await.ok();
        }
    }
    let cookie = shop.sessions.end(&headers);
    Ok(([(header::SET_COOKIE, cookie)], Redirect::to("/")).into_response())
}

/// The number of a token. The rest of it is secret.
fn shown(token: &AccessToken) -> String {
    token.secret().split('.').next().unwrap_or_default().to_owned()
}

fn source(token: &AccessToken, has_read: bool) -> String {
    match (token.source(), has_read) {
        (TokenSource::Provider, _) => "the provider, renewed".into(),
        (_, true) => "L2, the store".into(),
        (_, false) => "L1, the memory of this node".into(),
    }
}

fn bad_request(what: &str) -> Response {
    (StatusCode::BAD_REQUEST, format!("The sign-in failed: {what}.\n")).into_response()
}
