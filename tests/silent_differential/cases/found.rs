//! Which token of the cache answers.

use serde_json::json;

use super::{Case, same};
use crate::world::*;

pub(super) fn cases() -> Vec<Case> {
    let wide = SignIn { scopes: "s s2", ..FRESH };
    vec![
        same("an empty cache has nobody", app([]), [call([])]),
        same("a token that is valid answers", app([FRESH]), [call([])]),
        same("a token with more scopes answers", app([wide]), [call([])]),
        same(
            "a token with fewer scopes does not answer",
            app([FRESH]),
            [Call { scopes: &["s", "s2"], ..call([tokens("a1", json!({"scope": "s s2"}))]) }],
        ),
        same(
            "a token of five minutes",
            app([SignIn { at: NOW - 10, lifetime: 300, ..EXPIRED }]),
            [call([tokens("a1", json!({"expires_in": 300}))])],
        )
        .but(
            "the margin",
            &[
                "spent: msal r0; ours nothing",
                "result: msal token a1; ours token a0",
                "AccessToken u.t-HOST-accesstoken-app-t-s: secret: msal a1; ours a0",
            ],
        ),
        same(
            "a token that has four minutes left of an hour does not answer",
            app([SignIn { at: NOW - 3360, ..EXPIRED }]),
            [call([tokens("a1", json!({}))])],
        ),
        same(
            "the token of another account does not answer",
            app([FRESH]),
            [Call { account: Some("v.t"), ..call([]) }],
        ),
        same(
            "each account has its own token",
            app([FRESH, SignIn { user: Some("v"), access: "b0", refresh: Some("r1"), ..FRESH }]),
            [call([]), Call { account: Some("v.t"), ..call([]) }],
        ),
        same("a request without an account", app([FRESH]), [Call { account: None, ..call([]) }])
            .but("no account", &["result: msal nobody; ours token a0"]),
        same(
            "a token that was issued for a key answers requests with that key alone",
            app([SignIn { at: NOW - 7200, ..EXPIRED }]),
            [
                Call { data: KEY, ..call([tokens("p1", json!({"token_type": "pop"}))]) },
                Call { data: KEY, ..call([]) },
            ],
        ),
    ]
}

const KEY: &[(&str, &str)] = &[("token_type", "pop"), ("req_cnf", "jwk"), ("key_id", "k")];
