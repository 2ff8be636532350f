//! Sign-out with revocation: nothing that was signed out is left at the provider.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use super::lease::{Without, was_taken};
use crate::{
    Account, CredentialType, Error, PersistedTokenCache, Secret, TokenCache,
    cache::spender,
    silent::{Revoked, TokenEndpoint},
};

/// What a sign-out removed here, and what it revoked at the provider.
#[derive(Debug)]
#[non_exhaustive]
pub struct SignedOut {
    /// The number of entries that were removed from the cache.
    pub removed: usize,
    /// What became of each refresh token at the provider.
    pub revoked: Vec<Revoked>,
}

impl PersistedTokenCache {
    /// Signs `account` out of one client as [`sign_out`](Self::sign_out) does, or of every client
    /// if `client_id` is `None`, and then revokes the removed refresh tokens at the provider.
    ///
    /// The entries are gone before the provider is asked, so the user is signed out here whatever
    /// the provider says. A renewal that was under way stores nothing. This waits for it for at
    /// most 10 s, so that nothing is being renewed when it returns.
    ///
    /// # Errors
    /// The errors of [`transaction`](Self::transaction). What the provider says is not an error: it
    /// is in [`SignedOut::revoked`].
    pub fn sign_out_with(
        &self,
        account: &Account,
        client_id: Option<&str>,
        mut endpoint: impl TokenEndpoint,
    ) -> Result<SignedOut, Error> {
        self.shared.store.check_renewal()?;
        let (removed, gone) = self.transaction(|cache| {
            let before = refresh_tokens(cache);
            let removed = match client_id {
                Some(client_id) => cache.sign_out(account, client_id)?,
                None => cache.sign_out_everywhere(account)?,
            };
            let left = refresh_tokens(cache);
            // Another client may go on using the same token.
            let is_left = |secret: &str| left.iter().any(|(_, other)| other == secret);
            let gone: Vec<_> = before
                .difference(&left)
                .map(|(spender, secret)| (spender.clone(), secret.clone(), is_left(secret)))
                .collect();
            Ok((removed, gone))
        })?;
        let secrets: BTreeSet<&str> = gone
            .iter()
            .filter(|(_, _, is_left)| !is_left)
            .map(|(_, secret, _)| secret.as_str())
            .collect();
        // No lock is held, and the lease is not either: it may be at this very provider.
        let revoked = secrets.iter().map(|secret| endpoint.revoke(&Secret::new(*secret))).collect();
        let until = Instant::now() + IN_FLIGHT;
        // The sign-out is done, so from here on nothing is an error.
        let folder = self.persistence().lease_folder().ok().flatten();
        for (spender, ..) in &gone {
            // A sign-out leaves no files where nothing was ever renewed.
            if folder.as_deref().is_some_and(|folder| !was_taken(folder, spender)) {
                continue;
            }
            let leases = &self.shared.renewals.leases;
            let lease = leases.acquire(folder.as_deref(), spender, until, || Ok(None::<()>));
            // Who has it stores nothing any more.
            if let Ok(Err(Without::Busy { .. })) = lease {
                break;
            }
        }
        Ok(SignedOut { removed, revoked })
    }
}

/// Each refresh token, with the name of its lease.
fn refresh_tokens(cache: &TokenCache) -> BTreeSet<(String, String)> {
    let tokens = cache.entries(CredentialType::RefreshToken);
    tokens.filter_map(|token| Some((spender(token), token.secret()?.to_owned()))).collect()
}

/// How long a sign-out waits for a renewal under way.
const IN_FLIGHT: Duration = Duration::from_secs(10);
