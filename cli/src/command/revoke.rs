//! Revokes what a sign-out removed, at the provider that the record of the sign-in names.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use tokenkeep::{
    CredentialType, Entry, PersistedTokenCache, Secret, SignInRecord, TokenCache, TokenRequest,
    silent::{ExchangeError, Revoked, Spend, TokenEndpoint, TokenReply},
};
use zeroize::Zeroizing;

use crate::{
    args::SignOut,
    failure::Failure,
    interrupt,
    provider::{self, Provider},
};

/// The endpoints of all refresh tokens of a cache, as the records of their sign-ins name them.
pub(super) struct Records<'a> {
    cache: &'a PersistedTokenCache,
    is_wanted: bool,
    certificates: Option<Zeroizing<Vec<u8>>>,
    /// Each refresh token with the place of its record.
    tokens: Vec<(Secret, Option<usize>)>,
    records: Vec<Recorded>,
    end: Option<Instant>,
}

struct Recorded {
    record: SignInRecord,
    authority: String,
    provider: Option<Result<Provider, String>>,
}

impl<'a> Records<'a> {
    /// Reads what the arguments name, so that nothing is missing after the tokens are removed.
    pub(super) fn of(
        cache: &'a PersistedTokenCache,
        kept: &TokenCache,
        arguments: &SignOut,
    ) -> Result<Self, Failure> {
        let certificates = provider::certificates(arguments.certificates.ca_file.as_deref())?;
        let mut records: Vec<Recorded> = Vec::new();
        let tokens = kept.entries(CredentialType::RefreshToken);
        let tokens = tokens.filter_map(|token| {
            let secret = Secret::new(token.secret()?);
            let Some((record, authority)) = record_of(kept, token) else {
                return Some((secret, None));
            };
            let known = records.iter().position(|known| known.record == record);
            let at = known.unwrap_or(records.len());
            if known.is_none() {
                records.push(Recorded { record, authority, provider: None });
            }
            Some((secret, Some(at)))
        });
        let tokens = tokens.collect();
        let is_wanted = !arguments.no_revoke;
        Ok(Self { cache, is_wanted, certificates, tokens, records, end: None })
    }
}

/// The record of the sign-in that a refresh token is of, and the authority of the token.
fn record_of(kept: &TokenCache, token: &Entry) -> Option<(SignInRecord, String)> {
    let no_scopes: [&str; 0] = [];
    let (client, authority) = (token.client_id()?, token.authority()?);
    if let Some(record) = kept.record(&TokenRequest::new(&*client, &*authority, no_scopes)) {
        return Some((record, authority));
    }
    if token.issuer().is_some() {
        return None;
    }
    // Another program has dropped the issuer, so the only one of the client at this host is meant.
    let is_there = |record: &SignInRecord| {
        record.client_id() == client && host(record.issuer()) == host(&authority)
    };
    let mut records = kept.records().into_iter().filter(is_there);
    let record = records.next().filter(|_| records.next().is_none())?;
    let authority = record.issuer().to_owned();
    Some((record, authority))
}

/// The scheme, the host and the port of an address.
fn host(address: &str) -> String {
    address.split('/').take(3).collect::<Vec<_>>().join("/").to_ascii_lowercase()
}

impl TokenEndpoint for Records<'_> {
    /// A sign-out renews nothing.
    fn exchange(&mut self, _: &Spend) -> Result<TokenReply, ExchangeError> {
        Err(ExchangeError::not_sent("a sign-out renews nothing"))
    }

    fn revoke(&mut self, token: &Secret) -> Revoked {
        if !self.is_wanted {
            return Revoked::NotSupported;
        }
        interrupt::let_a_revocation_end();
        let at = match self.tokens.iter().find(|(secret, _)| secret == token) {
            Some((_, at)) => *at,
            // Another program renewed it just before. With one record it is clear whose it is.
            None if self.records.len() == 1 => Some(0),
            None if self.records.is_empty() => None,
            None => {
                let why = "another program has renewed it meanwhile";
                return Revoked::Failed(ExchangeError::not_sent(why));
            }
        };
        let Some(recorded) = at.map(|at| &mut self.records[at]) else {
            return Revoked::NotSupported;
        };
        // For all together, because somebody waits.
        if Instant::now() >= *self.end.get_or_insert_with(|| Instant::now() + LIMIT) {
            return Revoked::Failed(ExchangeError::not_sent("the time was up"));
        }
        let provider = recorded.provider.get_or_insert_with(|| {
            let pem = self.certificates.as_ref().map(|pem| pem.as_slice());
            Provider::of(self.cache, &recorded.record, &recorded.authority, pem)
                .map_err(|error| with_causes(&error))
        });
        match provider {
            Ok(provider) => provider.revoke(token),
            Err(why) => Revoked::Failed(ExchangeError::not_sent(why.clone())),
        }
    }
}

/// An error and its causes in one line.
fn with_causes(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(&format!(": {}", error.to_string().trim_end()));
        source = error.source();
    }
    text
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
        Revoked::Failed(error) => {
            format!("not revoked at the provider: {}", with_causes(error))
        }
        _ => "not revoked: the provider has no revocation, or none is known".into(),
    }
}

/// How long a sign-out asks providers, before the last question.
const LIMIT: Duration = Duration::from_secs(10);
