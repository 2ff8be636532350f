//! Lists the accounts that are signed in.

use serde_json::json;
use tokenkeep::{Account, PersistedTokenCache};

use super::who;
use crate::{
    failure::Failure,
    output::{self, Width},
};

pub(super) fn run(cache: &PersistedTokenCache, json: bool) -> Result<(), Failure> {
    let kept = cache.snapshot()?;
    let accounts = kept.owners();
    if json {
        output::json(&accounts.iter().map(describe).collect::<Vec<_>>())?;
    } else if !accounts.is_empty() {
        output::table(
            ["ACCOUNT", "ENVIRONMENT", "TENANT", "AUTHORITY", "HOME ACCOUNT ID"],
            accounts.iter().map(|account| {
                [
                    who::name(account).to_owned(),
                    account.environment().to_owned(),
                    account.realm().unwrap_or_default().to_owned(),
                    account.authority_type().to_string(),
                    account.home_account_id().to_owned(),
                ]
            }),
            Width::Fits,
        )?;
    }
    match kept.without_account().count() {
        // In JSON the empty list has said it.
        0 if accounts.is_empty() && !json => output::note("nobody is signed in"),
        0 => {}
        count => output::note(&format!(
            "tokens without an account: {count} (`list` shows them, `sign-out --no-account` removes \
             them)"
        )),
    }
    Ok(())
}

pub(super) fn describe(account: &Account) -> serde_json::Value {
    json!({
        "username": account.username(),
        "home_account_id": account.home_account_id(),
        "local_account_id": account.local_account_id(),
        "environment": account.environment(),
        "realm": account.realm(),
        "issuer": account.issuer(),
        "authority_type": account.authority_type().as_str(),
        "account_source": account.account_source(),
    })
}
