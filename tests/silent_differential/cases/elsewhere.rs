//! A provider outside Microsoft's clouds.

use serde_json::{Value, json};

use super::{Case, same};
use crate::world::*;

fn elsewhere(sign_ins: impl IntoIterator<Item = SignIn>) -> Setup {
    Setup { authority: "https://id.example/t", ..app(sign_ins) }
}

pub(super) fn cases() -> Vec<Case> {
    let there = SignIn { host: "id.example", ..EXPIRED };
    let answer = |more: Value| {
        let mut body = json!({"client_info": null});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        tokens("a1", body)
    };
    let ask = |answers: Vec<Reply>| Call { account: Some("u"), ..call(answers) };
    let renewed = || ask(vec![answer(json!({"refresh_token": "r1"}))]);
    vec![
        same(
            "a valid token elsewhere",
            elsewhere([SignIn { at: NOW - 60, ..there }]),
            [ask(vec![])],
        ),
        same("a renewal elsewhere", elsewhere([there]), [renewed()]),
        same("elsewhere a provider that is down", elsewhere([there]), [ask(vec![http(503, "")])]),
        same("elsewhere no connection", elsewhere([there]), [ask(vec![Reply::Refused])]),
        same(
            "elsewhere the refresh token for the scopes comes first",
            elsewhere([
                there,
                SignIn { scopes: "other", refresh: Some("newer"), at: NOW - 5000, ..there },
            ]),
            [renewed()],
        )
        .but(
            "scopes elsewhere decide",
            &[
                "spent: msal newer; ours r0",
                "RefreshToken u-id.example-refreshtoken-app--other: secret: msal r1; ours newer",
                "RefreshToken u-id.example-refreshtoken-app--s: secret: msal r0; ours r1",
            ],
        ),
    ]
}
