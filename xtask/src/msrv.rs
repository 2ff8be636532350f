//! Whether every package in the lock file compiles with the oldest Rust that the workspace
//! promises.

use std::process::Stdio;

use serde_json::Value;

use crate::stage::{self, Failure};

/// Compares the `rust-version` of each package with the workspace's.
///
/// The workspace's own use of newer functions is clippy's part: `incompatible_msrv` reads the same
/// line.
pub(crate) fn check() -> Result<(), Failure> {
    let mut metadata = stage::cargo();
    metadata.args(["metadata", "--format-version", "1", "--locked", "--all-features"]);
    metadata.stderr(Stdio::inherit());
    let output = metadata
        .output()
        .map_err(|error| Failure::new(format!("cannot start cargo metadata: {error}")))?;
    if !output.status.success() {
        return Err(Failure::new("cargo metadata failed"));
    }
    let metadata: Value = serde_json::from_slice(&output.stdout)
        .map_err(|error| Failure::new(format!("cargo metadata printed no JSON: {error}")))?;
    let packages: Vec<&Value> = metadata["packages"].as_array().into_iter().flatten().collect();
    let promised = packages
        .iter()
        .find(|package| package["name"] == "tokenkeep")
        .and_then(|package| release(package))
        .ok_or_else(|| Failure::new("the package tokenkeep names no rust-version"))?;
    let newer: Vec<String> = packages
        .iter()
        .filter(|package| release(package).is_some_and(|rust| rust > promised))
        .map(|package| format!("{} {}", package["name"], package["version"]))
        .collect();
    let (major, minor) = promised;
    if !newer.is_empty() {
        return Err(Failure::new(format!("newer than Rust {major}.{minor}: {}", newer.join(", "))));
    }
    println!("{} packages ask for no Rust newer than {major}.{minor}", packages.len());
    Ok(())
}

/// The first two numbers of the Rust that a package asks for, such as `1.89.0`.
fn release(package: &Value) -> Option<(u32, u32)> {
    let mut numbers = package["rust_version"].as_str()?.split('.');
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}
