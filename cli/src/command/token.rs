//! Prints a valid access token.

use std::collections::BTreeSet;

use serde_json::json;
use tokenkeep::{CredentialType, Error, PersistedTokenCache, TokenRequest};

use super::who;
use crate::{args::Token, failure::Failure, output};

pub(super) fn run(
    cache: &PersistedTokenCache,
    arguments: &Token,
    json: bool,
) -> Result<(), Failure> {
    let authority = match &arguments.authority {
        Some(authority) => authority.clone(),
        None => only_authority(cache, &arguments.client_id)?,
    };
    let scopes = arguments.scope.iter().flat_map(|scope| scope.split_whitespace());
    let mut request = TokenRequest::new(&arguments.client_id, &authority, scopes);
    if let Some(named) = &arguments.account {
        request = request.for_account(&who::find(cache, Some(named))?);
    }
    let found = cache.find_access_token(&request).map_err(|error| match error {
        Error::AccountAmbiguous { usernames } => Failure::Usage(format!(
            "{} accounts have a token for this; name one with --account: {}",
            usernames.len(),
            usernames.join(", ")
        )),
        error => error.into(),
    })?;
    let Some(token) = found else {
        return Err(Failure::Nothing(
            "no access token with these scopes is kept that stays valid for five minutes; sign in"
                .into(),
        ));
    };
    if json {
        return output::json(&json!({
            "access_token": token.secret(),
            "token_type": token.token_type(),
            "expires_on": token.expires_on(),
            "refresh_due": token.is_aging(),
        }));
    }
    output::line(token.secret())
}

/// The authority of this client's tokens, if there is only one.
fn only_authority(cache: &PersistedTokenCache, client_id: &str) -> Result<String, Failure> {
    let kept = cache.snapshot()?;
    let authorities: BTreeSet<String> = kept
        .entries(CredentialType::AccessToken)
        .filter(|entry| entry.client_id().as_deref() == Some(client_id))
        .filter_map(|entry| Some(format!("https://{}/{}", entry.environment()?, entry.realm()?)))
        .collect();
    match authorities.len() {
        0 => Err(Failure::Nothing(format!("no token of client `{client_id}` is kept; sign in"))),
        1 => Ok(authorities.into_iter().next().unwrap_or_default()),
        _ => Err(Failure::Usage(format!(
            "this client has tokens of several authorities; name one with --authority: {}",
            authorities.into_iter().collect::<Vec<_>>().join(", ")
        ))),
    }
}
