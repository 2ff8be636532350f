//! Which account a request means that names nobody, and how the error names those to choose from.

use serde_json::{Value, json};
use tokenkeep::{Error, TokenCache, TokenRequest};

use super::answers::{
    ELSEWHERE, MICROSOFT, add, ambiguous, answer, find, id_token, of, refresh_tokens, request,
    secret,
};

#[test]
fn expired_tokens_of_an_identity_that_is_gone_do_not_count() {
    let mut cache = TokenCache::new();
    add(&mut cache, "AT1", &json!({"id_token": of("before")}), 1_000);
    add(&mut cache, "AT2", &json!({"id_token": of("after")}), 9_000);
    assert_eq!(secret(&cache, 9_001), "AT2");
    // While both were valid a name was needed.
    assert_eq!(ambiguous(&cache, 4_000), ["after@idp.example", "before@idp.example"]);
}

#[test]
fn an_account_counts_with_a_valid_token_or_a_refresh_token_that_may_be_spent() {
    let mut cache = TokenCache::new();
    add(&mut cache, "AT1", &json!({"refresh_token": "RT1", "id_token": of("ada")}), 1_000);
    add(&mut cache, "AT2", &json!({"id_token": of("bob")}), 9_000);
    assert_eq!(ambiguous(&cache, 9_001), ["ada@idp.example", "bob@idp.example"]);
    assert_eq!(refresh_tokens(&cache, &request(ELSEWHERE)), ["RT1"]);
    let other = TokenRequest::new("client", ELSEWHERE, ["other"]);
    assert_eq!(find(&cache, &other, 9_001).unwrap(), None, "ada may get one, bob may not");
    // A refresh token of another program or tenant cannot be spent, one of the family can.
    let mut cache = TokenCache::new();
    let ada = json!({"refresh_token": "RT1", "id_token": of("ada")});
    add(&mut cache, "AT1", &ada, 1_000);
    let bob = json!({"refresh_token": "RT2", "id_token": of("bob")});
    for request in [TokenRequest::new("other", ELSEWHERE, ["s"]), request("https://idp.example/u")]
    {
        cache.add_response(&request, answer("AT2", &bob), 1_000).unwrap();
    }
    assert_eq!(secret(&cache, 1_001), "AT1");
    assert_eq!(refresh_tokens(&cache, &request(ELSEWHERE)), ["RT1"]);
    let mut cache = TokenCache::new();
    let family = |more: &Value| {
        let mut more = more.clone();
        more["foci"] = json!("1");
        answer("AT", &more)
    };
    cache.add_response(&request(MICROSOFT), family(&ada), 1_000).unwrap();
    let sibling = TokenRequest::new("sibling", MICROSOFT, ["s"]);
    cache.add_response(&sibling, family(&bob), 1_000).unwrap();
    assert!(matches!(
        find(&cache, &request(MICROSOFT), 1_001),
        Err(Error::AccountAmbiguous { .. })
    ));
}

#[test]
fn the_error_names_the_accounts_so_that_one_can_be_chosen() {
    let named = |names: &[(&str, Value)]| {
        let mut cache = TokenCache::new();
        for (sub, name) in names {
            let claims = json!({"sub": sub, "preferred_username": name});
            add(&mut cache, sub, &json!({"id_token": id_token(&claims)}), 1_000);
        }
        let error = find(&cache, &request(ELSEWHERE), 1_001).unwrap_err();
        let Error::AccountAmbiguous { usernames } = &error else { panic!("{error:?}") };
        for (chosen, (sub, _)) in usernames.iter().zip(names) {
            let found = cache.accounts_named(chosen);
            assert_eq!(found.len(), 1, "{chosen}");
            assert_eq!(found[0].home_account_id(), *sub);
        }
        error.to_string()
    };
    let text = named(&[("1", json!("ada")), ("2", json!("bob"))]);
    assert!(text.ends_with(": ada, bob"), "{text}");
    let text = named(&[("1", json!("ada")), ("2", json!("ada")), ("3", Value::Null)]);
    assert!(text.ends_with(": 1, 2, 3"), "{text}");
    let text = named(&[("1", json!("a\u{1b}[2J\u{202e}")), ("2", json!("b\nc"))]);
    assert!(text.ends_with(r": a\u{1b}[2J\u{202e}, b\u{a}c"), "{text}");
}

#[test]
fn the_name_of_an_account_is_that_of_the_requests_cloud() {
    let mut cache = TokenCache::new();
    for (authority, name) in [("https://a.example/t", "ada"), ("https://b.example/t", "bob")] {
        for sub in ["1", "2"] {
            let claims = json!({"sub": sub, "preferred_username": format!("{name} {sub}")});
            let more = json!({"id_token": id_token(&claims)});
            cache.add_response(&request(authority), answer("AT", &more), 1_000).unwrap();
        }
    }
    for (authority, names) in
        [("https://a.example/t", ["ada 1", "ada 2"]), ("https://b.example/t", ["bob 1", "bob 2"])]
    {
        match find(&cache, &request(authority), 1_001) {
            Err(Error::AccountAmbiguous { usernames }) => assert_eq!(usernames, names),
            other => panic!("{other:?}"),
        }
    }
}
