//! What a user's cache looks like: two access tokens, a refresh token and an ID token, of the sizes
//! that Entra ID has.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::json;
use tokenkeep::{TokenCache, TokenRequest};

pub(crate) const CLIENT: &str = "99999999-8888-7777-6666-555555555555";
pub(crate) const AUTHORITY: &str =
    "https://login.microsoftonline.com/66666666-7777-8888-9999-000000000000";
const TENANT: &str = "66666666-7777-8888-9999-000000000000";
/// The scopes of the first access token, of which requests want the first.
pub(crate) const SCOPES: [&str; 2] = ["Mail.Read", "User.Read"];
const OTHER_SCOPES: [&str; 1] = ["Files.Read"];

pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is set").as_secs()
}

/// The user's home account id.
pub(crate) fn home(user: u64) -> String {
    format!("{}.{TENANT}", object_id(user))
}

fn object_id(user: u64) -> String {
    format!("{user:08x}-2222-3333-4444-555555555555")
}

/// What a web app asks for.
pub(crate) fn request() -> TokenRequest {
    TokenRequest::new(CLIENT, AUTHORITY, &SCOPES[..1])
}

/// The sign-in whose answer is [`response`].
pub(crate) fn sign_in() -> TokenRequest {
    TokenRequest::new(CLIENT, AUTHORITY, SCOPES)
}

/// The provider's answer at the user's sign-in.
pub(crate) fn response(user: u64) -> Vec<u8> {
    let encoded = |value: serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let now = now();
    let claims = json!({
        "aud": CLIENT, "iss": format!("{AUTHORITY}/v2.0"), "iat": now, "exp": now + LIFETIME,
        "name": "Ada Lovelace", "oid": object_id(user), "preferred_username": "ada@example.com",
        "sub": format!("subject-{user}"), "tid": TENANT, "ver": "2.0",
    });
    let header = encoded(json!({"alg": "RS256", "typ": "JWT", "kid": random(20)}));
    let id_token = format!("{header}.{}.{}", encoded(claims), random(256));
    let answer = json!({
        "token_type": "Bearer", "scope": SCOPES.join(" "), "expires_in": LIFETIME,
        "access_token": random(ACCESS_TOKEN), "refresh_token": random(REFRESH_TOKEN),
        "id_token": id_token,
        "client_info": encoded(json!({"uid": object_id(user), "utid": TENANT})),
    });
    answer.to_string().into_bytes()
}

/// The answer that brings a second access token.
pub(crate) fn other_response() -> Vec<u8> {
    let answer = json!({
        "token_type": "Bearer", "scope": OTHER_SCOPES.join(" "), "expires_in": LIFETIME,
        "access_token": random(ACCESS_TOKEN),
    });
    answer.to_string().into_bytes()
}

/// Asks for the token of [`other_response`].
pub(crate) fn other_request() -> TokenRequest {
    TokenRequest::new(CLIENT, AUTHORITY, OTHER_SCOPES)
}

/// The user's cache with both tokens.
pub(crate) fn cache(user: u64) -> TokenCache {
    let mut cache = TokenCache::new();
    let now = now();
    cache.add_response(&sign_in(), response(user), now).expect("an answer");
    let other = other_request().account(home(user));
    cache.add_response(&other, other_response(), now).expect("an answer");
    cache
}

/// Random characters, as a token of so many bytes has them.
fn random(bytes: usize) -> String {
    let mut token = vec![0; bytes];
    getrandom::fill(&mut token).expect("random bytes");
    URL_SAFE_NO_PAD.encode(token)
}

const ACCESS_TOKEN: usize = 1500;
const REFRESH_TOKEN: usize = 1050;
const LIFETIME: u64 = 3600;
