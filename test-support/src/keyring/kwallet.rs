//! KWallet's daemon: how it starts without a display, unlocks without a dialog and where its files
//! are.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use super::Keyring;
use super::handle::{SECRETS, SERVICE, wait_until};

impl Keyring {
    /// Opens KWallet's wallet as its PAM module does at login, which leaves the collection locked
    /// until somebody asks.
    ///
    /// # Errors
    /// When the daemon is another or does not do it.
    pub fn open_without_unlock(&self) -> io::Result<()> {
        open(self)
    }
}

/// Starts a daemon with an unlocked default wallet and waits until it answers.
pub(super) fn start(keyring: &Keyring) -> io::Result<Child> {
    let settings = Path::new(keyring.variable("XDG_CONFIG_HOME")).join("kwalletrc");
    File::create(settings)?.write_all(SETTINGS.as_bytes())?;
    if !files(keyring).join("kdewallet.kwl").exists() {
        // The daemon serves the wallets that are there when it starts; the first one makes the
        // wallet.
        let mut first = spawn(keyring)?;
        let made = open(keyring);
        first.kill()?;
        first.wait()?;
        made?;
    }
    let daemon = spawn(keyring)?;
    unlock(keyring)?;
    Ok(daemon)
}

/// Opens the wallet, then has the collection follow: its prompt asks nothing by then.
pub(super) fn unlock(keyring: &Keyring) -> io::Result<()> {
    open(keyring)?;
    let collection = format!("array:objpath:{COLLECTION}");
    let method = "org.freedesktop.Secret.Service.Unlock";
    let reply = keyring.send(SECRETS, SERVICE, method, &[&collection])?;
    let prompt = reply.split_whitespace().find(|word| word.contains("/prompt/"));
    if let Some(prompt) = prompt {
        keyring.send(SECRETS, prompt, "org.freedesktop.Secret.Prompt.Prompt", &["string:"])?;
    }
    let arguments = ["string:org.freedesktop.Secret.Collection", "string:Locked"];
    let get = "org.freedesktop.DBus.Properties.Get";
    wait_until(|| Ok(keyring.send(SECRETS, COLLECTION, get, &arguments)?.contains("false")))
}

pub(super) fn files(keyring: &Keyring) -> PathBuf {
    Path::new(keyring.variable("XDG_DATA_HOME")).join("kwalletd")
}

fn spawn(keyring: &Keyring) -> io::Result<Child> {
    let daemon = keyring
        .command("kwalletd5")
        .env("QT_QPA_PLATFORM", "offscreen")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    keyring.wait_for(SECRETS)?;
    Ok(daemon)
}

/// Opens the wallet as KWallet's PAM module does.
fn open(keyring: &Keyring) -> io::Result<()> {
    let hash = ["7"; HASH_SIZE].join(",");
    let arguments = ["string:kdewallet", &format!("array:byte:{hash}"), "int32:0"];
    keyring.send(KWALLET, MODULE, "org.kde.KWallet.pamOpen", &arguments)?;
    let open = keyring.send(KWALLET, MODULE, "org.kde.KWallet.isOpen", &["string:kdewallet"])?;
    match open.contains("true") {
        true => Ok(()),
        false => Err(io::Error::other("KWallet did not open its wallet")),
    }
}

pub(super) const COLLECTION: &str = "/org/freedesktop/secrets/collection/kdewallet";
const KWALLET: &str = "org.kde.kwalletd5";
const MODULE: &str = "/modules/kwalletd5";
const SETTINGS: &str = "[Wallet]\nFirst Use=false\nEnabled=true\nDefault Wallet=kdewallet\n\
                        Prompt on Open=false\n[org.freedesktop.secrets]\napiEnabled=true\n";
/// Bytes that the PAM module derives from a password.
const HASH_SIZE: usize = 56;
