//! A refresh token is spent, and the provider issues tokens.

use serde_json::{Value, json};

use super::{Case, same};
use crate::world::*;

pub(super) fn cases() -> Vec<Case> {
    let answered = |name, more: Value| same(name, app([EXPIRED]), [call([tokens("a1", more)])]);
    let mut cases = vec![
        answered(
            "a new refresh token takes the place of the spent one",
            json!({"refresh_token": "r1"}),
        ),
        answered("without a new refresh token the old one stays", json!({})),
        answered("an empty refresh token is none", json!({"refresh_token": ""})).but(
            "an empty refresh token",
            &["RefreshToken u.t-HOST-refreshtoken-app--s: secret: msal empty; ours r0"],
        ),
        answered("more scopes are granted than were asked for", json!({"scope": "s s2"})),
        answered(
            "without a scope in the answer those that were asked for were granted",
            json!({"scope": null}),
        )
        .but(
            "scopes of the request",
            &[
                "AccessToken u.t-HOST-accesstoken-app-t-offline_access openid profile s: only msal",
                "AccessToken u.t-HOST-accesstoken-app-t-s: only ours",
            ],
        ),
        answered("without a lifetime a token has some minutes", json!({"expires_in": null})),
        answered(
            "times of all kinds are kept",
            json!({"ext_expires_in": 7200, "refresh_in": 1800, "expires_in": "3600"}),
        ),
        answered(
            "without an access token there is none",
            json!({"access_token": null, "refresh_token": "r1"}),
        ),
        answered(
            "an answer that does not say whose it is",
            json!({"client_info": null, "id_token": null, "refresh_token": "r1"}),
        )
        .but(
            "whose token",
            &[
                "AccessToken -HOST-accesstoken-app-t-s: only msal",
                "AccessToken u.t-HOST-accesstoken-app-t-s: only ours",
            ],
        ),
        answered(
            "an answer for another user",
            json!({"client_info": client_info("v"), "id_token": id_token("v"),
                "refresh_token": "r1"}),
        )
        .but(
            "another user",
            &[
                "result: msal token a1; ours unusable",
                "AccessToken v.t-HOST-accesstoken-app-t-s: only msal",
                "IdToken v.t-HOST-idtoken-app-t-: only msal",
                "RefreshToken u.t-HOST-refreshtoken-app--s: secret: msal r1; ours r0",
            ],
        ),
        answered("an answer with an error beside the token", json!({"error": "invalid_grant"})),
        same(
            "other scopes are granted than were asked for",
            app([EXPIRED]),
            [
                Call {
                    scopes: &["s", "s2"],
                    ..call([tokens("a1", json!({"refresh_token": "r1"}))])
                },
                Call {
                    scopes: &["s", "s2"],
                    ..call([tokens("a2", json!({"refresh_token": "r2"}))])
                },
            ],
        )
        .but(
            "a smaller grant",
            &[
                "call 2: spent: msal r1; ours nothing",
                "call 2: result: msal token a2; ours token a1",
                "AccessToken u.t-HOST-accesstoken-app-t-s: secret: msal a2; ours a1",
                "RefreshToken u.t-HOST-refreshtoken-app--s: secret: msal r2; ours r1",
            ],
        ),
        same(
            "each renewal spends the refresh token of the last one",
            app([EXPIRED]),
            [
                call([tokens("a1", json!({"refresh_token": "r1"}))]),
                Call { now: NOW + 60, ..call([]) },
                Call { now: NOW + 3600, ..call([tokens("a2", json!({"refresh_token": "r2"}))]) },
                Call { now: NOW + 7200, ..call([tokens("a3", json!({}))]) },
                Call { now: NOW + 10800, ..call([tokens("a4", json!({"refresh_token": "r4"}))]) },
            ],
        ),
        same(
            "a token that is to be renewed is renewed",
            app([AGING]),
            [call([tokens("a1", json!({"refresh_token": "r1"}))])],
        ),
        same(
            "a claims challenge passes over a valid token, and the answer is kept",
            app([FRESH]),
            [
                Call {
                    claims: Some(CHALLENGE),
                    ..call([tokens("a1", json!({"refresh_token": "r1"}))])
                },
                call([]),
            ],
        ),
        same(
            "a renewal in place of a valid token is stored",
            app([FRESH]),
            [
                Call { force: true, ..call([tokens("a1", json!({"refresh_token": "r1"}))]) },
                call([]),
            ],
        ),
        same(
            "a forced renewal fails",
            app([FRESH]),
            [Call { force: true, ..call([refused("invalid_grant")]) }],
        ),
    ];
    let able = || Setup { capabilities: vec!["CP1"], ..app([FRESH]) };
    let challenged = || Call { claims: Some(CHALLENGE), ..call([tokens("a1", json!({}))]) };
    cases.extend([
        same("with capabilities a valid token answers", able(), [call([])]),
        same("capabilities join the claims of a challenge", able(), [challenged()]),
        same(
            "capabilities are claims of their own",
            able(),
            [Call { now: NOW + 3600, ..call([tokens("a1", json!({}))]) }],
        ),
        same("claims that are no JSON", able(), [Call { claims: Some("eyJ9"), ..call([]) }]),
    ]);
    cases
}

const CHALLENGE: &str =
    r#"{"access_token": {"nbf": {"essential": true, "value": "1"}}, "id_token": {"x": null}}"#;
