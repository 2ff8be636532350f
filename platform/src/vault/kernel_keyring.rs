//! The key retention service of the Linux kernel, through keyring-core's keyutils store.
//!
//! Secrets are kept in kernel memory and never on disk. What each keyring survives (keyrings(7)):
//!
//! | | the process | a logout | a reboot |
//! |---|---|---|---|
//! | [`Collection::Default`], the user keyring | yes | until the last process of the user has ended, and the kernel has tidied up | no |
//! | [`Collection::Session`], the session keyring | yes | no; every login has its own, so another terminal over SSH sees nothing | no |
//!
//! There is no lock and no prompt, and any program of the same user can read the keys. A user other
//! than root may keep 20,000 bytes in 200 keys (`/proc/sys/kernel/keys/`). Containers usually
//! forbid the calls.

use std::sync::Arc;

use keyring::Entry;
use linux_keyutils::{KeyError, KeyRing, KeyRingIdentifier};
use linux_keyutils_keyring_store::Cred;

use super::stored::{Entries, Stored};
use super::{Backend, Collection, Item, Source, VaultError};

pub(super) fn open() -> Box<dyn Backend> {
    Box::new(Stored(Keyutils))
}

struct Keyutils;

impl Entries for Keyutils {
    /// Built directly, because the store's own constructor only supports the session keyring.
    fn entry(&mut self, collection: &Collection, item: &Item) -> Result<Entry, VaultError> {
        let keyring = keyring(collection)?;
        let description = item.one_name(collection);
        let entry = Cred { session: keyring, persistent: None, description, specifiers: None };
        Ok(Entry::new_with_credential(Arc::new(entry)))
    }

    fn meaning(&self, said: Source) -> Option<VaultError> {
        match said.downcast::<KeyError>() {
            Ok(error) => meaning(*error),
            Err(said) => Some(VaultError::failed(said)),
        }
    }

    fn max_size(&self) -> usize {
        MAX_SIZE
    }

    fn unlock(&mut self, collection: &Collection) -> Result<(), VaultError> {
        keyring(collection).map(drop)
    }
}

fn keyring(collection: &Collection) -> Result<KeyRing, VaultError> {
    let open = |keyring| {
        KeyRing::from_special_id(keyring, false)
            .map_err(|error| meaning(error).unwrap_or_else(|| VaultError::failed(error)))
    };
    match collection {
        Collection::Session => open(KeyRingIdentifier::Session),
        Collection::Default => {
            let user = open(KeyRingIdentifier::User)?;
            // A key can be read only through a keyring that the process possesses, and the user
            // keyring does not count. So it is linked into the process keyring, which ends with
            // this process. A link in the session keyring would expose root's keys to the whole
            // session that root was called from. If the link fails, the read reports it.
            if let Ok(own) = KeyRing::from_special_id(KeyRingIdentifier::Process, true) {
                own.link_keyring(user).ok();
            }
            Ok(user)
        }
        Collection::Named(_) => Err(VaultError::Missing {
            reason: "the kernel keyring has no named collections".into(),
            source: None,
        }),
    }
}

/// The meaning of an error of add_key(2) and keyctl(2). Returns `None` for "there is no such key".
fn meaning(error: KeyError) -> Option<VaultError> {
    let source = || Some(error.into());
    Some(match error {
        KeyError::KeyDoesNotExist
        | KeyError::KeyExpired
        | KeyError::KeyRevoked
        | KeyError::MissingFileOrDirectory => return None,
        // `EACCES` is about one key. `EPERM` means that the call itself is forbidden, as in most
        // containers.
        KeyError::PermissionDenied => VaultError::Missing {
            reason: "this system forbids the calls add_key and keyctl, as most containers do"
                .into(),
            source: source(),
        },
        KeyError::OperationNotSupported | KeyError::Unknown(NO_SUCH_CALL) => VaultError::Missing {
            reason: "this kernel is built without keyrings".into(),
            source: source(),
        },
        KeyError::AccessDenied => VaultError::AccessDenied { source: error.into() },
        KeyError::QuotaExceeded => VaultError::failed(
            "the user's quota of kernel keys is used up; /proc/key-users tells how much is used",
        ),
        error => VaultError::failed(error),
    })
}

/// `ENOSYS`, for which the crate has no name.
const NO_SUCH_CALL: i32 = rustix::io::Errno::NOSYS.raw_os_error();

/// The largest payload of a key of type "user" (keyrings(7)).
const MAX_SIZE: usize = 32_767;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_error_of_the_kernel_has_its_meaning() {
        type Check = fn(&Option<VaultError>) -> bool;
        let absent: Check = |answer| answer.is_none();
        let missing: Check = |answer| matches!(answer, Some(VaultError::Missing { .. }));
        let denied: Check = |answer| matches!(answer, Some(VaultError::AccessDenied { .. }));
        let failed: Check = |answer| matches!(answer, Some(VaultError::Failed { .. }));
        for (error, check) in [
            (KeyError::KeyDoesNotExist, absent),
            (KeyError::KeyExpired, absent),
            (KeyError::KeyRevoked, absent),
            (KeyError::PermissionDenied, missing),
            (KeyError::OperationNotSupported, missing),
            (KeyError::Unknown(38), missing),
            (KeyError::AccessDenied, denied),
            (KeyError::QuotaExceeded, failed),
            (KeyError::OutOfMemory, failed),
        ] {
            assert!(check(&meaning(error)), "{error}: {:?}", meaning(error));
        }
    }
}
