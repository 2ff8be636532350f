//! What a client sends: a form, and a name with a password.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use zeroize::Zeroizing;

/// A form in `application/x-www-form-urlencoded` (RFC 6749, appendix B). It is wiped when dropped.
pub(super) struct Form(Zeroizing<String>);

impl Form {
    pub(super) fn new() -> Self {
        Self(Zeroizing::new(String::new()))
    }

    pub(super) fn extend<'f>(&mut self, fields: impl IntoIterator<Item = (&'f str, &'f str)>) {
        for (name, value) in fields {
            let (name, value) = (encoded(name), encoded(value));
            let separator = if self.0.is_empty() { "" } else { "&" };
            let parts = [self.0.as_str(), separator, name.as_str(), "=", value.as_str()];
            let mut longer = Zeroizing::new(String::with_capacity(
                parts.iter().map(|part| part.len()).sum::<usize>(),
            ));
            longer.extend(parts);
            self.0 = longer;
        }
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

/// Names and values in `application/x-www-form-urlencoded`, as for the query of an address.
#[cfg(feature = "desktop")]
pub(crate) fn encoded_form<'f>(
    fields: impl IntoIterator<Item = (&'f str, &'f str)>,
) -> Zeroizing<String> {
    let mut form = Form::new();
    form.extend(fields);
    form.0
}

/// The value of an `Authorization` header (RFC 6749, section 2.3.1). Both parts are encoded as in a
/// form before they are joined, so that a `:` in the id does not end it.
pub(super) fn basic(client_id: &str, secret: &str) -> Zeroizing<String> {
    let (client_id, secret) = (encoded(client_id), encoded(secret));
    let mut pair = Zeroizing::new(String::with_capacity(client_id.len() + 1 + secret.len()));
    pair.extend([client_id.as_str(), ":", secret.as_str()]);
    let mut header = Zeroizing::new(String::with_capacity("Basic ".len() + pair.len() * 4 / 3 + 4));
    header.push_str("Basic ");
    STANDARD.encode_string(pair.as_bytes(), &mut header);
    header
}

/// Letters, digits and `*-._` stay, a space becomes `+`, and of all else each byte becomes `%XX`
/// (HTML 4.01, section 17.13.4, as browsers do it).
fn encoded(text: &str) -> Zeroizing<String> {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    // No larger one is needed, so none is left behind unwiped.
    let mut encoded = Zeroizing::new(String::with_capacity(text.len() * 3));
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'*' | b'-' | b'.' | b'_' => {
                encoded.push(byte.into());
            }
            b' ' => encoded.push('+'),
            _ => {
                let digit = |half: u8| char::from(DIGITS[usize::from(half)]);
                encoded.extend(['%', digit(byte >> 4), digit(byte & 15)]);
            }
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::{Form, STANDARD, basic};
    use base64::Engine as _;

    #[test]
    fn a_form_is_encoded_as_browsers_do_it() {
        let mut form = Form::new();
        form.extend([("scope", "openid https://graph.example/.default")]);
        form.extend([("x y", "a+b&c=d~*é\n")]);
        let expected = "scope=openid+https%3A%2F%2Fgraph.example%2F.default\
                        &x+y=a%2Bb%26c%3Dd%7E*%C3%A9%0A";
        assert_eq!(str::from_utf8(form.as_bytes()), Ok(expected));
    }

    #[test]
    fn a_colon_in_an_id_does_not_end_it() {
        let header = basic("my:client", "pä ss%");
        let pair = STANDARD.decode(header.strip_prefix("Basic ").unwrap()).unwrap();
        assert_eq!(pair, b"my%3Aclient:p%C3%A4+ss%25");
    }
}
