//! Keys that the person hands to the program.

use std::{
    env::{self, VarError},
    error::Error as StdError,
    fs::File,
    io::{self, Read},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use inquire::{InquireError, Password};
use tokenkeep::{KernelKeyring, KeyCallback, KeySource, Passphrase, Secret};
use zeroize::Zeroizing;

use crate::args::KeyChoice;

/// The key sources that were chosen, in their order, or the library's own order. A passphrase is asked for when a cache needs it.
pub(crate) fn sources(choices: &[KeyChoice]) -> Vec<KeySource> {
    match choices {
        [] => KeySource::defaults(),
        choices => choices.iter().map(source).collect(),
    }
}

/// The same as choices that can be typed.
pub(crate) fn choices(choices: &[KeyChoice]) -> Vec<KeyChoice> {
    let typed = |source: KeySource| match source {
        KeySource::Dpapi => Some(KeyChoice::Dpapi),
        KeySource::OsVault => Some(KeyChoice::Vault),
        _ => None,
    };
    match choices {
        [] => KeySource::defaults().into_iter().filter_map(typed).collect(),
        choices => choices.to_vec(),
    }
}

/// Whether a passphrase is there without asking.
pub(crate) fn has_passphrase() -> bool {
    env::var_os(PASSPHRASE).is_some()
}

/// Whether a key that is handed to the program is there. Nobody is asked, and a descriptor is not read,
/// because that can be done once.
pub(crate) fn check(choice: &KeyChoice) -> Result<(), Failed> {
    match choice {
        KeyChoice::Environment(name) => {
            key_from(&environment_description(name), environment(name)).map(drop)
        }
        KeyChoice::FileDescriptor(number) => Ok(File::open(descriptor(*number)).map(drop)?),
        KeyChoice::Passphrase => passphrase(false).map(drop),
        KeyChoice::Dpapi | KeyChoice::File(_) | KeyChoice::Kernel | KeyChoice::Vault => Ok(()),
    }
}

fn source(choice: &KeyChoice) -> KeySource {
    match choice {
        KeyChoice::Dpapi => KeySource::Dpapi,
        KeyChoice::Environment(name) => {
            let name = name.clone();
            callback(environment_description(&name), move || environment(&name))
        }
        KeyChoice::File(path) => KeySource::KeyFile(path.clone()),
        KeyChoice::FileDescriptor(number) => {
            let number = *number;
            callback(format!("file descriptor {number}"), move || Ok(read_descriptor(number)?))
        }
        KeyChoice::Kernel => KeySource::KernelKeyring(KernelKeyring::User),
        KeyChoice::Passphrase => KeySource::Passphrase(Passphrase::asked(passphrase)),
        KeyChoice::Vault => KeySource::OsVault,
    }
}

fn callback(
    description: String,
    read: impl Fn() -> Result<Zeroizing<String>, Failed> + Send + Sync + 'static,
) -> KeySource {
    KeySource::Callback(KeyCallback::new(move |_| key_from(&description, read())))
}

fn key_from(description: &str, text: Result<Zeroizing<String>, Failed>) -> Result<Secret, Failed> {
    let text = text.map_err(|error| format!("{description}: {error}"))?;
    decode(text.trim()).ok_or_else(|| {
        format!("{description} is not 32 bytes in hexadecimal or base64; `openssl rand -hex 32` makes such a key")
            .into()
    })
}

fn environment_description(name: &str) -> String {
    format!("the environment variable {name}")
}

fn environment(name: &str) -> Result<Zeroizing<String>, Failed> {
    match env::var(name) {
        Ok(text) => Ok(Zeroizing::new(text)),
        Err(VarError::NotPresent) => Err("is not set".into()),
        // The error itself would show the content.
        Err(VarError::NotUnicode(_)) => Err("is not text".into()),
    }
}

fn decode(text: &str) -> Option<Secret> {
    let mut key = Zeroizing::new(Vec::with_capacity(64));
    if text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit()) {
        for pair in text.as_bytes().chunks(2) {
            key.push(u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?);
        }
    } else {
        STANDARD.decode_vec(text, &mut key).ok()?;
    }
    (key.len() == 32).then(|| Secret::from(key))
}

/// A few hundred bytes are read at most, so that a wrong descriptor does not read for ever.
fn read_descriptor(number: u32) -> io::Result<Zeroizing<String>> {
    let mut text = Zeroizing::new(String::with_capacity(512));
    File::open(descriptor(number))?.take(512).read_to_string(&mut text)?;
    Ok(text)
}

fn descriptor(number: u32) -> String {
    format!("/dev/fd/{number}")
}

/// Asks twice for a cache that is new.
pub(crate) fn passphrase(is_new: bool) -> Result<Secret, Failed> {
    match env::var(PASSPHRASE) {
        Ok(passphrase) => return Ok(Secret::new(passphrase)),
        Err(VarError::NotUnicode(_)) => {
            return Err("TOKENKEEP_PASSPHRASE is not text in UTF-8".into());
        }
        Err(VarError::NotPresent) => {}
    }
    // It reads keys, not lines, so that Ctrl-C leaves the terminal with its echo.
    let question = if is_new {
        Password::new("Passphrase of the new cache:").with_custom_confirmation_message("Once more:")
    } else {
        Password::new("Passphrase of the cache:").without_confirmation()
    };
    match question.prompt() {
        Ok(passphrase) => Ok(Secret::new(passphrase)),
        Err(InquireError::OperationCanceled | InquireError::OperationInterrupted) => {
            Err("no passphrase was given".into())
        }
        Err(_) => {
            Err("there is no terminal to ask for the passphrase; set TOKENKEEP_PASSPHRASE".into())
        }
    }
}

/// Why there is no key; never with its content.
type Failed = Box<dyn StdError + Send + Sync>;

const PASSPHRASE: &str = "TOKENKEEP_PASSPHRASE";

#[cfg(test)]
mod tests {
    use super::decode;

    #[test]
    fn a_key_is_32_bytes_in_hexadecimal_or_base64_and_nothing_else() {
        let hex = "00ff".repeat(16);
        let base64 = "AP8A/wD/AP8A/wD/AP8A/wD/AP8A/wD/AP8A/wD/AP8=";
        assert_eq!(decode(&hex).expect("64 digits"), decode(base64).expect("32 bytes"));
        for bad in ["", "00ff", "not a key", &hex[1..], &format!("{hex}00")] {
            assert!(decode(bad).is_none(), "{bad:?}");
        }
    }
}
