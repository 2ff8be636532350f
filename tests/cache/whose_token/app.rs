//! An app's own tokens, which are nobody's.

use serde_json::json;
use tokenkeep::{CredentialType, Query, TokenCache, TokenRequest};

use super::answers::{
    ELSEWHERE, MICROSOFT, add_event, answer, find, of, refresh_tokens, request,
    tokens as tokens_left,
};

#[test]
fn an_apps_own_token_answers_for_no_user_and_a_users_not_for_the_app() {
    let everything = "https://api.example/.default";
    for authority in [MICROSOFT, ELSEWHERE] {
        let users = TokenRequest::new("client", authority, [everything]);
        let apps = users.clone().app_only();
        let mut cache = TokenCache::new();
        let plain = answer("app", &json!({}));
        add_event(&mut cache, authority, everything, "client_credentials", &plain);
        assert_eq!(find(&cache, &apps, 1_001).unwrap().unwrap(), "app", "as msal left it");
        assert_eq!(find(&cache, &users, 1_001).unwrap(), None);
        let more = json!({"refresh_token": "RT", "id_token": of("ada")});
        cache.add_response(&users, answer("user", &more), 1_000).unwrap();
        assert_eq!(find(&cache, &users, 1_001).unwrap().unwrap(), "user");
        assert_eq!(find(&cache, &apps, 1_001).unwrap().unwrap(), "app");
        assert!(cache.refresh_tokens(&apps).unwrap().is_empty());
        let named = users.clone().account("ada");
        let own = cache.find(CredentialType::AccessToken, &Query::new().field("secret", "user"), 0);
        assert!(cache.remove_access_token(&own[0]).unwrap());
        assert_eq!(find(&cache, &named, 1_001).unwrap(), None);
        assert_eq!(find(&cache, &users, 1_001).unwrap(), None);
        cache.sign_out_everywhere(&cache.accounts()[0].clone()).unwrap();
        assert_eq!(find(&cache, &apps, 1_001).unwrap().unwrap(), "app", "it is nobody's");
    }
}

#[test]
fn what_an_app_gets_with_other_scopes_is_known_as_its_own() {
    let (users, apps) = (request(ELSEWHERE), request(ELSEWHERE).app_only());
    let mut cache = TokenCache::new();
    let user = json!({"refresh_token": "RT", "id_token": of("ada")});
    cache.add_response(&users, answer("user", &user), 1_000).unwrap();
    assert_eq!(find(&cache, &apps, 1_001).unwrap(), None);
    // Some providers answer an app with an ID token or a refresh token.
    let more = json!({"refresh_token": "app's RT", "id_token": of("service")});
    let token = cache.add_response(&apps, answer("app", &more), 1_000).unwrap();
    assert_eq!((token.home_account_id(), token.account()), (None, None));
    assert_eq!(find(&cache, &apps, 1_001).unwrap().unwrap(), "app");
    assert_eq!(find(&cache, &users, 1_001).unwrap().unwrap(), "user");
    assert_eq!(refresh_tokens(&cache, &users), ["RT"]);
    assert_eq!(cache.accounts().len(), 1);
    cache.sign_out_everywhere(&cache.accounts()[0].clone()).unwrap();
    assert_eq!(find(&cache, &users, 1_001).unwrap(), None);
    assert_eq!(find(&cache, &apps, 1_001).unwrap().unwrap(), "app");
}

#[test]
fn a_users_token_for_all_that_an_app_may_do_is_not_the_apps() {
    let everything = "https://api.example/.default";
    for authority in [MICROSOFT, ELSEWHERE] {
        let users = TokenRequest::new("client", authority, [everything]);
        let apps = users.clone().app_only();
        let mut cache = TokenCache::new();
        let nameless = answer("user", &json!({"refresh_token": "RT1"}));
        cache.add_response(&users, &nameless, 1_000).unwrap();
        assert_eq!(find(&cache, &users, 1_001).unwrap().unwrap(), "user");
        assert_eq!(find(&cache, &apps, 1_001).unwrap(), None);
        let spent = cache.refresh_tokens(&users).unwrap().remove(0);
        cache.add_renewal(&users, &spent, answer("renewed", &json!({})), 2_000).unwrap();
        assert_eq!(find(&cache, &users, 2_001).unwrap().unwrap(), "renewed");
        assert_eq!(find(&cache, &apps, 2_001).unwrap(), None);
        // What has an account says enough.
        let signed_in = json!({"refresh_token": "RT2", "id_token": of("ada")});
        cache.add_response(&users, answer("ada", &signed_in), 3_000).unwrap();
        let tokens = cache.entries(CredentialType::AccessToken);
        let fields: Vec<_> = tokens.map(|entry| entry.text("grant_type").is_some()).collect();
        assert_eq!(fields, [true, false]);
        cache.sign_out_everywhere(&cache.accounts()[0].clone()).unwrap();
        assert_eq!(tokens_left(&cache), 0);
    }
}

#[test]
fn a_refresh_token_is_never_an_apps() {
    let everything = "https://api.example/.default";
    let mut cache = TokenCache::new();
    let request = TokenRequest::new("client", MICROSOFT, [everything]);
    let signed_in = json!({"refresh_token": "RT1", "id_token": of("ada")});
    cache.add_response(&request, answer("AT", &signed_in), 1_000).unwrap();
    let more = answer("AT2", &json!({"refresh_token": "RT2"}));
    add_event(&mut cache, MICROSOFT, everything, "refresh_token", &more);
    cache.sign_out_everywhere(&cache.accounts()[0].clone()).unwrap();
    assert_eq!(cache.entries(CredentialType::RefreshToken).count(), 0);
}
