//! Revokes what a sign-out removed, at the provider that the record of the sign-in names.

use std::collections::BTreeSet;

use tokenkeep::{
    CredentialType, PersistedTokenCache, Secret, SignInRecord, TokenCache, TokenRequest,
    silent::{ExchangeError, Revoked, Spend, TokenEndpoint, TokenReply},
};

use crate::{args::SignOut, provider::Provider};

/// The endpoints of all refresh tokens of a cache, as the records of their sign-ins name them.
pub(super) struct Records<'a> {
    cache: &'a PersistedTokenCache,
    arguments: &'a SignOut,
    records: Vec<(Secret, SignInRecord)>,
}

impl<'a> Records<'a> {
    pub(super) fn of(
        cache: &'a PersistedTokenCache,
        kept: &TokenCache,
        arguments: &'a SignOut,
    ) -> Self {
        let tokens = kept.entries(CredentialType::RefreshToken);
        let records = tokens.filter_map(|token| {
            let no_scopes: [&str; 0] = [];
            let request = TokenRequest::new(token.client_id()?, token.authority()?, no_scopes);
            Some((Secret::new(token.secret()?), kept.record(&request)?))
        });
        Self { cache, arguments, records: records.collect() }
    }
}

impl TokenEndpoint for Records<'_> {
    /// A sign-out renews nothing.
    fn exchange(&mut self, _: &Spend) -> Result<TokenReply, ExchangeError> {
        Err(ExchangeError::not_sent("a sign-out renews nothing"))
    }

    fn revoke(&mut self, token: &Secret) -> Revoked {
        let Some((_, record)) = self.records.iter().find(|(secret, _)| secret == token) else {
            return Revoked::NotSupported;
        };
        if self.arguments.no_revoke {
            return Revoked::NotSupported;
        }
        let ca_file = self.arguments.certificates.ca_file.as_deref();
        match Provider::of(self.cache, record, ca_file) {
            Ok(mut provider) => provider.revoke(token),
            Err(failure) => Revoked::Failed(ExchangeError::not_sent(failure.to_string())),
        }
    }
}

/// Every refresh token.
pub(super) fn refresh_tokens(kept: &TokenCache) -> BTreeSet<String> {
    let tokens = kept.entries(CredentialType::RefreshToken);
    tokens.filter_map(|token| token.secret().map(str::to_owned)).collect()
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
        _ => "not revoked: the provider has no revocation, or none is known".into(),
    }
}
