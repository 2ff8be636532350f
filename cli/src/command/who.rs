//! Which account the user means.

use tokenkeep::{Account, TokenCache};
use tokenkeep_platform::text::command_word;

use crate::{args::Whom, failure::Failure, open::typed};

/// The one account that matches what was typed. If nothing was typed, the only account there is.
///
/// `address` returns the authority to name for an account if there are several to choose from.
pub(super) fn find(
    kept: &TokenCache,
    whom: &Whom,
    address: impl Fn(&Account) -> Option<String>,
) -> Result<Account, Failure> {
    let mut fitting = candidates(kept, whom)?;
    match fitting.len() {
        0 => Err(nobody(kept, whom)),
        1 => Ok(fitting.remove(0)),
        _ => Err(choice(kept, whom, &fitting, address)),
    }
}

/// The error that lists accounts, each with the options that select only this one.
pub(super) fn choice(
    kept: &TokenCache,
    whom: &Whom,
    fitting: &[Account],
    address: impl Fn(&Account) -> Option<String>,
) -> Failure {
    let typed = whom.typed().map(|name| format!(" `{name}`")).unwrap_or_default();
    let mut choices = Vec::new();
    for account in fitting.iter().take(LISTED) {
        let authority = address(account).or_else(|| account.authority());
        let authority = authority.unwrap_or_else(|| account.environment().to_owned());
        let options = options(kept, account, authority);
        let name = Some(account.username()).filter(|name| !name.is_empty());
        // Last and as a shell comment, so that a name cannot pass for options.
        choices.push(format!("{options}  # {}", name.unwrap_or("without a user name")));
    }
    if fitting.len() > LISTED {
        choices
            .push(format!("and {} more; `tokenkeep accounts` lists all", fitting.len() - LISTED));
    }
    Failure::Choice {
        what: format!("{} accounts fit{typed}; name one of them:", fitting.len()),
        choices,
    }
}

/// The name of an account: its user name, or its id if it has none.
pub(super) fn name(account: &Account) -> &str {
    match account.username() {
        "" => account.home_account_id(),
        name => name,
    }
}

fn candidates(kept: &TokenCache, whom: &Whom) -> Result<Vec<Account>, Failure> {
    let named = match (&whom.account, &whom.account_id) {
        (_, Some(id)) => {
            let mut owners = kept.owners();
            owners.retain(|account| account.home_account_id() == id);
            owners
        }
        (Some(name), None) => kept.accounts_named(name),
        (None, None) => kept.owners(),
    };
    let Some(authority) = &whom.authority else { return Ok(named) };
    // A host that no known address belongs to can still be matched by its name.
    let is_host = |account: &Account| account.environment() == authority;
    if named.iter().any(is_host) {
        return Ok(named.into_iter().filter(is_host).collect());
    }
    let mut fitting = Vec::new();
    for account in named {
        if account.is_at(authority).map_err(typed)? {
            fitting.push(account);
        }
    }
    Ok(fitting)
}

fn nobody(kept: &TokenCache, whom: &Whom) -> Failure {
    let there = whom.authority.as_ref().map(|url| format!(" at `{url}`")).unwrap_or_default();
    let Some(typed) = whom.typed() else {
        let nobodys = match kept.without_account().count() {
            0 => String::new(),
            count => format!("; tokens without an account: {count} (`--no-account` means them)"),
        };
        return Failure::Nothing(format!("nobody is signed in{there}{nobodys}"));
    };
    // An é of one code point and one of two look alike but are different names.
    let spelling = match typed.is_ascii() {
        true => "",
        false => "; letters with accents can be written in two ways, so try its home account id",
    };
    Failure::Nothing(format!("no account `{typed}` is signed in{there}{spelling}"))
}

/// The options that select this account and no other one here.
pub(super) fn options(kept: &TokenCache, account: &Account, authority: String) -> String {
    let id = account.home_account_id();
    let authority_option = typed_option("--authority", &authority);
    let by_name =
        Whom { account: Some(id.to_owned()), account_id: None, authority: Some(authority) };
    // An id may be the user name of another account, too; then only `--account-id` is exact.
    let is_only_one = candidates(kept, &by_name).is_ok_and(|found| found.len() == 1);
    let option = if is_only_one { "--account" } else { "--account-id" };
    format!("{} {authority_option}", typed_option(option, id))
}

/// How many accounts an error lists: what fits on a screen. Each is compared with all others.
const LISTED: usize = 20;

fn typed_option(option: &str, value: &str) -> String {
    // After a space, a value that begins with `-` would be read as an option.
    let separator = if value.starts_with('-') { "=" } else { " " };
    format!("{option}{separator}{}", command_word(value))
}
