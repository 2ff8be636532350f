//! One process signs out while another renews. Afterwards the cache has nothing of the account, and
//! the provider accepts none of its refresh tokens.

use std::{collections::BTreeMap, thread, time::Duration};

use tokenkeep::{
    CredentialType, Secret,
    silent::{Revoked, TokenEndpoint as _},
};
use tokenkeep_test_support::{
    Tool, need,
    providers::{Answers, DjangoProvider, OidcProvider, Provider},
    say, task,
};

use crate::{
    endpoint::Endpoint,
    number,
    random::Random,
    support::Place,
    worker::{self, NOBODY, SIGN_IN_NEEDED, Worker, is_token, open_in},
};

#[test]
fn a_sign_out_beside_a_renewal_leaves_no_token_of_oidc_provider() {
    if task().is_some() {
        return worker::work();
    }
    if !need(Tool::OidcProvider) {
        return;
    }
    let provider = OidcProvider::new().start().unwrap();
    let test = a_sign_out_beside_a_renewal_leaves_no_token_of_oidc_provider;
    sign_outs(test, "oidc-provider", &provider, Duration::from_millis(60));
}

/// To revoke a spent token does not revoke its successor there, so that one has to be revoked too.
#[test]
fn a_sign_out_beside_a_renewal_leaves_no_token_of_django_oauth_toolkit() {
    if task().is_some() {
        return worker::work();
    }
    if !need(Tool::DjangoProvider) {
        return;
    }
    let provider = DjangoProvider::new().start().unwrap();
    let test = a_sign_out_beside_a_renewal_leaves_no_token_of_django_oauth_toolkit;
    sign_outs(test, "django-oauth-toolkit", &provider, Duration::from_millis(120));
}

/// `renewal` is how long a renewal takes there, roughly; each sign-out begins within it.
fn sign_outs(test: impl Fn() + Copy, name: &str, provider: &Provider, renewal: Duration) {
    let sign_outs = number("TOKENKEEP_SILENT_SIGN_OUTS", 100) as u64;
    provider.set(Answers::Good, Duration::from_millis(30));
    let mut random = Random::of(name);
    let (place, mut endpoint) = (Place::new(), Endpoint::of(provider));
    let request = endpoint.request();
    let mut worker = Worker::start(test, &place, &endpoint);
    let (mut mark, mut beside) = (0, 0);
    let mut ends = BTreeMap::new();
    for sign_out in 0..sign_outs {
        let cache = open_in(&place, 2 * sign_out);
        cache.add_response(&request, provider.sign_in("ada")).unwrap();
        let account = cache.accounts().unwrap().remove(0);

        worker.begin(2 * sign_out + 1);
        thread::sleep(random.shorter_than(renewal));
        let removed = cache
            .transaction(|cache| {
                let tokens = cache.refresh_tokens(&request)?;
                cache.sign_out(&account, Provider::CLIENT)?;
                Ok(tokens)
            })
            .unwrap();
        for token in removed {
            let revoked = endpoint.revoke(&Secret::new(token.secret().unwrap()));
            assert!(matches!(revoked, Revoked::Done), "sign-out {sign_out}: {revoked:?}");
        }

        let words = worker.words();
        let is_expected =
            |word: &String| is_token(word) || [NOBODY, SIGN_IN_NEEDED].contains(&word.as_str());
        assert!(words.iter().all(is_expected), "sign-out {sign_out}: {words:?}");
        assert!(cache.accounts().unwrap().is_empty(), "sign-out {sign_out}: an account is back");
        let snapshot = cache.snapshot().unwrap();
        for kind in
            [CredentialType::AccessToken, CredentialType::RefreshToken, CredentialType::IdToken]
        {
            let left = snapshot.entries(kind).count();
            assert_eq!(left, 0, "sign-out {sign_out}: {kind:?}, {words:?}");
        }
        let issued = provider.issued(mark);
        mark += issued.len();
        // It was renewed, and none of the callers got the token.
        beside += u32::from(issued.len() > 1 && !words.iter().any(|word| is_token(word)));
        for word in &words {
            let end = if is_token(word) { "a token" } else { word.trim_start_matches('!') };
            *ends.entry(end.to_owned()).or_insert(0) += 1;
        }
        // The newest first: to present a spent one could end the sign-in itself.
        let tokens = issued.iter().rev().map(|one| &one.token);
        for token in tokens.chain(issued.first().map(|one| &one.spent)) {
            assert!(!provider.accepts(token), "sign-out {sign_out}: a token lives on, {words:?}");
        }
    }
    say(&format!(
        "{name}: {sign_outs} sign-outs, {beside} of them between a rotation and its save: no entry \
         and no token is left; the callers beside them: {ends:?}"
    ));
    assert!(sign_outs < 50 || beside > 0, "no sign-out came between a rotation and its save");
}
