//! Reads sign-in events and provider responses from JSON.

use std::borrow::Cow;

#[cfg(feature = "desktop")]
use zeroize::Zeroizing;

use crate::{
    Error,
    cache::{
        authority::Authority,
        entry::scopes_in,
        event::claims::identity,
        event::fields::Fields,
        event::refusal::refusal,
        event::{Asked, Response, SignInEvent},
        json::{Document, Value, quoted},
        request::TokenRequest,
    },
    error::Refusal,
};

impl SignInEvent {
    /// Reads an event in the format in which msal passes it to `TokenCache.add`. Its members are
    /// `client_id`, `scope` (a list, or one text), `token_endpoint` and `response`. Optional
    /// members are `environment`, `data`, `grant_type`, `username`, `account` (see
    /// [`SignInEvent::account`]), `authority_type`, `skip_account_creation` and `_account_id`.
    ///
    /// An event is read as leniently as a response, see [`from_response`](Self::from_response). A
    /// `null` counts as an absent member, and every member may be absent. A `response` without
    /// tokens, such as an `error`, is no failure: as in msal, only the client's metadata is stored.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] if it is not a JSON object, or a member has another type; it names the
    /// member.
    pub fn from_json(json: &[u8]) -> Result<Self, Error> {
        let document = Document::new(json, "the sign-in event")?;
        let event = root(&document, "the sign-in event")?;
        let response = event.fields("response", "response.")?;
        let data = event.fields("data", "data.")?;
        let place = match event.optional("token_endpoint")?.flatten() {
            Some(address) => Some(Authority::parse(&address)?),
            None => None,
        };
        let (environment, realm) =
            place.map_or((None, None), |place| (Some(place.environment), place.realm));
        let text = |name| Ok::<_, Error>(event.optional(name)?.map(owned));
        let mut read = Self {
            client_id: text("client_id")?.flatten(),
            scopes: event.scopes("scope")?.unwrap_or_default(),
            // As in msal, a stated one replaces that of the token endpoint.
            environment: text("environment")?.unwrap_or(environment),
            realm,
            // The endpoint is not the issuer, which msal's events do not name.
            issuer: None,
            grant_type: event.given("grant_type").and_then(Value::text).map(Cow::into_owned),
            // A sign-in with a password has it among the parameters of the request.
            username: data.name("username").or_else(|| event.name("username")),
            authority_type: text("authority_type")?,
            local_account_id: text("_account_id")?,
            skip_account: event.truthy("skip_account_creation").is_some(),
            key_id: data.scalar("key_id")?,
            ext_cache_key: data.extension()?,
            identity: identity(&response)?,
            response: read_response(&response)?,
            asked: None,
        };
        if let Some(home_account_id) = text("account")?.flatten() {
            read.belongs_to(home_account_id);
        }
        Ok(read)
    }

    /// Creates an event from the JSON response of a provider's token endpoint to a request.
    ///
    /// The scopes are those of the response, or if it has none, those of the request. If the
    /// provider granted other scopes than were requested, the requested scopes are stored as well,
    /// and the same request finds the token.
    ///
    /// Not all providers follow OAuth to the letter, so a response is read leniently. A member that
    /// is `null` counts as absent. Times may be numbers or texts of digits, and scopes may be a
    /// text or a list. A byte order mark is skipped. Members that are not needed may have any
    /// value. A time after the year 9999 is stored as the last day of that year.
    ///
    /// A token without a lifetime in the response is valid for 600 seconds. If the response has no
    /// refresh token either, and the request is not for Microsoft's clouds, it is valid until an
    /// API refuses it; see [`AccessToken::has_no_expiry`](crate::AccessToken::has_no_expiry).
    ///
    /// # Errors
    ///
    /// [`Error::SignInNeeded`] or [`Error::Refused`] if it is an `error`. [`Error::ProviderAnswer`]
    /// if it is not a JSON object in UTF-8, or if a needed member, which the error names, cannot be
    /// used. [`Error::Invalid`] if the request's authority cannot be used.
    pub fn from_response(request: &TokenRequest, json: &[u8]) -> Result<Self, Error> {
        let place = request.place()?;
        Self::of_answer(request, place, json).map_err(|error| match error {
            // The program passed on what it got, so it has no input to correct.
            Error::Invalid { detail } => Error::ProviderAnswer { detail },
            error => error,
        })
    }

    /// The refusal in a token endpoint's response. `None` if it has an access token.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] if it has neither.
    pub(crate) fn refusal(json: &[u8]) -> Result<Option<Refusal>, Error> {
        let document = Document::new(json, "it")?;
        let response = root(&document, "it")?;
        match refusal(&response) {
            None if response.secret("access_token")?.is_none() => {
                Err(Error::Invalid { detail: "it has no access token".to_owned() })
            }
            refusal => Ok(refusal),
        }
    }

    /// Creates an event that has nothing but what a provider's response says of its refresh token.
    ///
    /// For a response that is of no use otherwise: the refresh token in it may have replaced the
    /// one that was spent. Nothing else in the response has to be right. If it is not a JSON object
    /// the event is empty.
    pub fn of_refresh_token(json: &[u8]) -> Self {
        let read = || {
            let document = Document::new(json, "it").ok()?;
            let response = root(&document, "it").ok()?;
            Some(Response {
                refresh_token: response.secret("refresh_token").ok().flatten(),
                refresh_token_expires_in: refresh_token_lifetime(&response),
                ..Response::default()
            })
        };
        Self { response: read().unwrap_or_default(), ..Self::default() }
    }

    /// The refresh token in a token endpoint's response, whatever else is wrong with it.
    #[cfg(feature = "desktop")]
    pub(crate) fn refresh_token_in(json: &[u8]) -> Option<Zeroizing<String>> {
        Self::of_refresh_token(json).response.refresh_token
    }

    /// Sets what was asked for: the response was to a request for other scopes.
    pub(crate) fn was_asked_for(&mut self, request: &TokenRequest) {
        self.asked = Some(Asked { target: request.target(), app_only: request.is_app_only() });
    }

    fn of_answer(request: &TokenRequest, place: &Authority, json: &[u8]) -> Result<Self, Error> {
        let document = Document::new(json, "it")?;
        let response = root(&document, "it")?;
        if let Some(refusal) = refusal(&response) {
            return Err(Error::refused(refusal));
        }
        let granted = response.scopes("scope")?;
        let mut identity = identity(&response)?;
        if identity.home_account_id.is_none() {
            identity.home_account_id = request.home_account_id().map(str::to_owned);
        }
        Ok(Self {
            client_id: Some(request.client_id().to_owned()),
            scopes: match granted {
                Some(scopes) => {
                    scopes.iter().flat_map(|s| scopes_in(s)).map(str::to_owned).collect()
                }
                None => request.scopes().to_vec(),
            },
            environment: Some(place.environment.clone()),
            realm: place.realm.clone(),
            issuer: place.issuer.as_ref().map(|_| request.authority().trim().to_owned()),
            key_id: request.bound_key().map(quoted),
            ext_cache_key: request.extension().map(str::to_owned),
            identity,
            response: read_response(&response)?,
            asked: Some(Asked { target: request.target(), app_only: request.is_app_only() }),
            ..Self::default()
        })
    }
}

/// The members of the root object.
fn root<'d>(document: &'d Document<'_>, what: &str) -> Result<Fields<'d>, Error> {
    let object = document.value().object();
    let object =
        object.ok_or_else(|| Error::Invalid { detail: format!("{what} is not a JSON object") })?;
    Ok(Fields { object, path: "" })
}

fn read_response(response: &Fields<'_>) -> Result<Response, Error> {
    let access_token = response.secret("access_token")?;
    let mut read = Response {
        refresh_token: response.secret("refresh_token")?,
        id_token: response.secret("id_token")?,
        family_id: response.scalar("foci")?,
        refresh_token_expires_in: refresh_token_lifetime(response),
        ..Response::default()
    };
    if access_token.is_none() {
        return Ok(read);
    }
    read.token_type = response.scalar("token_type")?;
    read.expires_in = response.seconds("expires_in");
    let end = response.truthy("expires_on");
    read.expires_on = end.and_then(|_| response.seconds("expires_on"));
    // A lifetime that cannot be read is not replaced by a guess.
    if read.expires_in.is_none() && read.expires_on.is_none() {
        let unread = response.given("expires_in").map(|_| "expires_in");
        if let Some(name) = unread.or(end.map(|_| "expires_on")) {
            return Err(response.wrong(name, "a whole number of seconds"));
        }
    }
    read.is_lasting =
        read.expires_in.is_none() && read.expires_on.is_none() && read.refresh_token.is_none();
    read.ext_expires_in = response.seconds("ext_expires_in");
    read.refresh_in = response.seconds("refresh_in");
    read.access_token = access_token;
    Ok(read)
}

fn refresh_token_lifetime(response: &Fields<'_>) -> Option<i64> {
    let seconds = response.seconds("refresh_token_expires_in");
    seconds.or_else(|| response.seconds("refresh_expires_in"))
}

fn owned(text: Option<Cow<'_, str>>) -> Option<String> {
    text.map(Cow::into_owned)
}
