//! Revokes what a sign-out removed, at the provider that the record of the sign-in names.

use std::path::Path;

use tokenkeep::{
    CredentialType, PersistedTokenCache, Secret, SignInRecord, TokenCache, TokenRequest,
    silent::{Revoked, TokenEndpoint},
};

use crate::provider::Provider;

/// A refresh token, and the record of its sign-in.
pub(super) struct Removed {
    secret: Secret,
    record: Option<SignInRecord>,
}

/// Every refresh token with its record, before the sign-out removes both.
pub(super) fn refresh_tokens(kept: &TokenCache) -> Vec<Removed> {
    let tokens = kept.entries(CredentialType::RefreshToken);
    tokens
        .filter_map(|token| {
            let secret = Secret::new(token.secret()?);
            let no_scopes: [&str; 0] = [];
            let of = |authority: &str| {
                let client = token.client_id()?;
                kept.record(&TokenRequest::new(&*client, authority, no_scopes))
            };
            let record = token.authority().and_then(|authority| of(&authority));
            Some(Removed { secret, record })
        })
        .collect()
}

/// Those that no entry holds any more, each once.
pub(super) fn gone(before: Vec<Removed>, kept: &TokenCache) -> Vec<Removed> {
    let left = refresh_tokens(kept);
    let mut gone: Vec<Removed> = Vec::new();
    for removed in before {
        let is_known = |others: &[Removed]| others.iter().any(|one| one.secret == removed.secret);
        if !is_known(&left) && !is_known(&gone) {
            gone.push(removed);
        }
    }
    gone
}

/// Revokes each. The user is signed out here whatever comes of it.
pub(super) fn all(
    cache: &PersistedTokenCache,
    gone: Vec<Removed>,
    ca_file: Option<&Path>,
) -> Vec<Revoked> {
    let revoke = |removed: Removed| {
        let Some(record) = removed.record else { return Revoked::NotSupported };
        match Provider::of(cache, &record, ca_file) {
            Ok(mut provider) => provider.revoke(&removed.secret),
            Err(_) => Revoked::NotSupported,
        }
    };
    gone.into_iter().map(revoke).collect()
}

/// The stable word for what became of a token.
pub(super) fn word(revoked: &Revoked) -> &'static str {
    match revoked {
        Revoked::Done => "revoked",
        Revoked::Failed(_) => "failed",
        _ => "not_supported",
    }
}

/// The same for people.
pub(super) fn said(revoked: &Revoked) -> String {
    match revoked {
        Revoked::Done => "revoked at the provider".into(),
        Revoked::Failed(error) => format!("not revoked at the provider: {error}"),
        _ => "not revoked: no revocation of the provider is known".into(),
    }
}
