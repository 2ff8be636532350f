//! The cache against the reference: the same random steps in both, compared after each.
//!
//! `TOKENKEEP_SEQUENCES` says how many sequences, `TOKENKEEP_SEED` where they start.

use std::env;

use crate::oracle::{
    Oracle,
    random::{Random, Step},
};
use serde_json::{Map, Value, json};
use tokenkeep::{CredentialType, Entry, Error, Query, SerializableTokenCache, SignInEvent};

#[test]
fn random_sequences_leave_the_same_bytes_as_in_the_reference() {
    let Some(mut oracle) = Oracle::start() else { return };
    let number = |name, default| env::var(name).map_or(default, |text| text.parse().unwrap());
    let (first, sequences) = (number("TOKENKEEP_SEED", 1u64), number("TOKENKEEP_SEQUENCES", 2_000));
    tokenkeep_test_support::say(&format!("{sequences} sequences from TOKENKEEP_SEED={first}"));
    for seed in first..first + sequences {
        let mut random = Random(seed);
        let steps: Vec<Step> = (0..4 + random.below(20)).map(|_| random.step()).collect();
        if let Err(difference) = run(&mut oracle, &steps) {
            let (steps, difference) = shrunk(&mut oracle, steps, difference);
            panic!("TOKENKEEP_SEED={seed}: {difference}\nafter {steps:#?}");
        }
    }
}

/// Takes steps away as long as a difference remains.
fn shrunk(
    oracle: &mut Oracle,
    mut steps: Vec<Step>,
    mut difference: String,
) -> (Vec<Step>, String) {
    let mut at = 0;
    while at < steps.len() {
        let mut fewer = steps.clone();
        fewer.remove(at);
        match run(oracle, &fewer) {
            Err(smaller) => (steps, difference) = (fewer, smaller),
            Ok(()) => at += 1,
        }
    }
    (steps, difference)
}

fn run(oracle: &mut Oracle, steps: &[Step]) -> Result<(), String> {
    oracle.ask(&json!({"op": "reset"})).unwrap();
    let mut ours = SerializableTokenCache::new();
    for (nth, step) in steps.iter().enumerate() {
        let expected = oracle.ask(&question(step));
        let found = take(&mut ours, step);
        let state = oracle.ask(&json!({"op": "state"})).unwrap();
        match (&expected, &found) {
            (Ok(expected), Ok(found)) if expected != found => {
                return Err(format!("step {nth} returned {found:#}, the reference {expected:#}"));
            }
            (Ok(_), Err(error)) => return Err(format!("step {nth} failed: {error}")),
            (Err(error), Ok(_)) => {
                return Err(format!("step {nth} worked, the reference: {error}"));
            }
            _ => {}
        }
        if state[0] != json!(ours.has_state_changed()) {
            return Err(format!("step {nth}: has_state_changed is {}", ours.has_state_changed()));
        }
        let printed = ours.serialize();
        let printed = printed.expose_str().unwrap();
        if state[1] != json!(printed) {
            let theirs = state[1].as_str().unwrap();
            return Err(format!("step {nth} left\n{printed}\nthe reference\n{theirs}"));
        }
    }
    Ok(())
}

fn question(step: &Step) -> Value {
    match step {
        Step::Add { event, now } => json!({"op": "add", "event": event.to_string(), "now": now}),
        Step::Search { kind, query, target } => {
            json!({"op": "search", "type": kind, "query": query, "target": target, "now": 0})
        }
        Step::Update { query, nth, secret, now } => json!({"op": "update", "type": "RefreshToken",
            "query": query, "nth": nth, "secret": secret, "now": now}),
        Step::Modify { kind, nth, changes } => {
            json!({"op": "modify", "type": kind, "nth": nth, "changes": changes, "now": 0})
        }
        Step::Remove { kind, as_kind, query, nth } => json!({"op": "remove", "type": kind,
            "as": as_kind, "query": query, "nth": nth, "now": 0}),
        Step::Reload => json!({"op": "reload"}),
    }
}

fn take(ours: &mut SerializableTokenCache, step: &Step) -> Result<Value, Error> {
    let missing = || Error::AccountAmbiguous { usernames: Vec::new() };
    let nth_of = |ours: &SerializableTokenCache, kind: &str, query: &Map<String, Value>, nth| {
        let kind = CredentialType::from_name(kind).unwrap();
        ours.find(kind, &as_query(query), 0).get::<usize>(nth).cloned().ok_or_else(missing)
    };
    match step {
        Step::Add { event, now } => {
            ours.add(&SignInEvent::from_json(event.to_string().as_bytes())?, *now)?;
        }
        Step::Search { kind, query, target } => {
            let query = as_query(query).scopes(target.clone().unwrap_or_default());
            let kind = CredentialType::from_name(kind).unwrap();
            return Ok(ours.search(kind, &query, 0).map(printed).collect());
        }
        Step::Update { query, nth, secret, now } => {
            let entry = nth_of(ours, "RefreshToken", query, *nth)?;
            assert!(ours.update_refresh_token(&entry, secret, *now)?, "it was just found");
        }
        Step::Modify { kind, nth, changes } => {
            let entry = nth_of(ours, kind, &Map::new(), *nth)?;
            let changes: Vec<(&str, Option<&str>)> =
                changes.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            ours.modify(&entry, &changes)?;
        }
        Step::Remove { kind, as_kind, query, nth } => {
            let entry = nth_of(ours, kind, query, *nth)?;
            let removed = match *as_kind {
                "AccessToken" => ours.remove_access_token(&entry)?,
                "RefreshToken" => ours.remove_refresh_token(&entry)?,
                "IdToken" => ours.remove_id_token(&entry)?,
                _ => ours.remove_account(&entry)?,
            };
            assert!(removed, "it was just found");
        }
        Step::Reload => {
            let text = ours.serialize();
            ours.deserialize(text.expose())?;
        }
    }
    Ok(Value::Null)
}

fn as_query(fields: &Map<String, Value>) -> Query {
    fields.iter().fold(Query::new(), |query, (name, value)| match value.as_str() {
        Some(text) => query.field(name, text),
        None => query.null(name),
    })
}

/// An entry as it would be printed by itself.
fn printed(entry: &Entry) -> String {
    entry.as_json().replace("\n        ", "\n")
}
