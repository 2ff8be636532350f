//! The arguments of the command line.

use std::{
    env, fmt,
    path::{Path, PathBuf},
    str::FromStr,
};

use clap::{Args, Parser, Subcommand, ValueEnum};
use tokenkeep_platform::text::{command_word, shown, shown_path};

use crate::descriptor::Descriptor;

/// Keeps OAuth sign-ins: adds them, prints tokens, says what protects them.
///
/// Exit codes: 0 done, 1 failed, 2 wrong usage, 3 nothing there (sign in), 4 vault locked, missing
/// or silent, 5 lock timeout, 6 cache unreadable, too large, unsafe or of another kind, or a token
/// that is not printed.
#[derive(Debug, Parser)]
#[command(name = "tokenkeep", version, max_term_width = 100)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) store: Store,

    /// Print JSON with stable field names
    #[arg(long, global = true)]
    pub(crate) json: bool,

    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The parsed arguments, or clap's error and how it can be printed.
///
/// An error message may quote control characters, such as in a file name that a shell completed. So
/// the arguments are parsed again with these escaped, and fail in the same way.
pub(crate) fn parse() -> Result<Arguments, Misuse> {
    let failed = match Arguments::try_parse() {
        Ok(arguments) => return Ok(arguments),
        Err(error) => error,
    };
    let shown = env::args_os().map(|word| shown(&word.to_string_lossy()).into_owned());
    Err(match Arguments::try_parse_from(shown) {
        Err(error) => Misuse::Shown(error),
        Ok(_) => Misuse::Raw(failed),
    })
}

/// The arguments are not valid, or ask for help.
pub(crate) enum Misuse {
    /// The text can be printed as it is.
    Shown(clap::Error),
    /// The text must be escaped.
    Raw(clap::Error),
}

/// Which cache is meant and what opens it.
#[derive(Args, Clone, Debug)]
pub(crate) struct Store {
    /// The store's name
    #[arg(long, global = true, value_name = "NAME", default_value = NAME)]
    pub(crate) name: String,

    /// Path of the cache: a folder (sealed), a file (plaintext), or the location passed to
    /// msal-extensions
    ///
    /// The location of an msal-extensions cache is the text that Python gives to
    /// build_encrypted_persistence. Give it letter by letter: it names the vault's item.
    #[arg(long, global = true, value_name = "PATH")]
    pub(crate) cache: Option<PathBuf>,

    /// How the cache is kept
    #[arg(long = "store", global = true, value_name = "KIND", default_value = "sealed")]
    pub(crate) layout: Layout,

    /// Where the key of a sealed cache is: vault, kernel, dpapi, env:NAME, fd:N, passphrase or
    /// file:PATH
    ///
    /// Without it, the operating system's vault (on Windows, dpapi where there is none). Repeat it
    /// for an order: a new cache takes the first that exists here, and keeps to it from then on.
    ///
    /// kernel is the user's keyring in the Linux kernel, gone after a reboot; dpapi a key file
    /// beside the cache that Windows encrypts.
    ///
    /// env and fd give 32 bytes as 64 hexadecimal digits or in base64. A descriptor is read once,
    /// to its end, which has to come within 10 s; on Windows there are none. A passphrase is asked
    /// for on the terminal, or taken from TOKENKEEP_PASSPHRASE. file:PATH makes the key file if the
    /// cache does not exist yet.
    #[arg(long = "key", global = true, value_name = "SOURCE")]
    pub(crate) keys: Vec<KeyChoice>,

    /// Let the vault ask you something, and wait this many seconds for the answer
    ///
    /// With doctor, also let the terminal ask for the passphrase.
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
        // Key sources are left out: `clear --unreadable` needs none.
        format!("{line} {words}")
    }
}

/// The name of a store that has no name of its own.
const NAME: &str = "tokenkeep";

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Layout {
    /// Encrypted, with the key elsewhere
    Sealed,
    /// Readable by anyone who can read the file
    Plaintext,
    /// Shared with programs in other languages, such as Python's msal-extensions: the cache itself
    /// is in the vault, on Windows in a file that Windows encrypts. It needs --cache and takes no
    /// --key
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

fn key_id(text: &str) -> Result<String, String> {
    match text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        true => Ok(text.to_ascii_lowercase()),
        false => Err("a key's identifier has 32 hexadecimal digits".into()),
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Who is signed in
    Accounts,
    /// Keep one sign-in event, read as JSON from standard input
    ///
    /// An event says who asked and what the provider answered, in the shape of msal's
    /// TokenCache.add. The provider's answer goes under "response" as it came. An account comes
    /// from its id_token or client_info; where it has neither, from "account", an id of your own
    /// choice that is the same at each sign-in. "username" is the name to show; without "account"
    /// it is the id, too.
    #[command(after_help = EVENT)]
    Add,
    /// Remove the cache, its key, what was set aside and temporary files
    ///
    /// A Python that runs and shares the cache does not notice: it keeps what it has in memory and
    /// writes that back with its next change. `sign-out --everywhere` is noticed.
    Clear {
        /// Even if it cannot be read or its key is out of reach: every sign-in is given up
        #[arg(long)]
        unreadable: bool,
    },
    /// What protects this cache, which key sources work here, which not, why, and what to do
    ///
    /// Each vault makes a round trip with a random item that is removed again; only a kill in the
    /// middle, or a vault that falls silent then, can leave it, labelled "tokenkeep: a test, safe
    /// to delete". Nothing is asked for without --allow-prompt. Then the answer comes within 5 s,
    /// or within 30 s where a passphrase has to be turned into a key. A cache that does not exist
    /// is not made.
    ///
    /// The exit code is about this cache alone: 0 if it works, if a new one could be made, or if
    /// only its passphrase was not asked for; else what another command would end with, such as 4
    /// for its vault. Other key sources that do not work do not count.
    ///
    /// A key that no cache names is shown where its item says for which folder it was made, and
    /// that folder can be read.
    #[command(after_help = DOCTOR)]
    Doctor {
        /// Remove the key with this identifier, if no cache in the folder that it was made for
        /// names it
        #[arg(long, value_name = "ID", value_parser = key_id)]
        remove_key: Option<String>,
    },
    /// Print the cache as MSAL JSON
    Export {
        /// Really print every token
        #[arg(long)]
        reveal_secrets: bool,
    },
    /// Take over what a cache in MSAL JSON has, and lose nothing that is newer here
    ///
    /// The JSON is what `export` prints, and what MSAL's SerializableTokenCache and plain text
    /// caches have. It is read from standard input, from a file, or from where Python keeps it, and
    /// is not changed.
    ///
    /// An entry takes the place of an older one with the same account, client, tenant and scopes.
    /// Of two refresh tokens the one that was written later is newer, of two access tokens the one
    /// that was cached later or expires later, of two ID tokens the one that was issued later;
    /// where no time decides, what is imported stays. Importing twice changes nothing. What was
    /// signed out here since comes back with an old export.
    ///
    /// It tells for each kind of entry how many were imported, how many are outdated because newer
    /// ones are here, and how many are unchanged. A source that keeps nothing ends with exit code 3.
    #[command(after_help = IMPORT)]
    Import(Import),
    /// Every entry with its scopes, client and expiry; secrets hidden
    List {
        /// Show the secrets too
        #[arg(long)]
        reveal_secrets: bool,
    },
    /// Sign one account out
    ///
    /// If the account has tokens and the client has none of them, nothing is changed and the exit
    /// code is 3. An account without any token is removed for any client. Where no account is
    /// signed in, tokens that belong to none are removed.
    SignOut(SignOut),
    /// Print a valid access token
    ///
    /// A token that is empty or has other characters than printable ASCII is not printed; the exit
    /// code is 6.
    Token(Token),
}

impl Command {
    /// Whether the command reads standard input.
    pub(crate) fn reads_standard_input(&self) -> bool {
        match self {
            Self::Add => true,
            Self::Import(import) => import.from_python.is_none() && import.path().is_none(),
            _ => false,
        }
    }
}

#[derive(Args, Debug)]
pub(crate) struct Import {
    /// A file with MSAL JSON; without it, or with `-`, standard input
    #[arg(value_name = "FILE", conflicts_with = "from_python")]
    pub(crate) file: Option<PathBuf>,

    /// Read what build_encrypted_persistence of Python's msal-extensions keeps at this location
    ///
    /// That is an item of the Secret Service or the Keychain, on Windows a file under DPAPI. Give
    /// the location letter by letter as the Python program does, for it names the item.
    #[arg(long, value_name = "LOCATION")]
    pub(crate) from_python: Option<PathBuf>,

    /// The location is a file in plain text, as Python's FilePersistence keeps it
    #[arg(long, requires = "from_python", conflicts_with = "file")]
    pub(crate) plaintext: bool,
}

impl Import {
    /// The file to read; `None` means standard input.
    pub(crate) fn path(&self) -> Option<&Path> {
        self.file.as_deref().filter(|path| *path != Path::new("-"))
    }
}

/// Which account.
#[derive(Args, Clone, Debug)]
pub(crate) struct Whom {
    /// User name or id of the account; may be left out if there is only one
    ///
    /// A name that fits several accounts is refused, and each of them is listed with the options
    /// that mean it alone.
    #[arg(long, value_name = "USERNAME|ID")]
    pub(crate) account: Option<String>,

    /// Home account id of the account, where --account would mean a user name, too
    #[arg(long, value_name = "ID", conflicts_with = "account")]
    pub(crate) account_id: Option<String>,

    /// The authority's address, host and tenant if it has one; may be left out if one fits
    #[arg(long, value_name = "URL")]
    pub(crate) authority: Option<String>,
}

impl Whom {
    /// The text that was typed for the account.
    pub(crate) fn typed(&self) -> Option<&str> {
        self.account_id.as_deref().or(self.account.as_deref())
    }

    /// Whether no account and no authority was typed.
    pub(crate) fn is_anybody(&self) -> bool {
        self.typed().is_none() && self.authority.is_none()
    }
}

#[derive(Args, Debug)]
pub(crate) struct SignOut {
    #[command(flatten)]
    pub(crate) whom: Whom,

    /// Instead of an account, the tokens that belong to none, such as those of an app
    #[arg(long, conflicts_with_all = ["account", "account_id", "authority"])]
    pub(crate) no_account: bool,

    #[command(flatten)]
    pub(crate) scope: SignOutScope,
}

#[derive(Args, Debug)]
#[group(required = true, multiple = false)]
pub(crate) struct SignOutScope {
    /// Of this client alone; other clients keep their refresh tokens
    #[arg(long, value_name = "ID")]
    pub(crate) client_id: Option<String>,

    /// Of every client
    #[arg(long)]
    pub(crate) everywhere: bool,
}

#[derive(Args, Debug)]
pub(crate) struct Token {
    /// The client that the token was issued to
    #[arg(long, value_name = "ID")]
    pub(crate) client_id: String,

    /// A scope that the token must have; repeat it for more. Without it any token will do
    #[arg(long, value_name = "SCOPE", num_args = 1..)]
    pub(crate) scope: Vec<String>,

    #[command(flatten)]
    pub(crate) whom: Whom,

    /// The client's own token, which it got with its own credentials and for no user
    #[arg(long, conflicts_with_all = ["account", "account_id"])]
    pub(crate) app: bool,
}

const EVENT: &str = r#"Example:
  {"client_id": "ID", "scope": ["User.Read"],
   "token_endpoint": "https://login.microsoftonline.com/TENANT/oauth2/v2.0/token",
   "response": {"access_token": "…", "expires_in": 3600, "refresh_token": "…", "id_token": "…"}}"#;

const IMPORT: &str = r#"Examples:
  tokenkeep export --reveal-secrets | tokenkeep --cache COPY import
  tokenkeep import --from-python ~/.mytool/token_cache.bin
With --json:
  imported       for each kind of entry: imported, outdated (newer here already), unchanged
  sections       of sections that the schema does not know: imported, skipped
  changed        whether anything was imported
  protection     what guards the cache"#;

const DOCTOR: &str = r#"With --json:
  cache          name, place, state (works, new, not_asked, fails), protection, encrypted, accounts,
                 key_in_use, key_of_a_new_cache, order (as typed after --key), problem;
                 of an msal-extensions or plain text cache also lock_file (path, there, holder, left_behind,
                 stopped), of an msal-extensions cache also vault (name, works), signal_file (path, there) and
                 item (kind, there, and collection, schema, attributes, label; or service, account;
                 or path)
  key_sources    kind, source (as typed after --key), state (works, fails, silent, asks, not_named,
                 not_on_this_system), works, position (in the order, from 1), in_use,
                 milliseconds, note, problem
  environment    system, wsl, ssh, container, display, session_bus_address, session_bus,
                 runtime_folder, provider, provider_process, installed_providers
  left_over_keys source (as typed after --key), id, store, folder of each key that no cache names; null
                 where no vault can list its keys
  milliseconds   of the whole
A problem has what, because (a list) and next_step."#;
