//! What a provider answers, and what a cache makes of it.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use tokenkeep::{CredentialType, Error, SignInEvent, TokenCache, TokenRequest};

pub(crate) const ELSEWHERE: &str = "https://idp.example/t";
pub(crate) const MICROSOFT: &str = "https://login.microsoftonline.com/contoso";

pub(crate) fn request(authority: &str) -> TokenRequest {
    TokenRequest::new("client", authority, ["s"])
}

/// JSON in base64url.
pub(crate) fn segment(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

pub(crate) fn id_token(claims: &Value) -> Value {
    json!(format!("h.{}.s", segment(claims)))
}

pub(crate) fn of(sub: &str) -> Value {
    id_token(&json!({"sub": sub, "preferred_username": format!("{sub}@idp.example")}))
}

/// An answer with an access token, and these members; null ones are left out.
pub(crate) fn answer(access_token: &str, more: &Value) -> Vec<u8> {
    let mut answer = json!({"access_token": access_token, "expires_in": 3600});
    let further = more.as_object().unwrap().clone().into_iter().filter(|(_, v)| !v.is_null());
    answer.as_object_mut().unwrap().extend(further);
    answer.to_string().into_bytes()
}

pub(crate) fn add(cache: &mut TokenCache, access_token: &str, more: &Value, now: u64) {
    cache.add_response(&request(ELSEWHERE), answer(access_token, more), now).unwrap();
}

/// The event of an answer as msal hands it over, which says nothing of an account that is known.
pub(crate) fn add_event(
    cache: &mut TokenCache,
    authority: &str,
    scope: &str,
    grant: &str,
    answer: &[u8],
) {
    let event = json!({"client_id": "client", "scope": [scope], "grant_type": grant,
        "token_endpoint": format!("{authority}/oauth2/v2.0/token"),
        "response": serde_json::from_slice::<Value>(answer).unwrap()});
    let event = SignInEvent::from_json(event.to_string().as_bytes()).unwrap();
    cache.add(&event, 1_000).unwrap();
}

pub(crate) fn find(
    cache: &TokenCache,
    request: &TokenRequest,
    now: u64,
) -> Result<Option<String>, Error> {
    let found = cache.find_access_token(request, now)?;
    Ok(found.map(|token| token.secret().to_owned()))
}

/// The token that nobody's name leads to.
pub(crate) fn secret(cache: &TokenCache, now: u64) -> String {
    find(cache, &request(ELSEWHERE), now).unwrap().unwrap()
}

pub(crate) fn ambiguous(cache: &TokenCache, now: u64) -> Vec<String> {
    match find(cache, &request(ELSEWHERE), now) {
        Err(Error::AccountAmbiguous { usernames }) => usernames,
        other => panic!("{other:?}"),
    }
}

pub(crate) fn tokens(cache: &TokenCache) -> usize {
    cache.len() - cache.entries(CredentialType::AppMetadata).count()
}

pub(crate) fn refresh_tokens(cache: &TokenCache, request: &TokenRequest) -> Vec<String> {
    let found = cache.refresh_tokens(request).unwrap();
    found.iter().map(|entry| entry.secret().unwrap().to_owned()).collect()
}

pub(crate) fn text(cache: &TokenCache) -> String {
    cache.to_json().expose_str().unwrap().to_owned()
}
