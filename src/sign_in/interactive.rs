//! The sign-in with the browser of this machine.

use std::time::{Duration, Instant};

use tokenkeep_platform::browser;

use super::{
    AuthCodeFlow, ClientApplication, SignInFailure, SignedIn,
    authorization::AuthResponse,
    redirect::{Redirect, RedirectTo, Verdict},
};
use crate::Error;

/// How a browser of this machine signs in. The default suits a provider that does not compare the
/// port of a redirect, as RFC 8252, section 7.3, demands.
#[derive(Clone, Debug)]
#[must_use]
pub struct InteractiveOptions {
    port: u16,
    redirect_uri: Option<String>,
    wait: Duration,
}

impl Default for InteractiveOptions {
    fn default() -> Self {
        Self { port: 0, redirect_uri: None, wait: Duration::from_secs(600) }
    }
}

impl InteractiveOptions {
    /// The default: any free port, and at most 10 minutes.
    pub fn new() -> Self {
        Self::default()
    }

    /// Listens at this port, for a provider that compares it.
    pub fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// The redirect URI as it is registered: `http`, a host of this machine, a port and a path.
    pub fn redirect_uri(mut self, address: impl Into<String>) -> Self {
        self.redirect_uri = Some(address.into());
        self
    }

    /// How long to wait for the user.
    pub fn wait(mut self, time: Duration) -> Self {
        self.wait = time;
        self
    }
}

/// A sign-in that waits for the browser of this machine.
#[derive(Debug)]
pub struct Interactive<'a> {
    app: &'a ClientApplication,
    flow: AuthCodeFlow,
    redirect: Redirect,
    until: Instant,
    waited: Duration,
}

impl ClientApplication {
    /// Signs a user in with the browser of this machine. `show` gets the address before the browser
    /// opens: print it, for a browser that does not open.
    ///
    /// The browser shows how the sign-in ended once
    /// [`keep_sign_in`](crate::PersistedTokenCache::keep_sign_in) has kept it.
    ///
    /// # Errors
    ///
    /// The errors of [`initiate_interactive`](Self::initiate_interactive) and
    /// [`Interactive::wait`].
    pub fn acquire_token_interactive(
        &self,
        options: &InteractiveOptions,
        show: impl FnOnce(&str),
    ) -> Result<SignedIn, Error> {
        let interactive = self.initiate_interactive(options)?;
        show(interactive.url());
        interactive.open();
        interactive.wait(|| false, || None)
    }

    /// Begins a sign-in with the browser of this machine: listens for its redirect. Nothing is
    /// opened yet.
    ///
    /// # Errors
    ///
    /// [`Error::SignInFailed`] if the port is taken or may not be opened, or if the provider has no
    /// authorization endpoint, or lists methods of PKCE without `S256`. [`Error::Invalid`] if the
    /// redirect URI cannot be used. [`Error::System`] if there are no random numbers.
    pub fn initiate_interactive(
        &self,
        options: &InteractiveOptions,
    ) -> Result<Interactive<'_>, Error> {
        let to = match &options.redirect_uri {
            Some(address) => RedirectTo::Uri(address),
            None if self.known().redirect_host == "localhost" => {
                RedirectTo::Localhost(options.port)
            }
            None => RedirectTo::Loopback(options.port),
        };
        let redirect = Redirect::listen(to)?;
        let flow = self.initiate_auth_code_flow(redirect.uri())?;
        let until = Instant::now() + options.wait;
        Ok(Interactive { app: self, flow, redirect, until, waited: options.wait })
    }
}

impl Interactive<'_> {
    /// The address that the browser opens.
    pub fn url(&self) -> &str {
        self.flow.url()
    }

    /// The address at which the sign-in ends.
    pub fn redirect_uri(&self) -> &str {
        self.flow.redirect_uri()
    }

    /// Opens the address in the user's browser. Whether that worked cannot be known for certain, so
    /// show the address as well.
    pub fn open(&self) -> bool {
        browser::open(self.url()).is_ok()
    }

    /// Waits for the user. `stop` and `pasted` are asked about every 25 ms: the wait ends when
    /// `stop` says `true`, or when `pasted` has the address at which a browser elsewhere ended.
    ///
    /// # Errors
    ///
    /// [`Error::SignInFailed`] if the user refused, nobody signed in within the time, `stop` said
    /// so, the response is from another issuer, or the provider does not say who signed in. Else
    /// the errors of
    /// [`acquire_token_by_auth_code_flow`](ClientApplication::acquire_token_by_auth_code_flow).
    pub fn wait(
        self,
        stop: impl Fn() -> bool,
        pasted: impl Fn() -> Option<String>,
    ) -> Result<SignedIn, Error> {
        let Self { app, flow, redirect, until, waited } = self;
        let judge = |response: &str| match flow.read(response) {
            AuthResponse::NotOurs => Verdict::NotOurs,
            _ => Verdict::Ours,
        };
        let (answer, is_stopped) = (std::cell::RefCell::new(None), std::cell::Cell::new(false));
        let is_over = || {
            is_stopped.set(stop());
            if let Some(text) = pasted().filter(|text| judge(text) == Verdict::Ours) {
                *answer.borrow_mut() = Some(text);
            }
            is_stopped.get() || answer.borrow().is_some()
        };
        let arrived = redirect.wait(&judge, until, &is_over)?;
        if let Some(text) = answer.take() {
            return app.acquire_token_by_auth_code_flow(&flow, &text);
        }
        let Some(arrived) = arrived else {
            return Err(match is_stopped.get() {
                true => SignInFailure::Canceled,
                false => SignInFailure::NobodyInTime { waited },
            }
            .into());
        };
        let result = app.acquire_token_by_auth_code_flow(&flow, arrived.response());
        match result {
            Ok(signed_in) => Ok(signed_in.shown_in(arrived)),
            Err(error) => {
                arrived.finish(app.outcome(&error));
                Err(error)
            }
        }
    }
}
