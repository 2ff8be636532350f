//! A provider as the record of a sign-in names it.

use std::{cell::RefCell, fs::File, path::Path, rc::Rc};

use tokenkeep::{
    Error, PersistedTokenCache, Protection, Secret, SignInRecord,
    silent::{ExchangeError, HttpEndpoint, Revoked, Spend, TokenEndpoint, TokenReply},
};
use tokenkeep_platform::text::shown_path;

use crate::{failure::Failure, input, interrupt};

/// The endpoints of a record. In a cache that other programs can write, they are confirmed with the
/// issuer's metadata before a token is sent there.
pub(crate) struct Provider {
    endpoint: HttpEndpoint,
    /// The issuer, until it has confirmed the endpoints.
    unconfirmed: Option<String>,
    /// Why they were not confirmed.
    refused: Rc<RefCell<Option<Error>>>,
}

impl Provider {
    pub(crate) fn of(
        cache: &PersistedTokenCache,
        record: &SignInRecord,
        ca_file: Option<&Path>,
    ) -> Result<Self, Failure> {
        let mut endpoint = HttpEndpoint::of_record(record)?;
        if let Some(path) = ca_file {
            endpoint = endpoint.root_certificates(&certificates(path)?)?;
        }
        let is_ours = matches!(cache.protection(), Protection::Sealed { .. });
        let unconfirmed = (!is_ours).then(|| record.issuer().to_owned());
        Ok(Self { endpoint, unconfirmed, refused: Rc::default() })
    }

    /// Where it leaves the reason if the endpoints are not confirmed.
    pub(crate) fn refused(&self) -> Rc<RefCell<Option<Error>>> {
        Rc::clone(&self.refused)
    }

    fn confirm(&mut self) -> Result<(), ExchangeError> {
        let Some(issuer) = &self.unconfirmed else { return Ok(()) };
        if let Err(error) = self.endpoint.confirm(issuer) {
            let said = error.to_string();
            *self.refused.borrow_mut() = Some(error);
            return Err(ExchangeError::not_sent(said));
        }
        self.unconfirmed = None;
        Ok(())
    }
}

impl TokenEndpoint for Provider {
    fn exchange(&mut self, spend: &Spend) -> Result<TokenReply, ExchangeError> {
        self.confirm()?;
        interrupt::let_a_renewal_end();
        self.endpoint.exchange(spend)
    }

    fn revoke(&mut self, token: &Secret) -> Revoked {
        match self.confirm() {
            Ok(()) => self.endpoint.revoke(token),
            Err(error) => Revoked::Failed(error),
        }
    }
}

fn certificates(path: &Path) -> Result<Vec<u8>, Failure> {
    let failed = |error: std::io::Error| {
        Failure::Usage(format!("`{}` cannot be read: {error}", shown_path(path)))
    };
    let file = File::open(path).map_err(failed)?;
    Ok(input::read(file, LARGEST).map_err(failed)?.to_vec())
}

/// All roots of a system have less.
const LARGEST: u64 = 4 << 20;
