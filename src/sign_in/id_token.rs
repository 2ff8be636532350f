//! What an ID token says, and whether it is for this sign-in.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::Value;

use super::{IssuerSource, SignInFailure, issuer::is_token_issuer};
use crate::Error;

/// What an ID token says about the sign-in.
pub(super) struct IdToken {
    /// When it was issued, in Unix seconds.
    pub(super) issued_at: Option<u64>,
}

/// What an ID token has to say.
pub(super) struct Expected<'e> {
    pub(super) issuer: &'e str,
    pub(super) client_id: &'e str,
    pub(super) nonce: Option<&'e str>,
}

impl IdToken {
    /// Checks an ID token as OpenID Connect Core 1.0, section 3.1.3.7, says, but for its times and
    /// its signature. It came from the token endpoint itself, so TLS stands in for the signature
    /// (point 6). The times depend on this machine's clock.
    pub(super) fn check(token: &str, expected: &Expected<'_>) -> Result<Self, Error> {
        let wrong = |what: &str| Error::ProviderAnswer { detail: format!("its ID token {what}") };
        let unreadable = || wrong("cannot be read");
        let parts: Vec<&str> = token.split('.').collect();
        let [_, payload, _] = parts[..] else { return Err(unreadable()) };
        let payload = payload.trim_end_matches('=');
        let payload = URL_SAFE_NO_PAD.decode(payload).map_err(|_| unreadable())?;
        let claims: Value = serde_json::from_slice(&payload).map_err(|_| unreadable())?;
        let text = |name: &str| claims.get(name).and_then(Value::as_str).unwrap_or_default();
        if !is_token_issuer(text("iss"), text("tid"), expected.issuer) {
            return Err(SignInFailure::OtherIssuer {
                from: IssuerSource::IdToken,
                announced: Some(text("iss")).filter(|iss| !iss.is_empty()).map(str::to_owned),
                expected: expected.issuer.to_owned(),
            }
            .into());
        }
        let audience: Vec<&str> = match claims.get("aud") {
            Some(Value::String(one)) => vec![one],
            Some(Value::Array(all)) => all.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        };
        let is_party = |party: &str| party == expected.client_id;
        if !audience.contains(&expected.client_id)
            || audience.len() > 1 && !is_party(text("azp"))
            || !text("azp").is_empty() && !is_party(text("azp"))
        {
            return Err(wrong("is for another client"));
        }
        if expected.nonce.is_some_and(|nonce| text("nonce") != nonce) {
            return Err(wrong("is for another sign-in (nonce)"));
        }
        if !(1..=255).contains(&text("sub").len()) {
            return Err(wrong("names no user (sub)"));
        }
        let seconds = |value: &Value| value.as_u64().or(value.as_f64().map(|time| time as u64));
        Ok(Self { issued_at: claims.get("iat").and_then(seconds) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(claims: &str) -> String {
        format!("e30.{}.", URL_SAFE_NO_PAD.encode(claims))
    }

    fn check(claims: &str) -> Result<IdToken, Error> {
        let expected =
            Expected { issuer: "https://id.example/t", client_id: "app", nonce: Some("n") };
        IdToken::check(&token(claims), &expected)
    }

    #[test]
    fn a_token_for_this_sign_in_is_accepted() {
        for claims in [
            r#"{"iss":"https://id.example/t","aud":"app","nonce":"n","sub":"1","iat":17}"#,
            r#"{"iss":"https://id.example/t/","aud":["app"],"nonce":"n","sub":"1","iat":17.5}"#,
            r#"{"iss":"https://id.example/t","aud":["x","app"],"azp":"app","nonce":"n","sub":"1",
                "iat":17}"#,
        ] {
            assert_eq!(check(claims).unwrap().issued_at, Some(17), "{claims}");
        }
    }

    #[test]
    fn a_token_for_another_one_is_not() {
        for claims in [
            r#"{"iss":"https://evil.example/t","aud":"app","nonce":"n","sub":"1"}"#,
            r#"{"iss":"https://id.example/t//","aud":"app","nonce":"n","sub":"1"}"#,
            r#"{"aud":"app","nonce":"n","sub":"1"}"#,
            r#"{"iss":"https://id.example/t","aud":"other","nonce":"n","sub":"1"}"#,
            r#"{"iss":"https://id.example/t","aud":["app","x"],"nonce":"n","sub":"1"}"#,
            r#"{"iss":"https://id.example/t","aud":"app","azp":"x","nonce":"n","sub":"1"}"#,
            r#"{"iss":"https://id.example/t","nonce":"n","sub":"1"}"#,
            r#"{"iss":"https://id.example/t","aud":"app","nonce":"m","sub":"1"}"#,
            r#"{"iss":"https://id.example/t","aud":"app","sub":"1"}"#,
            r#"{"iss":"https://id.example/t","aud":"app","nonce":"n","sub":""}"#,
            r#"{"iss":"https://id.example/t","aud":"app","nonce":"n"}"#,
            "[]",
            "no JSON",
        ] {
            assert!(check(claims).is_err(), "{claims}");
        }
        let expected = Expected { issuer: "https://id.example", client_id: "app", nonce: None };
        for token in ["", "e30.e30", "e30.e30.e30.e30", "e30.§.e30"] {
            assert!(IdToken::check(token, &expected).is_err(), "{token}");
        }
    }
}
