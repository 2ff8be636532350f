//! The package `adapters/`: examples and the code of docs/ADAPTERS.md, with crates that the
//! workspace does not use. It has a lock file of its own.

use std::fs;
use std::process::Command;

use tokenkeep_test_support::{Tool, target_dir, workspace_root};

use crate::stage::{self, Failure};
use crate::tools;

const MANIFEST: &str = "adapters/Cargo.toml";

/// Checks the format, the document, and the examples. The crates of the document are not built.
pub(crate) fn check() -> Result<(), Failure> {
    stage::finish("fmt", cargo("fmt").arg("--check"))?;
    compare_document()?;
    let mut clippy = cargo("clippy");
    clippy.args(["--quiet", "--locked", "--lib", "--examples", "--", "-D", "warnings"]);
    stage::finish("clippy", &mut clippy)
}

/// Lints and tests everything, with the crates of the document.
pub(crate) fn test() -> Result<(), Failure> {
    tools::provide(&[Tool::SecretService])?;
    compare_document()?;
    let features = ["--locked", "--all-features"];
    let mut clippy = cargo("clippy");
    clippy.arg("--quiet").args(features).args(["--all-targets", "--", "-D", "warnings"]);
    stage::finish("clippy", &mut clippy)?;
    stage::finish("the adapters", cargo("test").args(features))
}

/// A command of cargo for the package. It builds into the workspace's folder, where some of what it
/// needs is built already.
fn cargo(command: &str) -> Command {
    let mut cargo = stage::cargo();
    cargo.args([command, "--manifest-path", MANIFEST]);
    if command != "fmt" {
        cargo.arg("--target-dir").arg(target_dir());
    }
    cargo
}

/// Each file that the document shows is in it as it is.
fn compare_document() -> Result<(), Failure> {
    let read = |path: &str| {
        fs::read_to_string(workspace_root().join(path))
            .map_err(|error| Failure::new(format!("{path}: {error}")))
    };
    let document = read(DOCUMENT)?;
    for path in SHOWN {
        if !shows(&document, &read(path)?) {
            return Err(Failure::new(format!("{DOCUMENT} does not show {path} as it is")));
        }
    }
    let blocks = document.matches(BLOCK).count();
    if blocks != SHOWN.len() {
        let files = SHOWN.len();
        return Err(Failure::new(format!("{DOCUMENT} shows {blocks} files, not {files}")));
    }
    Ok(())
}

fn shows(document: &str, file: &str) -> bool {
    document.contains(&format!("{BLOCK}{file}```\n"))
}

const DOCUMENT: &str = "docs/ADAPTERS.md";
const BLOCK: &str = "```rust\n";
const SHOWN: [&str; 3] = [
    "adapters/src/azure_credential.rs",
    "adapters/src/google_token.rs",
    "adapters/src/mcp_credentials.rs",
];

#[cfg(test)]
mod tests {
    use super::shows;

    #[test]
    fn a_document_shows_a_whole_file_and_no_part_of_one() {
        let document = "One:\n\n```rust\nfn one() {}\n\nfn two() {}\n```\n";
        assert!(shows(document, "fn one() {}\n\nfn two() {}\n"));
        assert!(!shows(document, "fn one() {}\n"));
        assert!(!shows(document, "fn two() {}\n"));
    }
}
