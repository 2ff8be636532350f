//! The arguments of the command line.

mod login;
mod store;

pub(crate) use login::{Login, SecretSource, WayFlags};
pub(crate) use store::{KeyChoice, Layout, Store};

use std::{
    env,
    path::{Path, PathBuf},
};

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;
use tokenkeep_platform::text::shown;

/// Keep OAuth sign-ins, print tokens, and show what protects them
///
/// Exit codes: 0 done; 1 failed; 2 wrong usage; 3 nothing there, sign in; 4 vault locked, missing
/// or silent; 5 lock timeout; 6 cache unreadable, too large, unsafe or of another kind, or a token
/// that is not printed; 7 provider out of reach or busy, try again; 130 ended by Ctrl-C.
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

fn key_id(text: &str) -> Result<String, String> {
    match text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        true => Ok(text.to_ascii_lowercase()),
        false => Err("a key's identifier has 32 hexadecimal digits".into()),
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List the accounts that are signed in
    Accounts,
    /// Add one sign-in event, read as JSON from standard input
    ///
    /// An event says who asked and what the provider answered, in the form of msal's
    /// TokenCache.add. The provider's response goes under "response", unchanged. The account comes
    /// from its id_token or client_info. If it has neither, "account" gives the account: an id of
    /// your choice that is the same at each sign-in. "username" is the name to show. Without
    /// "account" it is the id as well.
    #[command(after_help = EVENT)]
    Add,
    /// Remove the cache, its key and temporary files
    ///
    /// Caches that were set aside, with names that begin with `cache.quarantine-`, are removed too.
    ///
    /// A running Python program that shares the cache does not notice. It keeps its copy in memory,
    /// and writes it back with its next change. It notices `sign-out --everywhere`.
    Clear {
        /// Remove the cache even if it cannot be read or its key is out of reach
        ///
        /// Every sign-in is given up. A key that is out of reach stays where it is.
        #[arg(long)]
        unreadable: bool,
    },
    /// Print a script that completes the arguments in a shell
    ///
    /// In bash: source <(tokenkeep completions bash)
    Completions {
        /// Shell
        #[arg(value_name = "SHELL")]
        shell: Shell,
    },
    /// Show what protects the cache, which key sources work here, and how to fix what does not
    ///
    /// Each vault makes a round trip with a random test item, which is removed again. A kill in the
    /// middle, or a vault that falls silent then, may leave the item. Its label is "tokenkeep: a
    /// test, safe to delete". A cache that does not exist is not made.
    ///
    /// Nothing is asked for without --allow-prompt. The answer then comes within 5 s, or within
    /// 30 s if a key must be derived from a passphrase.
    ///
    /// The exit code is about this cache alone. It is 0 if the cache works, if a new one could be
    /// made, or if only its passphrase was not asked for. Otherwise it is the code of another
    /// command on this cache, such as 4 for its vault. Other key sources do not count.
    ///
    /// A key that no cache names is listed if its item names a folder and that folder can be read.
    #[command(after_help = DOCTOR)]
    Doctor {
        /// Remove the key with this identifier if no cache names it
        ///
        /// The folder that the key was made for must be readable, and no file there may name the
        /// key.
        #[arg(long, value_name = "ID", value_parser = key_id)]
        remove_key: Option<String>,
    },
    /// Print the cache as MSAL JSON
    Export {
        /// Confirm that every token is printed in plain text
        #[arg(long)]
        reveal_secrets: bool,
    },
    /// Merge a cache in MSAL JSON into this one; newer entries here stay
    ///
    /// The JSON is what `export` prints, and what MSAL's SerializableTokenCache and plain text
    /// caches have. It is read from standard input, from a file, or from where Python keeps it. The
    /// source is not changed.
    ///
    /// An entry replaces an older one with the same account, client, tenant and scopes. Of two
    /// refresh tokens, the one that was written later is newer. Of two access tokens, it is the one
    /// that was cached later, or else expires later. Of two ID tokens, it is the one that was
    /// issued later. If no time decides, the imported entry stays. A second import changes nothing.
    /// An old export brings back what was signed out here since.
    ///
    /// The output says for each kind of entry how many were imported, how many are outdated because
    /// newer ones are here, and how many are unchanged. An empty source ends with exit code 3.
    #[command(after_help = IMPORT)]
    Import(Import),
    /// List every entry with its scopes, client and expiry, without its secret
    List {
        /// Show the secrets, too
        #[arg(long)]
        reveal_secrets: bool,
    },
    /// Sign in with a browser, or with a code on another device
    ///
    /// The sign-in is kept with the record of where it is renewed, so that `token` renews it later.
    /// A former sign-in of the same account by the same client is replaced, and then revoked at the
    /// provider if it can revoke.
    ///
    /// Without --browser, --device or --paste, or TOKENKEEP_LOGIN, the way depends on where this
    /// runs: a browser on a desktop, else a code if the provider has device sign-in, else an
    /// address that is pasted.
    ///
    /// Exit codes: 3 refused, expired, or nobody signed in; 2 port, issuer or configuration; 7
    /// provider out of reach; 130 ended by Ctrl-C.
    #[command(after_help = LOGIN)]
    Login(Box<Login>),
    /// Sign an account out
    ///
    /// The refresh tokens are then revoked at the provider, if the record of the sign-in says
    /// where.
    ///
    /// If the account has tokens and none of them is the client's, nothing changes and the exit
    /// code is 3. An account without tokens is removed for any client. If no account is named and
    /// none is signed in, tokens that belong to no account are removed.
    SignOut(SignOut),
    /// Print a valid access token, renewed if need be
    ///
    /// A token that has expired is renewed once for all programs that use the cache, if the record
    /// of the sign-in says where. Without a record, or with --no-refresh, no provider is asked. The
    /// first Ctrl-C during a renewal lets it be stored.
    ///
    /// A token that is empty or has characters other than printable ASCII is not printed. The exit
    /// code is then 6.
    Token(Token),
}

impl Command {
    /// Whether the command reads standard input.
    pub(crate) fn reads_standard_input(&self) -> bool {
        match self {
            Self::Add => true,
            Self::Login(_) => true,
            Self::Token(token) => token.instead_of.is_some(),
            Self::Import(import) => import.from_python.is_none() && import.path().is_none(),
            _ => false,
        }
    }
}

#[derive(Args, Debug)]
pub(crate) struct Import {
    /// File with MSAL JSON; standard input if it is `-` or absent
    #[arg(value_name = "FILE", conflicts_with = "from_python")]
    pub(crate) file: Option<PathBuf>,

    /// Import what Python's msal-extensions keeps at LOCATION
    ///
    /// LOCATION is the text that the Python program passes to build_encrypted_persistence. Give
    /// exactly the same text, because it names the item. The cache is an item of the Secret Service
    /// or the Keychain, and on Windows a file under DPAPI.
    #[arg(long, value_name = "LOCATION")]
    pub(crate) from_python: Option<PathBuf>,

    /// Read LOCATION as a file in plain text, as Python's FilePersistence writes it
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
    /// User name or id of the account; optional if there is only one
    ///
    /// A name that fits several accounts is refused. The error lists each of them with the options
    /// that select it alone.
    #[arg(long, value_name = "USERNAME|ID")]
    pub(crate) account: Option<String>,

    /// Home account id of the account, if --account would match a user name as well
    #[arg(long, value_name = "ID", conflicts_with = "account")]
    pub(crate) account_id: Option<String>,

    /// Address of the authority, with its tenant if it has one; optional if only one fits
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

    /// Remove the tokens that belong to no account, such as those of an app
    #[arg(long, conflicts_with_all = ["account", "account_id", "authority"])]
    pub(crate) no_account: bool,

    #[command(flatten)]
    pub(crate) scope: SignOutScope,

    /// Do not revoke the refresh tokens at the provider
    #[arg(long)]
    pub(crate) no_revoke: bool,

    #[command(flatten)]
    pub(crate) certificates: Certificates,
}

#[derive(Args, Debug)]
#[group(required = true, multiple = false)]
pub(crate) struct SignOutScope {
    /// Sign out of this client only; other clients keep their refresh tokens
    #[arg(long, value_name = "ID")]
    pub(crate) client_id: Option<String>,

    /// Sign out of every client
    #[arg(long)]
    pub(crate) everywhere: bool,
}

#[derive(Args, Debug)]
pub(crate) struct Token {
    /// Client id that the token was issued to
    ///
    /// Not needed if the cache has the record of one client's sign-in only.
    #[arg(long, value_name = "ID")]
    pub(crate) client_id: Option<String>,

    /// Scope that the token must have; repeat the option for more
    ///
    /// Without it, any token of the client will do.
    #[arg(long, value_name = "SCOPE", num_args = 1..)]
    pub(crate) scope: Vec<String>,

    #[command(flatten)]
    pub(crate) whom: Whom,

    /// Print the client's own token, which belongs to no user
    ///
    /// The client got it with its own credentials.
    #[arg(long, conflicts_with_all = ["account", "account_id"])]
    pub(crate) app: bool,

    /// Print only a token that is still valid; ask no provider
    #[arg(long)]
    pub(crate) no_refresh: bool,

    /// Read a token that an API refused from standard input, and print another one
    #[arg(long, value_name = "-", value_parser = ["-"], conflicts_with = "no_refresh")]
    pub(crate) instead_of: Option<String>,

    /// Ask for a token with these claims, as JSON: what an API asked for with a claims challenge
    #[arg(long, value_name = "JSON", conflicts_with = "no_refresh")]
    pub(crate) claims: Option<String>,

    /// Print the token also if the renewed sign-in cannot be kept
    ///
    /// Only for a provider that does not replace refresh tokens.
    #[arg(long, conflicts_with = "no_refresh")]
    pub(crate) allow_unsaved: bool,

    #[command(flatten)]
    pub(crate) certificates: Certificates,
}

/// Which certificates a provider is trusted by.
#[derive(Args, Debug)]
pub(crate) struct Certificates {
    /// Trust the certificates in this PEM file, and none of the system's, for the provider
    #[arg(long, value_name = "FILE")]
    pub(crate) ca_file: Option<PathBuf>,
}

const EVENT: &str = r#"Example:
  {"client_id": "ID", "scope": ["User.Read"],
   "token_endpoint": "https://login.microsoftonline.com/TENANT/oauth2/v2.0/token",
   "response": {"access_token": "…", "expires_in": 3600, "refresh_token": "…", "id_token": "…"}}"#;

const LOGIN: &str = r#"Example:
  tokenkeep login https://login.microsoftonline.com/organizations --client-id ID --scope User.Read
With --json, one object a line:
  {"event": "open_url", "url", "redirect_uri", "expires_in"}
  {"event": "device_code", "verification_uri", "verification_uri_complete", "user_code",
   "expires_in", "interval"}
  {"event": "signed_in", "account", "issuer", "client_id", "scopes", "expires_on",
   "has_refresh_token", "stored"}
  {"event": "failed", "kind", "code", "message"}; kind is denied, expired, timeout, port,
   unreachable, issuer, store, canceled or configuration"#;

const IMPORT: &str = r#"Examples:
  tokenkeep export --reveal-secrets | tokenkeep --cache COPY import
  tokenkeep import --from-python ~/.mytool/token_cache.bin
With --json:
  imported       for each kind of entry: imported, outdated (newer here already), unchanged
  sections       of sections that the schema does not know: imported, skipped
  changed        whether anything was imported
  protection     what guards the cache"#;

const DOCTOR: &str = r#"With --json:
  cache           name, place, state (works, new, not_asked, fails), protection, encrypted,
                  network_file_system (its kind, if other machines may use it), accounts,
                  key_in_use, key_of_a_new_cache, order (as typed after --key), problem;
                  of a cache in plain text also lock_file (path, there, holder, left_behind,
                  stopped); of an msal-extensions cache also lock_file, vault (name, works),
                  signal_file (path, there) and item (kind, there, and collection, schema,
                  attributes, label; or service, account; or path)
  key_sources     kind, source (as typed after --key), state (works, fails, silent, asks,
                  not_named, not_on_this_system), works, position (in the order, from 1), in_use,
                  milliseconds, note, problem
  environment     system, wsl, ssh, container, display, session_bus_address, session_bus,
                  runtime_folder, provider, provider_process, installed_providers
  sign_in         way (of `login` here), browser (one of this machine can sign in), setting
                  (TOKENKEEP_LOGIN)
  left_over_keys  source (as typed after --key), id, store and folder of each key that no cache
                  names; null if no vault can list its keys
  milliseconds    of the whole report
A problem has what, because (a list) and next_step."#;
