//! What a response of the token endpoint consists of.

use std::hash::{BuildHasher as _, RandomState};
use std::time::{SystemTime, UNIX_EPOCH};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use crate::http::http_response;

pub(super) struct Tokens<'t> {
    /// Nobody has none in a response to a client alone.
    pub(super) user: Option<&'t str>,
    pub(super) refresh_token: Option<&'t str>,
    pub(super) scope: Option<&'t str>,
}

impl Tokens<'_> {
    /// The JSON, with a new access token.
    pub(super) fn response(&self, issuer: &str, expires_in: u64) -> String {
        let mut response = json!({
            "token_type": "Bearer", "expires_in": expires_in, "access_token": secret("access"),
        });
        if let Some(user) = self.user {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
            let claims = json!({
                "iss": issuer, "aud": "client", "sub": user, "preferred_username": user,
                "iat": now, "exp": now + expires_in,
            });
            response["id_token"] = Value::String(unsigned(&claims));
        }
        if let Some(token) = self.refresh_token {
            response["refresh_token"] = token.into();
        }
        if let Some(scope) = self.scope {
            response["scope"] = scope.into();
        }
        response.to_string()
    }

    pub(super) fn answer(&self, issuer: &str, expires_in: u64) -> Vec<u8> {
        http_response("200 OK", &[], &self.response(issuer, expires_in))
    }
}

/// A token that nobody guesses and no two requests get.
pub(super) fn secret(kind: &str) -> String {
    let [first, second] = [0, 1].map(|half| RandomState::new().hash_one((kind, half)));
    format!("{kind}-{first:016x}{second:016x}")
}

fn unsigned(claims: &Value) -> String {
    let part = |json: &Value| URL_SAFE_NO_PAD.encode(json.to_string());
    format!("{}.{}.", part(&json!({ "alg": "none" })), part(claims))
}

/// Whom an assertion is about.
pub(super) fn subject(assertion: &str) -> Option<String> {
    let claims = URL_SAFE_NO_PAD.decode(assertion.split('.').nth(1)?).ok()?;
    let claims: Value = serde_json::from_slice(&claims).ok()?;
    claims["sub"].as_str().map(str::to_owned)
}
