//! Errors of data protection.

use std::io;

/// Why bytes were not protected or unprotected. The operating system's error is the source.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProtectError {
    /// There are no bytes to unprotect (code 87).
    #[error("there are no protected bytes; the program that wrote them was stopped, sign in again")]
    Empty,
    /// Any other error of the call.
    #[error("Windows could not protect or give back the bytes; see the cause")]
    Failed {
        /// Windows' error.
        source: io::Error,
    },
    /// This operating system has no data protection.
    #[error("data protection (DPAPI) exists on Windows only")]
    Missing,
    /// The session cannot use the user's key (code 0x80090345): a network logon such as SSH or
    /// remote management, or a service.
    #[error(
        "this session cannot reach the user's Windows key, as over the network or in a service"
    )]
    NetworkLogon {
        /// Windows' error.
        source: io::Error,
    },
    /// The bytes are damaged, not protected, or protected with another entropy (code 13).
    #[error(
        "the bytes are damaged or protected by another program; put back the file that was there"
    )]
    NotData {
        /// Windows' error.
        source: io::Error,
    },
    /// The key that protected the bytes is not this user's current key (code 0x8009000B). The
    /// password was reset, the profile was copied from another machine, or the shell runs as
    /// another user.
    #[error(
        "the bytes belong to another Windows key: the password was reset, the profile copied, or \
         this shell runs as somebody else; run as the user who signed in, or sign in again"
    )]
    OtherKey {
        /// Windows' error.
        source: io::Error,
    },
}

impl ProtectError {
    /// Maps an error code of DPAPI, the same on every operating system.
    #[must_use]
    pub fn from_code(code: i32) -> Self {
        let source = io::Error::from_raw_os_error(code);
        match code.cast_unsigned() {
            ERROR_INVALID_DATA => Self::NotData { source },
            ERROR_INVALID_PARAMETER => Self::Empty,
            NTE_BAD_KEY_STATE => Self::OtherKey { source },
            SEC_E_DELEGATION_REQUIRED => Self::NetworkLogon { source },
            _ => Self::Failed { source },
        }
    }
}

/// Values from winerror.h.
const ERROR_INVALID_DATA: u32 = 13;
const ERROR_INVALID_PARAMETER: u32 = 87;
const NTE_BAD_KEY_STATE: u32 = 0x8009_000B;
const SEC_E_DELEGATION_REQUIRED: u32 = 0x8009_0345;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_known_code_says_what_happened() {
        for (code, words) in [
            (13, ["damaged", "put back"]),
            (87, ["no protected bytes", "sign in again"]),
            (-2_146_893_813, ["password was reset", "sign in again"]),
            (-2_146_892_987, ["cannot reach", "over the network"]),
            (5, ["could not", "see the cause"]),
        ] {
            let text = ProtectError::from_code(code).to_string();
            assert!(words.iter().all(|word| text.contains(word)), "{code}: {text}");
        }
    }
}
