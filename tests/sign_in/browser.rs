use std::{
    cell::{Cell, RefCell},
    net::{TcpListener, TcpStream},
    thread,
    time::Duration,
};

use serde_json::json;
use tokenkeep::{
    Error, PersistedTokenCache, SignInFailure,
    sign_in::{ClientApplication, Interactive, InteractiveOptions, SignedIn},
};
use tokenkeep_test_support::redirect::{get, parameter};

use crate::provider::Provider;

/// What a browser brings to the redirect, and what it gets in the end.
fn browse(interactive: &Interactive<'_>, response: &str) -> thread::JoinHandle<String> {
    let state = parameter(interactive.url(), "state");
    let response = response.replace("STATE", &state);
    let redirect = interactive.redirect_uri().to_owned();
    thread::spawn(move || {
        let first = get(&format!("{redirect}?{response}"));
        assert!(first.starts_with("HTTP/1.1 303"), "{first}");
        let at = first.lines().find_map(|line| line.strip_prefix("Location: ")).unwrap();
        let host = redirect.rsplit_once('/').unwrap().0;
        get(&format!("{host}{}", at.trim()))
    })
}

fn wait(interactive: Interactive<'_>) -> Result<SignedIn, Error> {
    interactive.wait(|| false, || None)
}

#[test]
fn the_browser_brings_a_code_and_shows_the_end_when_the_sign_in_is_kept() {
    let provider = Provider::start();
    let app = provider.app();
    let interactive = app.initiate_interactive(&InteractiveOptions::new()).unwrap();
    let url = interactive.url().to_owned();
    for (name, expected) in [
        ("response_type", "code"),
        ("client_id", "app"),
        ("redirect_uri", interactive.redirect_uri()),
        ("scope", "openid profile offline_access api.read"),
        ("code_challenge_method", "S256"),
    ] {
        assert_eq!(parameter(&url, name), expected, "{url}");
    }
    let nonce = parameter(&url, "nonce");
    provider.then("200 OK", provider.tokens("one", json!({ "nonce": nonce })));
    let redirect = interactive.redirect_uri().to_owned();
    let browser = browse(&interactive, "code=the-code&state=STATE");
    let signed_in = wait(interactive).unwrap();
    let form = provider.forms("token").remove(0);
    assert!(form.starts_with("grant_type=authorization_code&client_id=app&code=the-code&"));
    assert!(form.contains("&code_verifier=") && form.contains("redirect_uri=http%3A%2F%2F127"));
    assert!(!browser.is_finished(), "the browser waits until it is kept");

    let cache = PersistedTokenCache::in_memory();
    cache.keep_sign_in(&signed_in).unwrap();
    let page = browser.join().unwrap();
    assert!(page.contains("You are signed in") && page.contains("ada"), "{page}");
    assert!(!page.contains("the-code"), "{page}");
    assert!(TcpStream::connect(redirect[7..].split('/').next().unwrap()).is_err(), "it is over");
}

#[test]
fn a_response_to_another_sign_in_does_not_end_the_wait() {
    let provider = Provider::start();
    let app = provider.app();
    let interactive = app.initiate_interactive(&InteractiveOptions::new()).unwrap();
    let nonce = parameter(interactive.url(), "nonce");
    provider.then("200 OK", provider.tokens("one", json!({ "nonce": nonce })));
    let redirect = interactive.redirect_uri().to_owned();
    let state = parameter(interactive.url(), "state");
    let browser = thread::spawn(move || {
        for wrong in ["code=x&state=y", "code=x", "error=access_denied", "error=x&state=y"] {
            let answer = get(&format!("{redirect}?{wrong}"));
            assert!(answer.starts_with("HTTP/1.1 400"), "{wrong}: {answer}");
        }
        let twice = get(&format!("{redirect}?code=a&code=b&state={state}"));
        assert!(twice.starts_with("HTTP/1.1 400"), "{twice}");
        get(&format!("{redirect}?code=the-code&state={state}"))
    });
    let signed_in = wait(interactive).unwrap();
    drop(signed_in);
    assert!(browser.join().unwrap().starts_with("HTTP/1.1 303"));
    assert_eq!(provider.forms("token").len(), 1);
}

#[test]
fn a_refusal_and_another_issuer_end_it_and_the_page_says_so() {
    let provider = Provider::start();
    provider.announces(json!({ "authorization_response_iss_parameter_supported": true }));
    let issuer = provider.issuer();
    let app = provider.app();
    for (response, expected) in [
        (
            format!("error=access_denied&error_description=No%3Cb%3E&state=STATE&iss={issuer}"),
            "was refused",
        ),
        ("code=x&state=STATE&iss=https://evil.example".to_owned(), "names the issuer"),
        ("code=x&state=STATE".to_owned(), "the redirect names no issuer, not `http://127"),
    ] {
        let interactive = app.initiate_interactive(&InteractiveOptions::new()).unwrap();
        let browser = browse(&interactive, &response);
        let error = wait(interactive).unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
        assert!(!error.next_step().contains("trust"), "{}", error.next_step());
        let page = browser.join().unwrap();
        assert!(page.contains("You are not signed in"), "{page}");
        assert!(!page.contains("<b>"), "{page}");
    }
    assert_eq!(provider.forms("token").len(), 0);
}

#[test]
fn a_nonce_of_another_sign_in_is_refused() {
    let provider = Provider::start();
    provider.then("200 OK", provider.tokens("one", json!({ "nonce": "another" })));
    let app = provider.app();
    let interactive = app.initiate_interactive(&InteractiveOptions::new()).unwrap();
    let browser = browse(&interactive, "code=x&state=STATE");
    let error = wait(interactive).unwrap_err();
    assert!(matches!(error, Error::ProviderAnswer { .. }), "{error:?}");
    assert!(browser.join().unwrap().contains("You are not signed in"));
    assert_eq!(provider.forms("revoke").len(), 1, "nobody keeps what came");
}

#[test]
fn an_address_may_be_pasted_instead() {
    let provider = Provider::start();
    let app = provider.app();
    let flow = app.initiate_auth_code_flow("http://127.0.0.1:1/callback").unwrap();
    let nonce = parameter(flow.url(), "nonce");
    let state = parameter(flow.url(), "state");
    provider.then("200 OK", provider.tokens("one", json!({ "nonce": nonce })));
    let empty = format!("error=&code=x&state={state}");
    for nothing in ["the-code", "", "http://127.0.0.1:1/callback", "code=x&state=y", &empty] {
        let error = app.acquire_token_by_auth_code_flow(&flow, nothing).unwrap_err();
        assert!(matches!(error, Error::Invalid { .. }), "{nothing}: {error:?}");
    }
    for pasted in [
        format!("http://127.0.0.1:1/callback?code=x&state={state}#_=_"),
        format!("  code=x&state={state}\n"),
        format!("?code=x&state={state}"),
        format!("code=a?b&state={state}"),
        format!("http://127.0.0.1:1/callback?code=a?b&state={state}"),
    ] {
        app.acquire_token_by_auth_code_flow(&flow, &pasted).unwrap();
    }
    let codes = provider.forms("token");
    let codes = codes.iter().filter(|form| form.contains("&code=a%3Fb&"));
    assert_eq!(codes.count(), 2, "a `?` of a value stays in it");

    let interactive = app.initiate_interactive(&InteractiveOptions::new()).unwrap();
    let (nonce, state) =
        (parameter(interactive.url(), "nonce"), parameter(interactive.url(), "state"));
    provider.then("200 OK", provider.tokens("two", json!({ "nonce": nonce })));
    provider.then("200 OK", provider.tokens("two", json!({ "nonce": nonce })));
    app.acquire_token_by_auth_code_flow(
        &flow,
        &format!("code=x&state={}", parameter(flow.url(), "state")),
    )
    .unwrap();
    let lines = RefCell::new(vec![format!("code=x&state={state}"), "nonsense".to_owned()]);
    interactive.wait(|| false, || lines.borrow_mut().pop()).unwrap();
}

#[test]
fn a_wait_ends_when_it_is_stopped_or_nobody_comes() {
    let provider = Provider::start();
    let app = provider.app();
    let interactive = app.initiate_interactive(&InteractiveOptions::new()).unwrap();
    let looks = Cell::new(0);
    let error = interactive.wait(|| looks.replace(looks.get() + 1) > 1, || None).unwrap_err();
    assert!(matches!(error, Error::SignInFailed(SignInFailure::Canceled)), "{error:?}");
    let options = InteractiveOptions::new().wait(Duration::ZERO);
    let error = wait(app.initiate_interactive(&options).unwrap()).unwrap_err();
    assert!(matches!(error, Error::SignInFailed(SignInFailure::NobodyInTime { .. })), "{error:?}");
}

#[test]
fn a_taken_port_and_a_provider_without_pkce_are_found_out_before_a_browser_opens() {
    let provider = Provider::start();
    let app = provider.app();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let error = app.initiate_interactive(&InteractiveOptions::new().port(port)).unwrap_err();
    assert!(error.to_string().contains(&port.to_string()), "{error}");
    let uri = format!("http://127.0.0.1:{port}/x");
    let options = InteractiveOptions::new().redirect_uri(uri);
    assert!(app.initiate_interactive(&options).is_err());
    provider.announces(json!({ "code_challenge_methods_supported": ["plain"] }));
    let error = provider.app().initiate_interactive(&InteractiveOptions::new()).unwrap_err();
    assert_eq!(error.to_string(), "the provider has no PKCE with the method S256");
}

/// A sign-in whose browser brought this response.
fn respond(app: &ClientApplication, response: &str) -> Result<SignedIn, Error> {
    let flow = app.initiate_auth_code_flow("http://127.0.0.1:1/callback").unwrap();
    let state = parameter(flow.url(), "state");
    app.acquire_token_by_auth_code_flow(&flow, &response.replace("STATE", &state))
}

#[test]
fn a_provider_that_is_not_available_for_the_time_being_has_not_refused() {
    let provider = Provider::start();
    for code in ["server_error", "temporarily_unavailable"] {
        let error = respond(&provider.app(), &format!("error={code}&state=STATE")).unwrap_err();
        assert!(matches!(error, Error::ProviderUnavailable { .. }), "{error:?}");
        assert!(error.is_retryable() && format!("{error:?}").contains(code), "{error:?}");
    }
}

#[test]
fn a_code_whose_exchange_got_no_answer_is_not_said_to_be_unspent() {
    let provider = Provider::start();
    provider.then("no status", "");
    let error = respond(&provider.app(), "code=x&state=STATE").unwrap_err();
    let is_unknown = matches!(error, Error::SignInFailed(SignInFailure::OutcomeUnknown { .. }));
    assert!(is_unknown && error.next_step() == "sign in again", "{error:?}");
    assert_eq!(provider.forms("token").len(), 1);

    let app = provider.builder().token_endpoint("http://127.0.0.1:1/token");
    let app = app.authorization_endpoint("http://127.0.0.1:1/authorize").discover().unwrap();
    let error = respond(&app, "code=x&state=STATE").unwrap_err();
    assert!(matches!(error, Error::ProviderUnreachable { .. }), "nothing was sent: {error:?}");
}

#[test]
fn an_id_token_is_there_if_the_provider_has_them_and_openid_was_granted() {
    let provider = Provider::start();
    let tokens = |scope: Option<&str>| {
        let mut tokens = provider.tokens("one", json!({}));
        tokens.as_object_mut().unwrap().remove("id_token");
        if let Some(scope) = scope {
            tokens["scope"] = scope.into();
        }
        provider.then("200 OK", tokens);
    };
    let app = provider.builder().login_hint("ada").discover().unwrap();
    tokens(None);
    tokens(Some("openid api.read"));
    tokens(Some("api.read"));
    for granted in ["all", "openid"] {
        let error = respond(&app, "code=x&state=STATE").unwrap_err();
        assert!(matches!(error, Error::ProviderAnswer { .. }), "{granted}: {error:?}");
    }
    drop(respond(&app, "code=x&state=STATE").unwrap());
    assert_eq!(provider.forms("revoke").len(), 3);

    // OAuth alone: no metadata say that it has ID tokens.
    let issuer = provider.issuer();
    let app = provider.builder().login_hint("ada").token_endpoint(format!("{issuer}/token"));
    let app = app.authorization_endpoint(format!("{issuer}/authorize")).discover().unwrap();
    tokens(None);
    tokens(None);
    respond(&app, "code=x&state=STATE").unwrap();
}

#[test]
fn an_account_is_chosen_where_the_provider_is_known_to_let_the_user() {
    let prompt = |app: &ClientApplication| {
        let flow = app.initiate_auth_code_flow("http://127.0.0.1:1/callback").unwrap();
        flow.url().contains("&prompt=").then(|| parameter(flow.url(), "prompt"))
    };
    let provider = Provider::start();
    let app = || provider.builder().select_account_if_supported();
    assert_eq!(prompt(&app().discover().unwrap()), None);
    assert_eq!(prompt(&app().prompt("login").discover().unwrap()).as_deref(), Some("login"));
    provider.announces(json!({ "prompt_values_supported": ["none", "login"] }));
    assert_eq!(prompt(&app().discover().unwrap()), None);
    provider.announces(json!({ "prompt_values_supported": ["none", "select_account"] }));
    assert_eq!(prompt(&app().discover().unwrap()).as_deref(), Some("select_account"));
    assert_eq!(prompt(&provider.app()), None);

    let known = |issuer: &str, asks: &str, selects: bool| {
        let app = ClientApplication::builder(issuer, "app").prompt(asks);
        let app = if selects { app.select_account_if_supported() } else { app };
        let app = app
            .token_endpoint("https://id.example/token")
            .authorization_endpoint("https://id.example/authorize");
        prompt(&app.discover().unwrap()).unwrap_or_default()
    };
    for (issuer, asks, selects, expected) in [
        ("https://login.microsoftonline.com/organizations", "", true, "select_account"),
        ("https://github.com", "", true, "select_account"),
        ("https://accounts.google.com", "", false, "consent"),
        ("https://accounts.google.com", "", true, "select_account consent"),
        ("https://accounts.google.com", "select_account", false, "select_account consent"),
        ("https://accounts.google.com", "consent login", true, "consent login select_account"),
        ("https://accounts.google.com", "none", true, "none"),
    ] {
        assert_eq!(known(issuer, asks, selects), expected, "{issuer} {asks}");
    }
}
