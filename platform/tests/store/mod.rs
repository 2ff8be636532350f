//! A folder for one test.
#![allow(dead_code, clippy::unwrap_used, reason = "each test binary uses its part")]

use std::{fs, path::PathBuf};

use tempfile::TempDir;
use tokenkeep_platform::file::{Folder, Parents};

/// A store's own folder within a temporary one.
pub(crate) struct Store {
    pub(crate) outer: TempDir,
    pub(crate) path: PathBuf,
    pub(crate) folder: Folder,
}

impl Store {
    pub(crate) fn new() -> Self {
        let outer = tempfile::tempdir().unwrap();
        let path = outer.path().join("store");
        let folder = Folder::create(&path, Parents::Require).unwrap();
        Self { outer, path, folder }
    }

    pub(crate) fn at(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    pub(crate) fn read(&self, name: &str) -> Option<Vec<u8>> {
        let file = self.folder.open_file(name).unwrap()?;
        Some(file.read_all(1 << 20).unwrap().to_vec())
    }

    pub(crate) fn names(&self) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(&self.path)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}
