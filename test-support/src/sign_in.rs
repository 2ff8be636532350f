//! One sign-in and one key of which no part may be seen.

use crate::{Canaries, hexadecimal};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

/// The access token.
pub const ACCESS_TOKEN: &str = "aQx7Zk9WvBn4Ht2Lm8Rd5Yc1Uf6Gj3Ps0Ke-AT";
/// The refresh token.
pub const REFRESH_TOKEN: &str = "rJm3Tn8LpXs6Cv1Wq9Fz4Hb7Dy2Ng5Mk0Ra-RT";
/// A key of 32 bytes.
pub const KEY: [u8; 32] = *b"\xa5K\x915d\xe5\x17\xc2\x5e\x99\x08\xf7\x53R\xb0\x1d\
    Z\xd4\x6c\x85\x2e\xfb\x35\x90G\xa8\x5b\xe1\x0ct\x95\xc3";
/// In the claims of the ID token.
pub const NONCE: &str = "nBf4Rc6YuEw9Ti2Op7As3Dg8Hk1Lz5Xv0Qm-ID";
/// In `client_info`; accounts are named by it.
pub const UID: &str = "uHs5Gd2KqVb8Nr3Jt6Wy9Pc-UID";

/// Every secret here but who signed in.
pub fn secrets() -> Canaries {
    Canaries::new()
        .with("the access token", ACCESS_TOKEN)
        .with("the refresh token", REFRESH_TOKEN)
        .with("the ID token", NONCE)
        .with("the key", KEY)
}

/// The sign-in as msal hands it to its cache.
pub fn event() -> String {
    format!(
        r#"{{"client_id": "client", "scope": ["s1"],
        "token_endpoint": "https://login.example.com/contoso/oauth2/v2.0/token",
        "response": {}}}"#,
        response()
    )
}

/// What the provider answered.
pub fn response() -> String {
    let segment = |json: String| URL_SAFE_NO_PAD.encode(json);
    let claims = segment(format!(
        r#"{{"sub": "subject", "preferred_username": "ada@example.com", "nonce": "{NONCE}"}}"#
    ));
    let client_info = segment(format!(r#"{{"uid": "{UID}", "utid": "tenant"}}"#));
    format!(
        r#"{{"access_token": "{ACCESS_TOKEN}", "expires_in": 3600, "token_type": "Bearer",
            "refresh_token": "{REFRESH_TOKEN}", "id_token": "eyJh.{claims}.c2ln",
            "client_info": "{client_info}"}}"#
    )
}

/// [`KEY`] as a user hands it to the program.
pub fn hexadecimal_key() -> String {
    hexadecimal(KEY)
}
