//! Reads the error of a token endpoint's response.

use crate::{
    cache::{event::fields::Fields, json::Value},
    error::{CLIENT_MISMATCH, Refusal},
};

/// The error of a response, or `None` if the response has none.
pub(super) fn refusal(response: &Fields<'_>) -> Option<Refusal> {
    let error = response.truthy("error")?;
    let object = error.object();
    let named = |names: &[&str]| {
        names.iter().find_map(|name| object.as_ref()?.get(name)?.text()).map(String::from)
    };
    // A code of its own says more than a sentence, and OpenAI answers with both.
    let code = error.text().map(String::from);
    let code = code.or_else(|| named(&["code", "message", "type", "status"]));
    let text = |name: &str| {
        let text = response.given(name)?.text()?;
        without_secrets(response, text.trim()).filter(|text| !text.is_empty())
    };
    Some(Refusal {
        code: without_secrets(response, code.unwrap_or_default().trim()).unwrap_or_default(),
        suberror: text("suberror").or_else(|| listed(response)),
        description: text("error_description"),
        // For a machine, so it is not cut.
        claims: (response.given("claims").and_then(Value::text).map(String::from))
            .filter(|claims| !claims.trim().is_empty()),
        correlation_id: text("correlation_id"),
    })
}

/// The only suberror that Microsoft's clouds also put into a list of further information, where
/// MSAL looks for it.
fn listed(response: &Fields<'_>) -> Option<String> {
    let items = response.given("error_additional_info")?.items()?;
    let is_there = items.into_iter().any(|item| item.text().as_deref() == Some(CLIENT_MISMATCH));
    is_there.then(|| CLIENT_MISMATCH.to_owned())
}

/// The text, cut to what a user reads. `None` if it repeats a token of the response.
fn without_secrets(response: &Fields<'_>, text: &str) -> Option<String> {
    let mut secrets = ["access_token", "refresh_token", "id_token"].into_iter();
    // A provider may put a token in a wrong place.
    let has_secret = secrets.any(|name| match response.given(name).and_then(Value::text) {
        Some(secret) => !secret.is_empty() && text.contains(&*secret),
        None => false,
    });
    (!has_secret).then(|| text.chars().take(LONGEST).collect())
}

/// The number of characters of a provider's text that are kept.
const LONGEST: usize = 200;
