//! The Python package as cargo built it for this test, and the Pythons that it runs in.
#![allow(dead_code, reason = "each test program uses a part")]

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::OnceLock,
};

use tokenkeep_test_support::{native_library, python_package, say, workspace_root};

/// The folder for `PYTHONPATH`.
pub(crate) fn package() -> &'static Path {
    static PACKAGE: OnceLock<PathBuf> = OnceLock::new();
    PACKAGE.get_or_init(|| {
        let test = env::current_exe().unwrap();
        let library = native_library(test.parent().unwrap());
        assert!(library.is_file(), "cargo did not build {}", library.display());
        python_package("tests", &library).unwrap()
    })
}

/// The Python of the system, in which every test runs.
pub(crate) fn system_python() -> PathBuf {
    match cfg!(target_os = "linux") {
        true => "/usr/bin/python3".into(),
        false => "python3".into(),
    }
}

/// The oldest and the newest Python that are here, besides the system's, and says which.
pub(crate) fn other_pythons() -> Vec<PathBuf> {
    let mut found: Vec<((u32, u32), PathBuf)> = Vec::new();
    let versions = env::home_dir().unwrap_or_default().join(".pyenv/versions");
    let folders = fs::read_dir(versions).into_iter().flatten().flatten();
    let mut programs: Vec<PathBuf> =
        folders.map(|entry| entry.path().join("bin/python3")).collect();
    let path = env::var_os("PATH").unwrap_or_default();
    for minor in 9..=15 {
        let named = |folder: PathBuf| folder.join(format!("python3.{minor}"));
        programs.extend(env::split_paths(&path).map(named));
    }
    for program in programs.into_iter().filter(|program| program.is_file()) {
        let mut ask = Command::new(&program);
        ask.args(["-c", "import sys; print(*sys.version_info[:2])"]);
        let Ok(output) = ask.output() else { continue };
        let text = String::from_utf8_lossy(&output.stdout);
        let mut numbers = text.split_whitespace().filter_map(|number| number.parse().ok());
        let (Some(major), Some(minor)) = (numbers.next(), numbers.next()) else { continue };
        if (major, minor) >= (3, 9) {
            found.push(((major, minor), program));
        }
    }
    found.sort();
    let mut chosen: Vec<_> = found.first().into_iter().chain(found.last()).cloned().collect();
    chosen.dedup();
    for ((major, minor), program) in &chosen {
        say(&format!("also with Python {major}.{minor}: {}", program.display()));
    }
    chosen.into_iter().map(|(_, program)| program).collect()
}

/// A Python program of this folder, in which every warning is an error.
pub(crate) fn script(python: &Path, name: &str, place: &Path) -> Command {
    let mut command = Command::new(python);
    command.args(["-X", "dev", "-W", "error", "-B"]);
    command.arg(workspace_root().join("python/tests/programs").join(name)).arg(place);
    command.env("PYTHONPATH", package()).env("HOME", place).env_remove("XDG_DATA_HOME");
    command
}

/// Runs it to its end. It must succeed and say nothing on stderr.
#[track_caller]
pub(crate) fn succeeds(command: &mut Command) -> String {
    let Output { status, stdout, stderr } = command.output().unwrap();
    let (stdout, stderr) = (String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    assert!(status.success(), "{status}\n{stdout}\n{stderr}");
    assert!(stderr.is_empty(), "{stderr}");
    stdout.into_owned()
}

/// A count from the environment, or a small one.
pub(crate) fn count(name: &str, default: usize) -> usize {
    env::var(name).ok().map_or(default, |value| value.parse().unwrap())
}
