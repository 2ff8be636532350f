//! Random sequences of calls, in which nothing but the differences with a rule may show.
//!
//! What would show one of the others is left out: refresh tokens whose order differs, names of a
//! cloud, pages, answers with a status of 500 and more, and calls within a minute after a refusal.

use std::env;

use serde_json::{Value, json};

use crate::{compare, differences::rule_of, ours::Ours, reference::Reference, world::*};

#[test]
fn random_sequences_differ_from_the_reference_in_what_has_a_rule() {
    let Some(mut reference) = Reference::start() else { return };
    let number = |name, default| env::var(name).map_or(default, |text| text.parse().unwrap());
    let (first, sequences) = (number("TOKENKEEP_SEED", 1u64), number("TOKENKEEP_SEQUENCES", 400));
    let mut renewals = 0;
    for seed in first..first + sequences {
        let (setup, calls) = Random { state: seed, issued: 0 }.sequence();
        match run(&mut reference, &setup, &calls) {
            Ok(requests) => renewals += requests,
            Err((number, lines)) => panic!(
                "TOKENKEEP_SEED={seed}: call {}: {lines:#?}\nafter {setup:#?}\n{calls:#?}",
                number + 1
            ),
        }
    }
    let of = format!("{sequences} sequences from TOKENKEEP_SEED={first}");
    tokenkeep_test_support::say(&format!("{of}: {renewals} requests to the provider"));
    assert!(renewals > 0, "nothing was renewed");
}

/// The number of requests to the provider, or the call that differs and how.
fn run(
    reference: &mut Reference,
    setup: &Setup,
    calls: &[Call],
) -> Result<usize, (usize, Vec<String>)> {
    let ours = Ours::new(&reference.make(setup));
    let mut requests = 0;
    for (number, call) in calls.iter().enumerate() {
        let (theirs, ours) = (reference.call(setup, call), ours.call(setup, call));
        let mut lines = compare::of_call(&theirs, &ours);
        lines.extend(compare::of_caches(&theirs, &ours));
        lines.retain(|line| rule_of(line, call.now).is_none());
        if !lines.is_empty() {
            return Err((number, lines.iter().map(ToString::to_string).collect()));
        }
        requests += ours.forms.len();
    }
    Ok(requests)
}

/// `SplitMix64`.
struct Random {
    state: u64,
    issued: u32,
}

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }

    fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[usize::try_from(self.below(from.len() as u64)).unwrap()]
    }

    fn sequence(&mut self) -> (Setup, Vec<Call>) {
        let app_only = self.one_in(6);
        let is_family = !app_only && self.one_in(3);
        let mut sign_ins = Vec::new();
        if !app_only {
            for user in ["u", "v"] {
                if !self.one_in(3) {
                    sign_ins.push(self.sign_in(user, "r0", user));
                }
                // A second refresh token of the same client, for other scopes.
                if !is_family && self.one_in(4) {
                    let second = SignIn { scopes: "s3", at: NOW - 12_000, ..EXPIRED };
                    sign_ins.push(SignIn { user: Some(user), refresh: Some("r9"), ..second });
                }
            }
        }
        if is_family {
            sign_ins.push(SignIn { at: NOW - 600, ..FAMILY });
        }
        let mut setup = Setup { app_only, ..app(sign_ins) };
        setup.capabilities = if self.one_in(4) { vec!["CP1"] } else { Vec::new() };
        let mut may_join = is_family;
        if is_family {
            // Unknown, in the family, or in none.
            let nth = self.below(3);
            let entry = |family: Value| json!({"client_id": "app", "environment": HOST, "family_id": family});
            let metadata = match nth {
                0 => Value::Null,
                1 => entry("1".into()),
                _ => entry(Value::Null),
            };
            // One that joins with its own refresh token has a newer one than the family.
            may_join = nth < 2;
            setup = setup.entry("AppMetadata", METADATA, metadata);
        }
        let mut now = NOW;
        let calls = (0..2 + self.below(5)).map(|_| {
            now += 600 * (1 + self.below(8));
            self.call(now, app_only, may_join)
        });
        let calls: Vec<Call> = calls.collect();
        (setup, calls)
    }

    /// All times are whole multiples of ten minutes, so that no token is within the five minutes
    /// over which this crate spreads the renewals of aging tokens.
    fn sign_in(
        &mut self,
        user: &'static str,
        refresh: &'static str,
        access: &'static str,
    ) -> SignIn {
        let scopes = self.pick(&["s", "s2", "s s2"]);
        let refresh_in = self.pick(&[None, Some(890)]);
        let at = NOW - 600 * (1 + self.below(10));
        let user = Some(user);
        let (refresh, is_lasting) = (Some(refresh), !self.one_in(8));
        let refresh = refresh.filter(|_| is_lasting);
        SignIn { user, scopes, access, refresh_in, refresh, at: at - 600, ..EXPIRED }
    }

    fn call(&mut self, now: u64, app_only: bool, may_join: bool) -> Call {
        let scopes: &[&str] = match app_only {
            true => &["https://api.example/.default"],
            false => self.pick(&[&["s"] as &[_], &["s2"], &["s", "s2"]]),
        };
        let user = self.pick(&["u", "u", "v", "w"]);
        let account = match user {
            _ if app_only => None,
            "u" => Some("u.t"),
            "v" => Some("v.t"),
            _ => Some("w.t"),
        };
        let claims = self.one_in(6).then_some(r#"{"access_token": {"nbf": {"value": "1"}}}"#);
        let answers = self.answers(user, scopes, app_only, may_join);
        Call { now, account, scopes, claims, answers, ..call([]) }
    }

    fn answers(
        &mut self,
        user: &str,
        scopes: &[&str],
        app_only: bool,
        may_join: bool,
    ) -> Vec<Reply> {
        self.issued += 1;
        let issued = self.issued;
        let mut answer = json!({"scope": scopes.join(" "), "client_info": client_info(user),
            "id_token": id_token(user)});
        if self.one_in(3) {
            answer["refresh_in"] = json!(890);
        }
        if app_only {
            for member in ["client_info", "id_token", "scope"] {
                answer[member] = Value::Null;
            }
        } else if may_join {
            answer["foci"] = json!("1");
        }
        let is_rotated = !app_only && !self.one_in(3);
        if is_rotated {
            answer["refresh_token"] = json!(format!("renewed {issued}"));
        }
        let tokens = tokens(&format!("a{issued}"), answer);
        match self.below(8) {
            0 => vec![Reply::Refused],
            // The next one of a family would be tried in another order.
            1 if !may_join => vec![refused("invalid_grant"), refused("invalid_grant")],
            2 if !may_join && is_rotated => vec![refused("invalid_grant"), tokens],
            // With a further refresh token the reference would go on.
            3 if app_only => vec![refused("invalid_client")],
            _ => vec![tokens],
        }
    }
}

const METADATA: &str = "appmetadata-login.microsoftonline.com-app";
