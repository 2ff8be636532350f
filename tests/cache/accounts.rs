//! Whose an entry is: an account is one home account id in one cloud.

use tokenkeep::{Account, CredentialType, SignInEvent, TokenCache};

/// The id is `sub`, which is the home account id too, and the user may have a name.
fn sign_in(cache: &mut TokenCache, client: &str, host: &str, sub: &str, name: &str, more: &str) {
    let json = format!(
        r#"{{"client_id": "{client}", "scope": ["s"], "grant_type": "authorization_code",
            "token_endpoint": "https://{host}/t/oauth2/v2.0/token",
            "response": {{"access_token": "AT", "refresh_token": "RT", "expires_in": 3600,
            "id_token_claims": {{"sub": "{sub}", "preferred_username": "{name}"}}{more}}}}}"#
    );
    cache.add(&SignInEvent::from_json(json.as_bytes()).unwrap(), 1_000).unwrap();
}

fn names(accounts: &[Account]) -> Vec<(&str, &str)> {
    accounts.iter().map(|a| (a.home_account_id(), a.environment())).collect()
}

/// What an app, or a provider that does not say who signed in, leaves.
fn add_nobodys(cache: &mut TokenCache, client: &str) {
    let json = format!(
        r#"{{"client_id": "{client}", "scope": ["s"],
            "token_endpoint": "https://idp.example/t/oauth2/v2.0/token",
            "response": {{"access_token": "AT", "refresh_token": "RT", "expires_in": 3600}}}}"#
    );
    cache.add(&SignInEvent::from_json(json.as_bytes()).unwrap(), 1_000).unwrap();
}

#[test]
fn one_id_at_two_providers_is_two_accounts() {
    let mut cache = TokenCache::new();
    for host in ["a.example", "b.example"] {
        sign_in(&mut cache, "c", host, "1", "admin", "");
    }
    let found = cache.accounts_named("1");
    assert_eq!(names(&found), [("1", "a.example"), ("1", "b.example")]);
    assert_eq!(cache.accounts_named("ADMIN").len(), 2);
    assert!(found[1].is_at("https://B.example/other").unwrap());
    assert!(!found[1].is_at("https://a.example/t").unwrap());
    assert!(found[1].is_at("b.example").is_err());
    let entries = |host: &'static str| {
        let all = CredentialType::ALL.into_iter().flat_map(|kind| cache.entries(kind));
        all.filter(move |entry| entry.environment().as_deref() == Some(host))
    };
    let metadata = CredentialType::AppMetadata;
    assert!(entries("a.example").all(|e| found[0].owns(e) == (e.kind() != metadata)));
    assert!(entries("b.example").all(|e| !found[0].owns(e)));

    let mut cache = cache.clone();
    assert_eq!(cache.sign_out_everywhere(&found[1]).unwrap(), 3);
    assert_eq!(names(&cache.owners()), [("1", "a.example")]);
}

#[test]
fn the_names_of_a_cloud_are_one_place() {
    let mut cache = TokenCache::new();
    for host in ["login.microsoftonline.com", "sts.windows.net"] {
        sign_in(&mut cache, "c", host, "1", "ada", "");
    }
    let found = cache.owners();
    assert_eq!(found.len(), 1);
    assert!(found[0].is_at("https://login.windows.net/x").unwrap());
    assert!(cache.entries(CredentialType::RefreshToken).all(|entry| found[0].owns(entry)));
}

#[test]
fn an_id_that_is_the_name_of_somebody_else_is_not_taken_first() {
    let mut cache = TokenCache::new();
    sign_in(&mut cache, "c", "corp.example", "7", "ada@corp.example", "");
    sign_in(&mut cache, "c", "evil.example", "ada@corp.example", "eve", "");
    let found = cache.accounts_named("ada@corp.example");
    assert_eq!(names(&found), [("7", "corp.example"), ("ada@corp.example", "evil.example")]);
}

#[test]
fn an_account_is_found_by_the_name_and_the_local_id_that_it_has_in_any_tenant() {
    let entry = |home: &str, realm: &str, local: &str, name: &str| {
        format!(
            r#""{home}{realm}": {{"home_account_id": "{home}", "realm": "{realm}",
            "environment": "login.microsoftonline.com", "local_account_id": "{local}",
            "username": "{name}", "authority_type": "MSSTS"}}"#
        )
    };
    let entries = [
        entry("o1.t1", "t1", "o1", "ada@home.example"),
        entry("o1.t1", "t2", "o2", "ada_home#EXT#@t2"),
        entry("o3.t3", "t3", "o3", "Ada@home.example"),
    ];
    let text = format!(r#"{{"Account": {{{}}}}}"#, entries.join(", "));
    let cache = TokenCache::from_json(text.as_bytes()).unwrap();
    let homes = |name: &str| {
        let found = cache.accounts_named(name);
        found.iter().map(|account| account.home_account_id().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(homes("ada@home.example"), ["o1.t1", "o3.t3"]);
    for name in ["ada_home#ext#@t2", "o1", "o2", "o1.t1"] {
        assert_eq!(homes(name), ["o1.t1"], "{name}");
    }
    assert_eq!(cache.accounts_named("o1")[0].username(), "ada_home#EXT#@t2", "the last one");
}

#[test]
fn nobody_is_found_by_an_empty_name() {
    let mut cache = TokenCache::new();
    sign_in(&mut cache, "c", "a.example", "1", "", "");
    assert!(cache.accounts_named("").is_empty());
}

#[test]
fn a_client_that_has_nothing_of_an_account_signs_nobody_out() {
    let mut cache = TokenCache::new();
    sign_in(&mut cache, "c", "a.example", "1", "ada", "");
    let ada = cache.accounts().remove(0);
    let before = cache.clone();
    assert_eq!(cache.sign_out(&ada, "typo").unwrap(), 0);
    assert!(cache.has_same_content(&before));
    // Of somebody else it has something.
    sign_in(&mut cache, "other", "a.example", "2", "bob", "");
    assert_eq!(cache.sign_out(&ada, "other").unwrap(), 0);
    assert_eq!(cache.sign_out(&ada, "c").unwrap(), 3);
}

#[test]
fn a_client_of_the_family_has_what_the_family_has() {
    let mut cache = TokenCache::new();
    let foci = r#", "foci": "1""#;
    sign_in(&mut cache, "mail", "login.windows.net", "1", "ada", foci);
    sign_in(&mut cache, "files", "login.microsoftonline.com", "2", "bob", foci);
    sign_in(&mut cache, "alone", "login.microsoftonline.com", "2", "bob", "");
    let ada = cache.accounts_named("ada").remove(0);
    assert_eq!(cache.sign_out(&ada, "alone").unwrap(), 0, "it is of no family");
    assert_eq!(cache.sign_out(&ada, "files").unwrap(), 3, "under another name of the cloud");
    assert!(cache.accounts_named("1").is_empty());
}

#[test]
fn of_whom_only_tokens_are_left_can_still_be_signed_out() {
    let mut cache = TokenCache::new();
    for client in ["mail", "files"] {
        sign_in(&mut cache, client, "a.example", "1", "ada", "");
    }
    let ada = cache.accounts().remove(0);
    cache.sign_out(&ada, "mail").unwrap();
    assert!(cache.accounts().is_empty());
    let left = cache.accounts_named("1");
    assert_eq!(names(&left), [("1", "a.example")]);
    assert_eq!(cache.sign_out(&left[0], "files").unwrap(), 1);
    assert!(cache.owners().is_empty());
}

#[test]
fn tokens_of_nobody_are_signed_out_by_a_call_of_their_own() {
    let mut cache = TokenCache::new();
    sign_in(&mut cache, "c", "idp.example", "1", "ada", "");
    for client in ["app", "other"] {
        add_nobodys(&mut cache, client);
    }
    assert_eq!(cache.without_account().count(), 4);
    assert_eq!(cache.sign_out_without_account(Some("c")).unwrap(), 0);
    assert_eq!(cache.sign_out_without_account(Some("app")).unwrap(), 2);
    assert_eq!(cache.sign_out_without_account(None).unwrap(), 2);
    assert_eq!(cache.without_account().count(), 0);
    assert_eq!(names(&cache.owners()), [("1", "idp.example")]);
}

#[test]
fn the_authority_of_an_entry_is_an_address_that_means_it() {
    let mut cache = TokenCache::new();
    sign_in(&mut cache, "c", "a.example", "1", "ada", "");
    assert_eq!(cache.accounts()[0].authority().as_deref(), Some("https://a.example/t"));
    let json = br#"{"AccessToken": {
        "1": {"environment": "auth0.example", "client_id": "c", "realm": null},
        "2": {"environment": "auth0.example", "client_id": "c", "realm": ""},
        "3": {"environment": "login.windows.net", "client_id": "c", "realm": "t"},
        "4": {"environment": "sts.windows.net", "client_id": "c", "realm": "t"},
        "5": {"environment": "sts.windows.net", "client_id": "c", "realm": "other"},
        "6": {"environment": "b.example", "client_id": "other"},
        "7": {"environment": "no host/", "client_id": "c"}}}"#;
    let cache = TokenCache::from_json(json).unwrap();
    let token = cache.entries(CredentialType::AccessToken).next().unwrap();
    assert_eq!(token.authority().as_deref(), Some("https://auth0.example"));
    let of_c = ["auth0.example", "login.windows.net/t", "sts.windows.net/other"];
    assert_eq!(cache.authorities("c", None), of_c.map(|place| format!("https://{place}")));
}
