//! Which refresh tokens come back to a store that returned to an older save.

use serde_json::json;
use tokenkeep::{CredentialType, TokenCache};

use crate::whose_token::answers::{ELSEWHERE, answer, id_token, request};

const NOW: u64 = 1_700_000_000;

/// The secrets of the refresh tokens.
fn secrets(cache: &TokenCache) -> Vec<&str> {
    cache.entries(CredentialType::RefreshToken).filter_map(|entry| entry.secret()).collect()
}

/// A cache with a sign-in of each user whose refresh token was renewed at that time.
fn holding(tokens: &[(&str, &str, u64)]) -> TokenCache {
    let mut cache = TokenCache::new();
    for (user, secret, at) in tokens {
        let more = json!({"refresh_token": secret, "id_token": id_token(&json!({"sub": user}))});
        cache.add_response(&request(ELSEWHERE), answer("AT", &more), *at).unwrap();
    }
    cache
}

#[test]
fn a_lost_refresh_token_comes_back_only_where_nothing_newer_is() {
    for (held, later, expected, why) in [
        (NOW, NOW + 60, "later", "it was renewed since"),
        (NOW, NOW, "later", "the later save counts within a second"),
        (NOW + 60, NOW, "held", "it was renewed after the loss"),
        (NOW + 300, NOW, "held", "a clock may be 300 s ahead"),
        (NOW + 301, NOW, "later", "a clock that is further ahead says nothing"),
        (NOW + 301, NOW + 302, "later", "nor does it protect what was lost"),
    ] {
        let mut cache = holding(&[("1", "held", held)]);
        let newer = holding(&[("1", "later", later)]);
        let before = cache.clone();
        let restored = cache.restore_refresh_tokens(&newer, NOW);
        assert_eq!(secrets(&cache), [expected], "{why}");
        assert_eq!(restored, usize::from(expected == "later"), "{why}");
        assert_eq!(cache.has_same_content(&before), restored == 0, "{why}");
        let entry = cache.entries(CredentialType::RefreshToken).next().unwrap();
        let time = if expected == "later" { later } else { held };
        assert_eq!(entry.last_modification_time(), i64::try_from(time).ok(), "{why}");
    }
}

#[test]
fn what_is_not_listed_any_more_does_not_come_back() {
    let mut cache = holding(&[("1", "one", NOW), ("3", "three", NOW)]);
    let newer = holding(&[("1", "one again", NOW + 1), ("2", "two", NOW + 1), ("3", "three", NOW)]);
    assert_eq!(cache.restore_refresh_tokens(&newer, NOW), 1, "the same secret is no loss");
    let tokens = secrets(&cache);
    assert_eq!(tokens, ["one again", "three"]);
    assert_eq!(cache.restore_refresh_tokens(&newer, NOW), 0, "it is complete");
    assert_eq!(TokenCache::new().restore_refresh_tokens(&newer, NOW), 0);
    assert_eq!(cache.restore_refresh_tokens(&TokenCache::new(), NOW), 0);
}

#[test]
fn a_refresh_token_of_another_issuer_of_the_host_does_not_come_back() {
    let at = |realm: &str, secret: &str, now| {
        let authority = format!("https://idp.example/realms/{realm}");
        let more = json!({"refresh_token": secret, "id_token": id_token(&json!({"sub": "1"}))});
        let mut cache = TokenCache::new();
        cache.add_response(&request(&authority), answer("AT", &more), now).unwrap();
        cache
    };
    let mut cache = at("a", "of a", NOW);
    assert_eq!(cache.restore_refresh_tokens(&at("b", "of b", NOW + 1), NOW), 0);
    assert_eq!(secrets(&cache), ["of a"]);
}

#[test]
fn a_restored_refresh_token_can_be_spent_and_renewed() {
    let mut cache = holding(&[("1", "held", NOW)]);
    cache.restore_refresh_tokens(&holding(&[("1", "later", NOW + 1)]), NOW);
    let request = request(ELSEWHERE).account("1");
    let spent = cache.refresh_tokens(&request).unwrap().remove(0);
    assert_eq!(spent.secret(), Some("later"));
    let renewed = answer("AT 2", &json!({"refresh_token": "renewed"}));
    assert!(cache.add_renewal(&request, &spent, renewed, NOW + 2).unwrap().is_stored());
    assert_eq!(secrets(&cache), ["renewed"]);
}

#[test]
fn a_refresh_token_without_a_time_is_the_oldest() {
    let strip = |cache: &TokenCache| {
        let text = cache.to_json().expose_str().unwrap().replace("last_modification_time", "x");
        TokenCache::from_json(text.as_bytes()).unwrap()
    };
    let (timed, other) = (holding(&[("1", "timed", NOW)]), holding(&[("1", "other", NOW)]));
    let timeless = strip(&other);
    assert_eq!(timeless.clone().restore_refresh_tokens(&timed, NOW), 1);
    assert_eq!(timed.clone().restore_refresh_tokens(&timeless, NOW), 0);
    assert_eq!(timeless.clone().restore_refresh_tokens(&strip(&timed), NOW), 1);
}
