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
    args::Token,
    failure::Failure,
    input, interrupt,
    open::typed,
    output,
    provider::{self, Provider},
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
    let explained = |error: Error| match error {
        error @ Error::AccountAmbiguous { .. } => choice(&kept, arguments, &request, error),
        error => typed(error),
    };
    let refused = match arguments.instead_of {
        Some(_) => refused_token(cache, &request)?.map_err(explained)?,
        None => None,
    };
    let request = match &refused {
        Some(refused) => request.clone().instead_of(refused),
        None => request.clone(),
    };
    let Found { token, is_lost } =
        find(cache, &kept, arguments, &request).map_err(|failure| match failure {
            Failure::Cache(error) => explained(error),
            failure => failure,
        })?;
    let Some(token) = token else {
        return Err(Failure::Nothing(
            "no access token with these scopes is kept that stays valid for a while; sign in"
                .into(),
        ));
    };
    check(token.secret())?;
    if let Some(reason) = token.unstored_because().filter(|_| is_lost) {
        output::note(&format!(
            "the renewed sign-in could not be kept, you may have to sign in again: {reason}"
        ));
    }
    if interrupt::was_pressed() {
        return Err(Failure::Interrupted { is_kept: !is_lost });
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

/// What was found.
struct Found {
    token: Option<AccessToken>,
    /// It came with a renewal that could not be kept.
    is_lost: bool,
}

/// The cached token, or one that is renewed by the record of its sign-in.
fn find(
    cache: &PersistedTokenCache,
    kept: &TokenCache,
    arguments: &Token,
    request: &TokenRequest,
) -> Result<Found, Failure> {
    let cached = cache.find_access_token(request)?;
    let found = |token| Ok(Found { token, is_lost: false });
    // A provider that is not asked needs no record, and a defect of it does not matter.
    if arguments.no_refresh || cached.as_ref().is_some_and(|token| !token.is_aging()) {
        return found(cached);
    }
    let record = kept.record(request).filter(|record| record.token_endpoint().is_some());
    let Some(record) = record else { return found(cached) };
    let certificates = provider::certificates(arguments.certificates.ca_file.as_deref())?;
    let certificates = certificates.as_ref().map(|pem| pem.as_slice());
    let provider = match Provider::of(cache, &record, request.authority(), certificates) {
        Ok(provider) => provider,
        Err(error) => {
            return match cached {
                // It should be renewed, but is still valid.
                Some(token) => found(Some(token)),
                None => Err(Failure::Record(error)),
            };
        }
    };
    let mut options = SilentOptions::new();
    if arguments.allow_unsaved {
        options = options.allow_unsaved();
    }
    let token = match arguments.app {
        true => cache.acquire_token_for_client_with(request, &options, provider),
        false => cache.acquire_token_silent_with(request, &options, provider),
    }?;
    let reason = token.as_ref().and_then(AccessToken::unstored_because);
    let is_lost = match reason {
        // Another program's renewal, or another sign-in, is in its place.
        None | Some(Error::RefreshTokenGone) => false,
        // What was not saved is tried once more before the program ends.
        Some(_) => cache.settle(SETTLE).is_err(),
    };
    Ok(Found { token, is_lost })
}

/// The cached token that is on standard input. `None` if another one is cached: somebody has
/// renewed it since.
fn refused_token(
    cache: &PersistedTokenCache,
    request: &TokenRequest,
) -> Result<Result<Option<AccessToken>, Error>, Failure> {
    let input = input::standard(LARGEST_TOKEN, "is larger than a token")?;
    let input = input.strip_prefix(input::BOM).unwrap_or(&input).trim_ascii();
    if input::is_utf16(input) {
        return Err(Failure::Usage(format!("standard input {}", input::UTF16)));
    }
    // RFC 6750, section 2.1. A name before the token, such as `Bearer`, is not a part of it.
    if input.is_empty() || !input.iter().all(u8::is_ascii_graphic) {
        return Err(Failure::Usage(
            "standard input is not a token; give the token alone, in one line".into(),
        ));
    }
    // Also one that expires soon.
    let any = request.clone().margin(Duration::ZERO);
    let cached = match cache.find_access_token(&any) {
        Ok(cached) => cached,
        Err(error) => return Ok(Err(error)),
    };
    Ok(Ok(cached.filter(|token| token.secret().as_bytes() == input)))
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
    if authorities.is_empty() {
        // Other programs remove access tokens that have expired.
        let records = kept.records().into_iter();
        authorities = records
            .filter(|record| record.client_id() == client)
            .map(|record| record.authority().into_owned())
            .collect();
    }
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
