//! Copies of an error, for threads that waited for the thread that failed.

use tokenkeep_platform::{CodedError, os_code};

use crate::{Error, error::Source};

impl Error {
    /// A copy of the error if it came from a key source; `None` for every other error. The user or
    /// the vault has answered, or failed to answer, and is not asked again for each waiting thread.
    /// The message of the source is kept as text.
    pub(super) fn echo(&self) -> Option<Self> {
        Some(match self {
            Self::Callback { what, source } => Self::Callback { what, source: said(source) },
            Self::Invalid { detail } => Self::Invalid { detail: detail.clone() },
            Self::System { what, source } => Self::System { what, source: said(source) },
            Self::PromptDismissed { vault, source } => {
                Self::PromptDismissed { vault, source: source.as_ref().map(said) }
            }
            Self::VaultDenied { vault, source } => {
                Self::VaultDenied { vault, source: said(source) }
            }
            Self::VaultFailed { vault, source } => {
                Self::VaultFailed { vault, source: said(source) }
            }
            Self::VaultLocked { vault, source } => {
                Self::VaultLocked { vault, source: source.as_ref().map(said) }
            }
            Self::VaultMissing { vault, reason, source } => Self::VaultMissing {
                vault,
                reason: reason.clone(),
                source: source.as_ref().map(said),
            },
            Self::VaultServiceMissing { vault, reason, source } => Self::VaultServiceMissing {
                vault,
                reason: reason.clone(),
                source: source.as_ref().map(said),
            },
            Self::VaultTimeout { vault, waited } => Self::VaultTimeout { vault, waited: *waited },
            Self::WrongKey { path, source } => {
                Self::WrongKey { path: path.clone(), source: source.as_ref().map(said) }
            }
            // Each thread looks at a file again: what failed there may work by then.
            _ => return None,
        })
    }
}

/// The text of an error and of its chain of sources, with the operating system's number.
fn said(source: &Source) -> Source {
    let code = os_code(&**source);
    let mut text = source.to_string();
    let mut next = source.source();
    while let Some(error) = next {
        text.push_str(": ");
        text.push_str(&error.to_string());
        next = error.source();
    }
    match code {
        Some(code) => CodedError::new(code, text).into(),
        None => text.into(),
    }
}

#[cfg(test)]
mod tests {
    use std::{error::Error as _, io};

    use super::*;

    #[test]
    fn what_was_said_is_kept_and_only_a_key_source_is_not_asked_again() {
        let source = io::Error::other(io::Error::other("no terminal"));
        let error = Error::Callback { what: "asking", source: source.into() };
        let echo = error.echo().and_then(|echo| echo.echo()).unwrap();
        assert!(matches!(echo, Error::Callback { what: "asking", .. }), "{echo:?}");
        assert_eq!(echo.source().unwrap().to_string(), "no terminal");
        let numbered = io::Error::from_raw_os_error(28);
        let error = Error::VaultFailed { vault: "vault", source: numbered.into() };
        let echo = error.echo().and_then(|echo| echo.echo()).unwrap();
        assert_eq!(echo.os_code(), Some(28), "{echo:?}");
        assert!(Error::Nested.echo().is_none());
        let (what, detail) = ("the cache".into(), "it is empty".into());
        let torn = Error::Corrupt { what, detail, source: None };
        assert!(torn.echo().is_none(), "a file is simply looked at again");
    }
}
