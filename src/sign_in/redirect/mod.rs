//! The end of a sign-in with a browser: the redirect to this computer (RFC 8252, section 7.3).

mod arrived;
mod uri;

use std::time::{Duration, Instant};

use tokenkeep_platform::loopback::Request;
use zeroize::Zeroizing;

use self::uri::Place;
pub(crate) use self::{arrived::Arrived, uri::RedirectTo};
use super::pages::{self, Notice};
use crate::{Error, SignInFailure};

/// A redirect URI that is listened at. The port is free again when this is dropped.
#[derive(Debug)]
pub(crate) struct Redirect {
    place: Place,
    /// How long the browser waits for the outcome.
    hold: Duration,
}

/// Whether a response to an authorization request is for the sign-in that is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is for another one: its `state` is missing or not equal. The browser is told so, and the
    /// wait goes on.
    NotOurs,
    /// It is, whether it has a code or an error.
    Ours,
}

impl Redirect {
    /// Listens, on loopback alone.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] if the URI cannot be used. [`Error::SignInFailed`] if the port is taken
    /// or may not be opened.
    pub(crate) fn listen(to: RedirectTo<'_>) -> Result<Self, Error> {
        Ok(Self { place: to.listen()?, hold: HOLD })
    }

    /// The redirect URI, with its port. The token request repeats it (RFC 6749, section 4.1.3).
    pub(crate) fn uri(&self) -> &str {
        &self.place.uri
    }

    /// Waits for the response to the authorization request.
    ///
    /// `judge` gets its parameters as they were received: the query of a `GET`, or the form of a
    /// `POST` (OAuth 2.0 Form Post Response Mode). The first that it calls [`Verdict::Ours`] ends
    /// the wait. No other request does, and none of `HEAD` or `OPTIONS`, to another path or host,
    /// or of a browser that loads a page in advance reaches `judge`.
    ///
    /// `None` if nothing came until `until`, or as soon as `stop` says so, which is asked at least
    /// every 25 ms. The port is free then.
    ///
    /// # Errors
    ///
    /// [`Error::SignInFailed`] if the operating system does not accept connections any more, and
    /// [`Error::NoThread`] if there is no thread for the browser's other requests.
    pub(crate) fn wait(
        self,
        judge: &dyn Fn(&str) -> Verdict,
        until: Instant,
        stop: &dyn Fn() -> bool,
    ) -> Result<Option<Arrived>, Error> {
        loop {
            let request = self.place.listener.next(until, stop);
            let request = request.map_err(|source| SignInFailure::NoLoopback { source })?;
            let Some(request) = request else { return Ok(None) };
            let Some((request, response)) = self.place.response(request) else { continue };
            match judge(&response) {
                Verdict::Ours => return Arrived::new(self, request, response).map(Some),
                Verdict::NotOurs => notice(request, 400, Notice::OtherSignIn),
            }
        }
    }
}

impl Place {
    /// The request with its parameters, if it is a redirect. Otherwise it is answered.
    fn response(&self, request: Request) -> Option<(Request, Zeroizing<String>)> {
        // Another host means that a page of the web has had its own name point to this computer.
        if !request.header("host").is_some_and(|host| host.eq_ignore_ascii_case(&self.host)) {
            notice(request, 400, Notice::NotAllowed);
            return None;
        }
        let (path, query) = request.target().split_once('?').unwrap_or((request.target(), ""));
        if path != self.path {
            notice(request, 404, Notice::NothingHere);
            return None;
        }
        let is_form = request.header("content-type").is_some_and(is_form);
        match request.method() {
            "GET" if is_in_advance(&request) => {
                respond(request, 204, &[], "");
                None
            }
            "GET" => {
                let query = Zeroizing::new(query.to_owned());
                Some((request, query))
            }
            "POST" if is_form => match str::from_utf8(request.body()) {
                Ok(form) => {
                    let form = Zeroizing::new(form.to_owned());
                    Some((request, form))
                }
                Err(_) => {
                    notice(request, 400, Notice::OtherSignIn);
                    None
                }
            },
            "OPTIONS" => {
                respond(request, 204, &[ALLOW], "");
                None
            }
            _ => {
                respond(request, 405, &[ALLOW], &Notice::NotAllowed.page());
                None
            }
        }
    }
}

/// Whether the media type is that of a form, with or without parameters.
fn is_form(content_type: &str) -> bool {
    let media_type = content_type.split(';').next().unwrap_or_default();
    media_type.trim().eq_ignore_ascii_case("application/x-www-form-urlencoded")
}

/// Whether the browser loads the page before the user wants it:
/// <https://wicg.github.io/nav-speculation/prefetch.html#sec-purpose-header>, and the names before
/// that one.
fn is_in_advance(request: &Request) -> bool {
    ["sec-purpose", "purpose", "x-purpose", "x-moz"].iter().any(|name| {
        let purpose = request.header(name).unwrap_or_default().to_ascii_lowercase();
        ["prefetch", "prerender", "preview"].iter().any(|early| purpose.contains(early))
    })
}

fn notice(request: Request, status: u16, notice: Notice) {
    respond(request, status, &[], &notice.page());
}

/// Responds with the header fields of a page. A browser that went away needs none.
fn respond(request: Request, status: u16, fields: &[(&str, &str)], page: &str) {
    request.respond(status, &[&pages::headers(), fields].concat(), page.as_bytes()).ok();
}

/// For the token request, and for a vault that asks its user.
const HOLD: Duration = Duration::from_secs(40);
const ALLOW: (&str, &str) = ("Allow", "GET, POST");

#[cfg(test)]
mod tests;
