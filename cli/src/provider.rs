//! A provider as the record of a sign-in names it.

use std::{fs::File, path::Path};

use tokenkeep::{
    Error, PersistedTokenCache, Protection, Secret, SignInRecord,
    silent::{ExchangeError, HttpEndpoint, Revoked, Spend, TokenEndpoint, TokenReply},
};
use tokenkeep_platform::text::shown_path;
use zeroize::Zeroizing;

use crate::{failure::Failure, input, interrupt};

/// The endpoints of a record.
pub(crate) struct Provider(HttpEndpoint);

impl Provider {
    /// The endpoints that the record of a sign-in at this authority names. In a cache that other
    /// programs can write, the authority's own metadata must confirm them.
    ///
    /// `certificates` are those to trust, in PEM, instead of the system's.
    pub(crate) fn of(
        cache: &PersistedTokenCache,
        record: &SignInRecord,
        authority: &str,
        certificates: Option<&[u8]>,
    ) -> Result<Self, Error> {
        let mut endpoint = HttpEndpoint::of_record(record)?;
        if let Some(pem) = certificates {
            endpoint = endpoint.root_certificates(pem)?;
        }
        if !matches!(cache.protection(), Protection::Sealed { .. }) {
            endpoint.confirm(authority)?;
        }
        Ok(Self(endpoint))
    }
}

impl TokenEndpoint for Provider {
    fn exchange(&mut self, spend: &Spend) -> Result<TokenReply, ExchangeError> {
        interrupt::let_a_renewal_end();
        self.0.exchange(spend)
    }

    fn revoke(&mut self, token: &Secret) -> Revoked {
        self.0.revoke(token)
    }
}

/// The certificates in a file, if one is named.
pub(crate) fn certificates(path: Option<&Path>) -> Result<Option<Zeroizing<Vec<u8>>>, Failure> {
    let Some(path) = path else { return Ok(None) };
    let failed = |error: std::io::Error| {
        Failure::Usage(format!("`{}` cannot be read: {error}", shown_path(path)))
    };
    let file = File::open(path).map_err(failed)?;
    Ok(Some(input::read(file, LARGEST).map_err(failed)?))
}

/// All roots of a system have less.
const LARGEST: u64 = 4 << 20;
