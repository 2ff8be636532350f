//! The operating system's number of an error, from the types that keep it.

use std::{error::Error, fmt, io};

/// The operating system's number of `error` or of what caused it: errno on Unix, the code of the
/// last error or the HRESULT on Windows, the `OSStatus` of the Keychain on macOS. Returns `None` if
/// no error in the chain keeps a number. A number is never read from a text.
#[must_use]
pub fn os_code(error: &(dyn Error + 'static)) -> Option<i64> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(code) = own_code(error) {
            return Some(code);
        }
        next = error.source();
    }
    None
}

/// The number of one error, without the errors that its `source` names.
fn own_code(error: &(dyn Error + 'static)) -> Option<i64> {
    if let Some(error) = error.downcast_ref::<CodedError>() {
        return Some(error.code);
    }
    if let Some(error) = error.downcast_ref::<io::Error>() {
        return of_io(error);
    }
    #[cfg(feature = "desktop")]
    if let Some(error) = error.downcast_ref::<std::sync::Arc<io::Error>>() {
        return of_io(error);
    }
    #[cfg(all(feature = "desktop", unix))]
    if let Some(error) = error.downcast_ref::<rustix::io::Errno>() {
        return Some(error.raw_os_error().into());
    }
    #[cfg(all(feature = "desktop", target_os = "linux"))]
    if let Some(error) = error.downcast_ref::<linux_keyutils::KeyError>() {
        return of_keyutils(*error);
    }
    #[cfg(all(feature = "desktop", target_os = "macos"))]
    if let Some(error) = error.downcast_ref::<security_framework::base::Error>() {
        return Some(error.code().into());
    }
    None
}

fn of_io(error: &io::Error) -> Option<i64> {
    match (error.raw_os_error(), error.get_ref()) {
        (Some(code), _) => Some(code.into()),
        // `source` of an `io::Error` skips the error that it wraps.
        (None, Some(inner)) => os_code(inner),
        (None, None) => None,
    }
}

/// The crate turns errno into a name, and has a number only for what it does not know.
#[cfg(all(feature = "desktop", target_os = "linux"))]
fn of_keyutils(error: linux_keyutils::KeyError) -> Option<i64> {
    use linux_keyutils::KeyError as E;
    let code = match error {
        E::MissingFileOrDirectory => libc::ENOENT,
        E::PermissionDenied => libc::EPERM,
        E::AccessDenied => libc::EACCES,
        E::QuotaExceeded => libc::EDQUOT,
        E::BadAddress => libc::EFAULT,
        E::InvalidArguments => libc::EINVAL,
        E::KeyExpired => libc::EKEYEXPIRED,
        E::KeyRevoked => libc::EKEYREVOKED,
        E::KeyRejected => libc::EKEYREJECTED,
        E::OutOfMemory => libc::ENOMEM,
        E::KeyDoesNotExist => libc::ENOKEY,
        E::OperationNotSupported => libc::ENOTSUP,
        E::Unknown(code) => code,
        _ => return None,
    };
    Some(code.into())
}

/// The text of an error together with the operating system's number, where the error itself does
/// not keep the number or cannot be kept.
#[derive(Debug)]
pub struct CodedError {
    code: i64,
    text: String,
}

impl CodedError {
    /// An error that says `text` and has the number `code`.
    #[must_use]
    pub fn new(code: i64, text: impl Into<String>) -> Self {
        Self { code, text: text.into() }
    }
}

impl fmt::Display for CodedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Error for CodedError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("a layer (os error 99)")]
    struct Layer(#[source] Box<dyn Error + Send + Sync>);

    #[test]
    fn a_number_is_found_below_every_layer_and_never_in_a_text() {
        let io = || io::Error::from_raw_os_error(28);
        let below = |error: Box<dyn Error + Send + Sync>| os_code(&Layer(error));
        assert_eq!(below(io().into()), Some(28));
        assert_eq!(below(Layer(io().into()).into()), Some(28));
        assert_eq!(below(io::Error::other(io()).into()), Some(28));
        assert_eq!(below(io::Error::other(Layer(io().into())).into()), Some(28));
        assert_eq!(below(CodedError::new(-25_293, "a status").into()), Some(-25_293));
        for without in ["os error 5", "-25293"] {
            assert_eq!(below(without.into()), None);
            assert_eq!(below(io::Error::other(without).into()), None);
        }
        // As a vault's bus keeps it.
        #[cfg(feature = "desktop")]
        assert_eq!(below(std::sync::Arc::new(io()).into()), Some(28));
    }

    #[cfg(all(feature = "desktop", target_os = "linux"))]
    #[test]
    fn names_of_the_kernel_keyring_are_numbers_again() {
        use linux_keyutils::KeyError as E;
        for (error, code) in [
            (E::QuotaExceeded, libc::EDQUOT),
            (E::AccessDenied, libc::EACCES),
            (E::Unknown(libc::ENOSYS), libc::ENOSYS),
        ] {
            assert_eq!(os_code(&error), Some(code.into()), "{error}");
        }
        assert_eq!(os_code(&E::InvalidDescription), None);
    }
}
