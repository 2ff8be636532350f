//! Which cache is meant and what opens it.

use std::{ffi::OsString, fmt, path::PathBuf, str::FromStr};

use clap::{Args, ValueEnum};
use tokenkeep_platform::text::{command_word, shown_path};

use crate::descriptor::Descriptor;

/// Which cache is meant and what opens it.
#[derive(Args, Clone, Debug)]
pub(crate) struct Store {
    /// Name of the cache
    ///
    /// A sealed cache is kept in a folder of this name, unless --cache names another folder. It
    /// opens only under the name that it was made with.
    #[arg(long, global = true, value_name = "NAME", default_value = NAME)]
    pub(crate) name: String,

    /// Folder of a sealed cache, file of a plaintext cache, or location of an msal-extensions cache
    ///
    /// The location is the text that a Python program passes to build_encrypted_persistence. Give
    /// exactly the same text, because it names the item in the vault.
    #[arg(long, global = true, value_name = "PATH")]
    pub(crate) cache: Option<PathBuf>,

    /// Kind of the cache
    #[arg(long = "store", global = true, value_name = "KIND", default_value = "sealed")]
    pub(crate) layout: Layout,

    /// Source of a sealed cache's key: vault, kernel, dpapi, env:NAME, fd:N, passphrase or
    /// file:PATH
    ///
    /// The default is the operating system's vault, and on Windows dpapi if there is no vault.
    /// Repeat the option to list several sources. A new cache takes the first that exists here.
    /// Give the option with every command: a cache remembers the kind of its source, not where the
    /// key is.
    ///
    /// kernel is the user's keyring in the Linux kernel, gone after a reboot. dpapi is a key file
    /// beside the cache that Windows encrypts. file:PATH is a key file, which is made with a new
    /// cache.
    ///
    /// env:NAME and fd:N give 32 bytes, as 64 hexadecimal digits or in base64. A descriptor is read
    /// once, to its end, which must come within 10 s. Windows has no descriptors.
    ///
    /// passphrase is asked for on the terminal, or taken from TOKENKEEP_PASSPHRASE.
    #[arg(long = "key", global = true, value_name = "SOURCE")]
    pub(crate) keys: Vec<KeyChoice>,

    /// Allow the vault to prompt, and wait up to SECONDS for the answer
    ///
    /// With doctor, the passphrase may be asked for on the terminal, too.
    #[arg(long, global = true, value_name = "SECONDS",
        value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub(crate) allow_prompt: Option<u64>,
}

impl Store {
    /// A command line for the same cache, which the user can type.
    pub(crate) fn command(&self, words: &str) -> String {
        let mut line = String::from("tokenkeep");
        if self.name != NAME {
            line.push_str(&format!(" --name {}", command_word(&self.name)));
        }
        if let Some(path) = &self.cache {
            line.push_str(&format!(" --cache {}", command_word(path)));
        }
        match self.layout {
            Layout::Sealed => {}
            Layout::Plaintext => line.push_str(" --store plaintext"),
            Layout::MsalExtensions => line.push_str(" --store msal-extensions"),
        }
        for key in &self.keys {
            let word = match key {
                KeyChoice::File(path) => {
                    let mut word = OsString::from("file:");
                    word.push(path);
                    command_word(&word)
                }
                KeyChoice::Dpapi | KeyChoice::Kernel | KeyChoice::Vault => key.kind().to_owned(),
                // The program keeps nothing of these, so `clear --unreadable` needs none.
                KeyChoice::Environment(_)
                | KeyChoice::FileDescriptor(_)
                | KeyChoice::Passphrase => {
                    continue;
                }
            };
            line.push_str(&format!(" --key {word}"));
        }
        format!("{line} {words}")
    }
}

/// The name of a store that has no name of its own.
const NAME: &str = "tokenkeep";

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Layout {
    /// Encrypted; the key is kept elsewhere
    Sealed,
    /// Not encrypted; needs --cache
    Plaintext,
    /// Shared with Python's msal-extensions: an item of the vault, on Windows an encrypted file;
    /// needs --cache and takes no --key
    MsalExtensions,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum KeyChoice {
    Dpapi,
    Environment(String),
    File(PathBuf),
    FileDescriptor(Descriptor),
    Kernel,
    Passphrase,
    Vault,
}

impl KeyChoice {
    /// Whether this program supplies the key to the library.
    pub(crate) fn is_callback(&self) -> bool {
        matches!(self, Self::Environment(_) | Self::FileDescriptor(_))
    }

    /// The word before the colon.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Dpapi => "dpapi",
            Self::Environment(_) => "env",
            Self::File(_) => "file",
            Self::FileDescriptor(_) => "fd",
            Self::Kernel => "kernel",
            Self::Passphrase => "passphrase",
            Self::Vault => "vault",
        }
    }

    /// The file that it names.
    pub(crate) fn path(&mut self) -> Option<&mut PathBuf> {
        match self {
            Self::File(path) => Some(path),
            _ => None,
        }
    }
}

/// As it was typed.
impl fmt::Display for KeyChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = self.kind();
        match self {
            Self::Environment(name) => write!(f, "{kind}:{name}"),
            Self::File(path) => write!(f, "{kind}:{}", shown_path(path)),
            Self::FileDescriptor(descriptor) => write!(f, "{kind}:{}", descriptor.number),
            Self::Dpapi | Self::Kernel | Self::Passphrase | Self::Vault => f.write_str(kind),
        }
    }
}

impl FromStr for KeyChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once(':') {
            None if text == "vault" => Ok(Self::Vault),
            None if text == "kernel" => Ok(Self::Kernel),
            None if text == "dpapi" => Ok(Self::Dpapi),
            None if text == "passphrase" => Ok(Self::Passphrase),
            Some(("env", name)) if !name.is_empty() => Ok(Self::Environment(name.into())),
            Some(("file", path)) if !path.is_empty() => Ok(Self::File(path.into())),
            Some(("fd", number)) => number
                .parse()
                // Taken over while parsing, before this program opens a file under that number.
                .map(|number| Self::FileDescriptor(Descriptor::new(number)))
                .map_err(|_| format!("`{number}` is not a file descriptor")),
            _ => {
                Err("expected vault, kernel, dpapi, env:NAME, fd:N, passphrase or file:PATH".into())
            }
        }
    }
}
