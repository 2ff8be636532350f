//! Damaged answers, events and addresses: none makes the cache panic, and one that is refused
//! changes nothing.
//!
//! `TOKENKEEP_MUTATIONS` says how many of each, `TOKENKEEP_SEED` where they start.

use std::env;

use crate::oracle::random::Random;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use tokenkeep::{CredentialType, Error, SignInEvent, TokenCache, TokenRequest};

const NOW: u64 = 1_700_000_000;
const AUTHORITY: &str = "https://idp.example/t";
const CLAIMS: &str =
    r#"{"sub": "me", "oid": "o", "preferred_username": "ada", "exp": 1, "aud": ["a"]}"#;

/// Each sequence has its own seed, which a failure names.
fn each_seed(mut check: impl FnMut(u64, &mut Random)) {
    let number = |name, default| env::var(name).map_or(default, |text| text.parse().unwrap());
    let (first, count) = (number("TOKENKEEP_SEED", 1u64), number("TOKENKEEP_MUTATIONS", 4_000));
    for seed in first..first + count {
        check(seed, &mut Random(seed));
    }
}

/// `text` with a few places replaced by what is likely to break a reader.
fn mutated(text: &str, random: &mut Random) -> Vec<u8> {
    const PIECES: [&[u8]; 26] = [
        b"null",
        b"NaN",
        b"-Infinity",
        b"1e999",
        b"-1",
        b"18446744073709551616",
        b"0.5",
        b"\"\"",
        b"[]",
        b"{}",
        b"true",
        b"\"\\ud83d\"",
        b"\\ud83d",
        b"\\",
        b"\"",
        b",",
        b":",
        b"[",
        b"}",
        b"\0",
        b"\xff",
        b"\xef\xbb\xbf",
        b" ",
        b"\"error\": \"x\", ",
        b"9",
        b"\xc3\xa9",
    ];
    let mut bytes = text.as_bytes().to_vec();
    for _ in 0..=random.below(3) {
        let from = random.below(bytes.len() + 1);
        let to = match random.below(4) {
            0 => from,
            // One value or name from end to end.
            1 => bytes[from..].iter().position(|b| b",:}]".contains(b)).map_or(from, |n| from + n),
            _ => (from + random.below(6)).min(bytes.len()),
        };
        let piece = PIECES[random.below(PIECES.len())];
        bytes.splice(from..to, piece.iter().copied());
    }
    bytes
}

fn answer(claims: &[u8]) -> String {
    format!(
        r#"{{"access_token": "AT", "expires_in": 3600, "expires_on": "1700003600",
            "ext_expires_in": 7200, "refresh_in": 1800, "scope": "s t", "token_type": "Bearer",
            "refresh_token": "RT", "foci": "1", "client_info": "eyJ1aWQiOiJ1IiwidXRpZCI6InQifQ",
            "id_token": "e30.{}.x", "error": null}}"#,
        URL_SAFE_NO_PAD.encode(claims)
    )
}

/// Half of them have a damaged ID token, the others are damaged themselves.
fn damaged_answer(random: &mut Random) -> Vec<u8> {
    if random.below(2) == 0 {
        let whole = answer(&mutated(CLAIMS, random));
        // Without the client info, so that the claims count.
        return whole.replace("client_info", "x").into_bytes();
    }
    mutated(&answer(CLAIMS.as_bytes()), random)
}

fn text(cache: &TokenCache) -> String {
    cache.to_json().expose_str().unwrap().to_owned()
}

#[track_caller]
fn check_kept(seed: u64, cache: &TokenCache) {
    let printed = text(cache);
    let read = TokenCache::from_json(printed.as_bytes()).unwrap();
    assert_eq!(text(&read), printed, "TOKENKEEP_SEED={seed}");
    for entry in cache.entries(CredentialType::AccessToken) {
        let end = entry.expires_on().unwrap_or_else(|| panic!("TOKENKEEP_SEED={seed}: {printed}"));
        assert!((0..=253_402_214_400).contains(&end), "TOKENKEEP_SEED={seed}: {printed}");
    }
}

#[test]
fn a_damaged_answer_is_kept_or_changes_nothing() {
    let request = TokenRequest::new("client", AUTHORITY, ["s"]);
    let mut before = TokenCache::new();
    before.add_response(&request, answer(CLAIMS.as_bytes()).as_bytes(), NOW).unwrap();
    let printed = text(&before);
    let (mut kept, mut refused) = (0, 0);
    each_seed(|seed, random| {
        let answer = damaged_answer(random);
        let mut cache = before.clone();
        match cache.add_response(&request, &answer, NOW + 1) {
            Ok(token) => {
                kept += 1;
                assert!(text(&cache).contains("\"AccessToken\""), "TOKENKEEP_SEED={seed}");
                assert!(!token.secret().is_empty(), "TOKENKEEP_SEED={seed}");
                check_kept(seed, &cache);
            }
            Err(error) => {
                refused += 1;
                let is_of_the_answer = matches!(
                    error,
                    Error::ProviderAnswer { .. }
                        | Error::Refused { .. }
                        | Error::SignInNeeded { .. }
                );
                assert!(is_of_the_answer, "TOKENKEEP_SEED={seed}: {error}");
                assert_eq!(text(&cache), printed, "TOKENKEEP_SEED={seed}");
            }
        }
    });
    assert!(kept > 0 && refused > 0, "{kept} were kept, {refused} refused");
}

#[test]
fn a_damaged_event_is_kept_or_is_an_error() {
    let event = format!(
        r#"{{"client_id": "c", "scope": ["s", "t"], "token_endpoint": "{AUTHORITY}/x",
            "environment": "idp.example", "grant_type": "password", "username": "ada",
            "data": {{"key_id": "7", "fmi_path": "p", "n": 1}}, "_account_id": null,
            "response": {}}}"#,
        answer(CLAIMS.as_bytes())
    );
    let (mut kept, mut refused) = (0, 0);
    each_seed(|seed, random| match SignInEvent::from_json(&mutated(&event, random)) {
        Ok(event) => {
            kept += 1;
            let mut cache = TokenCache::new();
            cache.add(&event, NOW).unwrap();
            check_kept(seed, &cache);
        }
        Err(error) => {
            refused += 1;
            assert!(matches!(error, Error::Invalid { .. }), "TOKENKEEP_SEED={seed}: {error}");
        }
    });
    assert!(kept > 0 && refused > 0, "{kept} were kept, {refused} refused");
}

#[test]
fn a_damaged_address_is_refused_or_found_again_by_what_the_entry_says() {
    let addresses = [
        "https://idp.example:8443/t/x?y=z#w",
        "http://127.0.0.1:43121/t",
        "https://[2001:db8::1]:8443/t;v/",
        "http://[::1]:80",
        "https://fabrikam.ciamlogin.com/",
    ];
    let answer = br#"{"access_token": "AT", "expires_in": 3600}"#;
    let (mut kept, mut refused) = (0, 0);
    each_seed(|seed, random| {
        let address = mutated(addresses[random.below(addresses.len())], random);
        let address = String::from_utf8_lossy(&address);
        let request = TokenRequest::new("client", &*address, ["s"]);
        let mut cache = TokenCache::new();
        if cache.add_response(&request, answer, NOW).is_err() {
            refused += 1;
            assert!(cache.is_empty(), "TOKENKEEP_SEED={seed}: {address:?}");
            return;
        }
        kept += 1;
        let entry = cache.entries(CredentialType::AccessToken).next().unwrap();
        let again = entry.authority();
        let again = again.unwrap_or_else(|| panic!("TOKENKEEP_SEED={seed}: {address:?}"));
        let request = TokenRequest::new("client", &*again, ["s"]);
        let found = cache.find_access_token(&request, NOW).unwrap();
        assert!(found.is_some(), "TOKENKEEP_SEED={seed}: {address:?} {again:?}");
    });
    assert!(kept > 0 && refused > 0, "{kept} were kept, {refused} refused");
}
