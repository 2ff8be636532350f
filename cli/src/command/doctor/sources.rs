//! Every possible key source, and whether it works here.

use std::time::{Duration, Instant};

use serde::Serialize;
use tokenkeep::{Error, KeySource, persistence::KernelKeyring};
use tokenkeep_platform::{environment::System, protect, vault::Vault};

use super::names::Names;
use crate::{
    args::{KeyChoice, Layout, Store},
    failure::Failure,
    key,
    open::interaction,
};

/// One key source of the report.
#[derive(Clone)]
pub(super) struct Row {
    pub(super) kind: &'static str,
    /// As it is typed after `--key`.
    pub(super) typed: String,
    pub(super) note: &'static str,
    /// What was chosen; an example if the kind needs a name and none was given.
    pub(super) choice: Option<KeyChoice>,
    /// Its place in the order of this cache, from 1.
    pub(super) position: Option<usize>,
}

/// What was found out about a key source.
pub(super) struct Probed {
    pub(super) state: SourceState,
    pub(super) took: Option<Duration>,
    pub(super) failure: Option<Failure>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum SourceState {
    /// It would have to ask the user, which was not allowed.
    Asks,
    /// It does not work; the problem says why.
    Fails,
    /// It was not named, so there was nothing to try.
    NotNamed,
    /// This operating system does not have it.
    NotOnThisSystem,
    /// It did not answer in time.
    Silent,
    /// Tried, and it works.
    Works,
}

impl Row {
    /// The library's name for it.
    pub(super) fn name(&self) -> &'static str {
        match self.kind {
            "vault" => vault_name(),
            "kernel" => "kernel keyring",
            "dpapi" => "DPAPI",
            "file" => "key file",
            "passphrase" => "passphrase",
            _ => "callback",
        }
    }
}

impl Probed {
    pub(super) fn of(took: Option<Duration>, result: Result<(), Failure>) -> Self {
        let state = match &result {
            Ok(()) => SourceState::Works,
            Err(Failure::Cache(Error::VaultTimeout { .. })) => SourceState::Silent,
            Err(_) => SourceState::Fails,
        };
        Self { state, took, failure: result.err() }
    }

    /// `None` if it was not tried.
    pub(super) fn works(&self) -> Option<bool> {
        match self.state {
            SourceState::Works => Some(true),
            SourceState::Fails | SourceState::NotOnThisSystem | SourceState::Silent => Some(false),
            SourceState::Asks | SourceState::NotNamed => None,
        }
    }

    fn untried(state: SourceState) -> Self {
        Self { state, took: None, failure: None }
    }

    /// Whether a new cache skips this source, because it does not exist here.
    pub(super) fn is_missing(&self) -> bool {
        self.state == SourceState::NotOnThisSystem
            || matches!(
                self.failure,
                Some(Failure::Cache(
                    Error::VaultMissing { .. } | Error::VaultServiceMissing { .. }
                ))
            )
    }
}

/// All sources in a fixed order. A source that was named represents its kind. A cache in plain text
/// has no order.
pub(super) fn rows(store: &Store) -> Vec<Row> {
    let chosen = key::choices(&store.keys);
    let is_sealed = store.layout == Layout::Sealed;
    let mut rows = Vec::new();
    for (kind, example, note) in KINDS {
        let named: Vec<_> = chosen.iter().enumerate().filter(|(_, c)| c.kind() == kind).collect();
        for (at, choice) in &named {
            rows.push(Row {
                kind,
                typed: choice.to_string(),
                note,
                choice: Some((*choice).clone()),
                position: is_sealed.then_some(at + 1),
            });
        }
        if named.is_empty() {
            // Only a kind that needs no name of its own can be tried without one.
            let choice = example.parse().ok().filter(|_| kind == example);
            rows.push(Row { kind, typed: example.to_owned(), note, choice, position: None });
        }
    }
    rows
}

/// Never asks on the terminal. The vault may ask only if that is allowed.
pub(super) fn probe(choice: &Option<KeyChoice>, store: &Store) -> Probed {
    let Some(choice) = choice else { return Probed::untried(SourceState::NotNamed) };
    let begun = Instant::now();
    let verify = |source: KeySource| {
        let verified = source.verify(&store.name, interaction(store));
        Probed::of(Some(begun.elapsed()), verified.map_err(Failure::from))
    };
    match choice {
        KeyChoice::Dpapi if !protect::IS_BUILT => Probed::untried(SourceState::NotOnThisSystem),
        KeyChoice::Kernel if System::CURRENT != System::Linux => {
            Probed::untried(SourceState::NotOnThisSystem)
        }
        KeyChoice::Dpapi => verify(KeySource::Dpapi),
        KeyChoice::Kernel => verify(KeySource::KernelKeyring(KernelKeyring::User)),
        KeyChoice::Vault => verify(KeySource::OsVault),
        KeyChoice::File(path) => verify(KeySource::KeyFile(path.clone())),
        KeyChoice::Passphrase if !key::has_passphrase() => Probed::untried(SourceState::Asks),
        KeyChoice::Passphrase | KeyChoice::Environment(_) | KeyChoice::FileDescriptor(_) => {
            let what = "reading the key";
            // Only looked at: a descriptor can be read once, and only a cache shows which
            // passphrase is right.
            let checked = key::check(choice).map_err(|source| Error::Callback { what, source });
            Probed::of(Some(begun.elapsed()), checked.map_err(Failure::from))
        }
    }
}

/// The source that a new cache takes: the first in the order that exists here.
pub(super) fn new_source(sources: &[(Row, Probed)]) -> Option<usize> {
    let candidates = sources.iter().enumerate().filter(|(_, (_, probed))| !probed.is_missing());
    let ordered = candidates.filter_map(|(at, (row, _))| Some((row.position?, at)));
    ordered.min().map(|(_, at)| at)
}

/// For a cache that is shared with other programs, the source that represents what stores it.
pub(super) fn guard(sources: &[(Row, Probed)], names: &Names) -> Option<usize> {
    names.item.as_ref()?;
    let kind = if names.is_protected_file() { "dpapi" } else { "vault" };
    sources.iter().position(|(row, _)| row.kind == kind)
}

fn vault_name() -> &'static str {
    Vault::os().name()
}

/// Kind, example, and what it is.
const KINDS: [(&str, &str, &str); 7] = [
    ("vault", "vault", "the operating system's vault"),
    ("kernel", "kernel", "the Linux kernel's keyring, gone after a reboot"),
    ("dpapi", "dpapi", "a key file beside the cache that Windows encrypts"),
    ("file", "file:PATH", "a key file of mode 0600, in a folder of its own"),
    ("passphrase", "passphrase", "asked for on the terminal, or TOKENKEEP_PASSPHRASE"),
    ("env", "env:NAME", "32 bytes in an environment variable"),
    ("fd", "fd:N", "32 bytes from a file descriptor"),
];
