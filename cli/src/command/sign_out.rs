//! Signs one account out, or removes the tokens that name no account.

use serde_json::json;
use tokenkeep::{Account, PersistedTokenCache, TokenCache};

use super::{accounts, revoke, who};
use crate::{args::SignOut, failure::Failure, output};

/// Whose tokens were removed.
enum Signed {
    Out(Account),
    Nobodys,
}

pub(super) fn run(
    cache: &PersistedTokenCache,
    arguments: &SignOut,
    json: bool,
) -> Result<(), Failure> {
    // Tried on a copy first, so that a sign-out without effect creates no store.
    sign_out(&mut TokenCache::clone(&*cache.snapshot()?), arguments)?;
    let (signed, removed, gone) = cache.transaction(|kept| {
        let before = revoke::refresh_tokens(kept);
        Ok(sign_out(kept, arguments)
            .map(|(signed, removed)| (signed, removed, revoke::gone(before, kept))))
    })??;
    let revoked = match arguments.no_revoke {
        true => Vec::new(),
        false => revoke::all(cache, gone, arguments.certificates.ca_file.as_deref()),
    };
    if json {
        let account = match &signed {
            Signed::Out(account) => Some(accounts::describe(account)),
            Signed::Nobodys => None,
        };
        let revoked: Vec<&str> = revoked.iter().map(revoke::word).collect();
        return output::json(
            &json!({ "signed_out": account, "removed": removed, "revoked": revoked }),
        );
    }
    output::note(&match signed {
        Signed::Out(account) => format!("signed out {}", who::name(&account)),
        Signed::Nobodys => format!("tokens without an account that were removed: {removed}"),
    });
    revoked.iter().for_each(|revoked| output::note(&revoke::said(revoked)));
    Ok(())
}

/// Returns the account that was signed out, and the number of removed entries. A failure changes
/// nothing.
fn sign_out(kept: &mut TokenCache, arguments: &SignOut) -> Result<(Signed, usize), Failure> {
    let client = arguments.scope.client_id.as_deref();
    if means_nobodys(kept, arguments) {
        return match kept.sign_out_without_account(client)? {
            0 => Err(nothing(client, "without an account")),
            removed => Ok((Signed::Nobodys, removed)),
        };
    }
    let account = who::find(kept, &arguments.whom, Account::authority)?;
    let removed = match client {
        Some(client) => kept.sign_out(&account, client)?,
        None => kept.sign_out_everywhere(&account)?,
    };
    match removed {
        0 => Err(nothing(client, &format!("of `{}`", who::name(&account)))),
        removed => Ok((Signed::Out(account), removed)),
    }
}

/// Whether tokens without an account are meant: if the arguments say so, or if there is nothing
/// else.
fn means_nobodys(kept: &TokenCache, arguments: &SignOut) -> bool {
    arguments.no_account
        || (arguments.whom.is_anybody()
            // With an account signed in, it is the account that is meant.
            && kept.owners().is_empty()
            && kept.without_account().next().is_some())
}

fn nothing(client: Option<&str>, whose: &str) -> Failure {
    let client = client.map(|client| format!(" of client `{client}`")).unwrap_or_default();
    Failure::Nothing(format!("no tokens{client} {whose} are kept; nothing was changed"))
}
