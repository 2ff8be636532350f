//! The sign-in with a browser: the address that it opens, and the response that comes back.

use std::{fmt, time::Duration};

use tokenkeep_platform::text::shown_start;
use zeroize::Zeroizing;

use super::{
    ClientApplication, IssuerSource, SignInFailure, SignedIn,
    issuer::is_redirect_issuer,
    random::{challenge, unguessable},
    signed_in::AUTHORIZATION_CODE,
};
use crate::{
    Error, Secret,
    error::Refusal,
    silent::{ExchangeError, encoded_form},
};

/// A sign-in with a browser that has begun (RFC 6749, section 4.1, with PKCE by RFC 7636).
///
/// It lives in memory only, and is of one use. `Debug` shows no secret.
pub struct AuthCodeFlow {
    url: String,
    redirect_uri: String,
    state: Zeroizing<String>,
    nonce: Zeroizing<String>,
    verifier: Zeroizing<String>,
    issuer: String,
    is_issuer_announced: bool,
}

/// What a redirect says.
pub(crate) enum AuthResponse {
    /// It is not the response to this sign-in.
    NotOurs,
    /// A code, to be exchanged for tokens.
    Code(Secret),
    /// The provider refused.
    Refused(Refusal),
    /// It is from another issuer, or names none although the provider announces it.
    OtherIssuer(Option<String>),
}

impl AuthCodeFlow {
    /// The address that the browser opens.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The address at which the sign-in ends.
    pub fn redirect_uri(&self) -> &str {
        &self.redirect_uri
    }

    /// Reads the parameters of a redirect. `response` is its whole address or its query.
    pub(crate) fn read(&self, response: &str) -> AuthResponse {
        let response = response.trim();
        // The `?` of a query alone is part of a value.
        let is_address = |start: &str| !start.split("://").next().is_some_and(|s| s.contains('='));
        let query = match response.split_once('?') {
            Some((start, query)) if is_address(start) => query,
            _ => response,
        };
        let query = query.split('#').next().unwrap_or_default();
        let fields: Vec<(_, _)> = form_urlencoded::parse(query.as_bytes()).collect();
        let count = |name: &str| fields.iter().filter(|(field, _)| field == name).count();
        let one = |name: &str| {
            let mut values = fields.iter().filter(|(field, _)| field == name);
            values.next().map(|(_, value)| value.as_ref())
        };
        // A parameter that comes twice could be read in two ways (RFC 6749, section 3.1).
        let twice = ["code", "state", "iss", "error"].iter().any(|name| count(name) > 1);
        if twice || !one("state").is_some_and(|state| is_same(state, &self.state)) {
            return AuthResponse::NotOurs;
        }
        match one("iss") {
            Some(issuer) if !is_redirect_issuer(issuer, &self.issuer) => {
                return AuthResponse::OtherIssuer(Some(issuer.to_owned()));
            }
            None if self.is_issuer_announced => return AuthResponse::OtherIssuer(None),
            _ => {}
        }
        if let Some(code) = one("error") {
            if code.trim().is_empty() {
                return AuthResponse::NotOurs;
            }
            let refusal = Refusal::new(code, one("error_description"));
            return AuthResponse::Refused(refusal.without(&[&self.state]));
        }
        match one("code").filter(|code| !code.is_empty()) {
            Some(code) => AuthResponse::Code(Secret::new(code)),
            None => AuthResponse::NotOurs,
        }
    }
}

impl ClientApplication {
    /// Begins a sign-in with a browser that ends at `redirect_uri`.
    ///
    /// # Errors
    ///
    /// [`Error::SignInFailed`] if the provider has no authorization endpoint, or lists methods of
    /// PKCE without `S256`. [`Error::System`] if there are no random numbers.
    pub fn initiate_auth_code_flow(&self, redirect_uri: &str) -> Result<AuthCodeFlow, Error> {
        let not_offered = |missing| Error::from(SignInFailure::NotOffered { missing });
        let endpoint = self.metadata.authorization_endpoint.as_deref();
        let endpoint = endpoint.ok_or_else(|| not_offered("authorization endpoint"))?;
        let methods = self.metadata.code_challenge_methods_supported.as_ref();
        if methods.is_some_and(|methods| !methods.iter().any(|method| method == "S256")) {
            return Err(not_offered("PKCE with the method S256"));
        }
        let (state, nonce, verifier) = (unguessable()?, unguessable()?, unguessable()?);
        let (challenge, scope) = (challenge(&verifier), self.scopes.join(" "));
        let mut query = vec![
            ("response_type", "code"),
            ("client_id", &self.settings.client_id),
            ("redirect_uri", redirect_uri),
            ("state", &state),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
        ];
        if !scope.is_empty() {
            query.push(("scope", &scope));
        }
        if self.is_openid() {
            query.push(("nonce", &nonce));
        }
        let (hint, prompt) = (&self.settings.login_hint, self.prompt());
        query.extend(hint.as_deref().map(|hint| ("login_hint", hint)));
        query.extend(prompt.as_deref().map(|prompt| ("prompt", prompt)));
        query.extend(self.known().authorization);
        self.extend(&mut query);
        let separator = if endpoint.contains('?') { '&' } else { '?' };
        let url = format!("{endpoint}{separator}{}", encoded_form(query.iter().copied()).as_str());
        let is_issuer_announced = self.metadata.authorization_response_iss_parameter_supported;
        Ok(AuthCodeFlow {
            url,
            redirect_uri: redirect_uri.to_owned(),
            issuer: self.metadata.issuer.clone(),
            is_issuer_announced,
            state,
            nonce,
            verifier,
        })
    }

    /// Ends a sign-in with a browser. `response` is the whole address at which it ended, or what
    /// follows the `?` in it. The code in it is exchanged once, within 30 s. That cannot be
    /// stopped, because a code is of one use (RFC 6749, section 4.1.2).
    ///
    /// # Errors
    ///
    /// [`Error::SignInFailed`] if the user refused, the response is from another issuer, the
    /// provider does not say who signed in, or it is not known whether the code was accepted.
    /// [`Error::Invalid`] if it is not the response to this sign-in. [`Error::SignInNeeded`] and
    /// [`Error::Refused`] if the provider refuses the code.
    /// [`Error::ProviderUnreachable`], [`Error::ProviderUnavailable`] and [`Error::ProviderAnswer`]
    /// if it gives no tokens, or an ID token that cannot be accepted.
    pub fn acquire_token_by_auth_code_flow(
        &self,
        flow: &AuthCodeFlow,
        response: &str,
    ) -> Result<SignedIn, Error> {
        match flow.read(response) {
            AuthResponse::Code(code) => self.redeem(flow, &code),
            AuthResponse::Refused(refusal) => Err(denied(refusal)),
            AuthResponse::OtherIssuer(announced) => Err(flow.other_issuer(announced)),
            AuthResponse::NotOurs => Err(Error::Invalid {
                detail: "this is not the address at which the sign-in ended; it has `code=` and \
                         `state=` in it"
                    .into(),
            }),
        }
    }

    /// Exchanges the code of a response for tokens.
    pub(crate) fn redeem(&self, flow: &AuthCodeFlow, code: &Secret) -> Result<SignedIn, Error> {
        let code = code.expose_str().unwrap_or_default();
        let scope = self.scopes.join(" ");
        let mut form = vec![
            ("grant_type", AUTHORIZATION_CODE),
            ("client_id", self.settings.client_id.as_str()),
            ("code", code),
            ("redirect_uri", &flow.redirect_uri),
            ("code_verifier", &flow.verifier),
        ];
        if self.known().has_client_info {
            form.push(("scope", &scope));
        }
        self.extend(&mut form);
        let asked = self.now();
        let reply = self.exchange(&form, EXCHANGE).map_err(|error| match error {
            ExchangeError::NotSent(source) => Error::ProviderUnreachable { source },
            ExchangeError::Unknown(source) => SignInFailure::OutcomeUnknown { source }.into(),
        })?;
        let tokens = self.tokens(&reply, &[code, &flow.verifier])?;
        self.signed_in(tokens, AUTHORIZATION_CODE, Some(&flow.nonce), asked)
    }

    /// The values of `prompt`: those of the program, then those that the provider needs.
    fn prompt(&self) -> Option<String> {
        let of_program = self.settings.prompt.as_deref().unwrap_or_default();
        let mut values: Vec<&str> = of_program.split_whitespace().collect();
        // It stays alone (OpenID Connect Core 1.0, section 3.1.2.1).
        if !values.contains(&"none") {
            let selects = self.settings.selects_account && self.supports_select_account();
            let further = selects.then_some(SELECT_ACCOUNT).into_iter().chain(self.known().prompt);
            for value in further {
                if !values.contains(&value) {
                    values.push(value);
                }
            }
        }
        (!values.is_empty()).then(|| values.join(" "))
    }

    /// Whether the provider says that it lets the user choose an account, or is known to.
    fn supports_select_account(&self) -> bool {
        let listed = self.metadata.prompt_values_supported.as_ref();
        self.known().has_select_account
            || listed.is_some_and(|values| values.iter().any(|value| value == SELECT_ACCOUNT))
    }

    /// The parameters that each request of a sign-in has.
    pub(super) fn extend<'a>(&'a self, fields: &mut Vec<(&'a str, &'a str)>) {
        fields.extend(self.settings.audience.as_deref().map(|audience| ("audience", audience)));
        let resources = self.settings.resources.iter();
        fields.extend(resources.map(|resource| ("resource", resource.as_str())));
        if self.known().has_client_info {
            fields.push(("client_info", "1"));
        }
    }

    pub(super) fn is_openid(&self) -> bool {
        self.scopes.iter().any(|scope| scope == "openid")
    }
}

impl AuthCodeFlow {
    pub(crate) fn other_issuer(&self, announced: Option<String>) -> Error {
        let expected = self.issuer.clone();
        SignInFailure::OtherIssuer { from: IssuerSource::Redirect, announced, expected }.into()
    }
}

impl fmt::Debug for AuthCodeFlow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthCodeFlow")
            .field("redirect_uri", &self.redirect_uri)
            .finish_non_exhaustive()
    }
}

/// The refusal of a sign-in: by the user, for the time being, or for a reason that no user can
/// remove.
pub(crate) fn denied(refusal: Refusal) -> Error {
    if refusal.is_temporary() {
        let source = format!("it says `{}`", shown_start(refusal.code())).into();
        return Error::ProviderUnavailable { status: None, retry_in: None, source: Some(source) };
    }
    let by_the_user = ["access_denied", "authorization_declined", "consent_required"];
    match by_the_user.contains(&refusal.code()) {
        true => SignInFailure::Denied { refusal: Box::new(refusal) }.into(),
        false => Error::refused(refusal),
    }
}

/// Compares without telling by its time how much is the same.
fn is_same(one: &str, other: &str) -> bool {
    let differences = one.bytes().zip(other.bytes()).fold(0, |sum, (a, b)| sum | (a ^ b));
    one.len() == other.len() && differences == 0
}

const SELECT_ACCOUNT: &str = "select_account";
/// A code is exchanged while the user waits.
pub(super) const EXCHANGE: Duration = Duration::from_secs(30);
