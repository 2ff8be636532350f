//! Every backend, one line each.

use std::path::{Path, PathBuf};

use keyring::mock;
#[cfg(target_os = "linux")]
use tokenkeep::persistence::KernelKeyring;
use tokenkeep::{
    KeySource, Secret,
    persistence::{CredentialStore, KeyCallback, Passphrase},
};
use tokenkeep_platform::vault::Vault;
#[cfg(target_os = "linux")]
use tokenkeep_platform::vault::{Call, Collection, VaultError};
use tokenkeep_test_support::again;
#[cfg(target_os = "linux")]
use tokenkeep_test_support::keyring::Provider;

use super::{
    adapter::{memory, msal_extensions, plaintext, sealed, vault},
    suite::hold_to_the_contract,
};

macro_rules! backends {
    ($($(#[$attribute:meta])* $name:ident: $backend:expr;)+) => {$(
        $(#[$attribute])*
        #[test]
        fn $name() {
            let test = concat!("backends::", stringify!($name));
            hold_to_the_contract(test, &$backend, &|task| again($name, task));
        }
    )+};
}

backends! {
    vault_in_memory: vault(Vault::memory()).in_one_process();
    vault_of_a_mock_store: vault(Vault::store(mock::Store::new().unwrap())).in_one_process().logging_by_itself();
    cache_in_memory: memory();
    plaintext_file: plaintext().filling_its_folder();
    sealed_with_a_key_file: sealed(|folder| KeySource::KeyFile(key_file(folder))).filling_its_folder();
    sealed_with_a_callback: sealed(|_| KeySource::Callback(constant())).filling_its_folder();
    sealed_with_a_passphrase: sealed(|_| KeySource::Passphrase(Passphrase::new("several words"))).filling_its_folder();
    sealed_with_a_mock_store: sealed(with_mock_store()).in_one_process();
}

// Not on Windows: the Secret Service
#[cfg(target_os = "linux")]
backends! {
    gnome_keyring: vault(Vault::os()).in_session(Provider::GnomeKeyring);
    kwallet: vault(Vault::os()).in_session(Provider::KWallet);
    msal_extensions_in_gnome_keyring: msal_extensions().in_session(Provider::GnomeKeyring);
    msal_extensions_in_kwallet: msal_extensions().in_session(Provider::KWallet);
    sealed_with_gnome_keyring: sealed(|_| KeySource::OsVault).keyed_in_session(Provider::GnomeKeyring);
    sealed_with_kwallet: sealed(|_| KeySource::OsVault).keyed_in_session(Provider::KWallet);
}

// Not on Windows: the kernel keyring of Linux
#[cfg(target_os = "linux")]
backends! {
    kernel_keyring_of_the_user: vault(Vault::kernel_keyring(Collection::Default)).up_to(32_767).unless(no_kernel_keyring);
    kernel_keyring_of_the_session: vault(Vault::kernel_keyring(Collection::Session)).up_to(32_767).unless(no_kernel_keyring);
    sealed_with_the_users_kernel_keyring: sealed(|_| KeySource::KernelKeyring(KernelKeyring::User)).unless(no_kernel_keyring);
    sealed_with_the_sessions_kernel_keyring: sealed(|_| KeySource::KernelKeyring(KernelKeyring::Session)).unless(no_kernel_keyring);
}

// Not on Windows: the Keychain of macOS
#[cfg(target_os = "macos")]
backends! {
    keychain: vault(Vault::os()).in_keychain();
    sealed_with_the_keychain: sealed(|_| KeySource::OsVault).keyed_in_keychain();
}

#[cfg(windows)]
backends! {
    credential_manager: vault(Vault::os()).up_to(2_560).folding_case().broken_by_wine(BESIDE_WRITERS);
    sealed_with_credential_manager: sealed(|_| KeySource::OsVault);
    msal_extensions_under_dpapi: msal_extensions().filling_its_folder();
    sealed_with_dpapi: sealed(|_| KeySource::Dpapi).filling_its_folder();
}

/// Wine writes a credential in several steps, and reads it in several.
#[cfg(windows)]
const BESIDE_WRITERS: &[&str] = &["saves by processes at once leave one whole payload"];

/// In a folder beside that of its cache.
fn key_file(cache: &Path) -> PathBuf {
    let name = cache.file_name().unwrap().to_str().unwrap();
    cache.with_file_name(format!("keys-of-{name}")).join("tests.key")
}

/// The same key in every process.
fn constant() -> KeyCallback {
    KeyCallback::new(|_| Ok(Secret::new([7; 32])))
}

/// One store for all places of a backend.
fn with_mock_store() -> impl Fn(&Path) -> KeySource + Send + Sync {
    let store = CredentialStore::new(mock::Store::new().unwrap());
    move |_| KeySource::CredentialStore(store.clone())
}

#[cfg(target_os = "linux")]
fn no_kernel_keyring() -> Option<String> {
    match Vault::kernel_keyring(Collection::Default).unlock(&Call::quiet()) {
        Err(VaultError::Missing { reason, .. }) => Some(reason),
        _ => None,
    }
}
