//! The default keychain of macOS, and how it is locked where it is one that was made for the tests.

use std::{
    env,
    path::PathBuf,
    process::Command,
    sync::{Mutex, PoisonError},
};

use super::backend::{AtRest, Backend, Lock};

impl Backend {
    /// A raw item of the keychain.
    pub(crate) fn in_keychain(self) -> Self {
        let at_rest = match env::var_os(FILE) {
            Some(_) => AtRest::Encrypted(|_| vec![file().parent().unwrap().to_owned()]),
            None => AtRest::NoFile,
        };
        self.keyed_in_keychain().lying(at_rest)
    }

    /// Something whose key lies there. A keychain that somebody uses is not locked.
    pub(crate) fn keyed_in_keychain(self) -> Self {
        let lock = Lock {
            lock: |_| security(&["lock-keychain"]),
            unlock: |_| security(&["unlock-keychain", "-p", &env::var(PASSWORD).unwrap()]),
            hides_absence: false,
        };
        let lock = env::var_os(FILE).map(|_| lock);
        Self { lock, within: Some(one_at_a_time), ..self }
    }
}

/// One test must not lock what another is using.
fn one_at_a_time(_: &str, run: &mut dyn FnMut()) {
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    run();
}

fn security(arguments: &[&str]) {
    let status = Command::new("security").args(arguments).arg(file()).status().unwrap();
    assert!(status.success(), "security {}: {status}", arguments[0]);
}

fn file() -> PathBuf {
    env::var_os(FILE).expect("only asked of a keychain of the tests' own").into()
}

/// The file of a keychain that was made for the tests alone and is the default one, in a folder of
/// its own.
const FILE: &str = "TOKENKEEP_TEST_KEYCHAIN";
const PASSWORD: &str = "TOKENKEEP_TEST_KEYCHAIN_PASSWORD";
