//! Tenants, and the names of one cloud.

use serde_json::json;

use super::{Case, same};
use crate::world::*;

pub(super) fn cases() -> Vec<Case> {
    let there = SignIn { host: ALIAS, access: "there", refresh: Some("r-there"), ..EXPIRED };
    let later = |sign_in: SignIn| SignIn { at: NOW - 6000, ..sign_in };
    let renewed = || call([tokens("a1", json!({"refresh_token": "r1"}))]);
    vec![
        same(
            "a refresh token is good for any tenant",
            Setup { authority: "https://login.microsoftonline.com/t2", ..app([FRESH]) },
            [renewed()],
        ),
        same(
            "a token under another name of the cloud answers",
            app([SignIn { at: NOW - 60, ..there }]),
            [call([])],
        ),
        same("a refresh token under another name of the cloud is spent", app([there]), [renewed()])
            .but(
                "the authority's own name",
                &[
                    "AccessToken u.t-HOST-accesstoken-app-t-s: only ours",
                    "AccessToken u.t-ALIAS-accesstoken-app-t-s: secret: msal a1; ours there",
                    "AppMetadata appmetadata-HOST-app: only ours",
                    "IdToken u.t-HOST-idtoken-app-t-: only ours",
                ],
            ),
        same(
            "a valid token under another name, and a refresh token under the own one",
            app([EXPIRED, SignIn { at: NOW - 60, ..there }]),
            [renewed()],
        )
        .but(
            "a valid token under another name",
            &[
                "spent: msal r0; ours nothing",
                "result: msal token a1; ours token there",
                "AccessToken u.t-HOST-accesstoken-app-t-s: secret: msal a1; ours a0",
                "RefreshToken u.t-HOST-refreshtoken-app--s: secret: msal r1; ours r0",
            ],
        ),
        same(
            "the refresh token under the own name is newer",
            app([there, later(EXPIRED)]),
            [renewed()],
        ),
        same(
            "the refresh token under the other name is newer",
            app([EXPIRED, later(there)]),
            [renewed()],
        )
        .but(
            "order",
            &[
                "spent: msal r0; ours r-there",
                "RefreshToken u.t-HOST-refreshtoken-app--s: secret: msal r1; ours r0",
                "RefreshToken u.t-ALIAS-refreshtoken-app--s: secret: msal r-there; ours r1",
            ],
        ),
        same(
            "the one under the own name is refused",
            app([there, later(EXPIRED)]),
            [call([refused("invalid_grant"), tokens("a1", json!({"refresh_token": "r1"}))])],
        )
        .but(
            "the authority's own name",
            &[
                "AccessToken u.t-HOST-accesstoken-app-t-s: only ours",
                "AccessToken u.t-ALIAS-accesstoken-app-t-s: secret: msal a1; ours there",
            ],
        ),
    ]
}
