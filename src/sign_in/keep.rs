//! Keeps a sign-in: its tokens and its record in one transaction.

use std::collections::BTreeSet;

use super::{ClientApplication, SignedIn, pages::Outcome};
use crate::{
    AccessToken, CredentialType, Error, PersistedTokenCache, Protection, Secret, SignInRecord,
    TokenCache,
    silent::{Revoked, TokenEndpoint},
};

/// A sign-in that was kept.
#[derive(Debug)]
#[non_exhaustive]
pub struct KeptSignIn {
    /// Its access token. If it could not be stored,
    /// [`unstored_because`](AccessToken::unstored_because) says why.
    pub access_token: AccessToken,
    /// What became of the refresh tokens that it replaced, at the provider.
    pub revoked: Vec<Revoked>,
}

impl PersistedTokenCache {
    /// Proves, before a user signs in, that [`keep_sign_in`](Self::keep_sign_in) can keep the
    /// sign-in, and prepares the save as [`prepare`](Self::prepare) does.
    ///
    /// # Errors
    ///
    /// The errors of [`prepare`](Self::prepare). [`Error::Unsupported`] if the client has a secret
    /// and the cache is in plain text.
    pub fn prepare_sign_in(&self, app: &ClientApplication) -> Result<Protection, Error> {
        let protection = self.prepare()?;
        self.check_record(&app.record(app.now()))?;
        Ok(protection)
    }

    /// Stores the tokens and the record of a sign-in. A former sign-in of the same account by the
    /// same client is replaced, and then its refresh token is revoked at the provider, which takes
    /// at most 5 s. At Google it is not revoked, because that would end the new sign-in as well.
    ///
    /// A token that could not be stored is returned too, as by
    /// [`add_response`](Self::add_response).
    ///
    /// # Errors
    ///
    /// [`Error::ProviderAnswer`] if the provider's response cannot be used, and
    /// [`Error::Unsupported`] if the client has a secret and the cache is in plain text. Nothing is
    /// stored then. The sign-in may still be kept elsewhere; when it is dropped, it is revoked.
    pub fn keep_sign_in(&self, signed_in: &SignedIn) -> Result<KeptSignIn, Error> {
        self.keep_sign_in_with(signed_in, |_| ())
    }

    /// [`keep_sign_in`](Self::keep_sign_in) with a moment between: `kept` gets the access token
    /// before the former refresh token is revoked, so that nobody waits for the provider to hear of
    /// the new sign-in.
    ///
    /// # Errors
    ///
    /// Those of [`keep_sign_in`](Self::keep_sign_in). `kept` is not called then.
    pub fn keep_sign_in_with(
        &self,
        signed_in: &SignedIn,
        kept: impl FnOnce(&AccessToken),
    ) -> Result<KeptSignIn, Error> {
        let (access_token, replaced) = self.store(signed_in)?;
        kept(&access_token);
        let mut endpoint = signed_in.endpoint.clone();
        let replaced = replaced.iter().map(|secret| Secret::new(&**secret));
        let revoked = replaced.map(|secret| endpoint.revoke(&secret)).collect();
        Ok(KeptSignIn { access_token, revoked })
    }

    /// Stores a sign-in, and tells the browser. The refresh tokens that it replaced are returned.
    fn store(&self, signed_in: &SignedIn) -> Result<(AccessToken, BTreeSet<String>), Error> {
        let add = |cache: &mut TokenCache| {
            let token =
                cache.add_sign_in(&signed_in.request, signed_in.event.clone(), signed_in.asked)?;
            cache.set_record(&signed_in.record)?;
            Ok(token)
        };
        let client = signed_in.record.client_id();
        let mut replaced = BTreeSet::new();
        let stored = match self.check_record(&signed_in.record) {
            Err(error @ Error::Unsupported { .. }) => Err(error),
            // What else is wrong with the store is found out by the transaction.
            _ => self.issued(
                |cache| {
                    let before = refresh_tokens(cache, Some(client));
                    let token = add(cache)?;
                    let left = refresh_tokens(cache, None);
                    replaced = before.difference(&left).cloned().collect();
                    Ok(token)
                },
                || add(&mut TokenCache::new()),
            ),
        };
        signed_in.show(match &stored {
            Ok(token) => match token.unstored_because() {
                None => Outcome::Done {
                    program: client.to_owned(),
                    account: token.account().map(|account| account.username().to_owned()),
                    provider: signed_in.provider.clone(),
                },
                Some(error) => Outcome::Failed { reason: error.to_string() },
            },
            Err(error) => Outcome::Failed { reason: error.to_string() },
        });
        let token = stored?;
        // The program has it now, in the store or at least in its hands.
        signed_in.unkept.is_kept();
        // If it is not stored, the former ones are still in the cache.
        if !token.is_stored() || signed_in.revokes_all {
            replaced.clear();
        }
        Ok((token, replaced))
    }

    /// Whether the store would take this record.
    fn check_record(&self, record: &SignInRecord) -> Result<(), Error> {
        let before = self.snapshot()?;
        let mut after = TokenCache::clone(&before);
        after.set_record(record)?;
        self.check_client_secrets(&after, &before)
    }
}

/// The refresh tokens of a client, or of all.
fn refresh_tokens(cache: &TokenCache, client_id: Option<&str>) -> BTreeSet<String> {
    let tokens = cache.entries(CredentialType::RefreshToken);
    let tokens =
        tokens.filter(|token| client_id.is_none() || token.client_id().as_deref() == client_id);
    tokens.filter_map(|token| token.secret().map(str::to_owned)).collect()
}
