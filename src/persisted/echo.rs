//! Copies of an error, for threads that waited for the thread that failed.

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
            Self::WrongKey { path } => Self::WrongKey { path: path.clone() },
            // Each thread looks at a file again: what failed there may work by then.
            _ => return None,
        })
    }
}

/// The text of an error and of its chain of sources.
fn said(source: &Source) -> Source {
    let mut text = source.to_string();
    let mut next = source.source();
    while let Some(error) = next {
        text.push_str(": ");
        text.push_str(&error.to_string());
        next = error.source();
    }
    text.into()
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
        assert!(Error::Nested.echo().is_none());
        let torn = Error::Corrupt { what: "the cache".into(), detail: "it is empty".into() };
        assert!(torn.echo().is_none(), "a file is simply looked at again");
    }
}
