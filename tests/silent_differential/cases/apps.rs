//! Tokens of an application itself.

use serde_json::{Value, json};

use super::{Case, same};
use crate::world::*;

const SCOPES: &[&str] = &["https://api.example/.default"];

fn of_app(now: u64, answers: impl IntoIterator<Item = Reply>) -> Call {
    Call { now, account: None, scopes: SCOPES, ..call(answers) }
}

fn token(access: &str) -> Reply {
    let nobody = json!({"client_info": Value::Null, "id_token": Value::Null, "scope": Value::Null});
    tokens(access, nobody)
}

pub(super) fn cases() -> Vec<Case> {
    let confidential = || Setup { app_only: true, ..app([]) };
    vec![
        same(
            "an application's token is kept and renewed",
            confidential(),
            [of_app(NOW, [token("c1")]), of_app(NOW + 60, []), of_app(NOW + 3600, [token("c2")])],
        ),
        same(
            "an application is refused",
            confidential(),
            [of_app(NOW, [refused("invalid_client")])],
        ),
        same("an application's provider is down", confidential(), [of_app(NOW, [http(503, "")])]),
        same("an application has no connection", confidential(), [of_app(NOW, [Reply::Refused])]),
        same(
            "an application's aging token outlives a provider that is down",
            confidential(),
            [
                of_app(
                    NOW,
                    [http(
                        200,
                        r#"{"access_token": "c1", "expires_in": 3600, "refresh_in": 1200}"#,
                    )],
                ),
                of_app(NOW + 1800, [http(503, "")]),
                of_app(NOW + 1900, [token("c2")]),
            ],
        )
        .but("an aging token", &["call 2: result: msal unavailable; ours token c1"]),
        same(
            "an application says what it can do",
            Setup { capabilities: vec!["CP1"], ..confidential() },
            [of_app(NOW, [token("c1")]), of_app(NOW + 60, [])],
        ),
        same(
            "a user's token is none of the application's",
            Setup { app_only: true, ..app([FRESH]) },
            [Call { scopes: &["s"], ..of_app(NOW, [token("c1")]) }],
        ),
    ]
}
