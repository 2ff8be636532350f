//! Refresh tokens of a family of client ids.

use serde_json::{Value, json};

use super::{Case, same};
use crate::world::*;

fn metadata(family: Value) -> Value {
    json!({"client_id": "app", "environment": HOST, "family_id": family})
}

const METADATA: &str = "appmetadata-login.microsoftonline.com-app";
/// Signed in before another program of the family.
const OWN: SignIn = SignIn { at: NOW - 9000, ..EXPIRED };
/// Signed in after another program of the family.
const NEWER: SignIn = SignIn { at: NOW - 5000, ..EXPIRED };

/// Programs of the family, each signed in later than the one before.
fn family<const N: usize>() -> impl Iterator<Item = SignIn> {
    let each = ["f1", "f2", "f3"].into_iter().take(N).enumerate();
    each.map(|(nth, name)| SignIn {
        client: name,
        access: name,
        refresh: Some(name),
        at: NOW - 7200 + nth as u64,
        ..FAMILY
    })
}

/// A program of which it is not known whether it is in the family.
fn unknown(sign_ins: impl IntoIterator<Item = SignIn>) -> Setup {
    app(sign_ins).entry("AppMetadata", METADATA, Value::Null)
}

pub(super) fn cases() -> Vec<Case> {
    let mismatch = || {
        refused_with(json!({"error": "invalid_grant", "suberror": "client_mismatch",
            "error_additional_info": ["client_mismatch"]}))
    };
    let joined = || tokens("a1", json!({"refresh_token": "family2", "foci": "1"}));
    let known = |sign_ins: &[SignIn]| {
        app(sign_ins.iter().copied()).entry("AppMetadata", METADATA, metadata("1".into()))
    };
    vec![
        same("an unknown program joins the family", app([FAMILY]), [call([joined()])]),
        same(
            "an unknown program is not in the family, and has nothing else",
            app([FAMILY]),
            [call([mismatch()])],
        )
        .but("not in the family", &["result: msal nobody; ours error invalid_grant"]),
        same(
            "an unknown program is not in the family, and spends its own",
            unknown([OWN, FAMILY]),
            [call([mismatch(), tokens("a1", json!({"refresh_token": "r1"}))])],
        ),
        same(
            "several of the family, and an unknown program is not in it",
            unknown(family::<2>().chain([OWN])),
            [call([
                mismatch(),
                tokens("a1", json!({"refresh_token": "r1"})),
                tokens("a2", json!({})),
            ])],
        ),
        same(
            "many of the family, and an unknown program is not in it",
            unknown(family::<3>().chain([OWN])),
            [call([
                mismatch(),
                tokens("a1", json!({"refresh_token": "r1"})),
                tokens("a2", json!({})),
                tokens("a3", json!({})),
            ])],
        ),
        same(
            "a program that is in no family spends its own alone",
            app([OWN, FAMILY]),
            [call([tokens("a1", json!({"refresh_token": "r1"}))])],
        ),
        same(
            "a program that is in no family has no use for the family's",
            app([FAMILY]).entry("AppMetadata", METADATA, metadata(Value::Null)),
            [call([])],
        ),
        same("a program of the family spends the family's", known(&[FAMILY]), [call([joined()])]),
        same(
            "the family's is refused, and the own one does",
            known(&[OWN, FAMILY]),
            [call([refused("invalid_grant"), tokens("a1", json!({"refresh_token": "r1"}))])],
        ),
        same(
            "the family's is refused, and there is no other",
            known(&[FAMILY]),
            [call([refused("invalid_grant")])],
        ),
        same(
            "the own one of a program in the family is newer",
            known(&[FAMILY, NEWER]),
            [call([tokens("a1", json!({}))])],
        )
        .but("order", &["spent: msal family; ours r0"]),
        same(
            "the own one of an unknown program is newer",
            unknown([FAMILY, NEWER]),
            [call([tokens("a1", json!({}))])],
        )
        .but("order", &["spent: msal family; ours r0"]),
        same(
            "a program joins the family with its own one",
            unknown([OWN]),
            [call([tokens("a1", json!({"refresh_token": "r1", "foci": "1"}))])],
        ),
    ]
}
