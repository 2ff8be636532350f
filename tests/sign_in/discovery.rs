use serde_json::{Value, json};
use tokenkeep::{Error, SignInFailure, sign_in::ClientApplication};

use crate::provider::Provider;

#[test]
fn the_metadata_of_another_issuer_are_refused() {
    let provider = Provider::start();
    provider.announces(json!({ "issuer": "https://id.example.org/other" }));
    let error = provider.builder().discover().unwrap_err();
    let Error::SignInFailed(SignInFailure::OtherIssuer { announced, .. }) = &error else {
        panic!("{error:?}")
    };
    assert_eq!(announced.as_deref(), Some("https://id.example.org/other"));
    assert_eq!(error.next_step(), "use that issuer if you trust it");
    assert!(error.to_string().contains("https://id.example.org/other"), "{error}");
}

#[test]
fn one_slash_at_the_end_does_not_matter_and_the_providers_spelling_is_kept() {
    let provider = Provider::start();
    let announced = format!("{}/", provider.issuer());
    provider.announces(json!({ "issuer": announced }));
    let app = provider.app();
    assert_eq!(app.metadata().issuer, announced);
    assert_eq!(app.record(0).issuer(), announced);
    provider.announces(json!({ "issuer": format!("{announced}/") }));
    assert!(provider.builder().discover().is_err());
}

#[test]
fn what_is_no_metadata_is_an_error_that_says_so() {
    let provider = Provider::start();
    for metadata in [Value::Null, json!([]), json!("x"), json!({ "issuer": 7 })] {
        let provider = Provider::start();
        provider.announces(metadata.clone());
        let error = provider.builder().discover().unwrap_err();
        assert!(matches!(error, Error::ProviderAnswer { .. }), "{metadata}: {error:?}");
    }
    provider.announces(json!({ "token_endpoint": "http://id.example.org/token" }));
    let error = provider.builder().discover().unwrap_err();
    assert_eq!(error.to_string(), "the provider has no token endpoint");
    let nobody = ClientApplication::builder("http://127.0.0.1:1/t", "app").discover();
    let error = nobody.unwrap_err();
    assert!(matches!(error, Error::ProviderUnreachable { .. }), "{error:?}");
    let error = ClientApplication::builder("http://id.example/t", "app").discover().unwrap_err();
    assert!(matches!(error, Error::Invalid { .. }), "{error:?}");
}

#[test]
fn an_address_that_is_given_wins() {
    let provider = Provider::start();
    let app = provider
        .builder()
        .device_authorization_endpoint(format!("{}/d", provider.issuer()))
        .discover()
        .unwrap();
    let metadata = app.metadata();
    assert!(metadata.device_authorization_endpoint.as_ref().unwrap().ends_with("/d"));
    assert!(metadata.token_endpoint.as_ref().unwrap().ends_with("/token"));
    let app = provider.builder().revocation_endpoint(" https://id.example/r\n").discover().unwrap();
    assert_eq!(app.metadata().revocation_endpoint.as_deref(), Some("https://id.example/r"));
    let before = provider.asked().len();
    let app = provider.builder().token_endpoint("https://id.example/t").discover().unwrap();
    assert_eq!(provider.asked().len(), before, "nothing is discovered then");
    assert_eq!(app.metadata().authorization_endpoint, None);

    let over_http = "http://id.example/a";
    for builder in [
        provider.builder().authorization_endpoint(over_http),
        provider.builder().device_authorization_endpoint(over_http),
        provider.builder().revocation_endpoint(over_http),
        provider.builder().token_endpoint(over_http),
    ] {
        let error = builder.discover().unwrap_err();
        assert!(matches!(error, Error::Invalid { .. }), "{error:?}");
    }
}

#[test]
fn a_refresh_token_is_asked_for_unless_the_provider_does_not_offer_it() {
    let provider = Provider::start();
    provider.announces(json!({ "scopes_supported": ["openid"] }));
    assert_eq!(provider.app().scopes(), ["openid", "profile", "api.read"]);
    provider.announces(json!({ "scopes_supported": ["openid", "offline_access"] }));
    assert_eq!(provider.app().scopes(), ["openid", "profile", "offline_access", "api.read"]);
}
