//! A cache in a place of its own, as it is before an update and after it.

use std::{fs, path::Path, process::Command};

use tempfile::TempDir;
use tokenkeep::{
    Error, PersistedTokenCache, TokenCache, build_encrypted_persistence,
    persistence::{Loaded, Persistence, PlaintextPersistence},
};

use crate::support::{event, request};

/// How the cache is kept, and what is there before the update.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Start {
    pub(crate) name: &'static str,
    pub(crate) kept: Kept,
    pub(crate) has_content: bool,
    pub(crate) has_signal: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kept {
    Item,
    File,
}

impl Start {
    pub(crate) const fn new(
        name: &'static str,
        kept: Kept,
        has_content: bool,
        has_signal: bool,
    ) -> Self {
        Self { name, kept, has_content, has_signal }
    }
}

/// A folder with a cache's files, which is used for one update after another.
pub(crate) struct Place {
    folder: TempDir,
    start: Start,
}

impl Place {
    pub(crate) fn new(start: Start) -> Self {
        let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir());
        Self { folder: folder.unwrap(), start }
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Puts the place into its first state and returns what is kept.
    pub(crate) fn reset(&self) -> Option<Vec<u8>> {
        let Start { has_content, has_signal, kept, .. } = self.start;
        let cache = open(self.start, self.folder());
        cache.clear().unwrap();
        if has_content {
            cache.add(&event("before", "one")).unwrap();
        }
        let signal = self.folder().join(CACHE);
        if kept == Kept::Item && has_signal {
            fs::File::options().create(true).append(true).open(&signal).unwrap();
        } else if kept == Kept::Item && signal.exists() {
            fs::remove_file(&signal).unwrap();
        }
        self.content().unwrap()
    }

    /// What is kept, as a new reader finds it.
    pub(crate) fn content(&self) -> Result<Option<Vec<u8>>, Error> {
        let location = self.folder().join(CACHE);
        let loaded = match self.start.kept {
            Kept::Item => build_encrypted_persistence(location)?.load(None)?,
            Kept::File => PlaintextPersistence::new(location)?.load(None)?,
        };
        match loaded {
            Loaded::Absent => Ok(None),
            Loaded::Empty => Ok(Some(Vec::new())),
            Loaded::Content(content, _) => Ok(Some(content.expose().to_vec())),
            other => panic!("{other:?}"),
        }
    }

    /// The names of the files, sorted.
    pub(crate) fn names(&self) -> Vec<String> {
        let name = |entry: fs::DirEntry| entry.file_name().into_string().unwrap();
        let entries = fs::read_dir(self.folder()).unwrap();
        let mut names: Vec<String> = entries.map(|entry| name(entry.unwrap())).collect();
        names.sort();
        names
    }

    /// How many items the keyring has for this cache, as another program counts them.
    pub(crate) fn items(&self) -> usize {
        let schema = crate::hash(&self.folder().join(CACHE));
        let mut search = Command::new("secret-tool");
        let output = search.args(["search", "--all", "xdg:schema", &schema]).output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        String::from_utf8(text).unwrap().lines().filter(|line| line.starts_with("[/")).count()
    }
}

pub(crate) fn open(start: Start, folder: &Path) -> PersistedTokenCache {
    let location = folder.join(CACHE);
    match start.kept {
        Kept::Item => {
            let persistence = build_encrypted_persistence(location).unwrap();
            PersistedTokenCache::new(persistence)
        }
        Kept::File => {
            let persistence = PlaintextPersistence::new(location).unwrap();
            PersistedTokenCache::new(persistence)
        }
    }
}

/// The access tokens that this content has for the sign-ins of these tests.
pub(crate) fn tokens(content: Option<&[u8]>) -> Result<Vec<String>, Error> {
    let content = content.filter(|content| !content.is_empty());
    let cache = content.map_or_else(|| Ok(TokenCache::new()), TokenCache::from_json)?;
    let mut found = Vec::new();
    for client in ["before", "update", "next"] {
        if let Some(token) = cache.find_access_token(&request(client), 0)? {
            found.push(token.secret().to_owned());
        }
    }
    Ok(found)
}

pub(crate) const CACHE: &str = "cache";
pub(crate) const LOCK: &str = "cache.lockfile";
