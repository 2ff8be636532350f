//! Signs one account out, or removes the tokens that name no account.

use serde_json::json;
use tokenkeep::{
    Account, PersistedTokenCache, Secret, SignedOut, TokenCache,
    silent::{Revoked, TokenEndpoint},
};

use super::{
    accounts,
    revoke::{self, Records},
    who,
};
use crate::{args::SignOut, failure::Failure, output};

pub(super) fn run(
    cache: &PersistedTokenCache,
    arguments: &SignOut,
    json: bool,
) -> Result<(), Failure> {
    let kept = cache.snapshot()?;
    let client = arguments.scope.client_id.as_deref();
    let mut records = Records::of(cache, &kept, arguments)?;
    let (account, removed, revoked) = if means_nobodys(&kept, arguments) {
        // Tried on a copy first, so that a sign-out without effect creates no store.
        if TokenCache::clone(&kept).sign_out_without_account(client)? == 0 {
            return Err(nothing(client, "without an account"));
        }
        let (removed, gone) = cache.transaction(|kept| {
            let before = revoke::refresh_tokens(kept);
            let removed = kept.sign_out_without_account(client)?;
            let left = revoke::refresh_tokens(kept);
            Ok((removed, before.difference(&left).cloned().collect::<Vec<_>>()))
        })?;
        let revoked = gone.iter().map(|secret| records.revoke(&Secret::new(&**secret))).collect();
        (None, removed, revoked)
    } else {
        let account = who::find(&kept, &arguments.whom, Account::authority)?;
        let mut copy = TokenCache::clone(&kept);
        let would_remove = match client {
            Some(client) => copy.sign_out(&account, client)?,
            None => copy.sign_out_everywhere(&account)?,
        };
        if would_remove == 0 {
            return Err(nothing(client, &format!("of `{}`", who::name(&account))));
        }
        let SignedOut { removed, revoked, .. } =
            cache.sign_out_with(&account, client, &mut records)?;
        (Some(account), removed, revoked)
    };
    let revoked: &[Revoked] = if arguments.no_revoke { &[] } else { &revoked };
    if json {
        let revoked: Vec<&str> = revoked.iter().map(revoke::word).collect();
        let account = account.as_ref().map(accounts::describe);
        return output::json(
            &json!({ "signed_out": account, "removed": removed, "revoked": revoked }),
        );
    }
    output::note(&match account {
        Some(account) => format!("signed out {}", who::name(&account)),
        None => format!("tokens without an account that were removed: {removed}"),
    });
    revoked.iter().for_each(|revoked| output::note(&revoke::said(revoked)));
    Ok(())
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
