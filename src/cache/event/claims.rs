//! Reads who signed in from a provider's response: client info and ID token. They are decoded, not
//! validated.

use std::borrow::Cow;

use zeroize::Zeroizing;

use crate::{
    Error,
    cache::{
        event::Identity,
        event::fields::Fields,
        json::{Document, Object, Value, quoted},
    },
};

/// Reads who signed in according to a response.
///
/// # Errors
///
/// [`Error::Invalid`] if the client info or the ID token cannot be read or names no user; it names
/// the member.
pub(crate) fn identity(response: &Fields<'_>) -> Result<Identity, Error> {
    let mut identity = Identity { home_account_id: client_info(response)?, ..Identity::default() };
    let no_claims = || response.wrong("id_token_claims", "a JSON object");
    match response.truthy("id_token_claims") {
        Some(claims) => read_claims(claims.object().ok_or_else(no_claims)?, &mut identity)?,
        None => {
            if let Some(token) = response.secret("id_token")? {
                let expected = "a token whose middle part is a JSON object in base64url, as the \
                                provider sent it";
                let wrong = || response.wrong("id_token", expected);
                let claims = payload(&token).ok_or_else(wrong)?;
                // `wrong` names the member, and shows nothing of its content.
                let claims = Document::new(&claims, "").map_err(|_| wrong())?;
                read_claims(members(claims.value()).ok_or_else(wrong)?, &mut identity)?;
            }
        }
    }
    identity.is_user = identity.home_account_id.is_some();
    identity.is_from_provider = identity.is_user;
    Ok(identity)
}

/// The time at which an ID token says that it was issued, in Unix seconds.
pub(crate) fn issued_at(id_token: &str) -> Option<i64> {
    let claims = payload(id_token)?;
    let claims = Document::new(&claims, "").ok()?;
    Fields { object: claims.value().only(&["iat"])?, path: "" }.seconds("iat")
}

/// The user of an ID token, by the claims `sub`, `oid` and `tid`. All are `None` if the token
/// cannot be read.
#[derive(Default)]
pub(crate) struct Subject {
    pub(crate) sub: Option<String>,
    pub(crate) oid: Option<String>,
    pub(crate) tid: Option<String>,
}

impl Subject {
    pub(crate) fn of(id_token: &str) -> Self {
        let Some(claims) = payload(id_token) else { return Self::default() };
        let Ok(claims) = Document::new(&claims, "") else { return Self::default() };
        let object = claims.value().only(&["sub", "oid", "tid"]).unwrap_or_default();
        let claims = Fields { object, path: "" };
        let id = |name| claims.identifier(name).ok().flatten().filter(|id| !id.is_empty());
        Self { sub: id("sub"), oid: id("oid"), tid: id("tid") }
    }
}

/// The middle part of a token, decoded.
fn payload(token: &str) -> Option<Zeroizing<Vec<u8>>> {
    decode(token.split('.').nth(1)?)
}

/// The home account id in `client_info`, if it has one.
fn client_info(response: &Fields<'_>) -> Result<Option<String>, Error> {
    let Some(text) = response.secret("client_info")? else { return Ok(None) };
    let expected = "a JSON object in base64url, as the provider sent it";
    let wrong = || response.wrong("client_info", expected);
    let info = decode(&text).ok_or_else(wrong)?;
    let info = Document::new(&info, "").map_err(|_| wrong())?;
    let object = info.value().object().unwrap_or_default();
    let info = Fields { object, path: "client_info." };
    let (uid, utid) = (info.identifier("uid")?, info.identifier("utid")?);
    Ok(uid.zip(utid).map(|(uid, utid)| format!("{uid}.{utid}")))
}

fn read_claims(claims: Object<'_>, identity: &mut Identity) -> Result<(), Error> {
    let claims = Fields { object: claims, path: "id_token." };
    // As in msal, `sub` names the account only if `client_info` does not.
    if identity.home_account_id.is_none() && !claims.object.is_empty() {
        let subject = claims.identifier("sub")?.ok_or_else(|| claims.wrong("sub", "text"))?;
        identity.home_account_id = Some(subject);
    }
    let id = |name| claims.identifier(name).ok().flatten().filter(|id| !id.is_empty());
    (identity.issuer, identity.subject) = (id("iss"), id("sub"));
    let name = |name| claims.object.get(name).and_then(name_token);
    identity.local_account_id = name("oid").or_else(|| name("sub"));
    let username = name("preferred_username").or_else(|| name("upn"));
    identity.username = username.filter(|name| !matches!(name.as_str(), "null" | "\"\""));
    Ok(())
}

/// A name as a canonical token: any text, null, or a whole number, which becomes text.
fn name_token(value: Value<'_>) -> Option<String> {
    match value.whole_number() {
        Some(number) => Some(quoted(number)),
        None if value.is_text() || value.is_null() => value.scalar().map(Cow::into_owned),
        None => None,
    }
}

/// The members of an object. A value that Python evaluates as false has none.
fn members(value: Value<'_>) -> Option<Object<'_>> {
    if value.is_true() { value.object() } else { Some(Object::default()) }
}

/// Decodes base64 in either alphabet. Other characters are skipped, padding may be missing, and
/// everything after complete padding is ignored.
fn decode(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    if !text.is_ascii() {
        return None;
    }
    // msal pads by the length of the text, including the skipped characters.
    let missing = "=".repeat((4 - text.len() % 4) % 4);
    let mut out = Zeroizing::new(Vec::with_capacity(text.len()));
    let (mut bits, mut count, mut pads) = (0u8, 0, 0);
    for byte in text.bytes().chain(missing.bytes()) {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            b'=' => {
                if count >= 2 {
                    pads += 1;
                    if count + pads >= 4 {
                        return Some(out);
                    }
                }
                continue;
            }
            _ => continue,
        };
        pads = 0;
        match count {
            0 => bits = value,
            1 => {
                out.push(bits << 2 | value >> 4);
                bits = value & 0x0f;
            }
            2 => {
                out.push(bits << 4 | value >> 2);
                bits = value & 0x03;
            }
            _ => out.push(bits << 6 | value),
        }
        count = (count + 1) % 4;
    }
    // Python refuses a last group that is not complete.
    (count == 0).then_some(out)
}

#[cfg(test)]
mod tests {
    use super::decode;

    #[test]
    fn padding_alphabet_and_stray_characters_do_not_matter() {
        for text in
            ["eyJhIjoiPz8_In0", "eyJhIjoiPz8/In0=", "eyJh\nIjoi Pz8_In0", "eyJhIjoiPz8_In0==x"]
        {
            assert_eq!(decode(text).unwrap().as_slice(), br#"{"a":"???"}"#, "{text}");
        }
        for text in ["e", "eyJhIjoiPz8_I", "é"] {
            assert!(decode(text).is_none(), "{text}");
        }
    }
}
