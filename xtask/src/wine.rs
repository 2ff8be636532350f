//! The tests as programs of Windows, run under Wine.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::thread;

use tokenkeep_test_support::{DEBIAN_RUSTC, MINGW_GCC, UNDER_WINE, target_dir, workspace_root};

use crate::stage::{self, Failure};

/// Builds the tests with the standard library from its source and runs them in a Windows of their own.
pub(crate) fn test() -> Result<(), Failure> {
    let prefix = prefix()?;
    let sources = sources()?;
    let mut test = stage::cargo();
    test.args(["test", "--no-fail-fast", "--lib", "--bins", "--target", TARGET]);
    // To build and start a program without a test takes seconds, too.
    for program in programs(&sources) {
        test.args(["--test", program]);
    }
    test.args(["--package", "tokenkeep-platform"]);
    test.args(["--package", "tokenkeep", "--package", "tokenkeep-cli"]);
    test.args(["--features", "tokenkeep/tokio"]);
    test.args(["-Zbuild-std=std,panic_unwind,test", "--target-dir"]).arg(target_dir().join("wine"));
    test.env("RUSTC", DEBIAN_RUSTC).env("RUSTC_BOOTSTRAP", "1");
    test.env("CARGO_TARGET_X86_64_PC_WINDOWS_GNU_LINKER", MINGW_GCC);
    test.env("CARGO_TARGET_X86_64_PC_WINDOWS_GNU_RUNNER", "wine");
    test.env("CARGO_PROFILE_DEV_DEBUG", "0");
    // A process starts a hundred times slower than on Linux, so the tests that start many do fewer rounds.
    test.env(UNDER_WINE, "1").env("TOKENKEEP_KILLS", "50").env("TOKENKEEP_UPDATES", "10");
    test.env("TOKENKEEP_SECONDS", "8");
    // There is no Python of Windows, so a test that needs one says that it is skipped.
    test.env_remove("CI").envs(wine(&prefix));
    let run = watch(&mut test)?;
    let mut unexplained = Vec::new();
    println!("not under Wine, because they ask no system for anything: {}", IN_MEMORY.join(", "));
    let ran = |test: &&Test| run.names.contains(&test.name) || is_in_memory(test);
    for test in sources.iter().filter(|test| !ran(test)) {
        match &test.reason {
            Some(reason) => println!("not on Windows: {}: {}: {reason}", test.file, test.name),
            None => unexplained.push(format!("{}: {}", test.file, test.name)),
        }
    }
    for skipped in &run.skipped {
        println!("{skipped}");
    }
    println!(
        "{} tests passed under Wine, {} failed, {} said that they skipped",
        run.passed,
        run.failed,
        run.skipped.len()
    );
    if run.passed == 0 {
        return Err(Failure::new("no test ran under Wine"));
    }
    if run.succeeded && !unexplained.is_empty() {
        let list = unexplained.join(", ");
        return Err(Failure::new(format!("did not run, and no `{MARK}` says why: {list}")));
    }
    if run.succeeded { Ok(()) } else { Err(Failure::new("the tests failed under Wine")) }
}

/// A Windows of this project's own, made once.
fn prefix() -> Result<PathBuf, Failure> {
    let prefix = target_dir().join("test-support").join("wine");
    let system = prefix.join("drive_c/windows/system32");
    let shim = system.join("bcryptprimitives.dll");
    if shim.is_file() {
        return Ok(prefix);
    }
    let failed = |error| Failure::new(format!("{}: {error}", prefix.display()));
    fs::create_dir_all(&prefix).map_err(failed)?;
    let mut boot = Command::new("wineboot");
    stage::run("wineboot", boot.arg("--init").envs(wine(&prefix)).stdout(Stdio::null()))?;
    let mut wait = Command::new("wineserver");
    stage::finish("wineserver", wait.arg("--wait").envs(wine(&prefix)))?;
    // Moved into place last, as the mark of a Windows that is complete.
    let unfinished = system.join("bcryptprimitives.new");
    let mut compile = Command::new(MINGW_GCC);
    compile.args(["-shared", "-Os", "-s", "-o"]).arg(&unfinished);
    compile.arg(workspace_root().join("xtask/src/wine/process_prng.c")).arg("-ladvapi32");
    stage::finish(MINGW_GCC, &mut compile)?;
    fs::rename(&unfinished, &shim).map_err(failed)?;
    Ok(prefix)
}

/// What keeps Wine in its own folder, silent and without questions.
fn wine(prefix: &Path) -> [(&'static str, PathBuf); 3] {
    let none = PathBuf::from("mscoree=;mshtml=");
    [("WINEPREFIX", prefix.to_owned()), ("WINEDEBUG", "-all".into()), ("WINEDLLOVERRIDES", none)]
}

#[derive(Default)]
struct Run {
    passed: u32,
    failed: u32,
    skipped: Vec<String>,
    /// Of the tests that ran, without their modules.
    names: BTreeSet<String>,
    succeeded: bool,
}

impl Run {
    /// Counts what a line says and tells whether it is worth showing.
    fn hear(&mut self, line: &str) -> bool {
        if line.starts_with("skipped: ") {
            self.skipped.push(line.to_owned());
            return false;
        }
        if let Some(result) = line.strip_prefix("test result: ") {
            let count = |what: &str| {
                let before = result.split(what).next()?;
                before.trim_end().rsplit(' ').next()?.parse::<u32>().ok()
            };
            self.passed += count("passed").unwrap_or(0);
            self.failed += count("failed").unwrap_or(0);
        }
        if let Some((path, _)) =
            line.strip_prefix("test ").and_then(|line| line.split_once(" ... "))
        {
            let path = path.split(" - ").next().unwrap_or(path);
            self.names.insert(path.rsplit("::").next().unwrap_or(path).to_owned());
        }
        !line.is_empty() && !line.ends_with(" ... ok")
    }
}

/// Runs the tests, shows what they say and counts them.
fn watch(test: &mut Command) -> Result<Run, Failure> {
    let failed = |error| Failure::new(format!("cannot run cargo test: {error}"));
    let mut child = test
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    let (out, err) = (child.stdout.take(), child.stderr.take());
    let run = Mutex::new(Run::default());
    thread::scope(|scope| {
        scope.spawn(|| listen(out, &run));
        scope.spawn(|| listen(err, &run));
    });
    let mut run = run.into_inner().map_err(|_| Failure::new("a listener panicked"))?;
    run.succeeded = child.wait().map_err(failed)?.success();
    Ok(run)
}

fn listen(stream: Option<impl Read>, run: &Mutex<Run>) {
    let Some(stream) = stream else { return };
    let mut lines = BufReader::new(stream).split(b'\n');
    while let Some(Ok(line)) = lines.next() {
        let line = String::from_utf8_lossy(&line);
        let line = line.trim_end();
        let Ok(mut run) = run.lock() else { return };
        if run.hear(line) {
            println!("{line}");
        }
    }
}

/// A test in the sources, and why it does not run on Windows if they say so.
#[derive(Debug, PartialEq, Eq)]
struct Test {
    file: String,
    name: String,
    reason: Option<String>,
}

/// Every test of the packages that are run.
fn sources() -> Result<Vec<Test>, Failure> {
    let root = workspace_root();
    let mut folders: Vec<_> =
        ["src", "tests", "cli/src", "cli/tests", "platform/src", "platform/tests"]
            .map(|folder| root.join(folder))
            .into();
    let mut tests = Vec::new();
    while let Some(folder) = folders.pop() {
        let failed = |error| Failure::new(format!("{}: {error}", folder.display()));
        for entry in fs::read_dir(&folder).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "rs") {
                let text = fs::read_to_string(&path).map_err(failed)?;
                let name = path.strip_prefix(&root).unwrap_or(&path).display().to_string();
                tests.extend(tests_in(&name, &text));
            }
        }
    }
    tests.sort_by(|a, b| (&a.file, &a.name).cmp(&(&b.file, &b.name)));
    Ok(tests)
}

/// The test programs in which any test runs on Windows.
fn programs(sources: &[Test]) -> BTreeSet<&str> {
    let runs = sources.iter().filter(|test| test.reason.is_none() && !is_in_memory(test));
    runs.filter_map(|test| {
        let folders = ["tests/", "cli/tests/", "platform/tests/"];
        let file = folders.iter().find_map(|folder| test.file.strip_prefix(folder))?;
        file.split(['/', '.']).next()
    })
    .collect()
}

fn is_in_memory(test: &Test) -> bool {
    let program = test.file.strip_prefix("tests/").and_then(|file| file.split(['/', '.']).next());
    program.is_some_and(|program| IN_MEMORY.contains(&program))
}

/// The tests of one file. A reason stands above a test or a table of them, or above the `#![cfg]` of a whole file, or for a whole module
/// in [`ELSEWHERE`].
fn tests_in(file: &str, text: &str) -> Vec<Test> {
    let elsewhere = ELSEWHERE.iter().find(|(module, _)| file.starts_with(module));
    let mut of_file = elsewhere.map(|(_, reason)| (*reason).to_owned());
    let (mut reason, mut is_test, mut is_table) = (None, false, false);
    let mut tests = Vec::new();
    for line in text.lines().map(str::trim) {
        if line == TABLE || is_table && line == "}" {
            is_table = line == TABLE;
            if !is_table {
                reason = None;
            }
        } else if let Some((name, _)) = line.split_once(": ").filter(|_| is_table) {
            let reason = reason.clone().or_else(|| of_file.clone());
            tests.push(Test { file: file.to_owned(), name: name.to_owned(), reason });
        } else if let Some(mark) = line.strip_prefix(MARK) {
            reason = Some(mark.to_owned());
        } else if line.starts_with("#![cfg") {
            of_file = reason.take().or(of_file);
        } else if line == "#[test]" {
            is_test = true;
        } else if let Some(rest) = line.strip_prefix("fn ").filter(|_| is_test) {
            let name = rest.split('(').next().unwrap_or(rest).to_owned();
            is_test = false;
            if name.starts_with('$') {
                continue;
            }
            let reason = reason.take().or_else(|| of_file.clone());
            tests.push(Test { file: file.to_owned(), name, reason });
        }
    }
    tests
}

/// The test programs about a cache in memory, which ask no system for anything. They run on a real
/// Windows as well.
const IN_MEMORY: &[&str] = &["cache", "linear"];

const TARGET: &str = "x86_64-pc-windows-gnu";
const MARK: &str = "// Not on Windows: ";

/// Begins a table whose lines are tests, each `name: …;`, as in tests/contract.
const TABLE: &str = "backends! {";

/// Modules that are not compiled for Windows, and why.
const ELSEWHERE: &[(&str, &str)] = &[
    ("platform/src/file/unix/", "the modes and owners of Unix"),
    ("platform/src/lock/peer/linux", "the kernel of Linux"),
    ("platform/src/vault/kernel_keyring", "the kernel keyring of Linux"),
    ("platform/src/vault/secret_service", "the Secret Service"),
    ("tests/msal_extensions_contention/", "the Secret Service"),
    ("tests/interop/", "the Secret Service"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_added_up_and_skips_are_kept() {
        let mut run = Run::default();
        assert!(run.hear(
            "test result: ok. 22 passed; 0 failed; 1 ignored; 0 measured; finished in 4.69s"
        ));
        run.hear("test result: FAILED. 9 passed; 2 failed; 0 ignored; 0 measured");
        assert!(!run.hear("skipped: a_test needs strace"));
        assert!(!run.hear("test a_test ... ok") && run.hear("test a_test ... FAILED"));
        assert_eq!((run.passed, run.failed), (31, 2));
        assert_eq!(run.skipped, ["skipped: a_test needs strace"]);
    }

    #[test]
    fn the_names_of_what_ran_are_kept() {
        let mut run = Run::default();
        run.hear("test file::os::tests::a_path ... ok");
        run.hear("test another ... FAILED");
        run.hear("test one_that_panics - should panic ... ok");
        assert_eq!(Vec::from_iter(run.names), ["a_path", "another", "one_that_panics"]);
    }

    #[test]
    fn only_programs_with_a_test_that_runs_are_built() {
        let test = |file: &str, reason: Option<&str>| {
            let (file, reason) = (file.to_owned(), reason.map(str::to_owned));
            Test { file, name: "a".into(), reason }
        };
        let sources = [
            test("src/seal/tests/decoder.rs", None),
            test("tests/forked.rs", Some("no fork")),
            test("tests/contract/checks.rs", None),
            test("tests/cache/whose_token/app.rs", None),
            test("cli/tests/bad_input.rs", Some("a mode")),
            test("cli/tests/bad_input.rs", None),
        ];
        assert_eq!(Vec::from_iter(programs(&sources)), ["bad_input", "contract"]);
    }

    #[test]
    fn a_reason_belongs_to_one_test_to_a_table_to_a_file_or_to_a_module() {
        let told = |file: &str, text: &str| -> Vec<_> {
            let tests = tests_in(file, text).into_iter();
            tests.map(|test| (test.name, test.reason.unwrap_or_default())).collect()
        };
        let expected = |tests: [(&str, &str); 2]| tests.map(|(a, b)| (a.to_owned(), b.to_owned()));
        let two = "#[test]\nfn a() {\n}\nfn no_test() {}\n#[test]\nfn b() {\n}\n";
        assert_eq!(told("tests/x.rs", two), expected([("a", ""), ("b", "")]));
        let one = format!("{MARK}a mode\n#[cfg(unix)]\n{two}");
        assert_eq!(told("tests/x.rs", &one), expected([("a", "a mode"), ("b", "")]));
        let all = format!("{MARK}strace\n#![cfg(unix)]\n{two}");
        assert_eq!(told("tests/x.rs", &all), expected([("a", "strace"), ("b", "strace")]));
        let table =
            format!("{TABLE}\na: x();\n}}\n{MARK}linux\n#[cfg(unix)]\n{TABLE}\nb: y();\n}}\n");
        assert_eq!(told("tests/x.rs", &table), expected([("a", ""), ("b", "linux")]));
        let (module, reason) = ELSEWHERE[0];
        let file = format!("{module}/x.rs");
        assert_eq!(told(&file, two), expected([("a", reason), ("b", reason)]));
    }
}
