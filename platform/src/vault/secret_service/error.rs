//! Errors of the bus and the service, grouped by what to do next.

use std::io::ErrorKind;

use secret_service::Error as CrateError;

use crate::vault::{Source, Turn, VaultError};

/// Why a step failed.
#[derive(Debug)]
pub(super) enum Fault {
    /// The deadline passed during the step.
    Elapsed,
    /// The object no longer exists. Search again.
    Gone(zbus::Error),
    /// The service does not know the session, because it was restarted. Connect again.
    Stale(zbus::Error),
    /// The connection or the service ended during the step. Whether the step took effect is
    /// unknown.
    Lost(zbus::Error),
    /// A secret could not be decrypted, because the two ends have different keys.
    Mismatch(CrateError),
    /// A message was too large, so the connection was closed.
    Excess(zbus::Error),
    /// An answer that cannot be parsed.
    Garbled(Source),
    /// A final answer for the caller.
    Said(VaultError),
}

/// Why a call on the bus did not finish.
#[derive(Debug)]
pub(super) enum Stopped {
    /// The deadline passed.
    Elapsed,
    /// The connection could not be made or has ended.
    Failed(zbus::Error),
}

impl Fault {
    /// The error for the caller when no further attempt is made.
    pub(super) fn into_error(self, turn: &Turn) -> VaultError {
        match self {
            Self::Said(error) => error,
            other => match other.into_source() {
                Some(source) => VaultError::Failed { source },
                None => VaultError::TimedOut { waited: turn.waited() },
            },
        }
    }

    /// The error of a step that writes or follows a write. A restarted service has lost the
    /// session, but not what was written before.
    pub(super) fn into_write_error(self, turn: &Turn) -> VaultError {
        match self {
            Self::Gone(_) | Self::Said(_) => self.into_error(turn),
            other => {
                VaultError::OutcomeUnknown { waited: turn.waited(), source: other.into_source() }
            }
        }
    }

    /// The error of a step after a write. Running out of time here does not undo the write.
    pub(super) fn into_error_after_write(self, turn: &Turn) -> VaultError {
        self.into_write_error(turn).after_a_write()
    }

    /// The underlying error. Returns `None` if only time passed.
    fn into_source(self) -> Option<Source> {
        match self {
            Self::Elapsed => None,
            Self::Gone(error) | Self::Stale(error) | Self::Lost(error) | Self::Excess(error) => {
                Some(error.into())
            }
            Self::Mismatch(error) => Some(error.into()),
            Self::Garbled(error) => Some(error),
            Self::Said(error) => Some(error.into()),
        }
    }

    /// The fault if the service that was asked is gone.
    pub(super) fn gone_away() -> Self {
        let text = "the secret service ended or was replaced during the call";
        Self::Lost(std::io::Error::new(ErrorKind::ConnectionAborted, text).into())
    }

    /// Whether the connection can no longer be used.
    pub(super) fn ends_connection(&self) -> bool {
        matches!(self, Self::Elapsed | Self::Stale(_) | Self::Lost(_) | Self::Excess(_))
    }

    /// The fault of a call that opens an encrypted session. `InvalidArgs` then refers to our random
    /// public key: KWallet refuses one that starts with a zero byte. The next session draws another
    /// key.
    pub(super) fn of_opening(error: CrateError) -> Self {
        match error {
            CrateError::Zbus(zbus::Error::MethodError(name, ..))
            | CrateError::ZbusFdo(zbus::fdo::Error::ZBus(zbus::Error::MethodError(name, ..)))
                if name.as_str() == "org.freedesktop.DBus.Error.InvalidArgs" =>
            {
                Self::Mismatch(CrateError::Crypto("the service refused the session's public key"))
            }
            other => other.into(),
        }
    }
}

impl From<VaultError> for Fault {
    fn from(error: VaultError) -> Self {
        Self::Said(error)
    }
}

impl From<Stopped> for Fault {
    fn from(stopped: Stopped) -> Self {
        match stopped {
            Stopped::Elapsed => Self::Elapsed,
            Stopped::Failed(error) => error.into(),
        }
    }
}

impl From<zbus::Error> for Fault {
    fn from(error: zbus::Error) -> Self {
        use zbus::Error as E;
        match &error {
            E::MethodError(name, ..) => match kind(name.as_str()) {
                Kind::Locked => VaultError::Locked { source: Some(error.into()) }.into(),
                Kind::Denied => VaultError::AccessDenied { source: error.into() }.into(),
                Kind::NoService => {
                    let (reason, source) = (NO_SERVICE.into(), Some(error.into()));
                    VaultError::ServiceMissing { reason, source }.into()
                }
                Kind::Gone => Self::Gone(error),
                Kind::Stale => Self::Stale(error),
                Kind::Lost => Self::Lost(error),
                Kind::Other => VaultError::failed(error).into(),
            },
            E::InputOutput(cause) if cause.kind() == ErrorKind::FileTooLarge => Self::Excess(error),
            E::InputOutput(_) | E::Connection(..) => Self::Lost(error),
            _ => Self::Garbled(error.into()),
        }
    }
}

impl From<CrateError> for Fault {
    fn from(error: CrateError) -> Self {
        match error {
            CrateError::Zbus(error) => error.into(),
            CrateError::ZbusFdo(zbus::fdo::Error::ZBus(error)) => error.into(),
            CrateError::Locked => VaultError::Locked { source: None }.into(),
            CrateError::Crypto(_) => Self::Mismatch(error),
            CrateError::Prompt => VaultError::PromptDismissed { source: None }.into(),
            CrateError::PromptDisconnected => Self::gone_away(),
            other => Self::Garbled(other.into()),
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Kind {
    Locked,
    Denied,
    NoService,
    Gone,
    Stale,
    Lost,
    Other,
}

/// Error names of the Secret Service specification and of the D-Bus daemon.
fn kind(name: &str) -> Kind {
    match name {
        "org.freedesktop.Secret.Error.IsLocked" => Kind::Locked,
        "org.freedesktop.Secret.Error.NoSession" => Kind::Stale,
        "org.freedesktop.Secret.Error.NoSuchObject"
        | "org.freedesktop.DBus.Error.UnknownObject"
        | "org.freedesktop.DBus.Error.UnknownInterface"
        | "org.freedesktop.DBus.Error.UnknownMethod" => Kind::Gone,
        "org.freedesktop.DBus.Error.AccessDenied" | "org.freedesktop.DBus.Error.AuthFailed" => {
            Kind::Denied
        }
        // Other `Spawn.` errors are not listed: there the service is installed, and only this start
        // failed.
        "org.freedesktop.DBus.Error.ServiceUnknown"
        | "org.freedesktop.DBus.Error.NameHasNoOwner"
        | "org.freedesktop.DBus.Error.Spawn.ServiceNotFound"
        | "org.freedesktop.DBus.Error.Spawn.FileInvalid" => Kind::NoService,
        "org.freedesktop.DBus.Error.NoReply"
        | "org.freedesktop.DBus.Error.Disconnected"
        | "org.freedesktop.DBus.Error.Timeout"
        | "org.freedesktop.DBus.Error.TimedOut" => Kind::Lost,
        _ => Kind::Other,
    }
}

const NO_SERVICE: &str = "no secret service is on the session bus";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_name_the_service_may_send_has_its_meaning() {
        for (name, meaning) in [
            ("org.freedesktop.Secret.Error.IsLocked", Kind::Locked),
            ("org.freedesktop.Secret.Error.NoSession", Kind::Stale),
            ("org.freedesktop.Secret.Error.NoSuchObject", Kind::Gone),
            ("org.freedesktop.DBus.Error.UnknownMethod", Kind::Gone),
            ("org.freedesktop.DBus.Error.UnknownObject", Kind::Gone),
            ("org.freedesktop.DBus.Error.AccessDenied", Kind::Denied),
            ("org.freedesktop.DBus.Error.ServiceUnknown", Kind::NoService),
            ("org.freedesktop.DBus.Error.Spawn.ServiceNotFound", Kind::NoService),
            ("org.freedesktop.DBus.Error.Spawn.ChildExited", Kind::Other),
            ("org.freedesktop.DBus.Error.NoReply", Kind::Lost),
            ("org.freedesktop.DBus.Error.InvalidArgs", Kind::Other),
        ] {
            assert_eq!(kind(name), meaning, "{name}");
        }
    }
}
