//! Many processes ask for an expired token at once. The provider sees one refresh.

use std::{
    collections::BTreeSet,
    thread,
    time::{Duration, Instant, SystemTime},
};

use tokenkeep_test_support::{
    Tool, need,
    providers::{Answers, DjangoProvider, Moment, OidcProvider, Provider},
    say, task,
};

use crate::{
    endpoint::Endpoint,
    number,
    support::Place,
    worker::{self, THREADS, Worker, is_token, open_in, token},
};

#[test]
fn one_process_asks_oidc_provider_and_all_get_its_token() {
    if task().is_some() {
        return worker::work();
    }
    if !need(Tool::OidcProvider) {
        return;
    }
    for delay in [0, 300] {
        let provider = OidcProvider::new().start().unwrap();
        provider.set(Answers::Good, Duration::from_millis(delay));
        let name = format!("oidc-provider at {delay} ms");
        rounds(one_process_asks_oidc_provider_and_all_get_its_token, &name, &provider);
    }
}

#[test]
fn one_process_asks_django_oauth_toolkit_and_all_get_its_token() {
    if task().is_some() {
        return worker::work();
    }
    if !need(Tool::DjangoProvider) {
        return;
    }
    for leeway in [0, 3] {
        let provider = DjangoProvider::new().leeway(Duration::from_secs(leeway)).start().unwrap();
        let name = format!("django-oauth-toolkit with a leeway of {leeway} s");
        rounds(one_process_asks_django_oauth_toolkit_and_all_get_its_token, &name, &provider);
    }
}

/// The time in a cache is that of the request, so a token can look older than a call that waited
/// for it.
#[test]
fn a_call_that_began_during_an_exchange_takes_its_token() {
    if !need(Tool::OidcProvider) {
        return;
    }
    let provider = OidcProvider::new().start().unwrap();
    let (place, endpoint) = (Place::new(), Endpoint::of(&provider));
    open_in(&place, 0).add_response(&endpoint.request(), provider.sign_in("ada")).unwrap();
    provider.set(Answers::Good, Duration::from_millis(500));
    // One program's clock is a few seconds ahead, as if the call came that much later.
    let [first, second] = [0, 5].map(|later| {
        let now = SystemTime::now() + HOURS + Duration::from_secs(later);
        let now = now.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
        open_in(&place, 0).clock(move || now)
    });
    thread::scope(|scope| {
        let first = scope.spawn(|| token(&first, endpoint.clone()));
        assert!(provider.wait_for(Moment::Arrived, Duration::from_secs(30)));
        let second = token(&second, endpoint.clone());
        assert_eq!(first.join().unwrap(), second);
        assert!(is_token(&second), "{second}");
    });
    assert_eq!(provider.counts().exchanges, 1);
}

fn rounds(test: impl Fn() + Copy, name: &str, provider: &Provider) {
    let processes = number("TOKENKEEP_SILENT_PROCESSES", 32);
    let rounds = number("TOKENKEEP_SILENT_ROUNDS", 20);
    let (place, endpoint) = (Place::new(), Endpoint::of(provider));
    let request = endpoint.request();
    open_in(&place, 0).add_response(&request, provider.sign_in("ada")).unwrap();
    let mut workers: Vec<Worker> =
        (0..processes).map(|_| Worker::start(test, &place, &endpoint)).collect();
    let mut late = Vec::new();
    let mut seen = BTreeSet::new();
    for round in 1..=rounds {
        let begun = Instant::now();
        workers.iter_mut().for_each(|worker| worker.begin(round as u64));
        let words: Vec<String> = workers.iter_mut().flat_map(Worker::words).collect();
        let took = begun.elapsed();
        assert_eq!(words.len(), processes * THREADS);
        let different: BTreeSet<&String> = words.iter().collect();
        assert!(
            different.len() == 1 && is_token(&words[0]),
            "{name}, round {round}: {different:?}, {:?}",
            provider.counts()
        );
        assert!(seen.insert(words[0].clone()), "{name}, round {round}: it is the former token");
        late.push(took.saturating_sub(provider.counts().took));
    }
    late.sort();
    let counts = provider.counts();
    say(&format!(
        "{name}: {processes} processes x {THREADS} threads, {rounds} rounds: {} exchanges, \
         {} refused, {} reused; last caller {:.0?} after the provider in the median round, {:.0?} \
         in the worst",
        counts.exchanges,
        counts.refused,
        counts.reuse,
        late[rounds / 2],
        late[rounds - 1],
    ));
    assert_eq!((counts.exchanges, counts.refused, counts.reuse), (rounds as u64, 0, 0));
}

/// After which the first access token is not valid any more.
const HOURS: Duration = Duration::from_secs(2 * 60 * 60);
