//! What one check works with: a backend, a folder and names of its own.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::Mutex,
};

use tempfile::TempDir;
use tokenkeep_test_support::hexadecimal;

use super::{
    backend::Backend,
    elsewhere::{Child, Deed},
    slot::{Name, Slot},
};

/// Starts the same test again for a task.
pub(crate) type Again<'a> = &'a (dyn Fn(&str) -> Command + Sync);

/// What was kept under a name of this bench is removed at its end.
pub(crate) struct Bench<'a> {
    pub(crate) backend: &'a Backend,
    /// Random, and part of every name.
    id: String,
    place: PathBuf,
    again: Again<'a>,
    names: Mutex<BTreeMap<String, Name>>,
    _folder: TempDir,
}

impl<'a> Bench<'a> {
    pub(crate) fn new(backend: &'a Backend, again: Again<'a>) -> Self {
        let mut random = [0; 8];
        tokenkeep_platform::random::fill(&mut random).expect("the system has random numbers");
        let id = hexadecimal(random);
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("place");
        fs::create_dir(&place).unwrap();
        Self { backend, id, place, again, names: Mutex::default(), _folder: folder }
    }

    /// A new handle to the place that most checks need alone.
    pub(crate) fn slot(&self) -> Box<dyn Slot> {
        self.named("one", "user")
    }

    /// A new handle to the place of another name.
    pub(crate) fn named(&self, service: &str, account: &str) -> Box<dyn Slot> {
        (self.backend.open)(&self.place, &self.name(service, account))
    }

    /// Another process that does `deed` with the place of that name.
    pub(crate) fn elsewhere(&self, service: &str, account: &str, deed: Deed) -> Child {
        let name = self.name(service, account);
        Child::start(self.again, &self.place, &name, deed)
    }

    /// A text that nobody may see, of this bench alone.
    pub(crate) fn canary(&self) -> String {
        format!("canary-{}-that-nobody-may-see", self.id)
    }

    pub(crate) fn place(&self) -> &Path {
        &self.place
    }

    /// Locks the backend until what is returned is dropped.
    pub(crate) fn lock(&self) -> Locked<'_> {
        let lock = self.backend.lock.as_ref().expect("only asked of what can be locked");
        (lock.lock)(&self.place);
        Locked { bench: self, unlock: lock.unlock }
    }

    fn name(&self, service: &str, account: &str) -> Name {
        let service = format!("contract-{}-{service}", self.id);
        let name = Name { service, account: account.to_owned() };
        self.names.lock().unwrap().insert(format!("{name:?}"), name.clone());
        name
    }
}

impl Drop for Bench<'_> {
    fn drop(&mut self) {
        if self.backend.fills_its_folder {
            return;
        }
        let names = self.names.lock().map(|names| names.clone()).unwrap_or_default();
        for name in names.values() {
            // A failure has been reported, or the check did not expect success.
            drop((self.backend.open)(&self.place, name).delete());
        }
    }
}

/// Unlocks on drop.
pub(crate) struct Locked<'a> {
    bench: &'a Bench<'a>,
    unlock: fn(&Path),
}

impl Drop for Locked<'_> {
    fn drop(&mut self) {
        (self.unlock)(&self.bench.place);
    }
}
