//! Bad answers of a provider's token endpoint: the error says what it was, and the sign-in stays.

use std::time::Duration;

use tokenkeep::{Error, silent::SilentOptions};
use tokenkeep_test_support::{
    Tool, need,
    providers::{Answers, DjangoProvider, OidcProvider, Provider},
};

use crate::{
    endpoint::Endpoint,
    support::Place,
    worker::{SIGN_IN_NEEDED, is_token, open_in, token},
};

#[test]
fn a_page_and_an_overload_of_oidc_provider_keep_the_sign_in() {
    if !need(Tool::OidcProvider) {
        return;
    }
    keeps_the_sign_in(&OidcProvider::new().start().unwrap());
}

#[test]
fn a_page_and_an_overload_of_django_oauth_toolkit_keep_the_sign_in() {
    if !need(Tool::DjangoProvider) {
        return;
    }
    keeps_the_sign_in(&DjangoProvider::new().start().unwrap());
}

fn keeps_the_sign_in(provider: &Provider) {
    let (place, endpoint) = (Place::new(), Endpoint::of(provider));
    let request = endpoint.request();
    open_in(&place, 0).add_response(&request, provider.sign_in("ada")).unwrap();
    let kept = || open_in(&place, 0).refresh_tokens(&request).unwrap().remove(0);
    let before = kept();
    for (round, answers) in [(1, Answers::Html), (2, Answers::Unavailable), (3, Answers::Busy)] {
        provider.set(answers, Duration::ZERO);
        let cache = open_in(&place, round);
        let ask = || {
            let options = SilentOptions::new();
            cache.acquire_token_silent_with(&request, &options, endpoint.clone()).unwrap_err()
        };
        let (asked, error) = (endpoint.asked(), ask());
        match (answers, &error) {
            (Answers::Html, Error::ProviderAnswer { .. }) => {}
            (Answers::Unavailable, Error::ProviderUnavailable { status, retry_in, .. }) => {
                assert_eq!((*status, *retry_in), (Some(503), Some(Duration::from_secs(7))));
            }
            (Answers::Busy, Error::ProviderUnavailable { status, retry_in, .. }) => {
                assert_eq!((*status, *retry_in), (Some(429), Some(Duration::from_secs(11))));
            }
            (_, error) => panic!("{answers:?}: {error:?}"),
        }
        assert_eq!(kept().secret(), before.secret(), "{answers:?}");
        // Within that time nobody asks again, and all get the same error.
        assert_eq!(ask().to_string(), error.to_string());
        assert_eq!(endpoint.asked() - asked, 1, "{answers:?}");
    }
    provider.set(Answers::Good, Duration::ZERO);
    assert!(is_token(&token(&open_in(&place, 4), endpoint.clone())));
    let counts = provider.counts();
    assert_eq!((counts.exchanges, counts.refused, counts.reuse), (1, 0, 0));
}

/// Without a leeway nobody can have the answer that was cut.
#[test]
fn an_answer_of_oidc_provider_that_was_cut_needs_a_sign_in_and_removes_nothing() {
    if !need(Tool::OidcProvider) {
        return;
    }
    let provider = OidcProvider::new().start().unwrap();
    let (place, endpoint) = (Place::new(), Endpoint::of(&provider));
    let request = endpoint.request();
    open_in(&place, 0).add_response(&request, provider.sign_in("ada")).unwrap();
    provider.set(Answers::Cut, Duration::ZERO);
    assert_eq!(token(&open_in(&place, 1), endpoint.clone()), SIGN_IN_NEEDED);
    let counts = provider.counts();
    assert_eq!((counts.exchanges, counts.refused, counts.reuse), (1, 1, 1));
    let cache = open_in(&place, 1);
    assert_eq!(cache.refresh_tokens(&request).unwrap().len(), 1);
    assert_eq!(cache.accounts().unwrap().len(), 1);
    cache.add_response(&request, provider.sign_in("ada")).unwrap();
    assert!(is_token(&token(&open_in(&place, 2), endpoint)));
}

#[test]
fn an_answer_of_django_oauth_toolkit_that_was_cut_comes_again_within_the_leeway() {
    if !need(Tool::DjangoProvider) {
        return;
    }
    let provider = DjangoProvider::new().leeway(Duration::from_secs(3)).start().unwrap();
    let (place, endpoint) = (Place::new(), Endpoint::of(&provider));
    let request = endpoint.request();
    open_in(&place, 0).add_response(&request, provider.sign_in("ada")).unwrap();
    provider.set(Answers::Cut, Duration::ZERO);
    assert!(is_token(&token(&open_in(&place, 1), endpoint.clone())));
    let issued = provider.issued(1);
    assert_eq!(issued.len(), 2);
    assert_eq!(issued[0], issued[1], "the same token brought the same successor");
    assert!(is_token(&token(&open_in(&place, 2), endpoint)), "the successor was kept");
}
