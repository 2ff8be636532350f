//! The sign-in with a code that the user enters on another device.

use std::{
    fmt,
    sync::mpsc::{self, RecvTimeoutError, SendError},
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;

use super::{
    ClientApplication, SignInFailure, SignedIn,
    authorization::{EXCHANGE, denied},
};
use crate::{
    Error, Secret, SignInEvent,
    silent::{Answer, ExchangeError, TokenReply, unreachable},
};

/// A sign-in on another device that has begun (RFC 8628).
///
/// `Debug` shows no secret, and the user code is one.
pub struct DeviceFlow {
    pub(super) device_code: Secret,
    pub(super) user_code: String,
    pub(super) verification_uri: String,
    pub(super) verification_uri_complete: Option<String>,
    pub(super) lifetime: Duration,
    pub(super) interval: Duration,
    /// The end on the monotonic clock, which stands still while the machine sleeps, and in Unix
    /// seconds, which somebody may set.
    pub(super) end: (Instant, u64),
}

impl DeviceFlow {
    /// The code that the user enters, as the provider wrote it: at most 64 characters, and none
    /// that a terminal obeys.
    pub fn user_code(&self) -> &str {
        &self.user_code
    }

    /// The address at which the user enters the code: of `https`, or of `http` on this machine, and
    /// without a character that a terminal obeys.
    pub fn verification_uri(&self) -> &str {
        &self.verification_uri
    }

    /// The address that has the code in it, for a QR code. The user should still compare the code.
    pub fn verification_uri_complete(&self) -> Option<&str> {
        self.verification_uri_complete.as_deref()
    }

    /// How long the code was valid when it was issued.
    pub fn lifetime(&self) -> Duration {
        self.lifetime
    }

    /// When the code ends, in Unix seconds.
    pub fn expires_on(&self) -> u64 {
        self.end.1
    }

    /// The time between two questions to the provider, unless it asks for a longer one. At least
    /// 1 s, but for a provider on this machine.
    pub fn interval(&self) -> Duration {
        self.interval
    }
}

impl ClientApplication {
    /// Begins a sign-in on another device. Show its [address](DeviceFlow::verification_uri) and its
    /// [code](DeviceFlow::user_code) to the user.
    ///
    /// # Errors
    ///
    /// [`Error::SignInFailed`] if the provider has no device sign-in. [`Error::Refused`] if it
    /// refuses the client or the scopes. [`Error::ProviderUnreachable`],
    /// [`Error::ProviderUnavailable`] and [`Error::ProviderAnswer`] if it gives no code.
    pub fn initiate_device_flow(&self) -> Result<DeviceFlow, Error> {
        let missing = || Error::from(SignInFailure::NotOffered { missing: "device sign-in" });
        let endpoint = self.metadata.device_authorization_endpoint.as_deref();
        let endpoint = endpoint.ok_or_else(missing)?;
        let scope = self.scopes.join(" ");
        let mut form = vec![("client_id", self.settings.client_id.as_str())];
        if !scope.is_empty() {
            form.push(("scope", &scope));
        }
        self.extend(&mut form);
        let (begun, now) = (Instant::now(), self.now());
        let reply = self.send(endpoint, &form, EXCHANGE).map_err(unreachable)?;
        let read: Value = match serde_json::from_slice(reply.body().expose()) {
            Ok(read) if (200..300).contains(&reply.status()) => read,
            _ => return Err(self.without_tokens(&reply, &[])),
        };
        if read.get("error").is_some() {
            return Err(self.without_tokens(&reply, &[]));
        }
        DeviceFlow::read(&read, (begun, now), self.endpoint().is_loopback())
    }

    /// Asks the provider until the user has signed in with the code. Ends when the code does, or
    /// within 50 ms after `stop` says `true`.
    ///
    /// A code is asked for until 30 s after its end, because clocks differ, and the last question
    /// may take 30 s. At `stop` a question may be under way. Its answer is dropped, and a refresh
    /// token in it is revoked if the provider can do that.
    ///
    /// A provider that cannot be reached, is overloaded or answers with a page is asked again, less
    /// often each time, because the user may be at work with the code (section 3.5).
    ///
    /// # Errors
    ///
    /// [`Error::SignInFailed`] if the user refused, the code expired, `stop` said so, or the
    /// provider does not say who signed in. [`Error::Refused`] and [`Error::SignInNeeded`] if the
    /// provider refuses the client or the code. [`Error::ProviderAnswer`] if its ID token cannot be
    /// accepted. [`Error::NoThread`] if there is no thread for the question.
    pub fn acquire_token_by_device_flow(
        &self,
        flow: &DeviceFlow,
        stop: impl Fn() -> bool,
    ) -> Result<SignedIn, Error> {
        let code = flow.device_code.expose_str().unwrap_or_default();
        let mut interval = flow.interval;
        loop {
            let end = flow.end.0 + GRACE;
            pause(until_next(interval, end.saturating_duration_since(Instant::now())), &stop)?;
            let asked = self.now();
            // One clock alone may be wrong.
            if Instant::now() >= end && asked >= flow.end.1.saturating_add(GRACE.as_secs()) {
                return Err(SignInFailure::Expired.into());
            }
            let slower = (interval * 2).clamp(SLOWER_BY, SLOWEST);
            let Some(reply) = self.poll(&flow.device_code, &stop)? else {
                interval = slower;
                continue;
            };
            let refusal = SignInEvent::refusal(reply.body().expose());
            match (&refusal, reply.read(asked)) {
                (Ok(None), Answer::Tokens) => {
                    return self.signed_in(reply, GRANT, None, asked);
                }
                (Ok(Some(refusal)), _) => match refusal.code() {
                    "authorization_pending" => {}
                    // For good (section 3.5).
                    "slow_down" => interval += SLOWER_BY,
                    "expired_token" | "code_expired" => return Err(SignInFailure::Expired.into()),
                    _ if refusal.is_temporary() => interval = slower,
                    _ => return Err(denied(refusal.clone().without(&[code]))),
                },
                _ => interval = slower,
            }
        }
    }

    /// Asks the provider once. `None` if it gave no answer.
    ///
    /// A thread does so, because a request cannot be stopped while it waits.
    fn poll(&self, code: &Secret, stop: &impl Fn() -> bool) -> Result<Option<TokenReply>, Error> {
        // Without room for an answer: one that nobody takes stays with the thread.
        let (sender, answer) = mpsc::sync_channel(0);
        let (app, code) = (self.clone(), code.clone());
        let ask = move || {
            let reply = app.exchange_device_code(&code).ok();
            if let Err(SendError(Some(late))) = sender.send(reply) {
                drop(app.unkept(&late));
            }
        };
        let thread = thread::Builder::new().name("device sign-in".into()).spawn(ask);
        thread.map_err(|error| Error::NoThread { source: error.into() })?;
        loop {
            match answer.recv_timeout(LOOK) {
                Ok(reply) => return Ok(reply),
                Err(RecvTimeoutError::Disconnected) => return Ok(None),
                Err(RecvTimeoutError::Timeout) if stop() => {
                    return Err(SignInFailure::Canceled.into());
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }

    /// The token request of section 3.4.
    fn exchange_device_code(&self, code: &Secret) -> Result<TokenReply, ExchangeError> {
        let mut form = vec![
            ("grant_type", GRANT),
            ("client_id", self.settings.client_id.as_str()),
            ("device_code", code.expose_str().unwrap_or_default()),
        ];
        self.extend(&mut form);
        self.exchange(&form, EXCHANGE)
    }

    /// The response with tokens.
    ///
    /// # Errors
    ///
    /// What the response is instead, without these secrets.
    pub(super) fn tokens(&self, reply: &TokenReply, secrets: &[&str]) -> Result<TokenReply, Error> {
        match reply.read(self.now()) {
            Answer::Tokens => Ok(reply.clone()),
            _ => Err(self.without_tokens(reply, secrets)),
        }
    }

    /// The error of a response that is not what was asked for.
    fn without_tokens(&self, reply: &TokenReply, secrets: &[&str]) -> Error {
        match reply.read(self.now()) {
            Answer::Refused(refusal) => denied(refusal.without(secrets)),
            Answer::Unavailable { status, retry_after, .. } => Error::ProviderUnavailable {
                status: Some(status),
                retry_in: retry_after,
                source: None,
            },
            Answer::Unusable { detail } => Error::ProviderAnswer { detail },
            Answer::Tokens => Error::ProviderAnswer { detail: "it is another response".into() },
        }
    }
}

/// The pause before the next question: no longer than the code lives. If this clock says that its
/// time is over and the other one does not, the provider decides.
fn until_next(interval: Duration, left: Duration) -> Duration {
    if left.is_zero() { interval } else { interval.min(left) }
}

/// Waits, but ends soon after `stop` says `true`.
fn pause(time: Duration, stop: &impl Fn() -> bool) -> Result<(), Error> {
    let end = Instant::now() + time;
    loop {
        if stop() {
            return Err(SignInFailure::Canceled.into());
        }
        match end.saturating_duration_since(Instant::now()) {
            Duration::ZERO => return Ok(()),
            left => thread::sleep(left.min(LOOK)),
        }
    }
}

impl fmt::Debug for DeviceFlow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeviceFlow")
            .field("verification_uri", &self.verification_uri)
            .field("lifetime", &self.lifetime)
            .finish_non_exhaustive()
    }
}

const GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";
/// A code may have been issued a little later than this machine's clocks say.
const GRACE: Duration = Duration::from_secs(30);
const SLOWER_BY: Duration = Duration::from_secs(5);
const SLOWEST: Duration = Duration::from_secs(60);
/// How often a wait looks whether it should end.
const LOOK: Duration = Duration::from_millis(50);

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::until_next;

    #[test]
    fn no_pause_is_longer_than_the_code_lives() {
        let seconds = Duration::from_secs;
        assert_eq!(until_next(seconds(100), seconds(31)), seconds(31));
        assert_eq!(until_next(seconds(5), seconds(31)), seconds(5));
        assert_eq!(until_next(seconds(5), Duration::ZERO), seconds(5), "the clocks differ");
    }
}
