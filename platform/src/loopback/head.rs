//! The head of a request, as received.

use httparse::{EMPTY_HEADER, Error, Status};
use zeroize::Zeroizing;

/// The head of a request, and where its body is.
pub(super) struct Head {
    pub(super) method: String,
    /// The query may have a secret.
    pub(super) target: Zeroizing<String>,
    pub(super) fields: Vec<(String, Vec<u8>)>,
    /// Where the body begins.
    pub(super) end: usize,
    /// The bytes of the body.
    pub(super) length: usize,
}

impl Head {
    /// The head at the beginning of `bytes`. `None` if it is not whole.
    ///
    /// # Errors
    ///
    /// The status that refuses the request.
    pub(super) fn parse(bytes: &[u8]) -> Result<Option<Self>, u16> {
        let mut fields = [EMPTY_HEADER; MAX_FIELDS];
        let mut request = httparse::Request::new(&mut fields);
        let end = match request.parse(bytes) {
            Ok(Status::Complete(end)) => end,
            Ok(Status::Partial) => return Ok(None),
            Err(Error::TooManyHeaders) => return Err(FIELDS_TOO_LARGE),
            Err(_) => return Err(BAD_REQUEST),
        };
        let is_old = request.version == Some(0);
        let fields = request.headers.iter();
        let head = Self {
            method: request.method.unwrap_or_default().to_owned(),
            target: Zeroizing::new(request.path.unwrap_or_default().to_owned()),
            fields: fields.map(|field| (field.name.to_owned(), field.value.to_vec())).collect(),
            end,
            length: 0,
        };
        // RFC 9112, section 3.2.
        match head.values("host").count() {
            1 => {}
            0 if is_old => {}
            _ => return Err(BAD_REQUEST),
        }
        Ok(Some(Self { length: head.body_length()?, ..head }))
    }

    /// The values of all fields with this name.
    pub(super) fn values(&self, name: &str) -> impl Iterator<Item = &[u8]> {
        let fields = self.fields.iter();
        fields
            .filter(move |(theirs, _)| theirs.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_slice())
    }

    /// RFC 9112, section 6.3. A body in chunks is refused, as section 6.3 allows.
    fn body_length(&self) -> Result<usize, u16> {
        if self.values("transfer-encoding").next().is_some() {
            return Err(LENGTH_REQUIRED);
        }
        let mut lengths = self.values("content-length");
        let Some(length) = lengths.next() else { return Ok(0) };
        let is_number = !length.is_empty() && length.iter().all(u8::is_ascii_digit);
        if !is_number || lengths.any(|other| other != length) {
            return Err(BAD_REQUEST);
        }
        let length = str::from_utf8(length).ok().and_then(|digits| digits.parse().ok());
        length.filter(|length| *length <= MAX_BODY).ok_or(CONTENT_TOO_LARGE)
    }
}

// RFC 9110, section 15.5, and RFC 6585, section 5.
pub(super) const BAD_REQUEST: u16 = 400;
pub(super) const TIMEOUT: u16 = 408;
const LENGTH_REQUIRED: u16 = 411;
const CONTENT_TOO_LARGE: u16 = 413;
pub(super) const FIELDS_TOO_LARGE: u16 = 431;

pub(super) const MAX_HEAD: usize = 8 << 10;
const MAX_BODY: usize = 64 << 10;
const MAX_FIELDS: usize = 64;
