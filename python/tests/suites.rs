//! The test suites of msal-extensions, msal and azure-identity, on the originals and on this
//! package. What passes there must pass here.
// Not on Windows and macOS: the suites are run in a session with a Secret Service
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test may")]
#![allow(clippy::disallowed_methods, reason = "the copies of the suites are the tests' own")]

mod session;
mod support;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Instant,
};

use session::{Python, add_paths, azure_is_wanted, pytest, tests};
use tokenkeep_test_support::{Suites, Tool, Venv, keyring::State, say};

/// A suite, and what is run of it.
struct Suite {
    /// The package, with an underscore.
    name: &'static str,
    /// In which folder of the copy the tests begin.
    start: &'static str,
    files: &'static [&'static str],
    plugins: &'static [&'static str],
    /// What takes this package's place in it.
    place: &'static str,
    /// How many tests of the original pass at least. Fewer mean that the suite was not run.
    least: usize,
}

const EXTENSIONS: Suite = Suite {
    name: "msal_extensions",
    start: ".",
    files: &["tests"],
    plugins: &["created", "offline"],
    place: "alias",
    least: 11,
};

const MSAL: Suite = Suite {
    name: "msal",
    start: ".",
    files: &[
        "tests/test_token_cache.py",
        "tests/test_application.py",
        "tests/test_account_source.py",
        "tests/test_mi.py",
        "tests/test_ccs.py",
        "tests/test_cloudshell.py",
        "tests/test_region.py",
        "tests/test_client_obtain_token_by_browser.py",
        "tests/test_optional_thumbprint.py",
    ],
    plugins: &["offline"],
    place: "swap",
    least: 271,
};

const IDENTITY: Suite = Suite {
    name: "azure_identity",
    start: "tests",
    files: &[
        "test_aad_client.py",
        "test_aad_client_async.py",
        "test_auth_code.py",
        "test_auth_code_async.py",
        "test_auth_record.py",
        "test_browser_credential.py",
        "test_client_assertion_credential.py",
        "test_client_assertion_credential_async.py",
        "test_client_secret_credential.py",
        "test_client_secret_credential_async.py",
        "test_context_manager.py",
        "test_default.py",
        "test_default_async.py",
        "test_device_code_credential.py",
        "test_initialization.py",
        "test_initialization_async.py",
        "test_interactive_credential.py",
        "test_msal_client.py",
        "test_persistent_cache.py",
        "test_pickling.py",
        "test_pickling_async.py",
        "test_shared_cache_credential.py",
        "test_shared_cache_credential_async.py",
        "test_token_credentials_env.py",
        "test_token_credentials_env_async.py",
        "test_username_password_credential.py",
    ],
    plugins: &["recorder"],
    place: "alias",
    least: 480,
};

#[test]
fn what_passes_on_msal_extensions_passes_here() {
    EXTENSIONS.compare();
}

#[test]
fn what_passes_on_the_caches_of_msal_passes_here() {
    MSAL.compare();
}

/// Runs where `TOKENKEEP_PYTHON_AZURE` is set, as `cargo xtask evidence` does.
#[test]
fn what_passes_on_azure_identity_passes_here() {
    if azure_is_wanted() {
        IDENTITY.compare();
    }
}

impl Suite {
    /// Runs it on the original and then on ours, and compares.
    fn compare(&self) {
        let tools = [Tool::PythonLibsecret, Tool::PythonSuites];
        let Some(python) = Python::new(State::Unlocked, &tools) else { return };
        let begun = Instant::now();
        let original = self.run(&python, python.original(), &[]);
        let after_original = begun.elapsed();
        let ours = self.run(&python, python.ours(Venv::PEERS), &[self.place]);
        let passed = |outcomes: &Outcomes| -> BTreeSet<String> {
            let passed = outcomes.iter().filter(|(_, outcome)| *outcome == "passed");
            passed.map(|(test, _)| test.clone()).collect()
        };
        let (theirs, here) = (passed(&original), passed(&ours));
        say(&format!(
            "measured: {}: {} tests; passed: {} on the original in {:.1?}, {} here in {:.1?}",
            self.name,
            original.len(),
            theirs.len(),
            after_original,
            here.len(),
            begun.elapsed() - after_original,
        ));
        assert!(theirs.len() >= self.least, "the suite has changed: {original:#?}");
        let missing: Vec<_> = theirs.difference(&here).collect();
        assert!(missing.is_empty(), "these pass on the original alone: {missing:#?}");
    }

    /// What became of each test.
    fn run(&self, python: &Python, mut command: Command, plugins: &[&str]) -> Outcomes {
        let home = tempfile::tempdir_in(python.folder()).unwrap();
        let copy = home.path().join("tests");
        copy_tree(&Suites::PEERS.tests_of(self.name), &copy);
        copy_tree(&tests().join("peers/helpers").join(self.name), &copy);
        let outcomes = home.path().join("outcomes");
        pytest(&mut command, home.path());
        add_paths(&mut command, &[tests().join("peers/plugins")]);
        for plugin in self.plugins.iter().chain(plugins).chain(&["outcomes"]) {
            command.args(["-p", plugin]);
        }
        if plugins == ["alias"] {
            command.env("TOKENKEEP_ALIAS", "1");
        }
        command.args(self.files).current_dir(home.path().join(self.start));
        command.env("TOKENKEEP_OUTCOMES", &outcomes);
        let output = command.output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        let lines = fs::read_to_string(&outcomes).unwrap_or_else(|error| {
            panic!("{}: {error}\n{text}\n{}", self.name, String::from_utf8_lossy(&output.stderr))
        });
        let pairs = lines.lines().filter_map(|line| line.split_once(' '));
        pairs.map(|(outcome, test)| (test.to_owned(), outcome.to_owned())).collect()
    }
}

type Outcomes = BTreeMap<String, String>;

fn copy_tree(from: &Path, to: &PathBuf) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_tree(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}
