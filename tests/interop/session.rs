//! A test with peers: a keyring and a home folder of its own, and each kind of Python lock in turn.

use std::{any, path::Path};

use tokenkeep_test_support::{
    Tool,
    keyring::{Keyring, State, inside},
    need,
};

use crate::{
    evidence::Evidence,
    python::{LOCKS, Python},
};

/// What a test has at hand.
pub(crate) struct Session<'s> {
    pub(crate) keyring: &'s Keyring,
    /// A new folder.
    pub(crate) folder: &'s Path,
    /// The kind of lock that the Pythons take.
    pub(crate) lock: &'static str,
    pub(crate) evidence: &'s mut Evidence,
}

impl Session<'_> {
    pub(crate) fn python(&self, name: &str) -> Python {
        Python::start(name, self.lock)
    }

    /// A row of the table: what was done with `identity` and what came of it.
    pub(crate) fn found(&mut self, identity: &str, done: &str, result: &str) {
        self.evidence.add(identity, self.lock, done, result);
    }
}

/// Runs `body` in a session of its own with each kind of lock, and compares what it found with the
/// document. The first of `packages` is the peer, the others are what it works with.
pub(crate) fn with_each_lock<T: Fn()>(test: T, packages: &[&str], body: impl Fn(&mut Session<'_>)) {
    if Keyring::current().is_none() && !need(Tool::PythonLibsecret) {
        return;
    }
    let (_, test) = any::type_name_of_val(&test).split_once("::").unwrap();
    inside(test, State::Unlocked, |keyring| {
        let versions = Python::start("any", LOCKS[0]).versions(packages);
        let mut evidence = Evidence::of(test, versions.replacen(", ", ", with ", 1));
        for lock in LOCKS {
            let folder = tempfile::tempdir().unwrap();
            let folder = folder.path();
            body(&mut Session { keyring, folder, lock, evidence: &mut evidence });
        }
        evidence.compare();
    });
}
