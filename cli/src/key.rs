//! Keys that the user hands to the program.

use std::mem;
use std::{
    env::{self, VarError},
    error::Error as StdError,
};

use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use inquire::{InquireError, Password};
use tokenkeep::{
    KeySource, Secret,
    persistence::{KernelKeyring, KeyCallback, Passphrase},
};
use zeroize::Zeroizing;

use crate::{args::KeyChoice, descriptor::Descriptor};

/// The key sources that were chosen, in their order; the library's own order if none was. A
/// passphrase is asked for when a cache needs it.
pub(crate) fn sources(choices: &[KeyChoice]) -> Vec<KeySource> {
    match choices {
        [] => KeySource::defaults(),
        choices => choices.iter().map(source).collect(),
    }
}

/// The same key sources as choices that can be typed.
pub(crate) fn choices(choices: &[KeyChoice]) -> Vec<KeyChoice> {
    let typed = |source: KeySource| match source {
        KeySource::Dpapi => Some(KeyChoice::Dpapi),
        KeySource::OsVault => Some(KeyChoice::Vault),
        // The defaults have no other sources.
        _ => None,
    };
    match choices {
        [] => KeySource::defaults().into_iter().filter_map(typed).collect(),
        choices => choices.to_vec(),
    }
}

/// Whether a passphrase is available without asking.
pub(crate) fn has_passphrase() -> bool {
    env::var_os(PASSPHRASE).is_some()
}

/// Checks that a key that is handed to the program is there. The user is not asked, and a
/// descriptor is not read, because that can be done only once.
pub(crate) fn check(choice: &KeyChoice) -> Result<(), Failed> {
    match choice {
        KeyChoice::Environment(name) => environment_key(name).map(drop),
        KeyChoice::FileDescriptor(descriptor) => descriptor
            .check()
            .map_err(|error| format!("{} {error}", descriptor_description(descriptor)).into()),
        KeyChoice::Passphrase => passphrase(false).map(drop),
        KeyChoice::Dpapi | KeyChoice::File(_) | KeyChoice::Kernel | KeyChoice::Vault => Ok(()),
    }
}

fn source(choice: &KeyChoice) -> KeySource {
    match choice {
        KeyChoice::Dpapi => KeySource::Dpapi,
        KeyChoice::Environment(name) => {
            let name = name.clone();
            callback(move || environment_key(&name))
        }
        KeyChoice::File(path) => KeySource::KeyFile(path.clone()),
        KeyChoice::FileDescriptor(descriptor) => {
            let descriptor = descriptor.clone();
            callback(move || descriptor_key(&descriptor))
        }
        KeyChoice::Kernel => KeySource::KernelKeyring(KernelKeyring::User),
        KeyChoice::Passphrase => KeySource::Passphrase(Passphrase::asked(passphrase)),
        KeyChoice::Vault => KeySource::OsVault,
    }
}

fn callback(read: impl Fn() -> Result<Secret, Failed> + Send + Sync + 'static) -> KeySource {
    KeySource::Callback(KeyCallback::new(move |_| read()))
}

fn environment_key(name: &str) -> Result<Secret, Failed> {
    let description = format!("the environment variable {name}");
    match env::var(name) {
        Ok(text) => key_in(&description, Zeroizing::new(text).as_bytes()),
        Err(VarError::NotPresent) => Err(format!("{description} is not set").into()),
        // The error itself would show the content.
        Err(VarError::NotUnicode(_)) => Err(format!("{description} is not text").into()),
    }
}

fn descriptor_description(descriptor: &Descriptor) -> String {
    format!("file descriptor {}", descriptor.number)
}

fn descriptor_key(descriptor: &Descriptor) -> Result<Secret, Failed> {
    let description = descriptor_description(descriptor);
    let text = descriptor.read().map_err(|error| format!("{description} {error}"))?;
    key_in(&description, text.expose())
}

fn key_in(description: &str, text: &[u8]) -> Result<Secret, Failed> {
    let key = std::str::from_utf8(text).ok().and_then(|text| decode(text.trim()));
    key.ok_or_else(|| {
        let found = if text.is_empty() { "is empty, not" } else { "is not" };
        format!(
            "{description} {found} 32 bytes in hexadecimal or base64; `openssl rand -hex 32` makes \
             such a key"
        )
        .into()
    })
}

/// 64 hexadecimal digits, or base64 with either of its alphabets, padded or not.
fn decode(text: &str) -> Option<Secret> {
    // Larger than a key, so that decoding one does not leave a copy in a smaller buffer.
    let mut key = Zeroizing::new(Vec::with_capacity(64));
    if text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit()) {
        for pair in text.as_bytes().chunks(2) {
            key.push(u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?);
        }
    } else {
        // These two are in base64url alone; a text without them is read as standard base64.
        let is_url_safe = text.contains(['-', '_']);
        let alphabet = if is_url_safe { &alphabet::URL_SAFE } else { &alphabet::STANDARD };
        GeneralPurpose::new(alphabet, ANY_PADDING).decode_vec(text, &mut key).ok()?;
    }
    (key.len() == 32).then(|| Secret::new(mem::take(&mut *key)))
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
    // The prompt reads keys, not lines, so that Ctrl-C restores the terminal's echo.
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

/// Why there is no key. Never shows the key's content.
type Failed = Box<dyn StdError + Send + Sync>;

const PASSPHRASE: &str = "TOKENKEEP_PASSPHRASE";

const ANY_PADDING: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);

#[cfg(test)]
mod tests {
    use super::decode;

    #[test]
    fn a_key_is_32_bytes_in_hexadecimal_or_base64_and_nothing_else() {
        let hex = "00ff".repeat(16);
        let base64 = "AP8A/wD/AP8A/wD/AP8A/wD/AP8A/wD/AP8A/wD/AP8=";
        let url_safe = base64.replace('/', "_");
        let key = decode(&hex).expect("64 digits");
        for text in [base64, &base64[..43], &url_safe, &url_safe[..43]] {
            assert_eq!(decode(text).as_ref(), Some(&key), "{text}");
        }
        let mixed = base64.replacen('/', "_", 1);
        for bad in ["", "00ff", "not a key", &hex[1..], &format!("{hex}00"), &base64[..42], &mixed]
        {
            assert!(decode(bad).is_none(), "{bad:?}");
        }
    }
}
