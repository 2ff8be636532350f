//! `cargo xtask check packages`: what a user of crates.io downloads, against the lists in
//! `xtask/packages/`.

use std::fs;
use std::process::Stdio;

use tokenkeep_test_support::workspace_root;

use crate::stage::{self, Failure};

const PACKAGES: [&str; 4] = ["tokenkeep-platform", "tokenkeep", "tokenkeep-cli", "tokenkeep-web"];

/// Compares the names of the files of each package with its list. Rust files below `src` and
/// `examples` may come and go.
pub(crate) fn check() -> Result<(), Failure> {
    PACKAGES.iter().try_for_each(|package| check_one(package))
}

fn check_one(package: &str) -> Result<(), Failure> {
    let mut list = stage::cargo();
    list.args(["package", "--list", "--allow-dirty", "--package", package]);
    let output = list
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| Failure::new(format!("cannot start cargo package: {error}")))?;
    if !output.status.success() {
        return Err(Failure::new(format!("cargo package --list failed for {package}")));
    }
    let found = String::from_utf8_lossy(&output.stdout).replace('\\', "/");
    let found: Vec<&str> = found.lines().filter(|file| !is_free(file)).collect();
    let path = workspace_root().join(format!("xtask/packages/{package}.txt"));
    let expected = fs::read_to_string(&path)
        .map_err(|error| Failure::new(format!("{}: {error}", path.display())))?;
    let expected: Vec<&str> = expected.lines().collect();
    if found == expected {
        return Ok(());
    }
    let all = found.join("\n");
    Err(Failure::new(format!(
        "the package {package} has other files than {}:\n{all}",
        path.display()
    )))
}

fn is_free(file: &str) -> bool {
    // Only a package from a git checkout has it.
    file == ".cargo_vcs_info.json"
        || file.ends_with(".rs") && (file.starts_with("src/") || file.starts_with("examples/"))
}
