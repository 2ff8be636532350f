//! Imports a cache in MSAL JSON.

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
};

use serde_json::{Map, json};
use tokenkeep::{
    CredentialType, Error, MergeReport, TokenCache, build_encrypted_persistence,
    persistence::{Persistence, PlaintextPersistence},
};
use tokenkeep_platform::text::shown_path;
use zeroize::Zeroizing;

use crate::{
    args::{Import, Store},
    failure::Failure,
    input,
    open::{cache, interaction, open, protection},
    output::{self, Width},
};

/// Reads and checks the source before the cache is opened, so that nothing is created or asked in
/// vain.
pub(super) fn run(store: &Store, import: &Import, json: bool) -> Result<(), Failure> {
    let source = match (&import.from_python, import.path()) {
        (Some(location), _) if import.plaintext => plain_text(location)?,
        (Some(location), _) => from_python(store, location)?,
        (None, Some(file)) => {
            let failed = |source: io::Error| unreadable(file, source);
            let text = File::open(file).and_then(|file| input::read(file, MAX_CACHE));
            parse(&text.map_err(failed)?, &quoted(file))?
        }
        (None, None) => parse(&input::standard(MAX_CACHE, TOO_LARGE)?, "standard input")?,
    };
    // Tried on an empty cache first, so that an empty source creates no store.
    if !TokenCache::new().merge(&source)?.is_change() {
        return Err(Failure::Nothing("nothing is kept there; nothing was imported".into()));
    }
    let cache = open(store)?;
    let merged = cache.merge(&source)?;
    let protection = protection(store, cache.protection());
    if json {
        return output::json(&json!({
            "imported": by_kind(&merged),
            "sections": { "imported": merged.sections().imported, "skipped": merged.sections().skipped },
            "changed": merged.is_change(),
            "protection": protection.to_string(),
        }));
    }
    print(&merged)?;
    output::note(&match merged.is_change() {
        true => format!("kept, {protection}"),
        false => "nothing to import: all of it is here already".into(),
    });
    Ok(())
}

fn by_kind(merged: &MergeReport) -> Map<String, serde_json::Value> {
    let kinds = CredentialType::ALL.into_iter();
    let counts = kinds.map(|kind| {
        let count = merged.entries(kind);
        let count = json!({ "imported": count.imported, "outdated": count.outdated, "unchanged": count.unchanged });
        (kind.to_string(), count)
    });
    counts.collect()
}

fn print(merged: &MergeReport) -> Result<(), Failure> {
    let rows = CredentialType::ALL.into_iter().filter_map(|kind| {
        let count = merged.entries(kind);
        let counts = [count.imported, count.outdated, count.unchanged];
        let [imported, outdated, unchanged] = counts.map(|count| count.to_string());
        (counts != [0; 3]).then(|| [kind.to_string(), imported, outdated, unchanged])
    });
    output::table(["TYPE", "IMPORTED", "OUTDATED", "UNCHANGED"], rows, Width::Fits)?;
    let sections = merged.sections();
    if sections.imported > 0 {
        output::note(&format!("unknown sections that were imported: {}", sections.imported));
    }
    if sections.skipped > 0 {
        output::note(&format!(
            "sections that were left out, because another one of that name is here or they hold no \
             entries: {}",
            sections.skipped
        ));
    }
    Ok(())
}

/// `what` says where the text was.
fn parse(text: &[u8], what: &str) -> Result<TokenCache, Failure> {
    if text.len() as u64 > MAX_CACHE {
        return Err(Failure::Usage(format!("{what} {TOO_LARGE}")));
    }
    let text = text.strip_prefix(input::BOM).unwrap_or(text);
    let refused = |detail: &str| Error::Invalid {
        detail: format!("{what} is no MSAL JSON: {detail}; nothing was imported"),
    };
    if text.is_empty() {
        return Err(refused("it is empty").into());
    }
    // Told by name, because `>` in Windows PowerShell writes it.
    if input::is_utf16(text) {
        return Err(refused(&format!("it {}", input::UTF16)).into());
    }
    TokenCache::from_json(text).map_err(|error| match error {
        Error::Corrupt { detail, .. } => refused(&detail).into(),
        error => error.into(),
    })
}

fn quoted(file: &Path) -> String {
    format!("`{}`", shown_path(file))
}

fn unreadable(file: &Path, error: io::Error) -> Failure {
    let (operation, path) = ("read", file.to_owned());
    Failure::Source(Error::Io { operation, path, source: error.into() })
}

/// The cache that msal-extensions for Python keeps in the vault or under DPAPI.
fn from_python(store: &Store, location: &Path) -> Result<TokenCache, Failure> {
    let theirs = build_encrypted_persistence(location)?.interaction(interaction(store));
    let file = theirs.location().to_owned();
    // Looked at before the read, which takes the persistence.
    let is_plain = is_plain_text(&file);
    let read = load(theirs);
    let is_there = match &read {
        Ok(cache) => TokenCache::new().merge(cache).is_ok_and(|merged| merged.is_change()),
        Err(Failure::Source(
            Error::Corrupt { .. } | Error::VaultMissing { .. } | Error::VaultServiceMissing { .. },
        )) => false,
        // A locked or silent vault may have the cache, so plain text must not take its place.
        Err(_) => true,
    };
    if is_plain && !is_there {
        return Err(Failure::Usage(format!(
            "`{}` is a file in plain text, as Python's FilePersistence keeps it, and no encrypted \
             cache could be read in its place; add --plaintext to read the file",
            shown_path(&file)
        )));
    }
    if is_plain {
        output::note(&format!(
            "note: `{}` is itself a cache in plain text, which is not the encrypted one; \
             --plaintext reads it",
            shown_path(&file)
        ));
    }
    read
}

fn plain_text(location: &Path) -> Result<TokenCache, Failure> {
    // The library expands a leading `~` as Python does.
    let file = build_encrypted_persistence(location)?.location().to_owned();
    load(PlaintextPersistence::new(file)?)
}

/// Reads without a lock, and again under the lock of msal-extensions if that read met a writer.
fn load(theirs: impl Persistence + 'static) -> Result<TokenCache, Failure> {
    let theirs = cache(theirs);
    Ok(TokenCache::clone(&*theirs.snapshot().map_err(Failure::Source)?))
}

/// Whether the file begins as JSON does. The signal file of an encrypted cache is empty, or `{}`.
fn is_plain_text(file: &Path) -> bool {
    let is_file = file.metadata().is_ok_and(|file| file.is_file());
    // Only a regular file is opened, because opening a FIFO would block.
    let Some(file) = is_file.then(|| File::open(file).ok()).flatten() else { return false };
    let mut head = Zeroizing::new(Vec::with_capacity(64));
    file.take(64).read_to_end(&mut head).is_ok()
        && head.trim_ascii_start().starts_with(b"{")
        && head.trim_ascii() != b"{}"
}

/// The largest msal-extensions cache that is read. The target cache has a limit of its own.
const MAX_CACHE: u64 = 32 * 1024 * 1024;

const TOO_LARGE: &str = "is larger than a cache may be, 32 MiB";
