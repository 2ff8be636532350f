//! The keys of entries, computed from their fields.

use std::borrow::Cow;

use crate::cache::{entry::Entry, json::decode, schema::CredentialType};

/// The key that decides which entries replace each other: that of msal, and outside Microsoft's
/// clouds the issuer, if the entry has one. Returns `None` if a field of it is neither text, null
/// nor absent.
pub(crate) fn own(entry: &Entry) -> Option<String> {
    let key = plain(entry)?;
    Some(match entry.issuer_name() {
        Some(issuer) => of_issuer(&key, &issuer),
        None => key,
    })
}

/// The key of the entry with this key of msal's at an issuer.
pub(crate) fn of_issuer(plain: &str, issuer: &str) -> String {
    format!("{plain}-{issuer}")
}

/// The key that msal computes from an entry's fields. Returns `None` if one of them is neither
/// text, null nor absent.
pub(crate) fn plain(entry: &Entry) -> Option<String> {
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
