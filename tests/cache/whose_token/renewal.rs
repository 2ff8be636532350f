//! The answer to a refresh token is of the account whose token was spent.

use serde_json::json;
use tokenkeep::{CredentialType, Error, PersistedTokenCache, Query, TokenCache, TokenRequest};

use super::answers::{
    ELSEWHERE, MICROSOFT, add, answer, find, id_token, of, refresh_tokens, request, secret,
    segment, text,
};

#[test]
fn a_renewal_is_of_the_account_whose_refresh_token_was_spent() {
    let mut cache = TokenCache::new();
    for who in ["ada", "bob"] {
        let more = json!({"refresh_token": format!("RT {who}"), "id_token": of(who)});
        add(&mut cache, &format!("AT {who}"), &more, 1_000);
    }
    let spent = cache.refresh_tokens(&request(ELSEWHERE).account("bob")).unwrap().remove(0);
    // The request names nobody, or even the other one.
    for (nth, request) in [request(ELSEWHERE), request(ELSEWHERE).account("ada")].iter().enumerate()
    {
        let token = cache.add_renewal(request, &spent, answer("AT2", &json!({})), 5_000).unwrap();
        assert!(token.is_stored());
        assert_eq!(token.home_account_id().unwrap(), "bob");
        assert_eq!(token.account().unwrap().username(), "bob@idp.example");
        assert_eq!(cache.accounts().len(), 2);
        let bob = self::request(ELSEWHERE).account("bob");
        assert_eq!(find(&cache, &bob, 5_001).unwrap().unwrap(), "AT2");
        assert_eq!(refresh_tokens(&cache, &bob), ["RT bob"], "{nth}: the answer had none");
    }
    let more = json!({"refresh_token": "RT bob 2", "scope": "s t"});
    cache.add_renewal(&request(ELSEWHERE), &spent, answer("AT3", &more), 6_000).unwrap();
    let bob = request(ELSEWHERE).account("bob");
    assert_eq!(refresh_tokens(&cache, &bob), ["RT bob 2"], "in the place of the spent one");
    assert_eq!(refresh_tokens(&cache, &request(ELSEWHERE).account("ada")), ["RT ada"]);
}

#[test]
fn a_renewal_after_a_sign_out_or_another_renewal_brings_nothing_back() {
    let mut cache = TokenCache::new();
    add(&mut cache, "AT1", &json!({"refresh_token": "RT1", "id_token": of("ada")}), 1_000);
    let spent = cache.refresh_tokens(&request(ELSEWHERE)).unwrap().remove(0);
    let renew = |cache: &mut TokenCache, secret: &str| {
        let answer = answer(secret, &json!({"refresh_token": format!("RT of {secret}")}));
        cache.add_renewal(&request(ELSEWHERE), &spent, &answer, 5_000).unwrap()
    };
    let token = renew(&mut cache, "AT2");
    assert!(token.is_stored());
    let before = text(&cache);
    let token = renew(&mut cache, "AT3");
    assert_eq!((token.secret(), token.is_stored()), ("AT3", false));
    assert!(matches!(token.unstored_because(), Some(Error::RefreshTokenGone)));
    assert_eq!(text(&cache), before, "another process was quicker");
    cache.sign_out_everywhere(&cache.accounts()[0].clone()).unwrap();
    let before = text(&cache);
    assert!(!renew(&mut cache, "AT4").is_stored());
    assert_eq!(text(&cache), before);
}

#[test]
fn a_familys_refresh_token_stays_that_of_the_program_that_has_it() {
    let mut cache = TokenCache::new();
    let more = json!({"refresh_token": "FRT", "foci": "1", "id_token": of("ada")});
    cache.add_response(&request(MICROSOFT), answer("AT1", &more), 1_000).unwrap();
    let sibling = TokenRequest::new("sibling", MICROSOFT, ["s"]);
    let spent = cache.refresh_tokens(&sibling).unwrap().remove(0);
    let more = json!({"refresh_token": "FRT2", "foci": "1"});
    let token = cache.add_renewal(&sibling, &spent, answer("AT2", &more), 1_001).unwrap();
    assert_eq!(token.home_account_id().unwrap(), "ada");
    assert_eq!(find(&cache, &sibling, 1_002).unwrap().unwrap(), "AT2");
    let kept = cache.find(CredentialType::RefreshToken, &Query::new(), 0);
    let kept: Vec<_> = kept.iter().map(|e| (e.client_id().unwrap(), e.secret().unwrap())).collect();
    assert_eq!(kept, [("client".into(), "FRT2")]);
}

#[test]
fn a_renewal_for_another_user_is_refused_and_a_sign_in_of_one_is_an_account_of_its_own() {
    let mut cache = TokenCache::new();
    add(&mut cache, "AT1", &json!({"refresh_token": "RT1", "id_token": of("ada")}), 1_000);
    let spent = cache.refresh_tokens(&request(ELSEWHERE)).unwrap().remove(0);
    let before = text(&cache);
    let info = json!(segment(&json!({"uid": "bob", "utid": "t"})));
    for more in [
        json!({"refresh_token": "RT2", "id_token": of("bob")}),
        json!({"client_info": info}),
        json!({"client_info": info, "id_token": of("bob")}),
    ] {
        let refused = cache
            .add_renewal(&request(ELSEWHERE), &spent, answer("AT2", &more), 2_000)
            .unwrap_err();
        assert!(matches!(refused, Error::ProviderAnswer { .. }), "{refused:?}");
        assert!(refused.to_string().contains("another user"), "{refused}");
        assert_eq!(text(&cache), before);
    }
    let renewed = json!({"id_token": of("ada")});
    cache.add_renewal(&request(ELSEWHERE), &spent, answer("AT2", &renewed), 2_000).unwrap();
    let named = request(ELSEWHERE).account("ada");
    let more = json!({"refresh_token": "RT2", "id_token": of("bob")});
    let token = cache.add_response(&named, answer("AT3", &more), 2_000).unwrap();
    assert_eq!(token.account().unwrap().home_account_id(), "bob");
    assert_eq!(find(&cache, &named, 2_001).unwrap().unwrap(), "AT2", "ada's is untouched");
    assert_eq!(cache.accounts().len(), 2);
}

#[test]
fn an_error_that_repeats_the_spent_token_does_not_show_it() {
    let cache = PersistedTokenCache::in_memory();
    let signed_in = answer("AT1", &json!({"refresh_token": "RT1", "id_token": of("ada")}));
    cache.add_response(&request(ELSEWHERE), &signed_in).unwrap();
    let spent = cache.refresh_tokens(&request(ELSEWHERE)).unwrap().remove(0);
    let echo = r#"{"error": {"message": "the token RT1 was revoked"}}"#;
    let in_memory = cache.add_renewal(&request(ELSEWHERE), &spent, echo).unwrap_err();
    // Where there is no cache to store in, the answer is read on another way.
    let nested = cache
        .transaction(|_| Ok(cache.add_renewal(&request(ELSEWHERE), &spent, echo).unwrap_err()))
        .unwrap();
    for refused in [in_memory, nested] {
        assert!(matches!(refused, Error::Refused { .. }), "{refused:?}");
        assert!(!format!("{refused} {refused:?}").contains("RT1"), "{refused}");
    }
}

#[test]
fn a_persisted_renewal_for_another_user_is_an_error_and_no_token() {
    let cache = PersistedTokenCache::in_memory();
    let signed_in = answer("AT1", &json!({"refresh_token": "RT1", "id_token": of("ada")}));
    cache.add_response(&request(ELSEWHERE), &signed_in).unwrap();
    let spent = cache.refresh_tokens(&request(ELSEWHERE)).unwrap().remove(0);
    let others = answer("AT2", &json!({"id_token": of("bob")}));
    let refused = cache.add_renewal(&request(ELSEWHERE), &spent, &others);
    assert!(matches!(refused, Err(Error::ProviderAnswer { .. })), "{refused:?}");
    let renewed = answer("AT2", &json!({"refresh_token": "RT2"}));
    let token = cache.add_renewal(&request(ELSEWHERE), &spent, &renewed).unwrap();
    assert_eq!(token.account(), cache.accounts().unwrap().pop());
    assert_eq!(cache.accounts_of(ELSEWHERE).unwrap(), cache.accounts().unwrap());
    assert_eq!(cache.accounts_named("ADA@idp.example").unwrap(), cache.accounts().unwrap());
    assert_eq!(cache.renew_refresh_token("ada", "RT1", "RT3").unwrap(), 0, "it was replaced");
    assert_eq!(cache.renew_refresh_token("ada", "RT2", "RT3").unwrap(), 1);
    let held = cache.refresh_tokens(&request(ELSEWHERE)).unwrap().remove(0);
    assert_eq!(held.secret(), Some("RT3"));
    assert!(cache.remove_refresh_token(&held).unwrap());
    cache.put(&held).unwrap();
    assert_eq!(cache.refresh_tokens(&request(ELSEWHERE)).unwrap().len(), 1);
}

#[test]
fn a_renewal_of_another_authority_or_with_no_refresh_token_is_refused() {
    let mut cache = TokenCache::new();
    add(&mut cache, "AT1", &json!({"refresh_token": "RT1", "id_token": of("ada")}), 1_000);
    let spent = cache.refresh_tokens(&request(ELSEWHERE)).unwrap().remove(0);
    let access_token = cache.entries(CredentialType::AccessToken).next().unwrap().clone();
    for (request, spent) in [(request(MICROSOFT), spent), (request(ELSEWHERE), access_token)] {
        let refused = cache.add_renewal(&request, &spent, answer("AT2", &json!({})), 2_000);
        assert!(matches!(refused, Err(Error::Invalid { .. })), "{refused:?}");
    }
    assert_eq!(secret(&cache, 1_001), "AT1");
}

#[test]
fn elsewhere_than_at_microsoft_refresh_tokens_for_the_scopes_go_first() {
    for (authority, expected) in [(ELSEWHERE, ["RT s", "RT t"]), (MICROSOFT, ["RT t", "RT s"])] {
        let mut cache = TokenCache::new();
        for (scope, now) in [("s", 1_000), ("t", 2_000)] {
            let more = json!({"refresh_token": format!("RT {scope}"), "id_token": of("ada")});
            let request = TokenRequest::new("client", authority, [scope]);
            cache.add_response(&request, answer("AT", &more), now).unwrap();
        }
        assert_eq!(refresh_tokens(&cache, &request(authority)), expected);
    }
}

#[test]
fn an_account_id_with_a_dot_is_no_reason_to_take_another_user_for_its_own() {
    let everywhere = [
        (ELSEWHERE, "ada@corp.example", json!({"sub": "eve@corp.example"}), false),
        (ELSEWHERE, "ada@corp.example", json!({"sub": "ada@corp.example"}), true),
        (MICROSOFT, "o1.t1", json!({"sub": "s9", "oid": "o9", "tid": "t1"}), false),
        (MICROSOFT, "o1.t1", json!({"sub": "s1", "oid": "o1", "tid": "t1"}), true),
        (MICROSOFT, "o1.t1", json!({"sub": "s1"}), true),
        (MICROSOFT, "o1.t1", json!({"sub": "s9", "oid": "o9", "tid": "t2"}), true),
        (MICROSOFT, "o1-b2c_1_signin.t1", json!({"sub": "s1", "oid": "o1", "tid": "t1"}), true),
    ];
    for (authority, home, claims, is_same) in everywhere {
        let mut cache = TokenCache::new();
        let named = request(authority).account(home);
        let first = answer("AT1", &json!({"refresh_token": "RT1"}));
        cache.add_response(&named, &first, 1_000).unwrap();
        let spent = cache.refresh_tokens(&named).unwrap().remove(0);
        let before = text(&cache);
        let renewed = answer("AT2", &json!({"id_token": id_token(&claims)}));
        match cache.add_renewal(&named, &spent, &renewed, 2_000) {
            Ok(token) => assert_eq!(token.home_account_id().unwrap(), home),
            Err(error) => assert!(error.to_string().contains("another user"), "{error}"),
        }
        assert_eq!(text(&cache) != before, is_same, "{home} {claims}");
    }
}

#[test]
fn a_refresh_token_that_becomes_an_accounts_stays_its_programs_and_its_familys() {
    for renewed in [Some("RT2"), None] {
        let mut cache = TokenCache::new();
        let mail = TokenRequest::new("mail", MICROSOFT, ["mail"]);
        let more = json!({"refresh_token": "RT1", "foci": "1"});
        cache.add_response(&mail, answer("AT1", &more), 1_000).unwrap();
        let held = cache.refresh_tokens(&mail).unwrap().remove(0);
        cache.modify(&held, &[("note", Some("mine"))]).unwrap();
        let files = TokenRequest::new("files", MICROSOFT, ["files"]);
        let spent = cache.refresh_tokens(&files).unwrap().remove(0);
        let more = json!({"refresh_token": renewed, "foci": "1", "id_token": of("ada")});
        let token = cache.add_renewal(&files, &spent, answer("AT2", &more), 2_000).unwrap();
        assert_eq!(token.account().unwrap().username(), "ada@idp.example");
        let kept: Vec<_> = cache.entries(CredentialType::RefreshToken).collect();
        let text = |name| kept[0].text(name).unwrap().into_owned();
        assert_eq!(kept.len(), 1);
        assert_eq!(kept[0].secret(), renewed.or(Some("RT1")));
        assert_eq!((text("home_account_id"), text("client_id")), ("ada".into(), "mail".into()));
        assert_eq!((text("family_id"), text("note")), ("1".into(), "mine".into()));
        assert_eq!(text("target"), "mail");
        let secret = kept[0].secret().unwrap().to_owned();
        for request in [&mail, &files] {
            assert_eq!(refresh_tokens(&cache, &request.clone().account("ada")), [&*secret]);
        }
        assert!(
            self::text(&cache)
                .contains("\"ada-login.microsoftonline.com-refreshtoken-mail--mail\"")
        );
    }
}

#[test]
fn a_refresh_token_that_becomes_an_accounts_replaces_none_that_is_newer() {
    let mut cache = TokenCache::new();
    add(&mut cache, "AT1", &json!({"refresh_token": "old"}), 1_000);
    let spent = cache.refresh_tokens(&request(ELSEWHERE)).unwrap().remove(0);
    add(&mut cache, "AT2", &json!({"refresh_token": "new", "id_token": of("ada")}), 2_000);
    let renewed = answer("AT3", &json!({"id_token": of("ada")}));
    cache.add_renewal(&request(ELSEWHERE), &spent, &renewed, 3_000).unwrap();
    assert_eq!(refresh_tokens(&cache, &request(ELSEWHERE).account("ada"))[0], "new");
}
