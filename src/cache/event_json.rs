//! Reading sign-in events and provider responses from JSON.

use serde_json::{Map, Value, value::RawValue};
use zeroize::{Zeroize as _, Zeroizing};

use crate::{
    Error,
    cache::{
        authority::Authority,
        claims::{claims_in, object_in},
        event::{Identity, Response, SignInEvent},
        ext_key::ext_cache_key,
        json::quoted,
        request::TokenRequest,
        time,
    },
};

impl SignInEvent {
    /// Reads an event in the shape in which msal hands it to `TokenCache.add`: `client_id`, `scope`
    /// (a list), `token_endpoint`, `response`, and perhaps `environment`, `data`, `grant_type`,
    /// `username`, `authority_type`, `skip_account_creation` and `_account_id`.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] if it is not such a JSON object; it names the field.
    pub fn from_json(json: &[u8]) -> Result<Self, Error> {
        let event = Wiped(parse(json, "the sign-in event")?);
        let event = Fields { object: &event.0, path: "" };
        let empty = Map::new();
        let response = event.object("response")?.unwrap_or(&empty);
        let response = Fields { object: response, path: "response." };
        let data = Fields { object: event.object("data")?.unwrap_or(&empty), path: "data." };
        let endpoint = event.optional("token_endpoint")?.map(|address| match address {
            Some(address) => Authority::parse(address),
            None => Err(event.wrong("token_endpoint", "an https address")),
        });
        let endpoint = endpoint.transpose()?;
        let (environment, realm) = match endpoint {
            Some(place) => (Some(place.environment), place.realm),
            None => (None, None),
        };
        let username = |fields: &Fields<'_>| -> Result<_, Error> {
            let stated = fields.optional("username")?.flatten();
            Ok(stated.filter(|name| !name.is_empty()).map(str::to_owned))
        };
        Ok(Self {
            client_id: owned(event.optional("client_id")?.flatten()),
            scopes: event.texts("scope")?,
            environment: match event.optional("environment")? {
                Some(stated) => owned(stated),
                None => environment,
            },
            realm,
            grant_type: owned(event.optional("grant_type")?.flatten()),
            username: match username(&data)? {
                Some(name) => Some(name),
                None => username(&event)?,
            },
            authority_type: event.optional("authority_type")?.map(owned),
            local_account_id: event.optional("_account_id")?.map(owned),
            skip_account: event.object.get("skip_account_creation").is_some_and(is_true),
            key_id: data
                .object
                .get("key_id")
                .map(|value| data.scalar("key_id", value))
                .transpose()?,
            ext_cache_key: data.extension()?,
            identity: identity(&response)?,
            response: read_response(&response)?,
        })
    }

    /// Makes an event of the JSON with which a provider's token endpoint answered a request.
    ///
    /// The scopes are those of the response if it names any, else the request's.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] if it is no JSON object, if it says `error`, or if a field in it or the
    /// request's authority cannot be used.
    pub fn from_response(request: &TokenRequest, json: &[u8]) -> Result<Self, Error> {
        let place = request.place()?;
        let object = Wiped(parse(json, "the provider's response")?);
        let response = Fields { object: &object.0, path: "" };
        if response.object.contains_key("error") {
            // A code of RFC 6749 is a word of its own; anything else stays unsaid.
            let code = response.object.get("error").and_then(|code| code.as_str());
            let is_word = |code: &&str| {
                code.len() <= 64 && code.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
            };
            let code = code.filter(is_word).map(|code| format!(" `{code}`")).unwrap_or_default();
            return Err(Error::Invalid {
                detail: format!("the provider's response is the error{code} and no token"),
            });
        }
        let granted = response.optional("scope")?.flatten();
        let mut identity = identity(&response)?;
        if identity.home_account_id.is_none() {
            identity.home_account_id = request.home_account_id().map(str::to_owned);
        }
        Ok(Self {
            client_id: Some(request.client_id().to_owned()),
            scopes: match granted {
                Some(scopes) => crate::cache::entry::scopes_in(scopes).map(str::to_owned).collect(),
                None => request.scopes().to_vec(),
            },
            environment: Some(place.environment.clone()),
            realm: place.realm.clone(),
            key_id: request.bound_key().map(quoted),
            ext_cache_key: request.extension().map(str::to_owned),
            identity,
            response: read_response(&response)?,
            ..Self::default()
        })
    }
}

/// A JSON object whose texts are wiped when it is dropped.
struct Wiped(Map<String, Value>);

impl Drop for Wiped {
    fn drop(&mut self) {
        self.0.values_mut().for_each(wipe);
    }
}

fn wipe(value: &mut Value) {
    match value {
        Value::String(text) => text.zeroize(),
        Value::Array(items) => items.iter_mut().for_each(wipe),
        Value::Object(members) => members.values_mut().for_each(wipe),
        _ => {}
    }
}

fn parse(json: &[u8], what: &str) -> Result<Map<String, Value>, Error> {
    let invalid = |found: String| Error::Invalid { detail: format!("{what} is not {found}") };
    // Looked through first: a text that breaks off would leave what was read of it unwiped.
    let whole = serde_json::from_slice::<&RawValue>(json);
    match whole.and_then(|text| serde_json::from_str(text.get())) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(mut other) => {
            wipe(&mut other);
            Err(invalid("a JSON object".to_owned()))
        }
        Err(error) => {
            Err(invalid(format!("JSON, at line {} column {}", error.line(), error.column())))
        }
    }
}

/// The members of one object, and how to name them.
struct Fields<'v> {
    object: &'v Map<String, Value>,
    path: &'static str,
}

impl<'v> Fields<'v> {
    /// A field that is text or null, where it is there.
    fn optional(&self, name: &str) -> Result<Option<Option<&'v str>>, Error> {
        match self.object.get(name) {
            None => Ok(None),
            Some(Value::Null) => Ok(Some(None)),
            Some(Value::String(text)) => Ok(Some(Some(text))),
            Some(_) => Err(self.wrong(name, "text")),
        }
    }

    /// A text that counts only if it is not empty.
    fn secret(&self, name: &str) -> Result<Option<Zeroizing<String>>, Error> {
        let text = self.optional(name)?.flatten().filter(|text| !text.is_empty());
        Ok(text.map(|text| Zeroizing::new(text.to_owned())))
    }

    fn object(&self, name: &str) -> Result<Option<&'v Map<String, Value>>, Error> {
        match self.object.get(name) {
            None => Ok(None),
            Some(Value::Object(object)) => Ok(Some(object)),
            Some(_) => Err(self.wrong(name, "a JSON object")),
        }
    }

    fn texts(&self, name: &str) -> Result<Vec<String>, Error> {
        let wrong = || self.wrong(name, "a list of texts");
        match self.object.get(name) {
            None | Some(Value::Null) => Ok(Vec::new()),
            Some(Value::Array(items)) => items
                .iter()
                .map(|item| item.as_str().map(str::to_owned).ok_or_else(wrong))
                .collect(),
            Some(_) => Err(wrong()),
        }
    }

    /// Whole seconds, as a number or as digits; a fraction is cut off.
    fn seconds(&self, name: &str) -> Result<Option<i64>, Error> {
        let read = |value: &Value| match value {
            Value::Number(number) => time::number(&number.to_string()),
            Value::String(text) => time::whole(text),
            Value::Bool(value) => Some(i64::from(*value)),
            _ => None,
        };
        match self.object.get(name) {
            None => Ok(None),
            Some(value) => {
                read(value).map(Some).ok_or_else(|| self.wrong(name, "a whole number of seconds"))
            }
        }
    }

    /// A value that can be kept as it is, as a canonical token.
    fn scalar(&self, name: &str, value: &Value) -> Result<String, Error> {
        match value {
            Value::String(text) => Ok(quoted(text)),
            Value::Number(number) if !number.is_f64() => Ok(number.to_string()),
            Value::Bool(_) | Value::Null => Ok(value.to_string()),
            _ => Err(self.wrong(name, "text or a whole number")),
        }
    }

    /// The extended cache key of these request parameters, spelled as Python's `str` spells them.
    fn extension(&self) -> Result<Option<String>, Error> {
        let mut spelled = Vec::new();
        for (name, value) in self.object.iter().filter(|(_, value)| is_true(value)) {
            let text = match value {
                Value::String(text) => text.clone(),
                Value::Bool(_) => "True".to_owned(),
                Value::Number(number) if !number.is_f64() => number.to_string(),
                // Only what counts must be spelled.
                _ if ext_cache_key([(name.as_str(), "x")]).is_none() => continue,
                _ => return Err(self.wrong(name, "text, a whole number or true")),
            };
            spelled.push((name.as_str(), Zeroizing::new(text)));
        }
        Ok(ext_cache_key(spelled.iter().map(|(name, text)| (*name, text.as_str()))))
    }

    fn wrong(&self, name: &str, expected: &str) -> Error {
        Error::Invalid { detail: format!("`{}{name}` must be {expected}", self.path) }
    }
}

fn read_response(response: &Fields<'_>) -> Result<Response, Error> {
    let access_token = response.secret("access_token")?;
    let mut read = Response {
        refresh_token: response.secret("refresh_token")?,
        id_token: response.secret("id_token")?,
        family_id: response.optional("foci")?.map(owned),
        ..Response::default()
    };
    if access_token.is_none() {
        return Ok(read);
    }
    read.token_type = response.optional("token_type")?.map(owned);
    read.expires_in = response.seconds("expires_in")?;
    if response.object.get("expires_on").is_some_and(is_true) {
        read.expires_on = response.seconds("expires_on")?;
    }
    read.ext_expires_in = response.seconds("ext_expires_in")?;
    if response.object.get("refresh_in").is_some_and(|value| !value.is_number()) {
        return Err(response.wrong("refresh_in", "a number of seconds"));
    }
    read.refresh_in = response.seconds("refresh_in")?;
    read.access_token = access_token;
    Ok(read)
}

fn identity(response: &Fields<'_>) -> Result<Identity, Error> {
    let claims = match response.object.get("id_token_claims") {
        Some(value) if is_true(value) => {
            response.object("id_token_claims")?.cloned().unwrap_or_default()
        }
        _ => match response.secret("id_token")? {
            Some(id_token) => claims_in(&id_token)?,
            None => Map::new(),
        },
    };
    let claims = Wiped(claims);
    let claims = Fields { object: &claims.0, path: "the ID token's " };
    let mut identity = Identity::default();
    if let Some(stated) = response.optional("client_info")? {
        let info = object_in(stated.unwrap_or_default(), "`response.client_info`")?;
        let info = Fields { object: &info, path: "response.client_info." };
        if let (Some(uid), Some(utid)) = (info.optional("uid")?, info.optional("utid")?) {
            let (Some(uid), Some(utid)) = (uid, utid) else {
                return Err(info.wrong("uid` and `utid", "text"));
            };
            identity.home_account_id = Some(format!("{uid}.{utid}"));
        }
    }
    if identity.home_account_id.is_none() && !claims.object.is_empty() {
        let Some(sub) = claims.optional("sub")?.flatten() else {
            return Err(claims.wrong("sub", "text"));
        };
        identity.home_account_id = Some(sub.to_owned());
    }
    identity.is_person = identity.home_account_id.is_some();
    identity.username = match claims.optional("preferred_username")? {
        Some(name) => owned(name),
        None => owned(claims.optional("upn")?.flatten()),
    };
    identity.local_account_id = match claims.optional("oid")? {
        Some(oid) => owned(oid),
        None => owned(claims.optional("sub")?.flatten()),
    };
    Ok(identity)
}

fn owned(text: Option<&str>) -> Option<String> {
    text.map(str::to_owned)
}

/// What Python takes for true.
fn is_true(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(value) => *value,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(members) => !members.is_empty(),
    }
}
