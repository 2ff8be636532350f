//! Maps the status codes of macOS' Security.framework. Compiled on every system for tests.

use super::{Source, VaultError};

/// The meaning of `code`, a value of SecBase.h. Returns `None` for "there is no such item".
pub(super) fn meaning(code: i32, source: Source) -> Option<VaultError> {
    Some(match code {
        ERR_SEC_ITEM_NOT_FOUND => return None,
        ERR_SEC_AUTH_FAILED | ERR_SEC_MISSING_ENTITLEMENT | ERR_SEC_READ_ONLY => {
            VaultError::AccessDenied { source }
        }
        ERR_SEC_DUPLICATE_ITEM => VaultError::Exists,
        ERR_SEC_INTERACTION_NOT_ALLOWED | ERR_SEC_INTERACTION_REQUIRED => {
            VaultError::Locked { source: Some(source) }
        }
        ERR_SEC_NO_DEFAULT_KEYCHAIN | ERR_SEC_NO_SUCH_KEYCHAIN => VaultError::Missing {
            reason: "this user has no usable default keychain".into(),
            source: Some(source),
        },
        ERR_SEC_NOT_AVAILABLE => VaultError::ServiceMissing {
            reason: "no keychain is available to this process, as in a daemon without a user"
                .into(),
            source: Some(source),
        },
        ERR_SEC_USER_CANCELED => VaultError::PromptDismissed { source: Some(source) },
        _ => VaultError::Failed { source },
    })
}

/// Values from SecBase.h, where they are named `errSecUserCanceled` and so on.
const ERR_SEC_USER_CANCELED: i32 = -128;
const ERR_SEC_NOT_AVAILABLE: i32 = -25_291;
const ERR_SEC_READ_ONLY: i32 = -25_292;
const ERR_SEC_AUTH_FAILED: i32 = -25_293;
const ERR_SEC_NO_SUCH_KEYCHAIN: i32 = -25_294;
const ERR_SEC_DUPLICATE_ITEM: i32 = -25_299;
const ERR_SEC_ITEM_NOT_FOUND: i32 = -25_300;
const ERR_SEC_NO_DEFAULT_KEYCHAIN: i32 = -25_307;
const ERR_SEC_INTERACTION_NOT_ALLOWED: i32 = -25_308;
const ERR_SEC_INTERACTION_REQUIRED: i32 = -25_315;
const ERR_SEC_MISSING_ENTITLEMENT: i32 = -34_018;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_code_says_what_was_found() {
        for (code, words) in [
            (-128, "prompt was dismissed"),
            (-25_291, "daemon without a user"),
            (-25_293, "refused access"),
            (-25_299, "already holds"),
            (-25_307, "no usable default keychain"),
            (-25_308, "is locked"),
            (-34_018, "refused access"),
            (-25_295, "see the cause"),
            (-50, "see the cause"),
        ] {
            let error = meaning(code, "status".into()).expect("an error");
            assert!(error.to_string().contains(words), "{code}: {error}");
            let has_source = std::error::Error::source(&error).is_some();
            assert!(has_source || matches!(error, VaultError::Exists), "{code}");
        }
        assert!(meaning(-25_300, "status".into()).is_none(), "not found is absence");
    }
}
