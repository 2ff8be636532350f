//! Tokens without an account that older versions and other programs left.

use serde_json::json;
use tokenkeep::{CredentialType, Entry, Query, TokenCache};

use super::answers::{
    ELSEWHERE, MICROSOFT, add, add_event, ambiguous, answer, find, of, refresh_tokens, request,
    secret, text, tokens,
};

#[test]
fn a_token_without_an_account_beside_the_only_one_is_found_and_signed_out_with_it() {
    for (authority, more) in [
        (MICROSOFT, json!({})),
        (ELSEWHERE, json!({})),
        (ELSEWHERE, json!({"refresh_token": "RT2"})),
    ] {
        let request = request(authority);
        let mut cache = TokenCache::new();
        let signed_in = answer("AT1", &json!({"refresh_token": "RT1", "id_token": of("ada")}));
        add_event(&mut cache, authority, "s", "authorization_code", &signed_in);
        add_event(&mut cache, authority, "s", "refresh_token", &answer("AT2", &more));
        assert_eq!(find(&cache, &request, 1_001).unwrap().unwrap(), "AT2", "the newest");
        let found = cache.find_access_token(&request, 1_001).unwrap().unwrap();
        assert_eq!(found.account().unwrap().username(), "ada@idp.example");
        assert_eq!(found.to_owned().home_account_id().unwrap(), "ada");
        let named = request.clone().for_account(&cache.accounts()[0]);
        assert!(find(&cache, &named, 1_001).unwrap().is_some());
        let spendable = refresh_tokens(&cache, &named);
        assert_eq!(spendable.len(), 1 + usize::from(!more["refresh_token"].is_null()));
        assert_eq!(refresh_tokens(&cache, &request).len(), spendable.len());
        // Once the account's own token is gone, only the other one is left.
        let own = cache.find(CredentialType::AccessToken, &Query::new().field("secret", "AT1"), 0);
        assert!(cache.remove_access_token(&own[0]).unwrap());
        assert_eq!(find(&cache, &named, 1_001).unwrap().unwrap(), "AT2");
        cache.sign_out_everywhere(&cache.accounts()[0].clone()).unwrap();
        assert_eq!(tokens(&cache), 0, "{authority}: {}", text(&cache));
    }
}

#[test]
fn a_sign_out_leaves_what_belongs_to_somebody_else_or_to_an_app() {
    let mut cache = TokenCache::new();
    let plain = answer("app", &json!({}));
    add_event(&mut cache, MICROSOFT, "https://api.example/.default", "client_credentials", &plain);
    for who in ["ada", "bob"] {
        let more = json!({"refresh_token": who, "id_token": of(who)});
        add_event(&mut cache, MICROSOFT, "s", "authorization_code", &answer(who, &more));
    }
    add_event(&mut cache, MICROSOFT, "s", "refresh_token", &answer("AT2", &json!({})));
    let other = "https://idp.example/t";
    add_event(&mut cache, other, "s", "refresh_token", &answer("elsewhere", &json!({})));
    let left = |cache: &TokenCache| -> Vec<String> {
        cache.entries(CredentialType::AccessToken).map(|e| e.secret().unwrap().into()).collect()
    };
    cache.sign_out_everywhere(&cache.accounts_named("ada")[0].clone()).unwrap();
    assert_eq!(left(&cache), ["app", "bob", "AT2", "elsewhere"], "whose it is was not clear");
    cache.sign_out(&cache.accounts_named("bob")[0].clone(), "client").unwrap();
    assert_eq!(left(&cache), ["app", "elsewhere"]);
    assert_eq!(cache.entries(CredentialType::RefreshToken).count(), 0);
}

#[test]
fn a_token_without_an_account_is_no_account_to_choose() {
    let mut cache = TokenCache::new();
    add_event(&mut cache, ELSEWHERE, "s", "refresh_token", &answer("nobody's", &json!({})));
    for who in ["ada", "bob"] {
        let more = json!({"id_token": of(who)});
        add_event(&mut cache, ELSEWHERE, "s", "authorization_code", &answer(who, &more));
    }
    assert_eq!(ambiguous(&cache, 1_001), ["ada@idp.example", "bob@idp.example"]);
    let bobs = cache.find(CredentialType::AccessToken, &Query::new().home_account_id("bob"), 0);
    assert!(cache.remove_access_token(&bobs[0]).unwrap());
    assert_eq!(secret(&cache, 1_001), "ada", "only ada has a token, and it is nobody else's");
    let adas = cache.find(CredentialType::AccessToken, &Query::new().home_account_id("ada"), 0);
    assert!(cache.remove_access_token(&adas[0]).unwrap());
    assert_eq!(secret(&cache, 1_001), "nobody's");
    let named = request(ELSEWHERE).account("ada");
    assert_eq!(find(&cache, &named, 1_001).unwrap(), None, "it may be bob's");
}

#[test]
fn entries_without_a_home_account_id_in_any_form_are_nobodys() {
    for home in ["", r#""home_account_id": null, "#, r#""home_account_id": "", "#] {
        let json = format!(
            r#"{{{home}"credential_type": "AccessToken", "secret": "AT2", "environment": "idp.example",
            "client_id": "client", "realm": "t", "target": "s", "cached_at": "9000",
            "expires_on": "12600"}}"#
        );
        let mut cache = TokenCache::new();
        add(&mut cache, "AT1", &json!({"refresh_token": "RT1", "id_token": of("ada")}), 1_000);
        let entry = Entry::from_json(CredentialType::AccessToken, json.as_bytes()).unwrap();
        cache.put(&entry).unwrap();
        assert_eq!(secret(&cache, 9_001), "AT2", "{home}");
        cache.sign_out_everywhere(&cache.accounts()[0].clone()).unwrap();
        assert_eq!(tokens(&cache), 0, "{home}");
    }
}
