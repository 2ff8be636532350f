//! The item, signal file and lock file of a location, found without the vault.

use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::{Map, Value};
use tokenkeep::{
    lock::CrossProcessLock,
    persistence::{
        MsalExtensionsItem, MsalExtensionsPersistence, Persistence, PlaintextPersistence,
    },
};

use crate::{
    args::{Layout, Store},
    failure::Failure,
    open::msal_extensions,
    output,
};

/// Stable field names for `--json`.
#[derive(Clone, Default, Serialize)]
pub(super) struct Names {
    pub(super) item: Option<Item>,
    pub(super) signal_file: Option<SignalFile>,
    pub(super) lock_file: Option<LockFile>,
}

#[derive(Clone, Serialize)]
pub(super) struct Item {
    #[serde(flatten)]
    place: ItemPlace,
    /// `None` if the vault did not say.
    pub(super) there: Option<bool>,
}

#[derive(Clone, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum ItemPlace {
    DpapiFile {
        path: PathBuf,
    },
    Keychain {
        service: String,
        account: String,
    },
    SecretService {
        collection: String,
        schema: String,
        attributes: Map<String, Value>,
        label: String,
    },
}

#[derive(Clone, Serialize)]
pub(super) struct SignalFile {
    path: PathBuf,
    there: bool,
}

#[derive(Clone, Serialize)]
pub(super) struct LockFile {
    path: PathBuf,
    there: bool,
    /// The holder that the lock file names.
    holder: Option<String>,
    /// The file names no process, or one that no longer exists.
    left_behind: bool,
    /// Whether its holder is stopped, for example by Ctrl-Z, if the system tells.
    stopped: bool,
}

impl Names {
    /// A sealed cache has none, and neither has a place that was not named.
    pub(super) fn of(store: &Store) -> Result<Self, Failure> {
        match (store.layout, &store.cache) {
            (Layout::MsalExtensions, _) => Ok(Self::of_msal_extensions(&msal_extensions(store)?)),
            (Layout::Plaintext, Some(path)) => {
                let lock = PlaintextPersistence::new(path)?.lock();
                Ok(Self { lock_file: lock.as_ref().map(LockFile::of), ..Self::default() })
            }
            _ => Ok(Self::default()),
        }
    }

    fn of_msal_extensions(persistence: &MsalExtensionsPersistence) -> Self {
        let signal_file = persistence.signal_file();
        Self {
            item: ItemPlace::of(persistence.item()).map(|place| Item { place, there: None }),
            signal_file: signal_file
                .map(|path| SignalFile { path: path.into(), there: is_there(path) }),
            lock_file: persistence.lock().as_ref().map(LockFile::of),
        }
    }

    /// Whether the cache is a file that Windows encrypts, and not an item of a vault.
    pub(super) fn is_protected_file(&self) -> bool {
        matches!(self.item, Some(Item { place: ItemPlace::DpapiFile { .. }, .. }))
    }

    pub(super) fn print(&self) -> Result<(), Failure> {
        if let Some(item) = &self.item {
            let there = match item.there {
                Some(true) => "there",
                Some(false) => "not there",
                None => "not seen",
            };
            print_line(&format!("item, {there}: {}", item.place.describe()))?;
        }
        if let Some(SignalFile { path, there }) = &self.signal_file {
            let there = if *there { "there" } else { "not there" };
            print_line(&format!("signal file, {there}: {}", path.display()))?;
        }
        match &self.lock_file {
            Some(lock) => {
                print_line(&format!("lock file, {}: {}", lock.state(), lock.path.display()))
            }
            None => Ok(()),
        }
    }
}

impl ItemPlace {
    fn of(item: &MsalExtensionsItem) -> Option<Self> {
        Some(match item {
            MsalExtensionsItem::Keychain { service, account, .. } => {
                Self::Keychain { service: service.clone(), account: account.clone() }
            }
            MsalExtensionsItem::ProtectedFile { path, .. } => {
                Self::DpapiFile { path: path.clone() }
            }
            MsalExtensionsItem::SecretService { collection, schema, attributes, label, .. } => {
                let attributes = attributes.iter();
                Self::SecretService {
                    collection: collection.clone(),
                    schema: schema.clone(),
                    attributes: attributes.map(|(n, v)| (n.clone(), v.clone().into())).collect(),
                    label: label.clone(),
                }
            }
            _ => return None,
        })
    }

    fn describe(&self) -> String {
        match self {
            Self::DpapiFile { path } => format!("the file {}, under DPAPI", path.display()),
            Self::Keychain { service, account } => {
                format!("Keychain, service {service}, account {account}")
            }
            Self::SecretService { collection, schema, attributes, label } => {
                let attributes: String =
                    attributes.iter().map(|(name, value)| format!(", {name} {value}")).collect();
                format!(
                    "Secret Service, collection {collection}, xdg:schema {schema}{attributes}, \
                     label {label:?}"
                )
            }
        }
    }
}

impl LockFile {
    fn of(lock: &CrossProcessLock) -> Self {
        let path = lock.path().to_owned();
        let there = is_there(&path);
        // The error is ignored: the cache itself reports a file that cannot be read, such as a
        // link.
        let holder = lock.holder().ok().flatten();
        let left_behind = holder.as_ref().is_some_and(|holder| holder.is_gone);
        let stopped = holder.as_ref().is_some_and(|holder| holder.is_stopped);
        let holder = holder.and_then(|holder| holder.name);
        Self { path, there, holder, left_behind, stopped }
    }

    fn state(&self) -> String {
        match (&self.holder, self.left_behind) {
            _ if !self.there => "not there, so nobody holds the lock".into(),
            (Some(holder), true) => format!("left behind by {holder}, which is gone"),
            (Some(holder), false) if self.stopped => format!("held by {holder}, which is stopped"),
            (Some(holder), false) => format!("held by {holder}"),
            (None, _) => "there, and it does not say whose it is".into(),
        }
    }
}

fn is_there(path: &Path) -> bool {
    // A link itself counts, even a dangling one: it is in the way of a file.
    path.symlink_metadata().is_ok()
}

fn print_line(text: &str) -> Result<(), Failure> {
    output::line(format!("  {text}"))
}
