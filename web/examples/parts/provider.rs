//! A tiny identity provider on loopback, for examples. It asks a user for a name and for no
//! password. It has the authorization code flow with PKCE, refresh tokens of one use, client
//! credentials, exchange on behalf of a user, introspection and revocation.

use std::{
    collections::HashMap,
    io,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::{SystemTime, UNIX_EPOCH},
};

use axum::{
    Form, Json, Router,
    extract::{Query, State},
    http::{StatusCode, header},
    response::{Html, IntoResponse, Redirect, Response},
    routing::{get, post},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio::net::TcpListener;

use crate::parts::{html::escape, random::random};

/// The secret of every client.
pub(crate) const CLIENT_SECRET: &str = "tiny-secret";
/// How long an access token is valid, in seconds.
pub(crate) const LIFETIME: u64 = 3_600;

pub(crate) struct Provider {
    inner: Arc<Inner>,
}

struct Inner {
    issuer: String,
    issued: AtomicU32,
    grants: Mutex<Grants>,
}

#[derive(Default)]
struct Grants {
    codes: HashMap<String, Fields>,
    refresh: HashMap<String, Refresh>,
    /// The user of each access token. It is empty for an application's own.
    access: HashMap<String, String>,
}

struct Refresh {
    user: String,
    /// All refresh tokens of one sign-in.
    family: String,
    is_spent: bool,
}

type Fields = HashMap<String, String>;

impl Provider {
    /// Starts it in a task of its own.
    pub(crate) async fn start() -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let issuer = format!("http://{}", listener.local_addr()?);
        let inner = Inner { issuer, issued: AtomicU32::new(0), grants: Mutex::default() };
        let inner = Arc::new(inner);
        let app = Router::new()
            .route("/authorize", get(ask).post(answer))
            .route("/token", post(token))
            .route("/introspect", post(introspect))
            .route("/revoke", post(revoke))
            .with_state(Arc::clone(&inner));
        tokio::spawn(async move { axum::serve(listener, app).await });
        Ok(Self { inner })
    }

    pub(crate) fn issuer(&self) -> &str {
        &self.inner.issuer
    }

    /// How often it issued tokens.
    pub(crate) fn issued(&self) -> u32 {
        self.inner.issued.load(Ordering::SeqCst)
    }

    /// An access token of this user, as a caller of an API has one.
    pub(crate) fn sign_in(&self, user: &str) -> String {
        let response = self.inner.tokens(user, "caller", None, None);
        response["access_token"].as_str().unwrap_or_default().to_owned()
    }
}

impl Inner {
    fn grants(&self) -> MutexGuard<'_, Grants> {
        self.grants.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The response with new tokens. With a family there is a refresh token.
    fn tokens(
        &self,
        user: &str,
        client: &str,
        family: Option<String>,
        nonce: Option<&str>,
    ) -> Value {
        let number = self.issued.fetch_add(1, Ordering::SeqCst) + 1;
        let access = format!("access-{number}.{}", random());
        let mut grants = self.grants();
        grants.access.insert(access.clone(), user.to_owned());
        let mut response =
            json!({ "token_type": "Bearer", "expires_in": LIFETIME, "access_token": access });
        if let Some(family) = family {
            let refresh = format!("refresh-{number}.{}", random());
            let expires = unix_seconds() + LIFETIME;
            let claims = json!({
                "iss": self.issuer, "aud": client, "sub": user, "preferred_username": user,
                "exp": expires, "nonce": nonce,
            });
            let parts = [json!({ "alg": "none" }), claims];
            let [header, claims] = parts.map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
            response["id_token"] = format!("{header}.{claims}.").into();
            response["refresh_token"] = refresh.clone().into();
            let entry = Refresh { user: user.to_owned(), family, is_spent: false };
            grants.refresh.insert(refresh, entry);
        }
        response
    }
}

/// The page that asks who the user is.
async fn ask(Query(fields): Query<Fields>) -> Response {
    let (Some(origin), Some("code"), Some("S256")) = (
        fields.get("redirect_uri").and_then(|uri| loopback_origin(uri)),
        fields.get("response_type").map(String::as_str),
        fields.get("code_challenge_method").map(String::as_str),
    ) else {
        return refused(StatusCode::BAD_REQUEST, "invalid_request");
    };
    let hidden: String = ["client_id", "code_challenge", "nonce", "redirect_uri", "state"]
        .into_iter()
        .filter_map(|name| Some((name, escape(fields.get(name)?))))
        .map(|(name, value)| format!(r#"<input type="hidden" name="{name}" value="{value}">"#))
        .collect();
    let page = format!(
        r#"<!doctype html><html lang="en"><meta charset="utf-8"><title>Tiny provider</title>
        <meta name="color-scheme" content="light dark"><h1>Tiny provider</h1>
        <p>An application asks who you are. No password: this provider is an example.</p>
        <form method="post"><label>Name <input name="user" value="ada" required></label>
        {hidden} <button>Sign in</button></form></html>"#
    );
    // The redirect after the form counts as a part of it.
    let policy = format!(
        "default-src 'none'; form-action 'self' {origin}; frame-ancestors 'none'; base-uri 'none'"
    );
    ([(header::CONTENT_SECURITY_POLICY, policy)], Html(page)).into_response()
}

/// Sends the browser back with a code.
async fn answer(State(inner): State<Arc<Inner>>, Form(fields): Form<Fields>) -> Response {
    let Some(uri) = fields.get("redirect_uri").filter(|uri| loopback_origin(uri).is_some()) else {
        return refused(StatusCode::BAD_REQUEST, "invalid_request");
    };
    let (code, state) = (random(), fields.get("state").cloned().unwrap_or_default());
    let to = format!("{uri}?code={code}&state={state}");
    inner.grants().codes.insert(code, fields);
    Redirect::to(&to).into_response()
}

async fn token(State(inner): State<Arc<Inner>>, Form(form): Form<Fields>) -> Response {
    let field = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
    if field("client_secret") != CLIENT_SECRET {
        return refused(StatusCode::UNAUTHORIZED, "invalid_client");
    }
    let client = field("client_id");
    let tokens = match field("grant_type") {
        "authorization_code" => {
            let begun = inner.grants().codes.remove(field("code"));
            let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(field("code_verifier")));
            begun
                .filter(|begun| begun.get("code_challenge") == Some(&challenge))
                .filter(|begun| begun.get("client_id").is_some_and(|begun| begun == client))
                .filter(|begun| begun.get("redirect_uri") == form.get("redirect_uri"))
                .and_then(|begun| {
                    let nonce = begun.get("nonce").map(String::as_str);
                    Some(inner.tokens(begun.get("user")?, client, Some(random()), nonce))
                })
        }
        "refresh_token" => inner
            .spend(field("refresh_token"))
            .map(|(user, family)| inner.tokens(&user, client, Some(family), None)),
        "client_credentials" => Some(inner.tokens("", client, None, None)),
        "urn:ietf:params:oauth:grant-type:jwt-bearer" => {
            let user = inner.grants().access.get(field("assertion")).cloned();
            user.map(|user| inner.tokens(&user, client, None, None))
        }
        _ => return refused(StatusCode::BAD_REQUEST, "unsupported_grant_type"),
    };
    match tokens {
        Some(tokens) => ([(header::CACHE_CONTROL, "no-store")], Json(tokens)).into_response(),
        None => refused(StatusCode::BAD_REQUEST, "invalid_grant"),
    }
}

impl Inner {
    /// The user and the family of a refresh token, which is spent by it. One that is spent twice
    /// was stolen: nobody may use its family any more.
    fn spend(&self, secret: &str) -> Option<(String, String)> {
        let mut grants = self.grants();
        let token = grants.refresh.get_mut(secret)?;
        let (user, family) = (token.user.clone(), token.family.clone());
        if token.is_spent {
            grants.refresh.retain(|_, token| token.family != family);
            return None;
        }
        token.is_spent = true;
        Some((user, family))
    }
}

/// Whose an access token is (RFC 7662).
async fn introspect(State(inner): State<Arc<Inner>>, Form(form): Form<Fields>) -> Json<Value> {
    let user = form.get("token").and_then(|token| inner.grants().access.get(token).cloned());
    Json(json!({ "active": user.is_some(), "sub": user }))
}

async fn revoke(State(inner): State<Arc<Inner>>, Form(form): Form<Fields>) {
    let mut grants = inner.grants();
    let family = form.get("token").and_then(|token| grants.refresh.get(token));
    if let Some(family) = family.map(|token| token.family.clone()) {
        grants.refresh.retain(|_, token| token.family != family);
    }
}

fn refused(status: StatusCode, error: &str) -> Response {
    (status, Json(json!({ "error": error }))).into_response()
}

/// The origin of an address of this machine. The user is sent to no other.
fn loopback_origin(uri: &str) -> Option<&str> {
    let rest = uri.strip_prefix(LOOPBACK)?;
    let (port, _) = rest.split_once('/')?;
    port.parse::<u16>().ok().map(|_| &uri[..LOOPBACK.len() + port.len()])
}

fn unix_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs())
}

const LOOPBACK: &str = "http://127.0.0.1:";
