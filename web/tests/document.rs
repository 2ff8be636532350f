//! What docs/WEB.md says and can be computed.
#![allow(clippy::unwrap_used, reason = "a test may")]

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::json;
use tokenkeep::{TokenCache, TokenRequest};
use tokenkeep_test_support::say;
use tokenkeep_web::{RedisStore, postgres::SCHEMA};

const DOCUMENT: &str = include_str!("../../docs/WEB.md");

#[test]
fn the_tables_are_those_of_the_crate() {
    assert!(DOCUMENT.contains(&format!("```sql\n{SCHEMA}```")), "{SCHEMA}");
}

#[test]
fn the_rights_are_those_of_the_crate() {
    let line = format!("ACL SETUSER tokenkeep on >PASSWORD {}", RedisStore::RIGHTS);
    assert!(DOCUMENT.contains(&line), "{line}");
}

/// The sealed size of a user at a provider whose tokens have these lengths.
fn user(access_tokens: usize, access: usize, refresh: usize, id: usize) -> usize {
    const ISSUER: &str = "https://login.example.com/8d1a5a6c-3c4e-4d0a-9a52-3b4d0c9f3f6e";
    const NOW: u64 = 1_796_000_000;
    let claims = json!({
        "iss": ISSUER, "aud": "1f0e6a8e-5b0c-4f53-8d3e-6c3c1c9d7a11",
        "sub": "AAAAAAAAAAAAAAAAAAAAAIkzqFVrSaSaFHy782bbtaQ",
        "preferred_username": "ada@example.com", "name": "Ada Lovelace",
    });
    // The rest of an ID token is claims that no cache reads, and the signature.
    let claims = URL_SAFE_NO_PAD.encode(claims.to_string());
    let id_token = format!("e30.{claims}.{}", "s".repeat(id - claims.len() - 5));
    let mut cache = TokenCache::new();
    for number in 0..access_tokens {
        let scope = format!("https://api-{number}.example.com/orders.read");
        let request = TokenRequest::new("1f0e6a8e-5b0c-4f53-8d3e-6c3c1c9d7a11", ISSUER, [&scope]);
        let response = json!({
            "token_type": "Bearer", "expires_in": 3600, "scope": scope,
            "access_token": "a".repeat(access), "refresh_token": "r".repeat(refresh),
            "id_token": id_token,
        });
        cache.add_response(&request, response.to_string(), NOW).unwrap();
    }
    cache.to_json().expose().len() + SEAL
}

/// The header and the tag of a sealed value (docs/FORMAT.md).
const SEAL: usize = 120 + 16;

#[test]
fn the_sizes_of_a_user_are_those_of_the_document() {
    let cases = [
        (1, 40, 40, 600),
        (1, 1_500, 1_000, 1_000),
        (2, 1_500, 1_000, 1_000),
        (5, 2_500, 1_500, 1_500),
    ];
    let rows = cases.map(|(access_tokens, access, refresh, id)| {
        let size = user(access_tokens, access, refresh, id);
        // To hundreds, as a reader calculates with it.
        let rounded = (size + 50) / 100 * 100;
        let row = format!("| {access_tokens} of {access} | {refresh} | {id} | {rounded} |");
        say(&row);
        row
    });
    for row in rows {
        assert!(DOCUMENT.contains(&row), "{row}");
    }
}
