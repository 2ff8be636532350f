//! A browser signs in at real providers, from the program's own words alone.

use std::{
    thread,
    time::{Duration, Instant},
};

use tokenkeep_test_support::{
    Tool, need,
    providers::{Answers, DjangoProvider, OidcProvider, Provider},
};

use crate::{
    session::Session,
    support::{Place, text},
};
use tokenkeep_test_support::browser::Browser;

/// Signs in at oidc-provider's own pages, until one of the program's pages or the end of a device
/// sign-in is shown.
fn agree(browser: &Browser) {
    loop {
        match &*browser.text("h1") {
            "Sign-in" => {
                browser.type_into("input[name=login]", "ada");
                browser.type_into("input[name=password]", "any");
                browser.follow("button[type=submit]");
            }
            "Authorize" | "Confirm Device" => browser.follow("button[autofocus]"),
            _ => return,
        }
    }
}

/// Enters the code of a device sign-in.
fn enter(browser: &Browser, session: &mut Session) {
    browser.open(&session.address());
    browser.type_into("input[name=user_code]", &session.code());
    browser.follow("button[type=submit]");
}

fn token(place: &Place, arguments: &[&str]) -> String {
    let output = place.run(&[&["token"], arguments].concat());
    assert!(output.status.success(), "{}", text(&output.stderr));
    text(&output.stdout)
}

/// Waits until the token in the cache has expired, and has the program renew it.
fn renews_once(place: &Place, provider: &Provider) {
    let began = Instant::now();
    while place.run(&["token", "--no-refresh"]).status.code() != Some(3) {
        assert!(began.elapsed() < PATIENCE, "it does not expire");
        thread::sleep(Duration::from_millis(50));
    }
    let before = provider.counts().exchanges;
    token(place, &[]);
    assert_eq!(provider.counts().exchanges - before, 1);
}

#[test]
fn at_oidc_provider_with_the_browser_of_this_machine() {
    if !need(Tool::OidcProvider) || !need(Tool::Browser) {
        return;
    }
    let provider = OidcProvider::new().lifetime(Duration::from_secs(3)).start().unwrap();
    let browser = Browser::start().unwrap();
    let arguments = [
        provider.issuer(),
        "--client-id",
        Provider::CLIENT,
        "--scope",
        Provider::SCOPE,
        "--prompt",
        "consent",
        "--browser",
        "--no-open",
    ];

    let place = Place::signed_in();
    let before = place.sealed();
    let mut session = Session::start(&place, &arguments);
    browser.open(&session.address());
    browser.follow("a[href*=abort]");
    assert_eq!(browser.text("h1"), "You are not signed in");
    let end = session.end();
    assert_eq!(end.code, Some(3), "{}", end.said);
    assert!(end.said.contains("(`access_denied`)"), "{}", end.said);
    assert_eq!(place.sealed(), before);

    let place = Place::new();
    let mut session = Session::start(&place, &arguments);
    browser.open(&session.address());
    agree(&browser);
    assert_eq!(browser.text("h1"), "You are signed in");
    assert!(!browser.url().contains("code="), "{}", browser.url());
    let end = session.end();
    assert_eq!(end.code, Some(0), "{}", end.said);
    assert!(end.said.contains("Signed in as ada. "), "{}", end.said);
    renews_once(&place, &provider);
    assert_eq!(provider.counts().reuse, 0);

    // The browser is still signed in there, and the cache knows an account.
    let without_prompt: Vec<&str> =
        arguments.into_iter().filter(|one| !["--prompt", "consent"].contains(one)).collect();
    let mut session = Session::start(&place, &without_prompt);
    browser.open(&session.address());
    agree(&browser);
    let end = session.end();
    assert_eq!(end.code, Some(0), "{}", end.said);
}

#[test]
fn at_oidc_provider_with_a_code() {
    if !need(Tool::OidcProvider) || !need(Tool::Browser) {
        return;
    }
    let provider = OidcProvider::new().start().unwrap();
    let browser = Browser::start().unwrap();
    let arguments = [
        provider.issuer(),
        "--client-id",
        Provider::CLIENT,
        "--scope",
        Provider::SCOPE,
        "--device",
    ];
    let (refused, place) = (Place::signed_in(), Place::new());
    let before = refused.sealed();
    let mut session = Session::start(&refused, &arguments);
    enter(&browser, &mut session);
    browser.follow("button[name=abort]");
    let mut second = Session::start(&place, &arguments);
    enter(&browser, &mut second);
    agree(&browser);
    let end = session.end();
    assert_eq!(end.code, Some(3), "{}", end.said);
    assert_eq!(refused.sealed(), before);
    let end = second.end();
    assert_eq!(end.code, Some(0), "{}", end.said);

    // Nobody could be asked.
    provider.set(Answers::Unavailable, Duration::ZERO);
    let first = token(&place, &[]);
    for _ in 1..100 {
        assert_eq!(token(&place, &["--scope", Provider::SCOPE]), first);
    }
    provider.set(Answers::Good, Duration::ZERO);
    let counts = provider.counts();
    assert_eq!((counts.exchanges, counts.refused, counts.reuse), (0, 0, 0));
}

#[test]
fn a_code_that_expires_at_oidc_provider_changes_nothing() {
    if !need(Tool::OidcProvider) {
        return;
    }
    let provider = OidcProvider::new().code_lifetime(Duration::from_secs(1)).start().unwrap();
    let place = Place::signed_in();
    let before = place.sealed();
    let arguments = [provider.issuer(), "--client-id", Provider::CLIENT, "--device"];
    let end = Session::start(&place, &arguments).end();
    assert_eq!(end.code, Some(3), "{}", end.said);
    assert!(end.said.contains("the code expired before anybody signed in"), "{}", end.said);
    assert_eq!(place.sealed(), before);
}

#[test]
fn at_django_oauth_toolkit_with_the_browser_and_with_a_code() {
    if !need(Tool::DjangoProvider) || !need(Tool::Browser) {
        return;
    }
    let provider = DjangoProvider::new().lifetime(Duration::from_secs(3)).start().unwrap();
    let browser = Browser::start().unwrap();
    let place = Place::new();
    let arguments = [
        provider.issuer(),
        "--client-id",
        Provider::CLIENT,
        "--scope",
        Provider::SCOPE,
        "--browser",
        "--no-open",
    ];
    let mut session = Session::start(&place, &arguments);
    browser.open(&session.address());
    browser.type_into("input[name=username]", "ada");
    browser.type_into("input[name=password]", Provider::PASSWORD);
    browser.follow("button");
    browser.follow("input[name=allow]");
    assert_eq!(browser.text("h1"), "You are signed in");
    let end = session.end();
    assert_eq!(end.code, Some(0), "{}", end.said);
    renews_once(&place, &provider);

    // Its metadata name no endpoint for this, and the tokens do not say who signed in.
    let endpoint = format!("{}/device-authorization/", provider.issuer());
    let arguments = [
        provider.issuer(),
        "--client-id",
        Provider::DEVICE_CLIENT,
        "--scope",
        Provider::SCOPE,
        "--device",
        "--device-endpoint",
        &endpoint,
        "--account",
        "ada",
    ];
    let place = Place::new();
    let mut session = Session::start(&place, &arguments);
    enter(&browser, &mut session);
    browser.follow("button[value=accept]");
    let end = session.end();
    assert_eq!(end.code, Some(0), "{}", end.said);
    renews_once(&place, &provider);
    assert_eq!(provider.counts().reuse, 0);
}

const PATIENCE: Duration = Duration::from_secs(30);
