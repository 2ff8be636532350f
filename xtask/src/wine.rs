//! The tests as programs of Windows, run under Wine.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::thread;

use tokenkeep_test_support::{DEBIAN_RUSTC, MINGW_GCC, UNDER_WINE, target_dir, workspace_root};

use crate::stage::{self, Failure};

/// Builds the tests with the standard library from its source and runs them in a Windows of their
/// own.
pub(crate) fn test() -> Result<(), Failure> {
    let prefix = prefix()?;
    let mut test = stage::cargo();
    test.args(["test", "--no-fail-fast", "--lib", "--bins", "--target", TARGET]);
    for program in ["", "platform", "cli"].map(programs) {
        for program in program? {
            test.args(["--test", &program]);
        }
    }
    test.args(["--package", "tokenkeep-platform"]);
    test.args(["--package", "tokenkeep", "--package", "tokenkeep-cli"]);
    test.args(["--features", "tokenkeep/tokio"]);
    test.args(["-Zbuild-std=std,panic_unwind,test", "--target-dir"]).arg(target_dir().join("wine"));
    test.env("RUSTC", DEBIAN_RUSTC).env("RUSTC_BOOTSTRAP", "1");
    test.env("CARGO_TARGET_X86_64_PC_WINDOWS_GNU_LINKER", MINGW_GCC);
    test.env("CARGO_TARGET_X86_64_PC_WINDOWS_GNU_RUNNER", "wine");
    // Names of functions would be more than half of each program.
    test.env("CARGO_PROFILE_DEV_DEBUG", "none").env("CARGO_PROFILE_DEV_STRIP", "symbols");
    // Little is computed there: what takes time is to start processes, and to compile.
    for package in ["tokenkeep", "tokenkeep-platform"] {
        test.arg("--config").arg(format!("profile.dev.package.{package}.opt-level=1"));
    }
    // A process starts a hundred times slower than on Linux, so the tests that start many do fewer
    // rounds.
    test.env(UNDER_WINE, "1").env("TOKENKEEP_KILLS", "50").env("TOKENKEEP_UPDATES", "10");
    test.env("TOKENKEEP_SECONDS", "8");
    test.env("TOKENKEEP_SILENT_ROUNDS", "5").env("TOKENKEEP_SILENT_KILLS", "10");
    // There is no Python of Windows, so a test that needs one says that it is skipped.
    test.env_remove("CI").envs(wine(&prefix));
    let run = watch(&mut test)?;
    for (programs, reason) in ELSEWHERE {
        println!("not under Wine, because of {reason}: {}", programs.join(", "));
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
    let boot = || {
        fs::create_dir_all(&prefix).map_err(failed)?;
        let mut boot = Command::new("wineboot");
        stage::run("wineboot", boot.arg("--init").envs(wine(&prefix)).stdout(Stdio::null()))
    };
    // A server that a former Windows in this folder left behind refuses the first time.
    if boot().is_err() {
        fs::remove_dir_all(&prefix).map_err(failed)?;
        boot()?;
    }
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

/// The test programs below a package, but those that [`ELSEWHERE`] names.
fn programs(package: &str) -> Result<Vec<String>, Failure> {
    let folder = workspace_root().join(package).join("tests");
    let failed = |error| Failure::new(format!("{}: {error}", folder.display()));
    let mut programs = Vec::new();
    for entry in fs::read_dir(&folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let is_program = path.join("main.rs").is_file() || path.extension() == Some("rs".as_ref());
        let Some(name) = path.file_stem().and_then(|name| name.to_str()) else { continue };
        let is_elsewhere = ELSEWHERE.iter().any(|(programs, _)| programs.contains(&name));
        if is_program && is_elsewhere {
            check_elsewhere(&path)?;
        } else if is_program {
            programs.push(name.to_owned());
        }
    }
    programs.sort();
    Ok(programs)
}

/// A program that is left out has no test for Windows, or none that asks a system.
fn check_elsewhere(path: &Path) -> Result<(), Failure> {
    let file = if path.is_dir() { path.join("main.rs") } else { path.to_owned() };
    let text = fs::read_to_string(&file)
        .map_err(|error| Failure::new(format!("{}: {error}", file.display())))?;
    let is_for_unix = ["unix", "target_os = \"linux\"", "all(unix"]
        .iter()
        .any(|system| text.contains(&format!("#![cfg({system}")));
    let not_built =
        ["tests/cache", "tests/http_endpoint.rs", "tests/sign_in", "tests/silent_differential.rs"];
    let is_not_built = not_built.iter().any(|it| path.ends_with(it));
    match is_for_unix || is_not_built {
        true => Ok(()),
        false => Err(Failure::new(format!("{} may have tests for Windows", file.display()))),
    }
}

/// Test programs without any test for Windows, and why: to build and start one takes seconds.
const ELSEWHERE: &[(&[&str], &str)] = &[
    (&["cache", "linear", "silent_differential"], "no question to any system"),
    (
        &[
            "doctor",
            "interop",
            "key_loss",
            "kernel_keyring",
            "kwallet",
            "left_over_keys",
            "msal_extensions_contention",
            "msal_extensions_cost",
            "msal_extensions_kills",
            "same_item_as_python",
            "secret_service",
            "secret_service_cost",
            "secret_service_faults",
            "secret_service_late",
            "secret_service_mock",
            "secret_service_owner",
            "secret_service_same_names",
            "session_bus",
            "vault",
            "vault_in_tokio",
        ],
        "the vaults of Linux",
    ),
    (&["http_endpoint", "sign_in"], "the feature `ureq`, which is not built there"),
    (&["login", "silent_providers"], "the providers' Node.js and Python"),
    (&["faults", "power_cut", "system_calls"], "strace"),
    (
        &["files_unix", "harmless_advice", "places_unix", "private_group"],
        "owners, modes and links of Unix",
    ),
    (
        &["descriptor", "forked", "interrupted", "lock_wait", "locks_stopped", "memory"],
        "descriptors, fork, signals and core dumps",
    ),
];

const TARGET: &str = "x86_64-pc-windows-gnu";

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
}
