//! Maps the error codes of Windows' credential functions. Compiled on every system for tests.

use super::{Source, VaultError};

/// The meaning of `code`, a value of winerror.h. Returns `None` for "there is no such credential".
pub(super) fn meaning(code: u32, source: Source) -> Option<VaultError> {
    Some(match code {
        ERROR_NOT_FOUND => return None,
        ERROR_ACCESS_DENIED => VaultError::AccessDenied { source },
        ERROR_CANCELLED => VaultError::PromptDismissed { source: Some(source) },
        ERROR_NO_SUCH_LOGON_SESSION => VaultError::Missing {
            reason: "this logon session has no credentials, as over SSH and in services".into(),
            source: Some(source),
        },
        ERROR_SERVICE_DISABLED
        | ERROR_SERVICE_NOT_ACTIVE
        | RPC_S_SERVER_UNAVAILABLE
        | EPT_S_NOT_REGISTERED => VaultError::ServiceMissing {
            reason: "Windows' service \"Credential Manager\" (VaultSvc) does not run".into(),
            source: Some(source),
        },
        // The service's answer to a secret that is too large, if the size was not checked before.
        RPC_X_BAD_STUB_DATA => VaultError::TooLarge { size: MAX_SIZE + 1, limit: MAX_SIZE },
        _ => VaultError::Failed { source },
    })
}

/// `CRED_MAX_CREDENTIAL_BLOB_SIZE` of wincred.h: five times 512 bytes.
pub(super) const MAX_SIZE: usize = 5 * 512;

/// Values from winerror.h.
const ERROR_ACCESS_DENIED: u32 = 5;
const ERROR_SERVICE_DISABLED: u32 = 1058;
const ERROR_SERVICE_NOT_ACTIVE: u32 = 1062;
pub(super) const ERROR_NOT_FOUND: u32 = 1168;
const ERROR_CANCELLED: u32 = 1223;
const ERROR_NO_SUCH_LOGON_SESSION: u32 = 1312;
const RPC_S_SERVER_UNAVAILABLE: u32 = 1722;
const EPT_S_NOT_REGISTERED: u32 = 1753;
const RPC_X_BAD_STUB_DATA: u32 = 1783;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_code_says_what_was_found() {
        for (code, words) in [
            (5, "refused access"),
            (1062, "VaultSvc"),
            (1223, "prompt was dismissed"),
            (1312, "over SSH"),
            (1722, "VaultSvc"),
            (1783, "takes 2560"),
            (87, "see the cause"),
        ] {
            let error = meaning(code, "code".into()).expect("an error");
            assert!(error.to_string().contains(words), "{code}: {error}");
            let has_source = std::error::Error::source(&error).is_some();
            assert!(has_source || matches!(error, VaultError::TooLarge { .. }), "{code}");
        }
        assert!(meaning(1168, "code".into()).is_none(), "not found is absence");
    }
}
