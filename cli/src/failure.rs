//! How a command can fail, and what the user reads then.

use std::{error::Error as StdError, fmt, io};

use tokenkeep::{AccessToken, Error, SignInFailure};

use crate::args::{Layout, Store};

/// Why a command failed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// An error of the library.
    Cache(Error),
    /// Somebody pressed Ctrl-C, and nothing was changed.
    Canceled,
    /// Several accounts match what was typed.
    Choice {
        /// The question for the user.
        what: String,
        /// One line for each account.
        choices: Vec<String>,
    },
    /// A sign-in failed for what was typed, or for how the client is registered at the provider.
    Configuration(Error),
    /// Standard input could not be read.
    Input(io::Error),
    /// Somebody pressed Ctrl-C during a renewal, which went on to its end.
    Interrupted {
        /// Nothing was lost.
        is_kept: bool,
    },
    /// A sign-in that succeeded could not be kept.
    NotKept(AccessToken),
    /// Nothing is kept: a sign-in is needed.
    Nothing(String),
    /// The output could not be written.
    Output(io::Error),
    /// The provider could not be asked by the record of the sign-in.
    Record(Error),
    /// The command refuses to print what is kept.
    Refused(String),
    /// The report has already been printed; only the exit code is left.
    Reported(Box<Failure>),
    /// The source of an import could not be read.
    Source(Error),
    /// The output that a user has to read could not be written.
    Unheard(io::Error),
    /// The arguments or the input are not valid.
    Usage(String),
}

impl Failure {
    /// The exit codes that `tokenkeep --help` lists.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Input(_) | Self::Output(_) | Self::Unheard(_) => 1,
            Self::Canceled | Self::Interrupted { .. } => INTERRUPTED,
            Self::Reported(failure) => failure.exit_code(),
            Self::Choice { .. } | Self::Configuration(_) | Self::Usage(_) => 2,
            Self::Nothing(_) => 3,
            Self::Refused(_) => 6,
            Self::NotKept(token) => token.unstored_because().map_or(1, exit_code),
            Self::Cache(error) | Self::Record(error) | Self::Source(error) => exit_code(error),
        }
    }

    /// Whether the reader of the output has closed it, as `head` does.
    pub(crate) fn is_broken_pipe(&self) -> bool {
        matches!(self, Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // The library's words are for the author of a program; the cause below names the key.
            Self::Cache(Error::Callback { what: KEY_CALLBACK, .. }) => {
                f.write_str("the key could not be read")
            }
            Self::Cache(error) | Self::Record(error) => error.fmt(f),
            // The error's own advice is for the cache in use and would damage that one.
            Self::Source(Error::Corrupt { what, detail, .. }) => {
                write!(f, "{what} cannot be read: {detail}; nothing was imported")
            }
            Self::Configuration(error) | Self::Source(error) => error.fmt(f),
            Self::Reported(failure) => failure.fmt(f),
            Self::Choice { what: text, .. }
            | Self::Nothing(text)
            | Self::Refused(text)
            | Self::Usage(text) => f.write_str(text),
            Self::Canceled => f.write_str("stopped; nothing was changed"),
            Self::Interrupted { is_kept: true } => f.write_str("stopped; the sign-in is kept"),
            Self::Interrupted { is_kept: false } => f.write_str("stopped"),
            Self::NotKept(token) => match token.unstored_because() {
                Some(error) => write!(f, "the sign-in could not be kept: {error}"),
                None => f.write_str("the sign-in could not be kept"),
            },
            Self::Unheard(_) => {
                f.write_str("nobody reads what the user has to do; nobody was signed in")
            }
            Self::Input(_) => f.write_str("could not read standard input"),
            Self::Output(_) => f.write_str("could not write the output"),
        }
    }
}

impl StdError for Failure {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Cache(error)
            | Self::Configuration(error)
            | Self::Record(error)
            | Self::Source(error) => error.source(),
            Self::Input(error) | Self::Output(error) | Self::Unheard(error) => Some(error),
            Self::NotKept(token) => token.unstored_because()?.source(),
            Self::Canceled
            | Self::Choice { .. }
            | Self::Interrupted { .. }
            | Self::Nothing(_)
            | Self::Refused(_)
            | Self::Reported(_)
            | Self::Usage(_) => None,
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Cache(error)
    }
}

/// The exit code for an error of the library.
fn exit_code(error: &Error) -> u8 {
    match error {
        Error::OutcomeUnknown { .. }
        | Error::PromptDismissed { .. }
        | Error::VaultAmbiguous { .. }
        | Error::VaultDenied { .. }
        | Error::VaultFailed { .. }
        | Error::VaultLocked { .. }
        | Error::VaultMissing { .. }
        | Error::VaultServiceMissing { .. }
        | Error::VaultTimeout { .. } => 4,
        Error::SignInFailed(failure) => match failure {
            SignInFailure::Canceled => INTERRUPTED,
            SignInFailure::Denied { .. }
            | SignInFailure::Expired
            | SignInFailure::NobodyInTime { .. } => 3,
            SignInFailure::OutcomeUnknown { .. } => 7,
            _ => 2,
        },
        Error::SignInNeeded { .. } => 3,
        Error::LockTimeout { .. } | Error::RefreshInProgress { .. } => 5,
        Error::Corrupt { .. }
        | Error::InvalidKeyFile { .. }
        | Error::KeyGone { .. }
        | Error::OtherBackend { .. }
        | Error::OtherStore { .. }
        | Error::RolledBack { .. }
        | Error::TooLarge { .. }
        | Error::UnsafePath { .. }
        | Error::UnsupportedVersion { .. }
        | Error::WrongKey { .. } => 6,
        Error::ProviderUnavailable { .. } | Error::ProviderUnreachable { .. } => 7,
        // The cause decides, as it does for what fails before anything is removed.
        Error::PartlyRemoved { source, .. } => exit_code(source),
        _ => 1,
    }
}

/// The failure, its chain of causes, and what to do, one line each.
///
/// The caller escapes each line, so that text of other programs cannot end a line.
pub(crate) fn explain(failure: &Failure, store: &Store) -> Vec<String> {
    let mut lines = vec![format!("tokenkeep: {failure}")];
    let mut source = failure.source();
    while let Some(error) = source {
        // Some causes end with a line end.
        lines.push(format!("  because: {}", error.to_string().trim_end()));
        source = error.source();
    }
    if let Failure::Cache(error) | Failure::Configuration(error) = failure
        && let Some(description) = error.refusal().and_then(|refusal| refusal.description())
    {
        lines.push(format!("  the provider says: {description}"));
    }
    match failure {
        Failure::Choice { choices, .. } => {
            lines.extend(choices.iter().map(|choice| format!("  {choice}")));
        }
        Failure::Cache(error) | Failure::Configuration(error) | Failure::Record(error) => {
            lines.push(format!("  {}", next_step(error, store)))
        }
        Failure::NotKept(token) => lines
            .extend(token.unstored_because().map(|error| format!("  {}", next_step(error, store)))),
        Failure::Source(error) => {
            lines.extend(step_for_source(error).map(|step| format!("  {step}")))
        }
        _ => {}
    }
    lines
}

/// What to do about an error of what is imported. To remove it, or to keep the cache elsewhere, is
/// no remedy there, so a vault that is missing gets no other key.
fn step_for_source(error: &Error) -> Option<String> {
    match error {
        Error::Corrupt { .. }
        | Error::InvalidKeyFile { .. }
        | Error::KeyGone { .. }
        | Error::RolledBack { .. } => None,
        Error::VaultLocked { .. } => Some(UNLOCK.into()),
        Error::VaultMissing { .. } | Error::VaultServiceMissing { .. } => {
            Some("find out with `tokenkeep doctor` how to get the vault to work here".into())
        }
        error => Some(error.next_step().into_owned()),
    }
}

/// What to do about an error: the library's words, or the command that fixes it.
pub(crate) fn next_step(error: &Error, store: &Store) -> String {
    let give_up = || {
        format!("`{}` gives every sign-in up and starts over", store.command("clear --unreadable"))
    };
    match error {
        Error::Corrupt { .. } | Error::RolledBack { .. } => give_up(),
        Error::InvalidKeyFile { source: Some(_), .. } => {
            format!("restore the key file; {}", give_up())
        }
        Error::KeyGone { .. } => format!("bring the key file or the vault back; {}", give_up()),
        Error::OtherBackend { .. } => {
            "say with --store and --key how it is kept, or name another cache with --cache".into()
        }
        Error::OtherStore { .. } => "give its own name with --name".into(),
        Error::VaultLocked { .. } => UNLOCK.into(),
        Error::VaultMissing { .. } | Error::VaultServiceMissing { .. } => match store.layout {
            Layout::Sealed => {
                format!("{} (--key, such as passphrase or file:PATH)", error.next_step())
            }
            Layout::MsalExtensions | Layout::Plaintext => {
                format!("{} (with --store sealed and --key)", error.next_step())
            }
        },
        error => error.next_step().into_owned(),
    }
}

const UNLOCK: &str = "unlock it, or allow prompts with --allow-prompt SECONDS";

/// The library's name for the function that supplies the key of an environment variable or of a
/// file descriptor.
const KEY_CALLBACK: &str = "the program's key callback";

/// The exit code after Ctrl-C, as shells have it.
pub(crate) const INTERRUPTED: u8 = 130;
