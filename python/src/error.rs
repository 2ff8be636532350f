//! The Python exception for an error of the library.

use std::{error::Error as StdError, path::Path};

use pyo3::{
    IntoPyObjectExt as _,
    prelude::*,
    types::{PyDict, PyString},
};
use tokenkeep::{Error, silent::Refusal};
use tokenkeep_platform::text::shown;

/// The exception for `error`. An exception that a callback in Python raised comes out as it is.
pub(crate) fn raised(py: Python<'_>, error: &Error) -> PyErr {
    if let Some(exception) = of_callback(py, error) {
        return exception;
    }
    match made(py, error) {
        Ok(exception) => exception,
        // Such as out of memory.
        Err(failure) => failure,
    }
}

/// What a callback in Python raised.
fn of_callback(py: Python<'_>, error: &Error) -> Option<PyErr> {
    match error {
        Error::Callback { source, .. } => {
            source.downcast_ref::<PyErr>().map(|exception| exception.clone_ref(py))
        }
        _ => None,
    }
}

fn made(py: Python<'_>, error: &Error) -> PyResult<PyErr> {
    let (kind, class) = kind(error);
    let attributes = PyDict::new(py);
    attributes.set_item("kind", kind)?;
    attributes.set_item("next_step", error.next_step())?;
    attributes.set_item("is_retryable", error.is_retryable())?;
    attributes.set_item("is_sign_in_needed", error.is_sign_in_needed())?;
    let (source, cause) = sources(py, error);
    attributes.set_item("source", source)?;
    add_details(&attributes, error)?;
    if let Some(refusal) = error.refusal() {
        add_refusal(&attributes, refusal)?;
    }
    let mut code = error.os_code();
    if is_of_keychain(error) {
        attributes.set_item("exit_status", code.take())?;
    }
    let code = code.or_else(|| usual_code(error));
    let file = path(error).map(|path| path.as_os_str().into_bound_py_any(py)).transpose()?;
    let module = py.import("tokenkeep.errors")?;
    let made = module.getattr("make")?;
    let exception = made.call1((class, error.to_string(), code, file, attributes))?;
    let exception = PyErr::from_value(exception);
    exception.set_cause(py, cause);
    Ok(exception)
}

/// What caused the error, as text, and the Python exception among the causes.
fn sources(py: Python<'_>, error: &Error) -> (Option<String>, Option<PyErr>) {
    let mut texts = Vec::new();
    let mut cause = None;
    let mut source = error.source();
    while let Some(next) = source {
        match next.downcast_ref::<PyErr>() {
            // Its text is the program's own, and may hold anything.
            Some(exception) => cause = Some(exception.clone_ref(py)),
            None => texts.push(shown(next.to_string().trim_end()).into_owned()),
        }
        source = next.source();
    }
    let text = (!texts.is_empty()).then(|| texts.join(": "));
    (text, cause)
}

/// The name of the variant, and that of the exception's class.
fn kind(error: &Error) -> (&'static str, &'static str) {
    use Error as E;
    match error {
        E::AccountAmbiguous { .. } => ("AccountAmbiguous", "AccountAmbiguous"),
        E::AlreadyLocked { .. } => ("AlreadyLocked", "LockError"),
        E::Callback { .. } => ("Callback", "Error"),
        E::Corrupt { .. } => ("Corrupt", "PersistenceCorrupt"),
        E::DurabilityUnknown { .. } => ("DurabilityUnknown", "PersistenceOutcomeUnknown"),
        E::Invalid { .. } => ("Invalid", "InvalidError"),
        E::InvalidKeyFile { .. } => ("InvalidKeyFile", "PersistenceDecryptionError"),
        E::Io { .. } => ("Io", "PersistenceError"),
        E::KeptChanging { .. } => ("KeptChanging", "PersistenceError"),
        E::KeyGone { .. } => ("KeyGone", "PersistenceKeyGone"),
        E::LockTimeout { .. } => ("LockTimeout", "LockError"),
        E::MissingParent { .. } => ("MissingParent", "PersistenceNotFound"),
        E::Mounted { .. } => ("Mounted", "PersistenceError"),
        E::Nested => ("Nested", "NestedError"),
        E::NoSpace { .. } => ("NoSpace", "PersistenceError"),
        E::NoThread { .. } => ("NoThread", "Error"),
        E::OtherBackend { .. } => ("OtherBackend", "PersistenceError"),
        E::OtherStore { .. } => ("OtherStore", "PersistenceError"),
        E::OutcomeUnknown { .. } => ("OutcomeUnknown", "PersistenceOutcomeUnknown"),
        E::PartlyRemoved { .. } => ("PartlyRemoved", "PersistenceError"),
        E::PermissionDenied { .. } => ("PermissionDenied", "PersistenceDenied"),
        E::PromptDismissed { .. } => ("PromptDismissed", "PersistenceLocked"),
        E::ProviderAnswer { .. } => ("ProviderAnswer", "ProviderAnswer"),
        E::ProviderUnavailable { .. } => ("ProviderUnavailable", "ProviderUnavailable"),
        E::ProviderUnreachable { .. } => ("ProviderUnreachable", "ProviderUnreachable"),
        E::ReadOnly { .. } => ("ReadOnly", "PersistenceError"),
        E::RefreshInProgress { .. } => ("RefreshInProgress", "RefreshInProgress"),
        E::RefreshTokenGone => ("RefreshTokenGone", "RefreshTokenGone"),
        E::Refused { .. } => ("Refused", "Refused"),
        E::RolledBack { .. } => ("RolledBack", "PersistenceError"),
        E::SignInFailed(_) => ("SignInFailed", "Error"),
        E::SignInNeeded { .. } => ("SignInNeeded", "SignInNeeded"),
        E::System { .. } => ("System", "PersistenceError"),
        E::TooLarge { .. } => ("TooLarge", "PersistenceError"),
        E::UnsafePath { .. } => ("UnsafePath", "PersistenceUnsafe"),
        E::Unsupported { .. } => ("Unsupported", "UnsupportedError"),
        E::UnsupportedVersion { .. } => ("UnsupportedVersion", "PersistenceError"),
        E::VaultAmbiguous { .. } => ("VaultAmbiguous", "PersistenceError"),
        E::VaultDenied { .. } => ("VaultDenied", "PersistenceDenied"),
        E::VaultFailed { .. } => ("VaultFailed", "PersistenceError"),
        E::VaultLocked { .. } => ("VaultLocked", "PersistenceLocked"),
        E::VaultMissing { .. } => ("VaultMissing", "PersistenceUnavailable"),
        E::VaultServiceMissing { .. } => ("VaultServiceMissing", "PersistenceUnavailable"),
        E::VaultTimeout { .. } => ("VaultTimeout", "PersistenceTimeout"),
        E::WaitCanceled { .. } => ("WaitCanceled", "Error"),
        E::WrongKey { .. } => ("WrongKey", "PersistenceDecryptionError"),
        _ => ("", "Error"),
    }
}

fn add_details(attributes: &Bound<'_, PyDict>, error: &Error) -> PyResult<()> {
    match error {
        Error::AccountAmbiguous { usernames } => attributes.set_item("usernames", usernames),
        Error::LockTimeout { waited, holder, .. } | Error::RefreshInProgress { waited, holder } => {
            attributes.set_item("waited", waited.as_secs_f64())?;
            attributes.set_item("holder", holder.as_deref().map(shown))
        }
        Error::ProviderUnavailable { status, retry_in, .. } => {
            attributes.set_item("status", status)?;
            attributes.set_item("retry_in", retry_in.map(|span| span.as_secs_f64()))
        }
        _ => Ok(()),
    }
}

fn add_refusal(attributes: &Bound<'_, PyDict>, refusal: &Refusal) -> PyResult<()> {
    attributes.set_item("code", refusal.code())?;
    attributes.set_item("suberror", refusal.suberror())?;
    attributes.set_item("description", refusal.description())?;
    attributes.set_item("claims", refusal.claims())?;
    attributes.set_item("correlation_id", refusal.correlation_id())
}

/// The file or folder that the error is about.
fn path(error: &Error) -> Option<&Path> {
    match error {
        Error::AlreadyLocked { path }
        | Error::DurabilityUnknown { path, .. }
        | Error::InvalidKeyFile { path, .. }
        | Error::Io { path, .. }
        | Error::KeptChanging { path, .. }
        | Error::KeyGone { path, .. }
        | Error::LockTimeout { path, .. }
        | Error::MissingParent { path }
        | Error::Mounted { path, .. }
        | Error::NoSpace { path, .. }
        | Error::OtherBackend { path, .. }
        | Error::OtherStore { path, .. }
        | Error::ReadOnly { path, .. }
        | Error::RolledBack { path, .. }
        | Error::UnsafePath { path, .. }
        | Error::UnsupportedVersion { path, .. }
        | Error::WrongKey { path, .. } => Some(path),
        _ => None,
    }
}

/// The name of the errno that Python programs look for, where the operating system gave none.
fn usual_code(error: &Error) -> Option<i64> {
    // POSIX has these two everywhere, and Windows' C library has the same.
    match error {
        Error::MissingParent { .. } => Some(2),
        Error::PermissionDenied { .. } | Error::VaultDenied { .. } => Some(13),
        _ => None,
    }
}

/// Whether the number of the operating system is one of the Keychain.
fn is_of_keychain(error: &Error) -> bool {
    let name = match error {
        Error::KeyGone { vault, .. }
        | Error::OutcomeUnknown { vault, .. }
        | Error::PromptDismissed { vault, .. }
        | Error::VaultAmbiguous { vault }
        | Error::VaultDenied { vault, .. }
        | Error::VaultFailed { vault, .. }
        | Error::VaultLocked { vault, .. }
        | Error::VaultMissing { vault, .. }
        | Error::VaultServiceMissing { vault, .. }
        | Error::VaultTimeout { vault, .. } => *vault,
        _ => return false,
    };
    name == "Keychain"
}

/// An exception of one of the package's own classes that the library has no error for.
pub(crate) fn own(py: Python<'_>, class: &str, kind: &str, text: &str, next_step: &str) -> PyErr {
    let attributes = PyDict::new(py);
    let made = || {
        attributes.set_item("kind", kind)?;
        attributes.set_item("next_step", next_step)?;
        let module = py.import("tokenkeep.errors")?;
        let nothing = py.None();
        let text = PyString::new(py, text);
        module.getattr("make")?.call1((class, text, &nothing, &nothing, &attributes))
    };
    made().map_or_else(|failure: PyErr| failure, PyErr::from_value)
}
