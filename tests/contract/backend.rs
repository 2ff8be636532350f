//! A backend: how its places are reached, and what it promises beyond what every one does.

use std::path::{Path, PathBuf};

use tokenkeep_test_support::under_wine;

use super::slot::{Name, Slot};

/// What is kept where, and how it may be asked. The defaults are the strictest.
pub(crate) struct Backend {
    /// A new handle to the place of that name; the folder belongs to one check.
    pub(crate) open: Box<Open>,
    /// Whether it has a `create` of its own.
    pub(crate) creates: bool,
    /// The limit that its refusal of a larger payload names.
    pub(crate) limit: Option<usize>,
    /// Whether `A` and `a` are two names.
    pub(crate) tells_case: bool,
    /// Names that differ and look alike.
    pub(crate) alike: &'static [(&'static str, &'static str)],
    /// Whether another process reaches the same places.
    pub(crate) reaches_processes: bool,
    /// Whether what it brings along logs what it is given.
    pub(crate) logs_by_itself: bool,
    /// Whether nothing of it lies elsewhere than in the folder of the check.
    pub(crate) fills_its_folder: bool,
    /// Promises that Wine's imitation of it does not keep.
    pub(crate) not_under_wine: &'static [&'static str],
    pub(crate) lock: Option<Lock>,
    pub(crate) at_rest: AtRest,
    /// Runs what it is given where the backend exists.
    pub(crate) within: Option<Within>,
    /// Why it cannot be reached here, where this system may lack it.
    pub(crate) missing: fn() -> Option<String>,
}

type Open = dyn Fn(&Path, &Name) -> Box<dyn Slot> + Send + Sync;

/// Given the full name of the test and what to run.
pub(crate) type Within = fn(&str, &mut dyn FnMut());

/// How a backend is locked and unlocked by somebody else.
pub(crate) struct Lock {
    pub(crate) lock: fn(&Path),
    pub(crate) unlock: fn(&Path),
    /// Whether it can tell that something is absent only when it is unlocked.
    pub(crate) hides_absence: bool,
}

/// Which folders hold what is kept.
#[derive(Clone, Copy)]
pub(crate) enum AtRest {
    Clear(fn(&Path) -> Vec<PathBuf>),
    Encrypted(fn(&Path) -> Vec<PathBuf>),
    /// In memory, or where a program cannot look.
    NoFile,
}

impl Backend {
    pub(crate) fn new(
        open: impl Fn(&Path, &Name) -> Box<dyn Slot> + Send + Sync + 'static,
    ) -> Self {
        Self {
            open: Box::new(open),
            creates: true,
            limit: None,
            tells_case: true,
            alike: ALIKE,
            reaches_processes: true,
            logs_by_itself: false,
            fills_its_folder: false,
            not_under_wine: &[],
            lock: None,
            at_rest: AtRest::NoFile,
            within: None,
            missing: || None,
        }
    }

    pub(crate) fn up_to(self, limit: usize) -> Self {
        Self { limit: Some(limit), ..self }
    }

    /// Upper and lower case are the same to it.
    #[cfg_attr(not(windows), expect(dead_code, reason = "of one vault alone"))]
    pub(crate) fn folding_case(self) -> Self {
        Self { tells_case: false, ..self }
    }

    pub(crate) fn in_one_process(self) -> Self {
        Self { reaches_processes: false, ..self }
    }

    /// keyring-core logs the `Debug` of a store's credentials, which in some stores shows the
    /// secret.
    pub(crate) fn logging_by_itself(self) -> Self {
        Self { logs_by_itself: true, ..self }
    }

    pub(crate) fn filling_its_folder(self) -> Self {
        Self { fills_its_folder: true, ..self }
    }

    /// Wine breaks these promises, and not this project.
    #[cfg_attr(not(windows), expect(dead_code, reason = "of one vault alone"))]
    pub(crate) fn broken_by_wine(self, promises: &'static [&'static str]) -> Self {
        Self { not_under_wine: promises, ..self }
    }

    /// Whether it is to keep the promise of that name.
    pub(crate) fn owes(&self, promise: &str) -> bool {
        !under_wine() || !self.not_under_wine.contains(&promise)
    }

    pub(crate) fn lying(self, at_rest: AtRest) -> Self {
        Self { at_rest, ..self }
    }

    #[cfg_attr(not(target_os = "linux"), expect(dead_code, reason = "for some vaults alone"))]
    pub(crate) fn unless(self, missing: fn() -> Option<String>) -> Self {
        Self { missing, ..self }
    }
}

/// Characters that move from one part to the other, and those that somebody may join two parts
/// with.
const ALIKE: &[(&str, &str)] = &[
    ("ab", "c"),
    ("a", "bc"),
    ("a.b", "c"),
    ("a", "b.c"),
    ("a/b", "c"),
    ("a", "b/c"),
    ("a%2Fb", "c"),
    ("a", "b%2Fc"),
    ("a:b", "c"),
    ("a", "b:c"),
    ("a@b", "c"),
    ("a", "b@c"),
    ("a b", "c"),
    ("a", "b c"),
    ("a\\b", "c"),
    ("a", "b\\c"),
    ("c", "ab"),
];
