//! The access token that a web API was called with.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

/// The access token that this API was called with.
pub(crate) struct Assertion {
    secret: Zeroizing<String>,
    digest: [u8; 32],
    ends: Option<u64>,
}

impl Assertion {
    pub(crate) fn new(secret: &str) -> Self {
        Self {
            digest: Sha256::digest(secret.as_bytes()).into(),
            ends: end(secret),
            secret: Zeroizing::new(secret.to_owned()),
        }
    }

    pub(crate) fn secret(&self) -> &str {
        &self.secret
    }

    pub(crate) fn digest(&self) -> &[u8; 32] {
        &self.digest
    }

    /// When it ends, in Unix seconds, if it is a JWT that says so.
    pub(crate) fn ends(&self) -> Option<u64> {
        self.ends
    }

    pub(crate) fn is_over(&self, now: u64) -> bool {
        self.ends.is_some_and(|end| end <= now)
    }
}

/// The claim `exp` of a JWT, which is decoded and not validated.
fn end(token: &str) -> Option<u64> {
    #[derive(Deserialize)]
    struct Claims {
        exp: serde_json::Number,
    }
    let payload = token.split('.').nth(1)?.trim_end_matches('=');
    let payload = Zeroizing::new(BASE64_URL_SAFE_NO_PAD.decode(payload).ok()?);
    let exp = serde_json::from_slice::<Claims>(&payload).ok()?.exp;
    // Some providers write a fraction.
    exp.as_u64().or_else(|| exp.as_f64().filter(|exp| *exp >= 0.0).map(|exp| exp as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(claims: &str) -> String {
        format!("e30.{}.c2ln", BASE64_URL_SAFE_NO_PAD.encode(claims))
    }

    #[test]
    fn the_end_of_a_jwt_is_read() {
        assert_eq!(end(&token(r#"{"exp": 1000}"#)), Some(1000));
        assert_eq!(end(&token(r#"{"exp": 1000.9}"#)), Some(1000));
        for other in ["", "opaque", "a.b.c", &token("{}"), &token(r#"{"exp": -1}"#)] {
            assert_eq!(end(other), None, "{other}");
        }
    }
}
