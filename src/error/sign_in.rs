//! Why a sign-in of a user did not come about.

use std::{fmt, io, time::Duration};

use tokenkeep_platform::text::shown_start;

use super::{Refusal, Source};

/// Why a sign-in of a user did not come about. Nothing was stored.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SignInFailure {
    /// The program stopped waiting.
    #[error("the sign-in was stopped")]
    Canceled,
    /// The user or the user's organization refused.
    #[error("the sign-in was refused (`{}`)", shown_start(refusal.code()))]
    Denied {
        /// What the provider said.
        refusal: Box<Refusal>,
    },
    /// The code ended before anybody signed in with it.
    #[error("the code expired before anybody signed in")]
    Expired,
    /// Nobody signed in within the time.
    #[error("nobody signed in within {}", span(*waited))]
    NobodyInTime {
        /// How long this call waited.
        waited: Duration,
    },
    /// The provider has not what this way to sign in needs.
    #[error("the provider has no {missing}")]
    NotOffered {
        /// What it lacks.
        missing: &'static str,
    },
    /// The metadata, the redirect or the ID token name another issuer, or none.
    ///
    /// In a redirect or an ID token the answer may be that of another provider (a mix-up attack,
    /// RFC 9207), or the provider is set up wrongly.
    #[error("{from} names {}, not `{}`", named(announced.as_deref()), shown_start(expected))]
    OtherIssuer {
        /// What names it.
        from: IssuerSource,
        /// The issuer that it names. `None` if it names none and has to.
        announced: Option<String>,
        /// The issuer of the sign-in.
        expected: String,
    },
    /// The code of the browser was sent, and no response came. A code is of one use (RFC 6749,
    /// section 4.1.2), so it is not sent again.
    #[error("it is not known whether the provider accepted the sign-in, because no response came")]
    OutcomeUnknown {
        /// What the HTTP client said.
        source: Source,
    },
    /// Another program listens at the port of the redirect.
    #[error("port {port} is taken by another program")]
    PortTaken {
        /// The port.
        port: u16,
        /// What the operating system said.
        source: io::Error,
    },
    /// The operating system does not let this user listen at the port of the redirect.
    #[error("port {port} may not be opened by this user")]
    PortDenied {
        /// The port.
        port: u16,
        /// What the operating system said.
        source: io::Error,
    },
    /// The operating system gives this process no connections on loopback.
    #[error("the redirect of the browser cannot be received on this machine")]
    NoLoopback {
        /// What the operating system said.
        source: io::Error,
    },
    /// The provider does not say who signed in.
    #[error("the provider does not say who signed in")]
    UserUnknown,
}

impl SignInFailure {
    pub(super) fn next_step(&self) -> &'static str {
        match self {
            Self::Canceled
            | Self::Expired
            | Self::NobodyInTime { .. }
            | Self::OutcomeUnknown { .. } => "sign in again",
            Self::Denied { .. } => "allow it, or ask who manages the account",
            Self::NotOffered { .. } => {
                "choose another way to sign in, or name the address that is missing"
            }
            Self::OtherIssuer { from: IssuerSource::Metadata, .. } => {
                "use that issuer if you trust it"
            }
            Self::OtherIssuer { .. } => "do not go on, and tell who runs the provider",
            Self::PortTaken { .. } => {
                "free it, or let the program choose a port if the provider allows any"
            }
            Self::PortDenied { .. } => {
                "use a port above 1023, or let the program choose one if the provider allows any"
            }
            Self::NoLoopback { .. } => "choose another way to sign in",
            Self::UserUnknown => "name the account",
        }
    }
}

/// Where an issuer is named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum IssuerSource {
    /// The provider's metadata (`issuer`; RFC 8414, section 3.3).
    Metadata,
    /// The redirect of the browser (`iss`; RFC 9207, section 2).
    Redirect,
    /// The ID token (`iss`; OpenID Connect Core 1.0, section 2).
    IdToken,
}

impl fmt::Display for IssuerSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Metadata => "its metadata",
            Self::Redirect => "the redirect",
            Self::IdToken => "the ID token",
        })
    }
}

fn named(issuer: Option<&str>) -> String {
    match issuer {
        Some(issuer) => format!("the issuer `{}`", shown_start(issuer)),
        None => "no issuer".into(),
    }
}

/// In minutes from two whole ones on, else in seconds.
fn span(time: Duration) -> String {
    match time.as_secs() {
        1 => "1 second".into(),
        seconds if seconds >= 120 && seconds % 60 == 0 => format!("{} minutes", seconds / 60),
        seconds => format!("{seconds} seconds"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_issuer_of_the_metadata_may_be_used_instead() {
        let other = |from| SignInFailure::OtherIssuer {
            from,
            announced: Some(format!("\u{1b}{}", "x".repeat(500_000))),
            expected: "https://id.example".into(),
        };
        assert_eq!(other(IssuerSource::Metadata).next_step(), "use that issuer if you trust it");
        for from in [IssuerSource::Redirect, IssuerSource::IdToken] {
            assert!(other(from).next_step().starts_with("do not go on"), "{from}");
            let said = other(from).to_string();
            assert!(said.contains(r"\u{1b}x") && said.len() < 300, "{said}");
        }
    }

    #[test]
    fn a_span_of_time_is_said_in_words() {
        for (seconds, said) in
            [(0, "0 seconds"), (1, "1 second"), (179, "179 seconds"), (600, "10 minutes")]
        {
            assert_eq!(span(Duration::from_secs(seconds)), said);
        }
    }
}
