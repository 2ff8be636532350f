//! Prints a valid access token.

use std::time::Duration;

use serde_json::json;
use tokenkeep::{
    AccessToken, Account, Error, PersistedTokenCache, TokenCache, TokenRequest,
    silent::SilentOptions,
};
use tokenkeep_platform::{clock, text::command_word};

use super::who;
use crate::{
    args::Token, failure::Failure, input, interrupt, open::typed, output, provider::Provider,
};

pub(super) fn run(
    cache: &PersistedTokenCache,
    arguments: &Token,
    json: bool,
) -> Result<(), Failure> {
    let whom = &arguments.whom;
    // One state for all questions about accounts, so that their answers agree.
    let kept = cache.snapshot()?;
    let client = match &arguments.client_id {
        Some(client) => client.clone(),
        None => only_client(&kept, whom.authority.as_deref())?,
    };
    let account = match whom.typed() {
        Some(_) => {
            let address = |account: &Account| token_authority(&kept, &client, account);
            Some(who::find(&kept, whom, address)?)
        }
        None => None,
    };
    let authority = match &whom.authority {
        Some(authority) => authority.clone(),
        None => only_authority(&kept, &client, account.as_ref())?,
    };
    let scopes = arguments.scope.iter().flat_map(|scope| scope.split_whitespace());
    let mut request = TokenRequest::new(&client, &authority, scopes);
    if let Some(account) = &account {
        request = request.for_account(account);
    }
    if arguments.app {
        request = request.app_only();
    }
    if let Some(claims) = &arguments.claims {
        request = request.claims(claims);
    }
    if arguments.instead_of.is_some() {
        request = instead_of_the_input(cache, request)?;
    }
    let found = find(cache, &kept, arguments, &request).map_err(|failure| match failure {
        Failure::Cache(error @ Error::AccountAmbiguous { .. }) => {
            choice(&kept, arguments, &request, error)
        }
        Failure::Cache(error) => typed(error),
        failure => failure,
    })?;
    let Some(token) = found else {
        return Err(Failure::Nothing(
            "no access token with these scopes is kept that stays valid for a while; sign in"
                .into(),
        ));
    };
    check(token.secret())?;
    if interrupt::was_pressed() {
        return Err(Failure::Interrupted);
    }
    if let Some(reason) = token.unstored_because() {
        output::note(&format!(
            "the renewed sign-in could not be kept, you will have to sign in again: {reason}"
        ));
    }
    if json {
        return output::json(&json!({
            "access_token": token.secret(),
            "token_type": token.token_type(),
            "expires_on": token.expires_on(),
            "refresh_due": token.is_aging(),
        }));
    }
    output::exactly(token.secret().as_bytes())
}

/// The cached token, or one that is renewed by the record of its sign-in.
fn find(
    cache: &PersistedTokenCache,
    kept: &TokenCache,
    arguments: &Token,
    request: &TokenRequest,
) -> Result<Option<AccessToken>, Failure> {
    let record = kept.record(request).filter(|record| record.token_endpoint().is_some());
    let Some(record) = record.filter(|_| !arguments.no_refresh) else {
        return Ok(cache.find_access_token(request)?);
    };
    let provider = Provider::of(cache, &record, arguments.certificates.ca_file.as_deref())?;
    let refused = provider.refused();
    let mut options = SilentOptions::new();
    if arguments.allow_unsaved {
        options = options.allow_unsaved();
    }
    let found = match arguments.app {
        true => cache.acquire_token_for_client_with(request, &options, provider),
        false => cache.acquire_token_silent_with(request, &options, provider),
    };
    // What was not saved is tried once more before the program ends.
    if found.as_ref().is_ok_and(|token| token.as_ref().is_some_and(|token| !token.is_stored())) {
        cache.settle(SETTLE).ok();
    }
    // Why the provider was not asked says more than that it was not.
    found.map_err(|error| refused.take().unwrap_or(error).into())
}

/// The request for another token than the one on standard input, if that is the cached one.
fn instead_of_the_input(
    cache: &PersistedTokenCache,
    request: TokenRequest,
) -> Result<TokenRequest, Failure> {
    let refused = input::standard(LARGEST_TOKEN, "is larger than a token")?;
    let refused = refused.trim_ascii();
    let any = request.clone().claims("").margin(Duration::ZERO);
    Ok(match cache.find_access_token(&any)? {
        Some(token) if token.secret().as_bytes() == refused => request.instead_of(&token),
        // Somebody has renewed it since.
        _ => request,
    })
}

/// Refuses control characters. A line end in a token would add a header to a request, and an escape
/// would control the terminal. RFC 6749 allows neither.
fn check(token: &str) -> Result<(), Failure> {
    if !token.is_empty() && token.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return Ok(());
    }
    Err(Failure::Refused(
        "the access token is not printed: it is empty or has characters that no token has; \
         sign in again"
            .into(),
    ))
}

/// The client whose sign-in has a record, if there is only one.
fn only_client(kept: &TokenCache, authority: Option<&str>) -> Result<String, Failure> {
    let mut clients: Vec<String> =
        kept.records().iter().map(|record| record.client_id().to_owned()).collect();
    if let Some(authority) = authority {
        let no_scopes: [&str; 0] = [];
        let has_record = |client: &String| {
            kept.record(&TokenRequest::new(client, authority, no_scopes)).is_some()
        };
        clients.retain(has_record);
    }
    clients.sort_unstable();
    clients.dedup();
    match clients.len() {
        1 => Ok(clients.remove(0)),
        0 => Err(Failure::Usage(
            "no record says which client signed in; name it with --client-id".into(),
        )),
        _ => {
            let words: Vec<String> = clients.iter().map(command_word).collect();
            Err(Failure::Usage(format!(
                "several clients signed in; name one with --client-id: {}",
                words.join(", ")
            )))
        }
    }
}

/// The authority of this client's tokens, if there is only one.
fn only_authority(
    kept: &TokenCache,
    client: &str,
    account: Option<&Account>,
) -> Result<String, Failure> {
    let mut authorities = kept.authorities(client, account);
    match authorities.len() {
        0 => {
            let whose = account.map(|one| format!(" for `{}`", who::name(one))).unwrap_or_default();
            Err(Failure::Nothing(format!("no token of client `{client}`{whose} is kept; sign in")))
        }
        1 => Ok(authorities.remove(0)),
        _ => {
            let words: Vec<String> = authorities.iter().map(command_word).collect();
            Err(Failure::Usage(format!(
                "this client has tokens of several authorities; name one with --authority: {}",
                words.join(", ")
            )))
        }
    }
}

/// The authority to name for an account, if all its tokens of this client have the same one.
fn token_authority(kept: &TokenCache, client: &str, account: &Account) -> Option<String> {
    let mut authorities = kept.authorities(client, Some(account));
    (authorities.len() == 1).then(|| authorities.remove(0))
}

/// Several accounts have a token for the request: the error that lists them.
fn choice(kept: &TokenCache, arguments: &Token, request: &TokenRequest, error: Error) -> Failure {
    let now = clock::unix_seconds();
    let has_token = |account: &Account| {
        let request = request.clone().for_account(account);
        account.is_at(request.authority()).is_ok_and(|is_there| is_there)
            && (kept.find_access_token(&request, now).is_ok_and(|token| token.is_some())
                || kept.refresh_tokens(&request).is_ok_and(|tokens| !tokens.is_empty()))
    };
    let fitting: Vec<Account> = kept.owners().into_iter().filter(has_token).collect();
    match fitting.len() {
        // This snapshot does not show the same accounts, so the error's own list has to do.
        0 | 1 => Failure::Usage(format!("{error}; name it with --account")),
        _ => {
            let address = |_: &Account| Some(request.authority().to_owned());
            who::choice(kept, &arguments.whom, &fitting, address)
        }
    }
}

const SETTLE: Duration = Duration::from_secs(5);
/// An access token has a few KiB.
const LARGEST_TOKEN: u64 = 64 << 10;
