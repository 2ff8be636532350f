//! What the platform says, as this crate's error.

use std::path::Path;

use tokenkeep_platform::{
    file::FileError, lock::LockError, protect::ProtectError, text::shown_path, vault::VaultError,
};

use crate::Error;

impl From<FileError> for Error {
    fn from(error: FileError) -> Self {
        match error {
            FileError::Io { operation, path, source } => {
                Self::Io { operation, path, source: source.into() }
            }
            FileError::MissingParent { path } => Self::MissingParent { path },
            FileError::NoSpace { path, source } => Self::NoSpace { path, source: source.into() },
            FileError::NotDurable { path, source } => {
                Self::DurabilityUnknown { path, source: source.into() }
            }
            FileError::PermissionDenied { operation, path, source } => Self::PermissionDenied {
                what: format!("`{}` ({operation})", shown_path(&path)),
                source: source.into(),
            },
            FileError::ReadOnly { path, source } => Self::ReadOnly { path, source: source.into() },
            FileError::TooLarge { path, size, limit } => {
                Self::TooLarge { what: format!("`{}`", shown_path(&path)), size, limit }
            }
            FileError::Mounted { operation, path, source } => {
                Self::Mounted { operation, path, source: source.into() }
            }
            FileError::Unsafe { path, found, fix } => Self::UnsafePath { path, found, fix },
            _ => Self::System { what: "a file operation", source: error.into() },
        }
    }
}

impl From<LockError> for Error {
    fn from(error: LockError) -> Self {
        match error {
            LockError::File(error) => error.into(),
            LockError::TimedOut { path, waited, holder } => {
                Self::LockTimeout { path, waited, holder }
            }
            LockError::Nested { path } => Self::AlreadyLocked { path },
            LockError::Stopped { path } => Self::wait_canceled(&path),
            _ => Self::System { what: "the lock", source: error.into() },
        }
    }
}

impl Error {
    /// A wait for the lock at `path` that the caller stopped.
    pub(crate) fn wait_canceled(path: &Path) -> Self {
        Self::WaitCanceled { what: format!("`{}`", shown_path(path)) }
    }

    /// What the vault called `vault` said.
    pub(crate) fn from_vault(vault: &'static str, error: VaultError) -> Self {
        match error {
            VaultError::Ambiguous => Self::VaultAmbiguous { vault },
            VaultError::AccessDenied { source } => Self::VaultDenied { vault, source },
            VaultError::Locked { source } => Self::VaultLocked { vault, source },
            VaultError::Missing { reason, source } => Self::VaultMissing { vault, reason, source },
            VaultError::NotBuilt => Self::VaultMissing {
                vault,
                reason: "this build has none for this system".into(),
                source: None,
            },
            VaultError::OutcomeUnknown { waited, source } => {
                Self::OutcomeUnknown { vault, waited, source }
            }
            VaultError::PromptDismissed { source } => Self::PromptDismissed { vault, source },
            VaultError::ServiceMissing { reason, source } => {
                Self::VaultServiceMissing { vault, reason, source }
            }
            VaultError::Stopped => Self::WaitCanceled { what: format!("the {vault}") },
            VaultError::TimedOut { waited } => Self::VaultTimeout { vault, waited },
            VaultError::TooLarge { size, limit } => {
                let what = format!("a secret for the {vault}");
                Self::TooLarge { what, size: size as u64, limit: limit as u64 }
            }
            VaultError::Unfinished => Self::Corrupt {
                what: format!("the key item in the {vault}"),
                detail: "it is empty; its creation was cut off".into(),
                source: None,
            },
            VaultError::Failed { source } => Self::VaultFailed { vault, source },
            other => Self::VaultFailed { vault, source: other.into() },
        }
    }

    /// What DPAPI said of the key file at `path`.
    pub(crate) fn from_protection(error: ProtectError, path: &Path) -> Self {
        let (vault, text) = ("DPAPI", error.to_string());
        let key_file =
            |source| Self::InvalidKeyFile { path: path.to_owned(), detail: text.clone(), source };
        match error {
            ProtectError::Failed { source } => Self::VaultFailed { vault, source: source.into() },
            ProtectError::Missing => Self::VaultMissing { vault, reason: text, source: None },
            // A list of key sources passes on from a missing vault only.
            ProtectError::NetworkLogon { source } => {
                Self::VaultMissing { vault, reason: text, source: Some(source.into()) }
            }
            ProtectError::NotData { source } | ProtectError::OtherKey { source } => {
                key_file(Some(source.into()))
            }
            _ => key_file(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{error::Error as _, time::Duration};

    use tokenkeep_platform::vault::{Collection, Vault};

    use super::*;

    #[test]
    fn each_vault_of_this_system_has_a_step_of_its_own() {
        let step = |vault| {
            let missing = VaultError::Missing { reason: String::new(), source: None };
            Error::from_vault(vault, missing).next_step().into_owned()
        };
        for vault in [Vault::os(), Vault::kernel_keyring(Collection::Default)] {
            assert_ne!(step(vault.name()), step("another"), "{}", vault.name());
        }
    }

    #[test]
    fn what_the_vault_said_stays_the_source_of_the_error() {
        let reason = || "gone".to_owned();
        let said = || "what it said".into();
        let waited = Duration::ZERO;
        for error in [
            VaultError::AccessDenied { source: said() },
            VaultError::Failed { source: said() },
            VaultError::Locked { source: Some(said()) },
            VaultError::Missing { reason: reason(), source: Some(said()) },
            VaultError::OutcomeUnknown { waited, source: Some(said()) },
            VaultError::PromptDismissed { source: Some(said()) },
            VaultError::ServiceMissing { reason: reason(), source: Some(said()) },
        ] {
            let text = format!("{error:?}");
            let source = Error::from_vault("vault", error).source().map(ToString::to_string);
            assert_eq!(source.as_deref(), Some("what it said"), "{text}");
        }
    }
}
