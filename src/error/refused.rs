//! Errors that are a provider's refusal.

use super::{Error, Refusal, SignInFailure};

impl Error {
    /// What the provider said, if it refused a request.
    pub fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::Refused { refusal }
            | Self::SignInNeeded { refusal, .. }
            | Self::SignInFailed(SignInFailure::Denied { refusal }) => Some(refusal),
            _ => None,
        }
    }

    pub(crate) fn refused(refusal: Refusal) -> Self {
        let refusal = Box::new(refusal);
        match refusal.is_sign_in_needed() {
            true => Self::SignInNeeded { refusal, is_orphan: false },
            false => Self::Refused { refusal },
        }
    }

    /// The error without a text of the provider that repeats the secret.
    pub(crate) fn without_secret(self, secret: &str) -> Self {
        match self {
            Self::Refused { refusal } => Self::refused(refusal.without(&[secret])),
            Self::SignInNeeded { refusal, is_orphan } => {
                Self::refused(refusal.without(&[secret])).after_orphan(is_orphan)
            }
            error => error,
        }
    }

    /// The same error after a renewal that was cut off.
    pub(crate) fn after_orphan(self, is_orphan: bool) -> Self {
        match self {
            Self::SignInNeeded { refusal, .. } => Self::SignInNeeded { refusal, is_orphan },
            error => error,
        }
    }
}
