//! Who is signed in.

use serde_json::json;
use tokenkeep::{Account, CredentialType, PersistedTokenCache};

use crate::{failure::Failure, output};

pub(super) fn run(cache: &PersistedTokenCache, json: bool) -> Result<(), Failure> {
    let accounts = cache.accounts()?;
    if json {
        return output::json(&accounts.iter().map(describe).collect::<Vec<_>>());
    }
    if accounts.is_empty() {
        let tokens = cache.snapshot()?.entries(CredentialType::AccessToken).count();
        output::note(&match tokens {
            0 => "nobody is signed in".to_owned(),
            _ => format!("no account is known; access tokens without one: {tokens} (see `list`)"),
        });
        return Ok(());
    }
    output::table(
        ["ACCOUNT", "ENVIRONMENT", "TENANT", "AUTHORITY", "HOME ACCOUNT ID"],
        accounts.iter().map(|account| {
            [
                account.username().to_owned(),
                account.environment().to_owned(),
                account.realm().unwrap_or_default().to_owned(),
                account.authority_type().to_string(),
                account.home_account_id().to_owned(),
            ]
        }),
    )
}

pub(super) fn describe(account: &Account) -> serde_json::Value {
    json!({
        "username": account.username(),
        "home_account_id": account.home_account_id(),
        "local_account_id": account.local_account_id(),
        "environment": account.environment(),
        "realm": account.realm(),
        "authority_type": account.authority_type().as_str(),
        "account_source": account.account_source(),
    })
}
