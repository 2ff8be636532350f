//! Several refresh tokens: which is spent, and what becomes of the others.

use serde_json::{Value, json};

use super::{Case, same};
use crate::world::*;

/// Refresh tokens of `app` for other scopes, each newer than the one before.
fn several<const N: usize>() -> Setup {
    let each = ["1", "2", "3", "4"].into_iter().take(N).enumerate();
    app(each.map(|(nth, name)| SignIn {
        scopes: name,
        access: name,
        refresh: Some(name),
        at: NOW - 9000 + nth as u64,
        ..EXPIRED
    }))
}

fn refresh_token(fields: Value) -> Value {
    let mut entry = json!({"credential_type": "RefreshToken", "home_account_id": "u.t",
        "environment": HOST, "client_id": "app", "target": "s", "secret": "r"});
    entry.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    entry
}

pub(super) fn cases() -> Vec<Case> {
    let invalid = || refused("invalid_grant");
    vec![
        same("the newest one first", several::<2>(), [call([tokens("a1", json!({}))])]),
        same(
            "after a refused one the next, and none is removed",
            several::<2>(),
            [call([invalid(), tokens("a1", json!({"refresh_token": "r1"}))])],
        ),
        same("all are refused", several::<3>(), [call([invalid(), invalid(), invalid()])]),
        same(
            "the fourth one would do",
            several::<4>(),
            [call([invalid(), invalid(), invalid(), tokens("a1", json!({}))])],
        )
        .but(
            "three requests",
            &[
                "spent: msal 4, 3, 2, 1; ours 4, 3, 2",
                "result: msal token a1; ours error invalid_grant",
                "AccessToken u.t-HOST-accesstoken-app-t-s: only msal",
            ],
        ),
        same(
            "a user has to do something, whichever token is spent",
            several::<2>(),
            [call([refused("interaction_required"), tokens("a1", json!({}))])],
        )
        .but(
            "not of the token",
            &[
                "spent: msal 2, 1; ours 2",
                "result: msal token a1; ours error interaction_required",
                "AccessToken u.t-HOST-accesstoken-app-t-s: only msal",
            ],
        ),
        same(
            "the program is refused, whichever token is spent",
            several::<2>(),
            [call([refused("invalid_client"), tokens("a1", json!({}))])],
        )
        .but(
            "not of the token",
            &[
                "spent: msal 2, 1; ours 2",
                "result: msal token a1; ours error invalid_client",
                "AccessToken u.t-HOST-accesstoken-app-t-s: only msal",
            ],
        ),
        same(
            "one without a time is the oldest",
            several::<1>().entry(
                "RefreshToken",
                "u.t-login.microsoftonline.com-refreshtoken-app--s",
                refresh_token(json!({})),
            ),
            [call([invalid(), tokens("a1", json!({"refresh_token": "r1"}))])],
        ),
        same(
            "one under another key",
            app([]).entry(
                "RefreshToken",
                "another key",
                refresh_token(json!({"last_modification_time": "1"})),
            ),
            [call([tokens("a1", json!({"refresh_token": "r1"}))])],
        )
        .but(
            "another key",
            &[
                "RefreshToken another key: secret: msal r; ours r1",
                "RefreshToken u.t-HOST-refreshtoken-app--s: only msal",
            ],
        ),
        same(
            "two entries with the same refresh token",
            app([
                SignIn { scopes: "1", refresh: Some("r"), ..EXPIRED },
                SignIn { scopes: "2", refresh: Some("r"), ..EXPIRED },
            ]),
            [call([tokens("a1", json!({"refresh_token": "r1"}))])],
        )
        .but(
            "the same refresh token twice",
            &["RefreshToken u.t-HOST-refreshtoken-app--2: secret: msal r; ours r1"],
        ),
    ]
}
