//! `cargo xtask dist`: the Python package, to use it here, and as a wheel and an sdist.

use std::path::{Path, PathBuf};
use std::process::Command;

use tokenkeep_test_support::{
    executable, native_library, python_package, target_dir, workspace_root,
};

use crate::stage::{self, Failure};
use crate::tools;

/// Runs one stage.
pub(crate) fn run(arguments: &[String]) -> Result<(), Failure> {
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["develop"] => develop(Profile::Debug).map(drop),
        ["develop", "--release"] => develop(Profile::Release).map(drop),
        ["wheel"] => wheel(),
        ["sdist"] => sdist(),
        _ => Err(Failure::new("usage: cargo xtask dist develop [--release] | wheel | sdist")),
    }
}

/// How the native module is built.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Profile {
    /// Quickly, as the tests use it.
    Debug,
    /// As it is released and measured.
    Release,
}

/// Builds the native module and puts the package together. Returns the folder for `PYTHONPATH`.
pub(crate) fn develop(profile: Profile) -> Result<PathBuf, Failure> {
    let library = build(profile)?;
    let name = match profile {
        Profile::Debug => "debug",
        Profile::Release => "release",
    };
    let folder = python_package(name, &library)
        .map_err(|error| Failure::new(format!("cannot put the package together: {error}")))?;
    println!("PYTHONPATH={}", folder.display());
    Ok(folder)
}

fn build(profile: Profile) -> Result<PathBuf, Failure> {
    let mut build = stage::cargo();
    build.args(["build", "--quiet", "--locked", "--package", "tokenkeep-python"]);
    build.args((profile == Profile::Release).then_some("--release"));
    stage::run("build tokenkeep-python", &mut build)?;
    let folder = if profile == Profile::Release { "release" } else { "debug" };
    Ok(native_library(&target_dir().join(folder)))
}

/// By maturin where it is installed, which also writes a list of what is in it. Else by cargo and
/// Python alone.
fn wheel() -> Result<(), Failure> {
    let folder = wheels();
    if executable("maturin").is_some() {
        let mut maturin = Command::new("maturin");
        maturin.args(["build", "--release", "--locked", "--out"]).arg(&folder);
        return stage::run("maturin", maturin.current_dir(workspace_root().join("python")));
    }
    let library = build(Profile::Release)?;
    script("wheel.py", &[&library, &folder])
}

fn sdist() -> Result<(), Failure> {
    script("sdist.py", &[&wheels()])
}

fn script(name: &str, arguments: &[&Path]) -> Result<(), Failure> {
    let mut python = Command::new(tools::base_python());
    python.arg(workspace_root().join("python/dist").join(name)).args(arguments);
    stage::run(name, &mut python)
}

fn wheels() -> PathBuf {
    target_dir().join("wheels")
}
