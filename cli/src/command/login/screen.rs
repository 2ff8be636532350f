//! What a sign-in shows: lines for people on standard error, or one JSON object a line on standard
//! output.

use std::{
    env,
    fmt::Display,
    io::{self, IsTerminal as _, Write as _},
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use jiff::{Timestamp, tz::TimeZone};
use qrcode::{QrCode, render::unicode::Dense1x2};
use serde_json::{Value, json};
use tokenkeep::{Error, SignInFailure, sign_in::DeviceFlow};
use tokenkeep_platform::{
    clock,
    text::{shown, shown_start},
};

use super::{kept::Kept, way::Way};
use crate::{
    args::{Login, Store},
    failure::Failure,
    interrupt::LastWord,
    output,
};

pub(super) struct Screen<'a> {
    login: &'a Login,
    json: bool,
}

impl<'a> Screen<'a> {
    pub(super) fn new(login: &'a Login, json: bool) -> Self {
        Self { login, json }
    }

    /// What the sign-in is for.
    pub(super) fn begin(&self, provider: &str, scopes: &[String]) {
        let list = match scopes {
            [] => String::new(),
            scopes => format!(" ({})", scopes.join(", ")),
        };
        let client = &self.login.client_id;
        self.say(&format!("Sign in to {provider} as the program \"{client}\"{list}."));
    }

    /// The address for the browser of this machine.
    pub(super) fn browser(&self, url: &str, redirect: &str, wait: Duration) -> Result<(), Failure> {
        self.open_url(url, redirect, wait)?;
        self.say(match self.login.no_open {
            true => "Open this address in a browser on this computer:",
            false => "Your browser opens now. If it does not, open this address on this computer:",
        });
        self.address(url);
        self.copy(url);
        let until = time_of_day(clock::unix_seconds().saturating_add(wait.as_secs()));
        self.say(&format!("Waiting for the browser, until {until}. Ctrl-C stops."));
        Ok(())
    }

    fn open_url(&self, url: &str, redirect: &str, wait: Duration) -> Result<(), Failure> {
        self.event(json!({ "event": "open_url", "url": url, "redirect_uri": redirect,
            "expires_in": wait.as_secs() }))
    }

    /// After a while the user may be stuck.
    pub(super) fn offer_to_paste(&self) {
        self.say("If the browser ended at a page that cannot be shown, paste its address here:");
    }

    /// The address for a browser elsewhere.
    pub(super) fn paste(&self, url: &str, redirect: &str, wait: Duration) -> Result<(), Failure> {
        self.open_url(url, redirect, wait)?;
        self.say("On any computer open");
        self.address(url);
        self.qr(url);
        self.copy(url);
        self.say(&format!(
            "It ends at a page that cannot be shown. Copy that page's whole address \
             ({redirect}?…) and paste it here:"
        ));
        Ok(())
    }

    /// What was pasted is not the address.
    pub(super) fn paste_again(&self, reason: &dyn Display) {
        self.say(&format!("{reason}. Paste the whole address:"));
    }

    /// The code for any device. The program waits this long, if the code lives as long.
    pub(super) fn device(
        &self,
        flow: &DeviceFlow,
        wait: Duration,
        can_open: bool,
    ) -> Result<(), Failure> {
        let wait = wait.min(flow.lifetime());
        self.event(json!({
            "event": "device_code",
            "verification_uri": flow.verification_uri(),
            "verification_uri_complete": flow.verification_uri_complete(),
            "user_code": flow.user_code(),
            "expires_in": wait.as_secs(),
            "interval": flow.interval().as_secs(),
        }))?;
        self.say("On any device with a browser open");
        self.address(flow.verification_uri());
        let until = clock::unix_seconds().saturating_add(wait.as_secs()).min(flow.expires_on());
        let (code, until) = (flow.user_code(), time_of_day(until));
        self.say(&format!("and enter the code   {code}   (until {until})"));
        self.qr(flow.verification_uri_complete().unwrap_or(flow.verification_uri()));
        if self.login.qr && flow.verification_uri_complete().is_some() {
            self.say("The page shows the code. Compare it.");
        }
        self.copy(code);
        self.say("");
        self.say(
            "Do this only if you started it yourself: with this code the sign-in is given to THIS \
             computer.",
        );
        self.say(match can_open {
            true => "Press Enter to open the address here. Ctrl-C stops.",
            false => "Waiting. Ctrl-C stops.",
        });
        Ok(())
    }

    /// The sign-in was kept.
    pub(super) fn kept(&self, kept: &Kept, way: Way, store: &Store) -> Result<(), Failure> {
        self.event(json!({
            "event": "signed_in",
            "account": kept.account.as_ref().map(|account| json!({
                "home_account_id": account.home_account_id(),
                "username": account.username(),
            })),
            "issuer": kept.record.issuer(),
            "client_id": kept.record.client_id(),
            "scopes": kept.token.scopes(),
            "expires_on": kept.token.expires_on(),
            "has_refresh_token": kept.can_renew,
            "stored": kept.token.is_stored(),
        }))?;
        let (name, until) = (shown_start(kept.name()), time_of_day(kept.token.expires_on()));
        let and = if kept.can_renew { " and a renewal token" } else { "" };
        self.say(&format!(
            "Signed in as {name}. Kept in the store \"{}\": a token until {until}{and}.",
            store.name
        ));
        if !kept.can_renew {
            // A code for another device knows no prompt.
            let prompt = match way {
                Way::Device => "Allow",
                Way::Browser | Way::Paste => "Try --prompt consent, or allow",
            };
            self.say(&format!(
                "The provider gave no renewal token, so you must sign in again after {until}. \
                 {prompt} refresh tokens for this client."
            ));
        }
        if kept.clock_ahead != 0 {
            let minutes = kept.clock_ahead.unsigned_abs().div_ceil(60);
            let direction = if kept.clock_ahead > 0 { "ahead of" } else { "behind" };
            self.say(&format!(
                "This computer's clock is {minutes} minutes {direction} the provider's."
            ));
        }
        self.say(&format!("Next: {}", store.command(&format!("token {}", kept.options))));
        Ok(())
    }

    /// Says that the sign-in was stopped, where nothing else can be said any more.
    pub(super) fn if_stopped(&self) -> LastWord {
        fn as_event() {
            failed_event("canceled", None, &Failure::Canceled).ok();
        }
        fn for_people() {
            output::note(&format!("tokenkeep: {}", Failure::Canceled));
        }
        if self.json { as_event } else { for_people }
    }

    /// The same once the sign-in is kept.
    pub(super) fn if_stopped_later(&self) -> LastWord {
        || output::note(&format!("tokenkeep: {}", Failure::Interrupted { is_kept: true }))
    }

    /// The failure as an event. The text for people comes from the program's end.
    pub(super) fn failed(&self, failure: &Failure) {
        let (kind, code) = match failure {
            Failure::Cache(error) | Failure::Configuration(error) => {
                (kind(error), error.refusal().map(|refusal| refusal.code()))
            }
            Failure::Interrupted { .. } | Failure::Canceled => ("canceled", None),
            Failure::Usage(_) => ("configuration", None),
            Failure::Unheard(_) => ("canceled", None),
            _ => ("store", None),
        };
        if self.json {
            // Nobody reads it any more if this fails.
            failed_event(kind, code, failure).ok();
        }
    }

    /// An address alone in its line, so that it can be copied.
    fn address(&self, url: &str) {
        self.say("");
        if self.json {
            return;
        }
        let url = shown(url);
        let mut to = io::stderr().lock();
        // OSC 8 makes it a link also where it is cut into lines.
        match takes_escapes() {
            true => writeln!(to, "\x1b]8;;{url}\x1b\\{url}\x1b]8;;\x1b\\"),
            false => writeln!(to, "{url}"),
        }
        .ok();
        drop(to);
        self.say("");
    }

    fn qr(&self, text: &str) {
        if !self.login.qr || self.json {
            return;
        }
        let Ok(code) = QrCode::new(text) else { return };
        let picture = code.render::<Dense1x2>().quiet_zone(true).build();
        writeln!(io::stderr().lock(), "\n{picture}").ok();
    }

    /// OSC 52, which also works over SSH.
    fn copy(&self, text: &str) {
        if self.login.copy && !self.json && takes_escapes() {
            write!(io::stderr().lock(), "\x1b]52;c;{}\x07", STANDARD.encode(text)).ok();
        }
    }

    fn say(&self, text: &str) {
        if !self.json {
            output::note(text);
        }
    }

    fn event(&self, event: Value) -> Result<(), Failure> {
        match self.json {
            true => output::json_line(&event),
            false => Ok(()),
        }
    }
}

fn failed_event(kind: &str, code: Option<&str>, failure: &Failure) -> Result<(), Failure> {
    let message = failure.to_string();
    output::json_line(&json!({ "event": "failed", "kind": kind, "code": code, "message": message }))
}

/// The stable word for an error.
fn kind(error: &Error) -> &'static str {
    match error {
        Error::SignInFailed(failure) => match failure {
            SignInFailure::Canceled => "canceled",
            SignInFailure::Denied { .. } => "denied",
            SignInFailure::Expired => "expired",
            SignInFailure::NobodyInTime { .. } => "timeout",
            SignInFailure::OutcomeUnknown { .. } => "unreachable",
            SignInFailure::OtherIssuer { .. } => "issuer",
            SignInFailure::PortTaken { .. } | SignInFailure::PortDenied { .. } => "port",
            _ => "configuration",
        },
        Error::ProviderUnavailable { .. } | Error::ProviderUnreachable { .. } => "unreachable",
        Error::SignInNeeded { .. } => "denied",
        Error::Invalid { .. }
        | Error::ProviderAnswer { .. }
        | Error::Refused { .. }
        | Error::Unsupported { .. } => "configuration",
        _ => "store",
    }
}

/// A terminal that knows escape sequences.
fn takes_escapes() -> bool {
    io::stderr().is_terminal() && env::var_os("TERM").is_none_or(|name| name != "dumb")
}

/// Hours and minutes here.
fn time_of_day(unix_seconds: u64) -> String {
    let seconds = i64::try_from(unix_seconds).unwrap_or(i64::MAX);
    match Timestamp::from_second(seconds) {
        Ok(time) => time.to_zoned(TimeZone::system()).strftime("%H:%M").to_string(),
        Err(_) => String::from("later"),
    }
}
