//! Signs one account out.

use serde_json::json;
use tokenkeep::PersistedTokenCache;

use super::{accounts, who};
use crate::{args::SignOut, failure::Failure, output};

pub(super) fn run(
    cache: &PersistedTokenCache,
    arguments: &SignOut,
    json: bool,
) -> Result<(), Failure> {
    let account = who::find(cache, arguments.account.as_deref())?;
    match &arguments.scope.client_id {
        Some(client_id) => cache.sign_out(&account, client_id)?,
        None => cache.sign_out_everywhere(&account)?,
    }
    if json {
        return output::json(&json!({ "signed_out": accounts::describe(&account) }));
    }
    output::note(&format!("signed out {}", output::printable(account.username().to_owned())));
    Ok(())
}
