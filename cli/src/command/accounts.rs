//! Lists the accounts that are signed in, and the clients that they are signed in to.

use std::collections::BTreeSet;

use serde_json::json;
use tokenkeep::{Account, CredentialType, PersistedTokenCache, TokenCache};

use super::who;
use crate::{
    failure::Failure,
    output::{self, Width},
};

pub(super) fn run(cache: &PersistedTokenCache, json: bool) -> Result<(), Failure> {
    let kept = cache.snapshot()?;
    let accounts = kept.owners();
    if json {
        output::json(&accounts.iter().map(|one| with_clients(&kept, one)).collect::<Vec<_>>())?;
    } else if !accounts.is_empty() {
        output::table(
            ["ACCOUNT", "ISSUER", "CLIENTS", "TENANT", "AUTHORITY", "HOME ACCOUNT ID"],
            accounts.iter().map(|account| {
                [
                    who::name(account).to_owned(),
                    account.authority().unwrap_or_else(|| account.environment().to_owned()),
                    clients(&kept, account).join(" "),
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

/// The clients that have tokens of the account.
fn clients(kept: &TokenCache, account: &Account) -> Vec<String> {
    let entries = CredentialType::ALL.into_iter().flat_map(|kind| kept.entries(kind));
    let theirs = entries.filter(|entry| account.owns(entry));
    let clients: BTreeSet<_> = theirs.filter_map(|entry| entry.client_id()).collect();
    clients.into_iter().map(Into::into).collect()
}

fn with_clients(kept: &TokenCache, account: &Account) -> serde_json::Value {
    let mut described = describe(account);
    described["client_ids"] = json!(clients(kept, account));
    described
}

pub(super) fn describe(account: &Account) -> serde_json::Value {
    json!({
        "username": account.username(),
        "home_account_id": account.home_account_id(),
        "local_account_id": account.local_account_id(),
        "environment": account.environment(),
        "realm": account.realm(),
        "issuer": account.issuer(),
        "authority": account.authority(),
        "authority_type": account.authority_type().as_str(),
        "account_source": account.account_source(),
    })
}
