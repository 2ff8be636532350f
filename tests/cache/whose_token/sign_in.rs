//! An answer that does not say whose it is, or says it otherwise than the one before.

use serde_json::json;
use tokenkeep::{CredentialType, TokenCache, TokenRequest};

use super::answers::{
    ELSEWHERE, MICROSOFT, add, add_event, answer, find, id_token, of, refresh_tokens, request,
    secret, segment, tokens,
};

#[test]
fn an_answer_without_a_name_belongs_to_the_only_account_of_its_program() {
    let mut cache = TokenCache::new();
    add(&mut cache, "AT1", &json!({"refresh_token": "RT1", "id_token": of("ada")}), 1_000);
    add(&mut cache, "AT2", &json!({"refresh_token": "RT2"}), 9_000);
    assert_eq!(secret(&cache, 9_001), "AT2");
    assert_eq!(find(&cache, &request(ELSEWHERE).account("ada"), 9_001).unwrap().unwrap(), "AT2");
    assert_eq!(refresh_tokens(&cache, &request(ELSEWHERE)), ["RT2"]);
    cache.sign_out_everywhere(&cache.accounts()[0].clone()).unwrap();
    assert_eq!(tokens(&cache), 0);
}

#[test]
fn an_answer_without_a_name_stays_without_one_where_there_is_no_account_or_several() {
    let mut cache = TokenCache::new();
    let token = cache.add_response(&request(ELSEWHERE), answer("AT", &json!({})), 1_000).unwrap();
    assert_eq!((token.home_account_id(), token.account()), (None, None));
    assert_eq!(secret(&cache, 1_001), "AT", "and is found");
    for who in ["ada", "bob"] {
        add(&mut cache, who, &json!({"refresh_token": who, "id_token": of(who)}), 1_000);
    }
    let token = cache.add_response(&request(ELSEWHERE), answer("AT", &json!({})), 1_000).unwrap();
    assert_eq!(token.home_account_id(), None);
    let named = request(ELSEWHERE).account("bob");
    let token = cache.add_response(&named, answer("AT", &json!({})), 1_000).unwrap();
    assert_eq!(token.home_account_id().unwrap(), "bob", "the request's account");
    // Of another program, authority or tenant is not of this one.
    let mut cache = TokenCache::new();
    add(&mut cache, "AT1", &json!({"refresh_token": "RT1", "id_token": of("ada")}), 1_000);
    for (client, authority) in
        [("other", ELSEWHERE), ("client", "https://idp.example/u"), ("client", MICROSOFT)]
    {
        let request = TokenRequest::new(client, authority, ["s"]);
        let token = cache.add_response(&request, answer("AT", &json!({})), 1_000).unwrap();
        assert_eq!(token.home_account_id(), None, "{client} {authority}");
    }
}

#[test]
fn an_answer_without_a_name_replaces_no_token_where_somebody_else_has_any() {
    let mut cache = TokenCache::new();
    add(&mut cache, "AT1", &json!({"refresh_token": "RT1", "id_token": of("ada")}), 1_000);
    add(&mut cache, "AT2", &json!({"id_token": of("bob")}), 1_000);
    add(&mut cache, "AT3", &json!({"refresh_token": "RT3"}), 1_000);
    let ada = cache.entries(CredentialType::RefreshToken).find(|e| e.secret() == Some("RT1"));
    assert_eq!(ada.unwrap().home_account_id().unwrap(), "ada");
    let kept = |kind| cache.without_account().filter(|e| e.kind() == kind).count();
    assert_eq!((kept(CredentialType::AccessToken), kept(CredentialType::RefreshToken)), (1, 1));
}

#[test]
fn an_id_token_that_comes_later_names_the_account_of_all_tokens() {
    let mut cache = TokenCache::new();
    add(&mut cache, "AT1", &json!({"refresh_token": "RT1"}), 1_000);
    add(&mut cache, "AT2", &json!({"refresh_token": "RT2", "id_token": of("ada")}), 2_000);
    assert_eq!(secret(&cache, 2_001), "AT2");
    assert_eq!(refresh_tokens(&cache, &request(ELSEWHERE)), ["RT2", "RT1"]);
    assert_eq!(refresh_tokens(&cache, &request(ELSEWHERE).account("ada")), ["RT2", "RT1"]);
    cache.sign_out_everywhere(&cache.accounts()[0].clone()).unwrap();
    assert_eq!(tokens(&cache), 0);

    // The same with a renewal: the refresh token becomes the account's.
    let mut cache = TokenCache::new();
    add(&mut cache, "AT1", &json!({"refresh_token": "RT1"}), 1_000);
    for (more, left) in [
        (json!({"id_token": of("ada")}), "RT1"),
        (json!({"id_token": of("ada"), "refresh_token": "RT2"}), "RT2"),
        (json!({"refresh_token": "RT3"}), "RT3"),
    ] {
        let spent = cache.refresh_tokens(&request(ELSEWHERE)).unwrap().remove(0);
        let renewed = answer("AT2", &more);
        let token = cache.add_renewal(&request(ELSEWHERE), &spent, &renewed, 2_000).unwrap();
        assert_eq!(token.account().unwrap().username(), "ada@idp.example");
        assert_eq!(refresh_tokens(&cache, &request(ELSEWHERE).account("ada")), [left]);
        assert_eq!(secret(&cache, 2_001), "AT2");
    }
}

#[test]
fn client_info_that_comes_only_sometimes_is_the_same_account() {
    let info = json!(segment(&json!({"uid": "o1", "utid": "t1"})));
    let claims = json!({"sub": "s1", "oid": "o1", "tid": "t1", "preferred_username": "ada"});
    let (with, without) = (
        json!({"refresh_token": "RT1", "client_info": info, "id_token": id_token(&claims)}),
        json!({"refresh_token": "RT1", "id_token": id_token(&claims)}),
    );
    let only_sub = json!({"refresh_token": "RT1", "id_token": id_token(&json!({"sub": "s1"}))});
    let only_info = json!({"refresh_token": "RT1", "client_info": info});
    for (first, then) in [(&with, &without), (&without, &with), (&only_info, &without)] {
        for authority in [MICROSOFT, ELSEWHERE] {
            let mut cache = TokenCache::new();
            let request = request(authority);
            for (secret, more, now) in [("AT1", first, 1_000), ("AT2", then, 9_000)] {
                cache.add_response(&request, answer(secret, more), now).unwrap();
            }
            assert_eq!(find(&cache, &request, 9_001).unwrap().unwrap(), "AT2");
            assert_eq!(cache.accounts().len(), 1, "{first} {then}");
            assert_eq!(cache.refresh_tokens(&request).unwrap().len(), 1);
            assert_eq!(cache.accounts()[0].username(), "ada");
        }
    }
    let mut cache = TokenCache::new();
    cache.add_response(&request(MICROSOFT), answer("AT1", &with), 1_000).unwrap();
    let spent = cache.refresh_tokens(&request(MICROSOFT)).unwrap().remove(0);
    for more in [&with, &without, &only_sub, &only_info] {
        let token =
            cache.add_renewal(&request(MICROSOFT), &spent, answer("AT2", more), 2_000).unwrap();
        assert_eq!(token.home_account_id().unwrap(), "o1.t1", "{more}");
        assert_eq!(token.account().unwrap().username(), "ada");
    }
}

#[test]
fn client_info_alone_names_the_account_of_which_an_id_token_said_the_same() {
    let info = |uid: &str| json!(segment(&json!({"uid": uid, "utid": "t1"})));
    let claims = json!({"sub": "s1", "oid": "o1", "tid": "t1", "preferred_username": "ada"});
    let first = answer("AT1", &json!({"refresh_token": "RT1", "id_token": id_token(&claims)}));
    let of = |uid: &str| answer("AT2", &json!({"refresh_token": "RT2", "client_info": info(uid)}));
    for authority in [MICROSOFT, ELSEWHERE, "https://login.microsoftonline.com/t1"] {
        let request = request(authority);
        let mut before = TokenCache::new();
        before.add_response(&request, &first, 1_000).unwrap();
        if authority.ends_with("t1") {
            // What the account's entry says is enough.
            let kept = before.entries(CredentialType::IdToken).next().unwrap().clone();
            before.remove_id_token(&kept).unwrap();
        }
        let mut cache = before.clone();
        cache.add_response(&request, of("o1"), 9_000).unwrap();
        assert_eq!(cache.accounts().len(), 1, "{authority}");
        assert_eq!(find(&cache, &request, 9_001).unwrap().unwrap(), "AT2");
        assert_eq!(refresh_tokens(&cache, &request), ["RT2"]);
        let mut cache = before.clone();
        let spent = cache.refresh_tokens(&request).unwrap().remove(0);
        let token = cache.add_renewal(&request, &spent, of("o1"), 9_000).unwrap();
        assert_eq!(token.account().unwrap().username(), "ada");
        assert_eq!(refresh_tokens(&cache, &request), ["RT2"]);
        // Another user of the tenant stays another.
        let mut cache = before.clone();
        assert!(cache.add_renewal(&request, &spent, of("o9"), 9_000).is_err());
        cache.add_response(&request, of("o9"), 9_000).unwrap();
        assert_eq!(cache.accounts().len(), 2);
    }
}

#[test]
fn two_accounts_that_an_event_with_client_info_and_one_without_left_stay_two() {
    let claims = json!({"sub": "s1", "oid": "o1", "tid": "t1"});
    let info = json!(segment(&json!({"uid": "o1", "utid": "t1"})));
    let mut cache = TokenCache::new();
    for info in [info, json!(null)] {
        let answer = answer("AT", &json!({"id_token": id_token(&claims), "client_info": info}));
        add_event(&mut cache, MICROSOFT, "s", "authorization_code", &answer);
    }
    let homes: Vec<_> = cache.accounts().iter().map(|a| a.home_account_id().to_owned()).collect();
    assert_eq!(homes, ["o1.t1", "s1"], "as in the reference");
}

#[test]
fn a_sign_in_without_client_info_joins_the_tokens_that_a_sign_out_left() {
    let claims = json!({"sub": "s1", "oid": "o1", "tid": "t1", "preferred_username": "ada"});
    let with = json!({"refresh_token": "RT1", "id_token": id_token(&claims),
        "client_info": segment(&json!({"uid": "o1", "utid": "t1"}))});
    let without = json!({"refresh_token": "RT2", "id_token": id_token(&claims)});
    let mut cache = TokenCache::new();
    let of = |client| TokenRequest::new(client, MICROSOFT, ["s"]);
    for client in ["mail", "files"] {
        cache.add_response(&of(client), answer("AT1", &with), 1_000).unwrap();
    }
    cache.sign_out(&cache.accounts()[0].clone(), "mail").unwrap();
    assert_eq!(cache.owners().len(), 1, "with a refresh token of the other program");
    cache.add_response(&of("mail"), answer("AT2", &without), 2_000).unwrap();
    assert_eq!(cache.owners().len(), 1);
    assert_eq!(cache.accounts()[0].home_account_id(), "o1.t1");
}

#[test]
fn a_policy_of_b2c_names_an_account_of_its_own() {
    let authority = "https://contoso.b2clogin.com/contoso.onmicrosoft.com/policy";
    let mut cache = TokenCache::new();
    for policy in ["o1-b2c_1_signin", "o1-b2c_1_edit"] {
        let more = json!({"client_info": segment(&json!({"uid": policy, "utid": "t1"})),
            "id_token": id_token(&json!({"sub": "o1"}))});
        cache.add_response(&request(authority), answer(policy, &more), 1_000).unwrap();
    }
    assert_eq!(cache.accounts().len(), 2, "as in the reference");
}

#[test]
fn a_token_says_whose_it_is_and_with_which_scopes() {
    let mut cache = TokenCache::new();
    let more = json!({"refresh_token": "RT", "id_token": of("ada"), "scope": "s t"});
    let issued = cache.add_response(&request(ELSEWHERE), answer("AT", &more), 1_000).unwrap();
    let borrowed = cache.find_access_token(&request(ELSEWHERE), 1_001).unwrap().unwrap();
    let owned = borrowed.to_owned();
    let ada = cache.accounts().remove(0);
    assert_eq!(issued.account().as_ref(), Some(&ada));
    assert_eq!(borrowed.account().as_ref(), Some(&ada));
    assert_eq!(owned.account().as_ref(), Some(&ada));
    let ids = [issued.home_account_id(), borrowed.home_account_id(), owned.home_account_id()];
    assert!(ids.into_iter().all(|id| id.unwrap() == "ada"));
    assert!([issued.scopes(), borrowed.scopes(), owned.scopes()].iter().all(|s| s == &["s", "t"]));
    // An account of which only the id is known.
    let named = request(ELSEWHERE).account("bob");
    let token = cache.add_response(&named, answer("AT2", &json!({})), 1_000).unwrap();
    assert_eq!((token.home_account_id().unwrap().as_ref(), token.account()), ("bob", None));
}
