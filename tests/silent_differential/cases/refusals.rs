//! The provider gives no token, or there is no answer.

use serde_json::json;

use super::{Case, same};
use crate::world::*;

pub(super) fn cases() -> Vec<Case> {
    let slow =
        |status, body: &str, retry_after| Reply::Http { status, body: body.into(), retry_after };
    let mut cases = Vec::new();
    // For a token that has expired there is no way out; one that is to be renewed is good enough.
    for (name, aging, reply) in [
        ("invalid_grant", "an aging token outlives invalid_grant", refused("invalid_grant")),
        (
            "interaction_required",
            "an aging token outlives interaction_required",
            refused("interaction_required"),
        ),
        ("invalid_client", "an aging token outlives invalid_client", refused("invalid_client")),
        ("no connection", "an aging token outlives a failed connection", Reply::Refused),
    ] {
        cases.push(same(name, app([EXPIRED]), [call([reply.clone()])]));
        cases.push(same(aging, app([AGING]), [call([reply])]));
    }
    let alone = |name, reply| same(name, app([EXPIRED]), [call([reply])]);
    let overloaded = || http(503, r#"{"error": "temporarily_unavailable"}"#);
    cases.extend([
        alone("status 500", http(500, "")),
        alone("status 503 with an error in JSON", overloaded()),
        same("an aging token outlives status 500", app([AGING]), [call([http(500, "")])])
            .but("an aging token", &["result: msal unavailable; ours token a0"]),
        same("an aging token outlives status 503", app([AGING]), [call([overloaded()])])
            .but("an aging token", &["result: msal unavailable; ours token a0"]),
        same("an aging token outlives a page", app([AGING]), [call([http(200, "<html>")])])
            .but("an aging token", &["result: msal unusable; ours token a0"]),
        same(
            "a token with a minute left has expired, and the provider is down",
            app([SignIn { at: NOW - 3540, ..EXPIRED }]),
            [call([http(500, "")])],
        ),
        alone("an error with status 200", http(200, r#"{"error": "invalid_grant"}"#)),
        alone("a page with status 200", http(200, "<html>")),
        alone("a page with status 400", http(400, "<html>")),
        alone("a page with status 502", http(502, "<html>")),
        alone("an object with neither token nor error", http(200, "{}"))
            .but("neither token nor error", &["result: msal nobody; ours unusable"]),
        alone("an error that says too much was asked", http(429, r#"{"error": "slow_down"}"#))
            .but("too many requests", &["result: msal error slow_down; ours unavailable"]),
        alone(
            "a refusal of conditional access",
            refused_with(json!({"error": "invalid_grant", "suberror": "basic_action",
                "claims": "{\"access_token\": {}}"})),
        ),
        alone("scopes that are refused", refused("invalid_scope")),
        same(
            "what was refused is not asked again within a minute",
            app([EXPIRED]),
            [
                call([refused("invalid_grant")]),
                Call { now: NOW + 59, ..call([]) },
                Call { now: NOW + 61, ..call([tokens("a1", json!({}))]) },
            ],
        ),
        same(
            "a provider that is down is not asked again within five seconds",
            app([EXPIRED]),
            [
                call([http(503, "")]),
                Call { now: NOW + 4, ..call([]) },
                Call { now: NOW + 6, ..call([tokens("a1", json!({}))]) },
            ],
        )
        .but(
            "five seconds",
            &[
                "call 3: spent: msal nothing; ours r0",
                "call 3: result: msal unavailable; ours token a1",
                "AccessToken u.t-HOST-accesstoken-app-t-s: only ours",
            ],
        ),
        same(
            "a provider says when it may be asked again",
            app([EXPIRED]),
            [
                call([slow(429, "{\"error\": \"slow_down\"}", Some("30"))]),
                Call { now: NOW + 29, ..call([]) },
                Call { now: NOW + 31, ..call([tokens("a1", json!({}))]) },
            ],
        )
        .but(
            "too many requests",
            &[
                "call 1: result: msal error slow_down; ours unavailable",
                "call 2: result: msal error slow_down; ours unavailable",
            ],
        ),
        same(
            "wrong scopes may be corrected at once",
            app([EXPIRED]),
            [
                call([refused("invalid_scope")]),
                Call { now: NOW + 1, ..call([tokens("a1", json!({}))]) },
            ],
        )
        .but(
            "asked again at once",
            &[
                "call 2: spent: msal nothing; ours r0",
                "call 2: result: msal error invalid_scope; ours token a1",
                "AccessToken u.t-HOST-accesstoken-app-t-s: only ours",
            ],
        ),
        same(
            "a connection that broke",
            app([EXPIRED]),
            [call([Reply::Lost, tokens("a1", json!({"refresh_token": "r1"}))])],
        )
        .but(
            "sent twice",
            &[
                "spent: msal r0; ours r0, r0",
                "result: msal unreachable; ours token a1",
                "AccessToken u.t-HOST-accesstoken-app-t-s: only ours",
                "RefreshToken u.t-HOST-refreshtoken-app--s: secret: msal r0; ours r1",
            ],
        ),
    ]);
    cases
}
