//! Signs a user in, and keeps the sign-in.

mod editor;
mod kept;
mod lines;
mod screen;
pub(super) mod way;

use std::{
    cell::Cell,
    env,
    io::{self, IsTerminal as _},
    thread,
    time::{Duration, Instant},
};

use tokenkeep::{
    Error, PersistedTokenCache, SignInFailure,
    sign_in::{ClientApplication, DeviceFlow, InteractiveOptions, SignedIn},
    silent::Revoked,
};
use tokenkeep_platform::browser;
use zeroize::Zeroizing;

use self::{
    kept::Kept,
    lines::Lines,
    screen::Screen,
    way::{Here, Way},
};
use super::revoke;
use crate::{
    args::{Login, SecretSource, Store},
    failure::Failure,
    interrupt, open, output, provider,
};

pub(super) fn run(store: &Store, login: &Login, json: bool) -> Result<(), Failure> {
    let screen = Screen::new(login, json);
    let result = sign_in(store, login, &screen);
    // From here on this function says how it ended.
    interrupt::take_last_word();
    let failure = match result {
        Ok(()) if interrupt::was_pressed() => {
            return Err(Failure::Interrupted { is_kept: true });
        }
        Ok(()) => return Ok(()),
        Err(_) if interrupt::was_pressed() => Failure::Canceled,
        Err(Failure::Cache(Error::SignInFailed(SignInFailure::Canceled))) => Failure::Canceled,
        Err(Failure::Cache(
            error @ (Error::Invalid { .. }
            | Error::ProviderAnswer { .. }
            | Error::Refused { .. }
            | Error::Unsupported { .. }),
        )) => Failure::Configuration(error),
        Err(failure) => failure,
    };
    screen.failed(&failure);
    Err(failure)
}

fn sign_in(store: &Store, login: &Login, screen: &Screen<'_>) -> Result<(), Failure> {
    interrupt::prepare_for_a_sign_in(screen.if_stopped());
    let cache = open::open(store)?;
    // A store that cannot be written is told before a browser opens.
    cache.prepare()?;
    let app = application(&cache, login)?;
    cache.prepare_sign_in(&app)?;
    let here = Here::new(io::stdin().is_terminal());
    let way = Way::choose(login.way, &here, app.metadata())?;
    screen.begin(&app.provider(), app.scopes());
    let signed_in = match way {
        Way::Device => with_device(&app, login, screen, here.has_browser)?,
        Way::Browser => with_browser(&app, login, screen)?,
        Way::Paste => with_paste(&app, login, screen)?,
    };
    let mut told = Ok(());
    let kept = cache.keep_sign_in_with(&signed_in, |token| {
        if token.is_stored() {
            interrupt::set_last_word(screen.if_stopped_later());
            let known = Kept::new(&cache, &app, &login.scope, &signed_in, token.clone());
            told = screen.kept(&known, way, store);
        }
    })?;
    // The token is worth nothing to a program that prints none.
    if !kept.access_token.is_stored() {
        return Err(Failure::NotKept(kept.access_token));
    }
    for revoked in &kept.revoked {
        if let Revoked::Failed(_) = revoked {
            output::note(&format!("the former sign-in: {}", revoke::said(revoked)));
        }
    }
    told
}

fn application(cache: &PersistedTokenCache, login: &Login) -> Result<ClientApplication, Failure> {
    let mut app = ClientApplication::builder(&login.issuer, &login.client_id)
        .scopes(&login.scope)
        .resources(&login.resource)
        .written_by(concat!("tokenkeep ", env!("CARGO_PKG_VERSION")));
    if let Some(pem) = provider::certificates(login.certificates.ca_file.as_deref())? {
        app = app.root_certificates(&pem)?;
    }
    if let Some(source) = &login.client_secret {
        app = app.client_secret(&*secret(source)?);
    }
    if let Some(hint) = &login.account {
        app = app.login_hint(hint);
    }
    if let Some(audience) = &login.audience {
        app = app.audience(audience);
    }
    let no_account = login.account.is_none();
    match &login.prompt {
        Some(prompt) => app = app.prompt(prompt),
        // The provider may take the account that it knows for granted.
        None if no_account && !cache.accounts_of(&login.issuer).unwrap_or_default().is_empty() => {
            app = app.select_account_if_supported();
        }
        None => {}
    }
    if let Some(address) = &login.token_endpoint {
        app = app.token_endpoint(address);
    }
    if let Some(address) = &login.authorization_endpoint {
        app = app.authorization_endpoint(address);
    }
    if let Some(address) = &login.device_endpoint {
        app = app.device_authorization_endpoint(address);
    }
    if let Some(address) = &login.revocation_endpoint {
        app = app.revocation_endpoint(address);
    }
    Ok(app.discover()?)
}

fn secret(source: &SecretSource) -> Result<Zeroizing<String>, Failure> {
    let text = match source {
        SecretSource::Environment(name) => env::var(name).map(Zeroizing::new).map_err(|_| {
            Failure::Usage(format!("the environment variable {name} is not set, or is no text"))
        })?,
        SecretSource::FileDescriptor(descriptor) => {
            let number = descriptor.number;
            let read = descriptor.read().map_err(|error| format!("descriptor {number} {error}"));
            let read = read.map_err(Failure::Usage)?;
            Zeroizing::new(read.expose_str().unwrap_or_default().to_owned())
        }
    };
    match text.trim_end_matches(['\r', '\n']) {
        "" => Err(Failure::Usage("the client's secret is empty".into())),
        text => Ok(Zeroizing::new(text.to_owned())),
    }
}

/// When a wait for the user ends.
struct End<'l> {
    at: Instant,
    waited: Duration,
    lines: Option<&'l Lines>,
}

impl<'l> End<'l> {
    fn after(waited: Duration, lines: Option<&'l Lines>) -> Self {
        Self { at: Instant::now() + waited, waited, lines }
    }

    /// At Ctrl-C, at the end of the time, and where the terminal is closed.
    fn has_come(&self) -> bool {
        interrupt::was_pressed()
            || Instant::now() >= self.at
            || self.lines.is_some_and(Lines::has_ended)
    }

    /// Why the wait ended.
    fn reason(&self, error: Error) -> Failure {
        let was_stopped = matches!(error, Error::SignInFailed(SignInFailure::Canceled));
        if was_stopped && Instant::now() >= self.at && !interrupt::was_pressed() {
            return Error::from(SignInFailure::NobodyInTime { waited: self.waited }).into();
        }
        error.into()
    }
}

/// How long to wait for the user, if nothing else limits it.
fn wait_of(login: &Login) -> Duration {
    login.timeout.map_or(WAIT, Duration::from_secs)
}

fn with_browser(
    app: &ClientApplication,
    login: &Login,
    screen: &Screen<'_>,
) -> Result<SignedIn, Failure> {
    let wait = wait_of(login);
    let mut options = InteractiveOptions::new().port(login.port.unwrap_or(0)).wait(wait);
    if let Some(address) = &login.redirect_uri {
        options = options.redirect_uri(address);
    }
    let interactive = app.initiate_interactive(&options)?;
    // Before the user is asked to type.
    let lines = Lines::of_the_terminal();
    interrupt::let_a_sign_in_end();
    screen.browser(interactive.url(), interactive.redirect_uri(), wait).map_err(unheard)?;
    if !login.no_open {
        interactive.open();
    }
    let (begun, was_offered) = (Instant::now(), Cell::new(lines.is_none()));
    // What the provider sends back has it, and nothing else has.
    let state = parameter(interactive.url(), "state").to_owned();
    let pasted = || {
        if !was_offered.get() && begun.elapsed() >= STUCK {
            was_offered.set(true);
            screen.offer_to_paste();
        }
        let line = lines.as_ref().and_then(Lines::next).filter(|line| !line.trim().is_empty())?;
        if !line.contains(&*state) {
            screen.paste_again(&"the line is not the address of this sign-in");
            return None;
        }
        Some(line.to_string())
    };
    let stop = || interrupt::was_pressed() || lines.as_ref().is_some_and(Lines::has_ended);
    Ok(interactive.wait(stop, pasted)?)
}

fn with_device(
    app: &ClientApplication,
    login: &Login,
    screen: &Screen<'_>,
    has_browser: bool,
) -> Result<SignedIn, Failure> {
    let flow: DeviceFlow = app.initiate_device_flow()?;
    let lines = Lines::of_the_terminal();
    interrupt::let_a_sign_in_end();
    // The code ends by itself, which the library finds out.
    let wait = login.timeout.map_or(flow.lifetime() + LATER, Duration::from_secs);
    let end = End::after(wait, lines.as_ref());
    let can_open = has_browser && !login.no_open && lines.is_some();
    screen.device(&flow, wait, can_open).map_err(unheard)?;
    let is_open = Cell::new(false);
    let stop = || {
        if let Some(line) = lines.as_ref().and_then(Lines::next)
            && can_open
            && line.trim().is_empty()
            && !is_open.replace(true)
        {
            browser::open(flow.verification_uri()).ok();
        }
        end.has_come()
    };
    app.acquire_token_by_device_flow(&flow, stop).map_err(|error| end.reason(error))
}

fn with_paste(
    app: &ClientApplication,
    login: &Login,
    screen: &Screen<'_>,
) -> Result<SignedIn, Failure> {
    let redirect = match &login.redirect_uri {
        Some(address) => address.clone(),
        None => app.redirect_uri(login.port.unwrap_or(PASTE_PORT)),
    };
    let flow = app.initiate_auth_code_flow(&redirect)?;
    let lines = Lines::of_the_terminal().ok_or_else(|| {
        Failure::Usage("the address cannot be pasted without a terminal in the foreground".into())
    })?;
    interrupt::let_a_sign_in_end();
    let end = End::after(wait_of(login), Some(&lines));
    screen.paste(flow.url(), flow.redirect_uri(), wait_of(login)).map_err(unheard)?;
    loop {
        if let Some(line) = lines.next().filter(|line| !line.trim().is_empty()) {
            match app.acquire_token_by_auth_code_flow(&flow, &line) {
                Err(error @ Error::Invalid { .. }) => screen.paste_again(&error),
                done => return Ok(done?),
            }
        }
        if end.has_come() {
            return Err(end.reason(SignInFailure::Canceled.into()));
        }
        thread::sleep(LOOK);
    }
}

/// A parameter of an address, as it is written there.
fn parameter<'u>(url: &'u str, name: &str) -> &'u str {
    let pairs = url.split(['?', '&']).filter_map(|pair| pair.split_once('='));
    pairs.filter(|(key, _)| *key == name).map(|(_, value)| value).next().unwrap_or_default()
}

/// Nobody reads what the user has to do, so nobody will sign in.
fn unheard(failure: Failure) -> Failure {
    match failure {
        Failure::Output(error) => Failure::Unheard(error),
        failure => failure,
    }
}

/// How long to wait for the user, unless it was typed.
const WAIT: Duration = Duration::from_secs(600);
/// After this time beyond its end a code ends in any case.
const LATER: Duration = Duration::from_secs(60);
/// How often standard input is looked at.
const LOOK: Duration = Duration::from_millis(50);
/// After this time somebody may need help.
const STUCK: Duration = Duration::from_secs(20);
/// Nobody listens there, so any port does.
const PASTE_PORT: u16 = 43_121;
