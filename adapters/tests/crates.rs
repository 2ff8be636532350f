//! The adapters of `docs/ADAPTERS.md` as their crates use them, against a provider on loopback.
#![cfg(feature = "crates")]
#![allow(clippy::unwrap_used, reason = "it is a test")]

mod support;

use std::{
    sync::mpsc,
    time::{Duration, SystemTime},
};

use azure_core::credentials::TokenCredential;
use google_apis_common::GetToken;
use rmcp::transport::auth::{AuthError, AuthorizationManager, CredentialStore, StoredCredentials};
use serde_json::json;
use support::{endpoint, provider, tokens};
use tokenkeep::{
    CredentialType, Error, PersistedTokenCache, TokenRequest, persistence::PlaintextPersistence,
    silent::SilentOptions,
};
use tokenkeep_adapters::{
    azure_credential::AzureCredential, endpoint::Endpoint, google_token::GoogleToken,
    mcp_credentials::McpCredentials,
};
use yup_oauth2::storage::{TokenInfo, TokenStorage};

/// A provider that issues `1` and `r1` for `r0`, `2` and `r2` for `r1` and so on, and tells of each
/// form.
fn rotating() -> (String, mpsc::Receiver<String>) {
    let (asked, is_asked) = mpsc::channel();
    let mut count = 0;
    let address = provider(move |_, form| {
        assert!(form.contains(&format!("refresh_token=r{count}&")), "{form}");
        count += 1;
        asked.send(form.to_owned()).ok();
        tokens(&count.to_string(), &format!("r{count}"), 3600)
    });
    (address, is_asked)
}

fn signed_in(issuer: &str, scope: &str) -> (PersistedTokenCache, TokenRequest, Endpoint) {
    let cache = PersistedTokenCache::in_memory();
    let request = TokenRequest::without_scopes("client", issuer);
    let asked = request.clone().with_scopes([scope]);
    cache.add_response(&asked, tokens("0", "r0", 0)).unwrap();
    (cache, request, endpoint(&format!("{issuer}/token")))
}

fn refresh_tokens(cache: &PersistedTokenCache) -> Vec<String> {
    let cache = cache.snapshot().unwrap();
    let entries = cache.entries(CredentialType::RefreshToken);
    entries.map(|entry| entry.secret().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn azure_gets_a_token_for_its_scopes_and_an_error_if_nobody_is_signed_in() {
    let (issuer, is_asked) = rotating();
    let (cache, request, endpoint) = signed_in(&issuer, "vault");
    let credential = AzureCredential { cache: cache.clone(), request, endpoint };
    for _ in 0..2 {
        let token = credential.get_token(&["vault"], None).await.unwrap();
        assert_eq!(token.token.secret(), "1");
        let found = cache.snapshot().unwrap();
        let entry = found.entries(CredentialType::AccessToken).next().unwrap();
        assert_eq!(Some(token.expires_on.unix_timestamp()), entry.expires_on());
    }
    assert!(is_asked.recv().unwrap().contains("scope=vault"));
    assert!(is_asked.try_recv().is_err(), "the second one is of the cache");
    assert_eq!(refresh_tokens(&cache), ["r1"]);
    let other = credential.get_token(&["mail"], None).await.unwrap();
    assert_eq!(other.token.secret(), "2");
    assert!(is_asked.recv().unwrap().contains("scope=mail"));

    cache.sign_out_without_account(None).unwrap();
    let error = credential.get_token(&["vault"], None).await.unwrap_err();
    assert_eq!(error.to_string(), "nobody is signed in");
}

#[tokio::test]
async fn google_gets_a_token_for_its_scopes_and_an_error_if_nobody_is_signed_in() {
    let (issuer, is_asked) = rotating();
    let (cache, request, endpoint) = signed_in(&issuer, "drive");
    let token =
        GoogleToken { cache: cache.clone(), request, endpoint: endpoint.client_secret("s") };
    let hub: Box<dyn GetToken> = Box::new(token);
    for _ in 0..2 {
        assert_eq!(hub.get_token(&["drive"]).await.unwrap().as_deref(), Some("1"));
    }
    assert!(is_asked.recv().unwrap().ends_with("&client_secret=s"));
    assert!(is_asked.try_recv().is_err(), "the second one is of the cache");
    assert_eq!(hub.get_token(&["mail"]).await.unwrap().as_deref(), Some("2"));
    assert!(is_asked.recv().unwrap().contains("scope=mail"));

    cache.sign_out_without_account(None).unwrap();
    assert!(hub.get_token(&["drive"]).await.is_err());
}

#[tokio::test]
async fn what_yup_oauth2_got_at_a_sign_in_is_kept_and_not_handed_back_to_it() {
    let (issuer, is_asked) = rotating();
    let (_, request, endpoint) = signed_in(&issuer, "drive");
    let token = GoogleToken { cache: PersistedTokenCache::in_memory(), request, endpoint };
    let soon = SystemTime::now() + Duration::from_secs(3600);
    let info = |expires_at| TokenInfo {
        access_token: Some("0".into()),
        refresh_token: Some("r0".into()),
        expires_at: Some(expires_at),
        id_token: None,
    };
    token.set(&["drive"], info(soon.into())).await.unwrap();
    assert!(token.get(&["drive"]).await.is_none());
    assert_eq!(token.get_token(&["drive"]).await.unwrap().as_deref(), Some("0"));
    token.set(&["drive"], info(SystemTime::UNIX_EPOCH.into())).await.unwrap();
    assert_eq!(token.get_token(&["drive"]).await.unwrap().as_deref(), Some("1"));
    is_asked.recv().unwrap();
}

/// What rmcp saves after a sign-in.
fn credentials(issuer: &str, client_id: &str, expires_in: u64) -> StoredCredentials {
    let answer = serde_json::from_str(&tokens("0", "r0", expires_in)).unwrap();
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    StoredCredentials::new(client_id.into(), answer, vec!["read".into(), "write".into()], Some(now))
        .with_issuer(Some(issuer.into()))
}

fn as_json(credentials: &StoredCredentials) -> serde_json::Value {
    serde_json::to_value(credentials).unwrap()
}

#[tokio::test]
async fn mcp_finds_what_it_saved_and_nothing_of_an_earlier_client() {
    let store = McpCredentials { cache: PersistedTokenCache::in_memory() };
    assert!(store.load().await.unwrap().is_none());
    for client in ["first", "second"] {
        let saved = credentials("https://id.example", client, 3600);
        store.save(saved.clone()).await.unwrap();
        let mut expected = as_json(&saved);
        expected["token_response"]["scope"] = json!("read write");
        assert_eq!(as_json(&store.load().await.unwrap().unwrap()), expected);
        assert_eq!(refresh_tokens(&store.cache), ["r0"]);
    }
    let without = StoredCredentials::new("second".into(), None, vec![], None);
    let without = without.with_issuer(Some("https://other.example".into()));
    store.save(without.clone()).await.unwrap();
    assert_eq!(as_json(&store.load().await.unwrap().unwrap()), as_json(&without));
    assert!(refresh_tokens(&store.cache).is_empty());
    store.clear().await.unwrap();
    assert!(store.load().await.unwrap().is_none());
    let unnamed = StoredCredentials::new("client".into(), None, vec![], None);
    let error = store.save(unnamed).await.unwrap_err();
    assert!(matches!(error, AuthError::CredentialStoreError(_)), "{error:?}");
}

#[tokio::test]
async fn mcp_removes_a_rejected_refresh_token_and_not_its_successor() {
    let store = McpCredentials { cache: PersistedTokenCache::in_memory() };
    let saved = credentials("https://id.example", "client", 3600);
    store.save(saved.clone()).await.unwrap();
    let request = TokenRequest::new("client", "https://id.example", ["read"]);
    let spent = store.cache.refresh_tokens(&request).unwrap().remove(0);
    store.cache.add_renewal(&request, &spent, tokens("1", "r1", 3600)).unwrap();
    store.on_refresh_token_rejected(&saved).await.unwrap();
    assert_eq!(refresh_tokens(&store.cache), ["r1"]);
    let current = store.load().await.unwrap().unwrap();
    store.on_refresh_token_rejected(&current).await.unwrap();
    assert!(refresh_tokens(&store.cache).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn rmcp_renews_one_after_the_other_under_the_lease_of_the_cache() {
    let folder = tempfile::tempdir().unwrap();
    let open = {
        let file = folder.path().join("cache.json");
        move || PersistedTokenCache::new(PlaintextPersistence::new(&file).unwrap())
    };
    let (cache, mut count) = (open(), 0);
    let (asked, is_asked) = mpsc::channel();
    let issuer = provider(move |_, form| {
        // What rmcp shows is the newest one, and nobody else may spend it meanwhile.
        assert!(form.contains(&format!("refresh_token=r{count}&")), "{form}");
        let request = cache.snapshot().unwrap().records().pop().unwrap();
        let request = TokenRequest::without_scopes(request.client_id(), request.issuer());
        let at_once = SilentOptions::new().wait(Duration::ZERO);
        let busy = cache.refresh_lease(&request, &at_once);
        asked.send(matches!(busy, Err(Error::RefreshInProgress { .. }))).unwrap();
        count += 1;
        tokens(&count.to_string(), &format!("r{count}"), 3600)
    });
    McpCredentials { cache: open() }.save(credentials(&issuer, "client", 0)).await.unwrap();
    let manager = async || {
        let mut manager = AuthorizationManager::new(format!("{issuer}/mcp")).await.unwrap();
        let metadata = json!({
            "issuer": issuer,
            "authorization_endpoint": format!("{issuer}/authorize"),
            "token_endpoint": format!("{issuer}/token"),
        });
        manager.set_metadata(serde_json::from_value(metadata).unwrap());
        manager.set_credential_store(McpCredentials { cache: open() });
        assert!(manager.initialize_from_store().await.unwrap());
        manager
    };
    let (one, other) = (manager().await, manager().await);
    let (first, second) = tokio::join!(one.refresh_token(), other.refresh_token());
    first.unwrap();
    second.unwrap();
    assert!(is_asked.recv().unwrap() && is_asked.recv().unwrap(), "the lease was held");
    assert_eq!(refresh_tokens(&open()), ["r2"]);
    assert_eq!(one.get_access_token().await.unwrap(), "2");
}
