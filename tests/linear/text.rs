//! The texts that shapes are made of.

use std::fmt::Write as _;

/// One account, or many, with an access token for each `nth` item.
pub(crate) fn signed_in(size: usize, edition: char, owner: fn(usize) -> usize) -> String {
    let home = |nth| format!("home-{}", owner(nth));
    let tokens =
        |nth| format!("\"k{nth}\":{}", token(nth, &home(nth), &format!("s{nth}"), edition));
    let refresh = |nth| format!("\"k{nth}\":{}", refresh_token(nth, &home(nth), edition));
    let account = |nth| {
        format!(
            "\"k{nth}\":{{\"home_account_id\":\"{}\",\"environment\":\"e\",\"realm\":\"r\",\
             \"username\":\"u{nth}\",\"authority_type\":\"MSSTS\"}}",
            home(nth)
        )
    };
    let text = filled("{\"AccessToken\":{", &tokens, "},\"RefreshToken\":{", size / 2);
    let few = |more: usize| if owner(1) == 0 { 1 } else { more };
    let text = filled(&text, &refresh, "},\"Account\":{", text.len() + few(size / 4));
    filled(&text, &account, "}}", text.len() + few(size / 4))
}

/// Each account of [`signed_in`] at an issuer of its own.
pub(crate) fn with_issuers(text: &str) -> String {
    let mut parts = text.split(HOME);
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let nth = part.split('"').next().unwrap_or_default();
        write!(out, "\"issuer\":\"https://e/{nth}\",{HOME}{part}").unwrap();
    }
    out
}

const HOME: &str = "\"home_account_id\":\"home-";

pub(crate) fn token(nth: usize, home: &str, scopes: &str, edition: char) -> String {
    format!(
        "{{\"credential_type\":\"AccessToken\",\"secret\":\"{edition}-{nth}\",\
         \"home_account_id\":\"{home}\",\"environment\":\"e\",\"client_id\":\"c\",\"realm\":\"r\",\
         \"target\":\"{scopes}\",\"cached_at\":\"{nth}\",\"expires_on\":\"9999999999\"}}"
    )
}

pub(crate) fn refresh_token(nth: usize, home: &str, edition: char) -> String {
    format!(
        "{{\"credential_type\":\"RefreshToken\",\"secret\":\"{edition}-{nth}\",\
         \"home_account_id\":\"{home}\",\"environment\":\"e\",\"client_id\":\"c\",\
         \"target\":\"s\",\"last_modification_time\":\"{nth}\"}}"
    )
}

pub(crate) fn account(home: &str, realm: &str) -> String {
    format!(
        "{{\"home_account_id\":\"{home}\",\"environment\":\"e\",\"realm\":\"{realm}\",\
         \"local_account_id\":\"local\",\"username\":\"u\",\"authority_type\":\"MSSTS\"}}"
    )
}

pub(crate) fn event(client: &str, subject: &str, scopes: &str, edition: char) -> String {
    format!(
        "{{\"client_id\":\"{client}\",\"scope\":[{scopes}],\"environment\":\"e\",\
         \"token_endpoint\":\"https://e/r/token\",\"grant_type\":\"authorization_code\",\
         \"response\":{{\"access_token\":\"{edition}\",\"refresh_token\":\"{edition}\",\
         \"id_token_claims\":{{\"sub\":\"{subject}\"}}}}}}"
    )
}

/// The same name in one of 64 spellings.
pub(crate) fn spelled(nth: usize) -> String {
    let letter = |(at, letter): (usize, char)| match nth >> at & 1 {
        0 => letter.to_string(),
        _ => format!("\\u{:04x}", u32::from(letter)),
    };
    format!("\"{}\"", "member".chars().enumerate().map(letter).collect::<String>())
}

pub(crate) fn filled(
    prefix: &str,
    item: &dyn Fn(usize) -> String,
    suffix: &str,
    size: usize,
) -> String {
    filled_with(",", prefix, item, suffix, size)
}

/// As many items as `size` bytes have room for, and one at least.
pub(crate) fn filled_with(
    between: &str,
    prefix: &str,
    item: &dyn Fn(usize) -> String,
    suffix: &str,
    size: usize,
) -> String {
    let mut text = String::with_capacity(size + prefix.len() + 1_000);
    write!(text, "{prefix}{}", item(0)).unwrap();
    for nth in 1.. {
        if text.len() + suffix.len() >= size {
            break;
        }
        write!(text, "{between}{}", item(nth)).unwrap();
    }
    text + suffix
}
