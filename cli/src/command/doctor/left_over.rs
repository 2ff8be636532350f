//! Keys in the vaults that no cache names, and the removal of one.

use std::path::PathBuf;

use serde::Serialize;
use serde_json::json;
use tokenkeep::{Error, KeySource, persistence::KernelKeyring};
use tokenkeep_platform::text::shown;

use crate::{failure::Failure, output};

/// Stable field names for `--json`.
#[derive(Clone, Serialize)]
pub(super) struct LeftOver {
    /// As it is typed after `--key`.
    source: &'static str,
    id: String,
    store: String,
    folder: PathBuf,
}

/// `None` if no vault could list its keys.
pub(super) fn find() -> Option<Vec<LeftOver>> {
    let mut found = None;
    for (source, keys) in sources() {
        // An error is ignored: the report says of each source whether it works.
        if let Ok(Some(keys)) = keys.left_over_keys() {
            let found: &mut Vec<LeftOver> = found.get_or_insert_default();
            found.extend(keys.iter().map(|key| LeftOver {
                source,
                id: key.id(),
                store: key.store().to_owned(),
                folder: key.folder().to_owned(),
            }));
        }
    }
    found
}

/// Removes the key if it is left over. The library checks that again.
pub(in crate::command) fn remove(id: &str, json: bool) -> Result<(), Failure> {
    let mut missing = None;
    for (_, keys) in sources() {
        match keys.remove_left_over_key(id) {
            Ok(true) if json => return output::json(&json!({ "removed_key": id })),
            Ok(true) => {
                output::note(&format!("removed the key {id}"));
                return Ok(());
            }
            Ok(false) => {}
            Err(error @ (Error::VaultMissing { .. } | Error::VaultServiceMissing { .. })) => {
                missing = missing.or(Some(error));
            }
            Err(error) => return Err(error.into()),
        }
    }
    // The first error is that of the source that keeps keys for longer than a login.
    Err(missing.map_or_else(|| Failure::Nothing(format!("there is no key {id}")), Failure::from))
}

impl LeftOver {
    pub(super) fn print(&self) -> Result<(), Failure> {
        let Self { source, id, store, folder } = self;
        let (store, folder) = (shown(store), folder.display().to_string());
        output::line(format!("  {id} ({source}), made for `{store}` in {}", shown(&folder)))?;
        output::line(format!("      do: tokenkeep doctor --remove-key {id}  # {UNLESS}"))
    }
}

fn sources() -> [(&'static str, KeySource); 2] {
    let kernel = KeySource::KernelKeyring(KernelKeyring::User);
    [("vault", KeySource::OsVault), ("kernel", kernel)]
}

const UNLESS: &str = "unless a cache that was moved from there, or that another container has \
                      there, still needs it";
