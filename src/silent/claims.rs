//! The claims that a form asks for: those of a challenge, and the capabilities of the client.

use std::collections::BTreeMap;

use serde_json::value::{RawValue, to_raw_value};

use crate::{Error, TokenRequest};

/// The members of a JSON object. A name that is there twice counts with its last value.
type Members = BTreeMap<String, Box<RawValue>>;

/// The claims of `request` with its client capabilities, as JSON text. `None` if it has neither.
///
/// The capabilities are the claim `xms_cc` of the access token, as in MSAL. Claims without
/// capabilities are sent as they were given.
///
/// # Errors
///
/// [`Error::Invalid`] if the claims are not a JSON object, or their `access_token` is not one.
pub(crate) fn sent_claims(request: &TokenRequest) -> Result<Option<String>, Error> {
    let claims = request.requested_claims();
    let mut members = match claims {
        Some(claims) => object(claims, "the claims are")?,
        None => Members::new(),
    };
    let mut of_the_token = match members.get(ACCESS_TOKEN) {
        Some(value) => object(value.get(), "the member `access_token` of the claims is")?,
        None => Members::new(),
    };
    let capabilities = request.requested_capabilities();
    if capabilities.is_empty() {
        return Ok(claims.map(str::to_owned));
    }
    of_the_token.insert("xms_cc".into(), raw(&BTreeMap::from([("values", capabilities)]))?);
    members.insert(ACCESS_TOKEN.into(), raw(&of_the_token)?);
    Ok(Some(raw(&members)?.get().to_owned()))
}

fn object(json: &str, what: &str) -> Result<Members, Error> {
    serde_json::from_str(json).map_err(|error| Error::Invalid {
        detail: format!(
            "{what} not a JSON object, at line {} column {}; pass the decoded text of the claims \
             challenge",
            error.line(),
            error.column()
        ),
    })
}

fn raw(value: &impl serde::Serialize) -> Result<Box<RawValue>, Error> {
    to_raw_value(value)
        .map_err(|_| Error::Invalid { detail: "the claims cannot be written as JSON".into() })
}

const ACCESS_TOKEN: &str = "access_token";
