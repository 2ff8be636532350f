//! The keys that msal gives to entries, computed from their fields.

use std::borrow::Cow;

use crate::cache::{entry::Entry, json::decode, schema::CredentialType};

/// The key that is computed from an entry's fields. Returns `None` if one of them is neither text,
/// null nor absent.
pub(crate) fn own(entry: &Entry) -> Option<String> {
    let field = |name: &str| match entry.token(name) {
        None | Some("null") => Some(Cow::Borrowed("")),
        Some(token) => decode(token),
    };
    let (home, environment) = (field("home_account_id")?, field("environment")?);
    match entry.kind() {
        CredentialType::AccessToken => Some(access_token(
            [&home, &environment, &field("client_id")?, &field("realm")?, &field("target")?],
            &field("ext_cache_key")?,
        )),
        CredentialType::RefreshToken => Some(lowered(&[
            &home,
            &environment,
            "RefreshToken",
            &field("client_id")?,
            "",
            &field("target")?,
        ])),
        CredentialType::IdToken => Some(lowered(&[
            &home,
            &environment,
            "IdToken",
            &field("client_id")?,
            &field("realm")?,
            "",
        ])),
        CredentialType::Account => Some(lowered(&[&home, &environment, &field("realm")?])),
        CredentialType::AppMetadata => {
            Some(format!("appmetadata-{environment}-{}", field("client_id")?))
        }
    }
}

/// The key of an access token: home account id, environment, client id, realm, target.
pub(crate) fn access_token(
    [home, environment, client, realm, target]: [&str; 5],
    extension: &str,
) -> String {
    if extension.is_empty() {
        return lowered(&[home, environment, "AccessToken", client, realm, target]);
    }
    lowered(&[home, environment, "atext", client, realm, target, extension])
}

fn lowered(parts: &[&str]) -> String {
    parts.join("-").to_lowercase()
}
