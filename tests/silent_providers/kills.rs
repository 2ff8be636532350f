//! The process that renews is killed, and another one asks next. Nobody is signed out, unless the
//! provider had rotated without a leeway and its answer died with the process.

use std::{thread, time::Duration};

use tokenkeep_test_support::{
    Tool, need,
    providers::{Answers, DjangoProvider, Moment, OidcProvider, Provider},
    say, task,
};

use crate::{
    endpoint::Endpoint,
    number,
    random::Random,
    support::Place,
    worker::{self, ORPHAN, Worker, is_token, open_in},
};

#[test]
fn a_killed_renewal_signs_out_only_where_the_answer_of_oidc_provider_died_with_it() {
    if task().is_some() {
        return worker::work();
    }
    if !need(Tool::OidcProvider) {
        return;
    }
    let provider = OidcProvider::new().start().unwrap();
    let test = a_killed_renewal_signs_out_only_where_the_answer_of_oidc_provider_died_with_it;
    let found = kills(test, "oidc-provider", &provider);
    assert!(found.lost > 0, "no kill came between the provider's answer and the save");
    // Each lost answer shows as one refusal, and nothing else does.
    let counts = provider.counts();
    assert_eq!((counts.refused, counts.reuse), (found.lost, found.lost));
}

#[test]
fn a_killed_renewal_signs_nobody_out_within_the_leeway_of_django_oauth_toolkit() {
    if task().is_some() {
        return worker::work();
    }
    if !need(Tool::DjangoProvider) {
        return;
    }
    let provider = DjangoProvider::new().leeway(Duration::from_secs(3)).start().unwrap();
    let test = a_killed_renewal_signs_nobody_out_within_the_leeway_of_django_oauth_toolkit;
    let found = kills(test, "django-oauth-toolkit with a leeway of 3 s", &provider);
    assert_eq!(found.lost, 0);
    assert!(found.healed > 0, "no kill came between the provider's answer and the save");
    assert_eq!(provider.counts().refused, 0);
}

/// What became of the sign-ins.
#[derive(Default)]
struct Found {
    /// The killed process had saved, or the provider had not rotated.
    went_on: u64,
    /// The answer died, and the provider gave it once more.
    healed: u64,
    /// The answer died, and the user had to sign in.
    lost: u64,
}

fn kills(test: impl Fn() + Copy, name: &str, provider: &Provider) -> Found {
    let kills = number("TOKENKEEP_SILENT_KILLS", 50) as u64;
    provider.set(Answers::Good, DELAY);
    let mut random = Random::of(name);
    let (place, endpoint) = (Place::new(), Endpoint::of(provider));
    let request = endpoint.request();
    let mut found = Found::default();
    let mut is_signed_in = false;
    for kill in 0..kills {
        let round = 3 * kill;
        let cache = open_in(&place, round);
        if !is_signed_in {
            cache.add_response(&request, provider.sign_in("ada")).unwrap();
        }
        let kept = || {
            let token = cache.refresh_tokens(&request).unwrap().remove(0);
            token.secret().unwrap().to_owned()
        };
        let before = kept();
        let mark = provider.issued(0).len();
        let mut worker = Worker::start(test, &place, &endpoint);
        provider.forget();
        worker.begin(round + 1);
        strike(&mut random, provider);
        drop(worker);
        let was_saved = kept() != before;

        let next = worker::token(&open_in(&place, round + 2), endpoint.clone());
        // What the provider gave for the token that was there: to the killed process, to the next
        // one, or to both.
        let answers: Vec<String> = provider
            .issued(mark)
            .into_iter()
            .filter(|issued| issued.spent == before)
            .map(|issued| issued.token)
            .collect();
        is_signed_in = is_token(&next);
        match next.as_str() {
            ORPHAN => {
                assert!(!was_saved, "kill {kill}: the answer was saved, and is refused");
                assert_eq!(answers.len(), 1, "kill {kill}: nothing had died with the process");
                found.lost += 1;
            }
            next if !is_token(next) => panic!("kill {kill}: {next}"),
            _ if !was_saved && answers.len() == 2 => {
                assert_eq!(answers[0], answers[1], "kill {kill}: a second successor");
                found.healed += 1;
            }
            _ => found.went_on += 1,
        }
    }
    let Found { went_on, healed, lost } = found;
    say(&format!(
        "{name}: {kills} kills: {went_on} went on, {healed} got the lost answer once more, {lost} \
         had to sign in: the answer died"
    ));
    assert_eq!(went_on + healed + lost, kills);
    found
}

/// Waits for the moment of a kill: by the provider's word, or anywhere from before the request
/// until after the save.
fn strike(random: &mut Random, provider: &Provider) {
    let (moment, longest) = match random.below(10) {
        0 => (Some(Moment::Arrived), DELAY),
        1 => (Some(Moment::Rotated), Duration::ZERO),
        2..6 => (Some(Moment::Answered), Duration::from_millis(20)),
        _ => (None, DELAY + Duration::from_millis(70)),
    };
    if let Some(moment) = moment {
        assert!(provider.wait_for(moment, PATIENCE), "no renewal has come to {moment:?}");
    }
    thread::sleep(random.shorter_than(longest));
}

const DELAY: Duration = Duration::from_millis(30);
const PATIENCE: Duration = Duration::from_secs(30);
