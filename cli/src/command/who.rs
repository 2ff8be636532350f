//! Which account a person means.

use tokenkeep::{Account, PersistedTokenCache};

use crate::failure::Failure;

/// The account with this user name or home account id; without one, the only one there is.
pub(super) fn find(cache: &PersistedTokenCache, named: Option<&str>) -> Result<Account, Failure> {
    let accounts = cache.accounts()?;
    let Some(named) = named else { return only(accounts) };
    let by_id = accounts.iter().position(|account| account.home_account_id() == named);
    if let Some(at) = by_id {
        return Ok(accounts.into_iter().nth(at).expect("the position of an account"));
    }
    let matching: Vec<Account> = accounts
        .into_iter()
        .filter(|account| account.username().to_lowercase() == named.to_lowercase())
        .collect();
    if matching.is_empty() {
        return Err(Failure::Nothing(format!("no account `{named}` is signed in")));
    }
    only(matching)
}

fn only(mut accounts: Vec<Account>) -> Result<Account, Failure> {
    match accounts.len() {
        0 => Err(Failure::Nothing("nobody is signed in".into())),
        1 => Ok(accounts.remove(0)),
        count => Err(Failure::Usage(format!(
            "{count} accounts fit; name one with --account and its home account id: {}",
            accounts.iter().map(Account::home_account_id).collect::<Vec<_>>().join(", ")
        ))),
    }
}
