use std::panic::{self, AssertUnwindSafe};

use serde_json::json;
use tokenkeep::{
    ClientAuthMethod, Error, PersistedTokenCache, SignInFailure,
    lock::LockGuard,
    persistence::{Loaded, MemoryPersistence, Persistence, PlaintextPersistence, Saved, Stamp},
    sign_in::{ClientApplication, ClientApplicationBuilder, KeptSignIn, SignedIn},
    silent::{Revoked, SilentOptions},
};

use crate::provider::Provider;

fn sign_in(builder: ClientApplicationBuilder) -> Result<SignedIn, Error> {
    let app = builder.discover()?;
    let flow = app.initiate_device_flow()?;
    app.acquire_token_by_device_flow(&flow, || false)
}

fn keep(cache: &PersistedTokenCache, provider: &Provider) -> KeptSignIn {
    cache.keep_sign_in(&sign_in(provider.builder()).unwrap()).unwrap()
}

#[test]
fn a_second_sign_in_of_the_same_account_replaces_the_first_and_revokes_it() {
    let (provider, cache) = (Provider::start(), PersistedTokenCache::in_memory());
    provider.then_issues("one");
    assert!(keep(&cache, &provider).revoked.is_empty());
    provider.then_issues("two");
    provider.then_issues("two");
    keep(&cache, &provider);
    let kept = keep(&cache, &provider);
    assert_eq!(kept.access_token.secret(), "access-two");
    let revoked = provider.forms("revoke");
    assert_eq!(
        revoked,
        ["token=refresh-one&token_type_hint=refresh_token&client_id=app"],
        "the second time it was the same token"
    );
    assert_eq!(cache.accounts().unwrap().len(), 1);
    assert_eq!(cache.snapshot().unwrap().records().len(), 1);

    let other = provider.tokens("three", json!({ "sub": "2", "preferred_username": "bob" }));
    provider.then("200 OK", &other);
    provider.then("200 OK", &other);
    keep(&cache, &provider);
    assert_eq!(keep(&cache, &provider).revoked.len(), 0, "another account is not replaced");
    assert_eq!(cache.accounts().unwrap().len(), 2);
    assert_eq!(provider.forms("revoke").len(), 1);
}

#[test]
fn what_was_revoked_is_said() {
    let (provider, cache) = (Provider::start(), PersistedTokenCache::in_memory());
    provider.then_issues("one");
    provider.then_issues("two");
    provider.then_issues("three");
    keep(&cache, &provider);
    assert!(matches!(keep(&cache, &provider).revoked[..], [Revoked::Done]));
    provider.announces(json!({ "revocation_endpoint": null }));
    assert!(matches!(keep(&cache, &provider).revoked[..], [Revoked::NotSupported]));
}

#[test]
fn a_kept_sign_in_is_renewed_by_the_same_application() {
    let (provider, cache) = (Provider::start(), PersistedTokenCache::in_memory());
    provider.then("200 OK", {
        let mut tokens = provider.tokens("one", json!({}));
        tokens["expires_in"] = 0.into();
        tokens
    });
    provider.then_issues("two");
    keep(&cache, &provider);
    let app = provider.app();
    for _ in 0..2 {
        let token = cache
            .acquire_token_silent_with(&app.request(), &SilentOptions::new(), app.endpoint())
            .unwrap()
            .unwrap();
        assert_eq!(token.secret(), "access-two");
    }
    assert_eq!(provider.forms("token").len(), 2);
}

#[test]
fn an_id_token_for_another_sign_in_is_not_accepted() {
    for claims in [
        json!({ "aud": "other" }),
        json!({ "iss": "https://id.example.org" }),
        json!({ "sub": "" }),
        json!({ "sub": null }),
    ] {
        let provider = Provider::start();
        provider.then("200 OK", provider.tokens("one", claims.clone()));
        assert!(sign_in(provider.builder()).is_err(), "{claims}");
    }
}

#[test]
fn who_signed_in_is_asked_where_no_id_token_says_it() {
    let no_id_token = |provider: &Provider| {
        let mut tokens = provider.tokens("one", json!({}));
        tokens.as_object_mut().unwrap().remove("id_token");
        provider.then("200 OK", tokens);
    };
    let cache = PersistedTokenCache::in_memory();
    let provider = Provider::start();
    no_id_token(&provider);
    let error = sign_in(provider.builder()).unwrap_err();
    assert!(matches!(error, Error::SignInFailed(SignInFailure::UserUnknown)), "{error:?}");
    let signed_in = sign_in(provider.builder().login_hint("ada@example.org")).unwrap();
    cache.keep_sign_in(&signed_in).unwrap();
    assert_eq!(cache.accounts().unwrap()[0].username(), "ada@example.org");

    for (userinfo, id, name) in [
        (json!({ "sub": "7", "email": "ada@example.org" }), "7", "ada@example.org"),
        (json!({ "id": 583231, "login": "octocat" }), "583231", "octocat"),
    ] {
        let (provider, cache) = (Provider::start(), PersistedTokenCache::in_memory());
        provider.userinfo_says(userinfo);
        no_id_token(&provider);
        keep(&cache, &provider);
        let account = &cache.accounts().unwrap()[0];
        assert_eq!((account.home_account_id(), account.username()), (id, name));
    }
}

#[test]
fn a_clients_secret_is_sent_and_kept_with_the_record() {
    let provider = Provider::start();
    provider.then_issues("one");
    let signed_in = sign_in(provider.builder().client_secret_post("the-secret")).unwrap();
    let form = &provider.forms("token")[0];
    assert!(form.ends_with("&client_secret=the-secret"), "{form}");
    let record = signed_in.record();
    assert_eq!(record.auth_method(), Some(ClientAuthMethod::ClientSecretPost));
    assert_eq!(record.client_secret().unwrap().expose(), b"the-secret");
}

#[test]
fn a_clock_that_is_wrong_is_told_and_fails_nobody() {
    let provider = Provider::start();
    provider.then("200 OK", provider.tokens("one", json!({ "iat": 1_000_000 })));
    let signed_in = sign_in(provider.builder()).unwrap();
    assert!(signed_in.clock_ahead() > 1_000_000);
    provider.then_issues("two");
    provider.then_issues("two");
    sign_in(provider.builder()).unwrap();
    assert_eq!(sign_in(provider.builder()).unwrap().clock_ahead(), 0);
}

#[test]
fn the_way_in_which_a_secret_is_sent_is_one_that_the_provider_lists() {
    let (basic, post) = (ClientAuthMethod::ClientSecretBasic, ClientAuthMethod::ClientSecretPost);
    for (listed, expected) in [
        (json!(null), basic),
        (json!(["client_secret_basic", "client_secret_post"]), basic),
        (json!(["client_secret_post", "client_secret_basic"]), basic),
        (json!(["none", "client_secret_post"]), post),
        (json!(["private_key_jwt"]), basic),
    ] {
        let provider = Provider::start();
        provider.announces(json!({ "token_endpoint_auth_methods_supported": listed }));
        provider.then_issues("one");
        let signed_in = sign_in(provider.builder().client_secret("the-secret")).unwrap();
        assert_eq!(signed_in.record().auth_method(), Some(expected), "{listed}");
        let form = &provider.forms("token")[0];
        assert_eq!(form.contains("client_secret=the-secret"), expected == post, "{form}");
    }
    let github = ClientApplication::builder("https://github.com", "app").client_secret("s");
    assert_eq!(github.discover().unwrap().record(0).auth_method(), Some(post));
}

#[test]
fn a_secret_that_the_cache_would_not_take_is_found_out_before_the_sign_in() {
    let folder = tempfile::tempdir().unwrap();
    let plain = PlaintextPersistence::open(folder.path().join("cache.json")).unwrap();
    let (provider, plain) = (Provider::start(), PersistedTokenCache::new(plain));
    provider.then_issues("one");
    let builder = || provider.builder().client_secret("the-secret");
    let error = plain.prepare_sign_in(&builder().discover().unwrap()).unwrap_err();
    assert!(matches!(error, Error::Unsupported { .. }), "{error:?}");
    plain.prepare_sign_in(&provider.app()).unwrap();
    PersistedTokenCache::in_memory().prepare_sign_in(&builder().discover().unwrap()).unwrap();

    // Who goes on all the same gets the same error, and may keep the sign-in elsewhere.
    let signed_in = sign_in(builder()).unwrap();
    let error = plain.keep_sign_in(&signed_in).unwrap_err();
    assert!(matches!(error, Error::Unsupported { .. }), "{error:?}");
    assert!(plain.accounts().unwrap().is_empty());
    PersistedTokenCache::in_memory().keep_sign_in(&signed_in).unwrap();
    drop(signed_in);
    assert_eq!(provider.forms("revoke").len(), 0);
    let signed_in = sign_in(builder()).unwrap();
    plain.keep_sign_in(&signed_in).unwrap_err();
    drop(signed_in);
    assert_eq!(provider.forms("revoke").len(), 1, "nobody kept it");
}

#[test]
fn tokens_that_nobody_keeps_are_revoked() {
    let provider = Provider::start();
    provider.then_issues("one");
    let revoked = || provider.forms("revoke").len();
    drop(sign_in(provider.builder()).unwrap());
    assert_eq!(revoked(), 1);
    let discarded = sign_in(provider.builder()).unwrap().discard();
    assert!(matches!(discarded, Some(Revoked::Done)) && revoked() == 2, "{discarded:?}");

    let signed_in = sign_in(provider.builder()).unwrap();
    PersistedTokenCache::in_memory().keep_sign_in(&signed_in).unwrap();
    assert!(signed_in.discard().is_none(), "it is kept");
    let signed_in = sign_in(provider.builder()).unwrap();
    panic::catch_unwind(AssertUnwindSafe(move || {
        let _signed_in = signed_in;
        panic!("the program's own");
    }))
    .unwrap_err();
    assert_eq!(revoked(), 2);

    for claims in [json!({ "aud": "other" }), json!({ "iss": "https://id.example.org" })] {
        let provider = Provider::start();
        provider.then("200 OK", provider.tokens("one", claims.clone()));
        sign_in(provider.builder()).unwrap_err();
        assert_eq!(provider.forms("revoke").len(), 1, "{claims}");
    }
}

/// A persistence that nothing can be saved in.
#[derive(Debug, Default)]
struct Full(MemoryPersistence);

impl Persistence for Full {
    fn load(&self, known: Option<&Stamp>) -> Result<Loaded, Error> {
        self.0.load(known)
    }

    fn save(&self, _: &[u8], _: Option<&Stamp>, _: &LockGuard) -> Result<Saved, Error> {
        Err(Error::NoSpace { path: "full".into(), source: "no space".into() })
    }

    fn delete(&self, base: Option<&Stamp>, guard: &LockGuard) -> Result<(), Error> {
        self.0.delete(base, guard)
    }

    fn stamp(&self) -> Result<Option<Stamp>, Error> {
        self.0.stamp()
    }
}

#[test]
fn a_token_that_could_not_be_stored_may_still_be_used() {
    let provider = Provider::start();
    provider.then_issues("one");
    let signed_in = sign_in(provider.builder()).unwrap();
    let full = PersistedTokenCache::new(Full::default());
    let kept = full.keep_sign_in(&signed_in).unwrap();
    assert!(!kept.access_token.is_stored() && kept.access_token.secret() == "access-one");
    drop(signed_in);
    assert_eq!(provider.forms("revoke").len(), 0);
}

#[test]
fn the_new_token_is_there_before_the_former_one_is_revoked() {
    let (provider, cache) = (Provider::start(), PersistedTokenCache::in_memory());
    provider.then_issues("one");
    provider.then_issues("two");
    keep(&cache, &provider);
    let signed_in = sign_in(provider.builder()).unwrap();
    let mut said = None;
    let kept = cache.keep_sign_in_with(&signed_in, |token| {
        said = Some((token.is_stored(), provider.forms("revoke").len()));
    });
    assert_eq!(said, Some((true, 0)));
    assert!(matches!(kept.unwrap().revoked[..], [Revoked::Done]));
}
