//! Whether every package in the lock file compiles with the oldest Rust that the workspace promises.

use std::process::Stdio;

use crate::stage::{self, Failure};

/// Compares the `rust-version` of each package with the workspace's.
///
/// The workspace's own use of newer functions is clippy's part: `incompatible_msrv` reads the same line.
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
    let metadata = String::from_utf8_lossy(&output.stdout);
    let packages = packages(&metadata);
    let promised = packages
        .iter()
        .find(|package| package.name == "tokenkeep")
        .and_then(|package| package.rust)
        .ok_or_else(|| Failure::new("the package tokenkeep names no rust-version"))?;
    let newer: Vec<String> = packages
        .iter()
        .filter(|package| package.rust.is_some_and(|rust| rust > promised))
        .map(|package| format!("{} {}", package.name, package.version))
        .collect();
    let (major, minor) = promised;
    if !newer.is_empty() {
        return Err(Failure::new(format!("newer than Rust {major}.{minor}: {}", newer.join(", "))));
    }
    println!("{} packages ask for no Rust newer than {major}.{minor}", packages.len());
    Ok(())
}

struct Package<'a> {
    name: &'a str,
    version: &'a str,
    rust: Option<(u32, u32)>,
}

/// Reads cargo's one-line JSON. Dependencies and targets begin with a name too; only a package's is followed by a version,
/// and what it asks for stands anywhere before the next package.
fn packages(metadata: &str) -> Vec<Package<'_>> {
    let mut packages: Vec<Package<'_>> = Vec::new();
    for named in metadata.split("{\"name\":\"").skip(1) {
        let mut parts = named.splitn(5, '"');
        if let (Some(name), Some(","), Some("version"), Some(":"), Some(rest)) =
            (parts.next(), parts.next(), parts.next(), parts.next(), parts.next())
        {
            packages.push(Package {
                name,
                version: rest.split('"').next().unwrap_or_default(),
                rust: None,
            });
        }
        let asked = named.split_once("\"rust_version\":\"").and_then(|(_, value)| release(value));
        if let (Some(package), Some(asked)) = (packages.last_mut(), asked) {
            package.rust = Some(asked);
        }
    }
    packages
}

/// The first two numbers of `1.89.0",…`.
fn release(text: &str) -> Option<(u32, u32)> {
    let mut numbers = text.split(|c: char| !c.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_is_told_from_its_dependencies_and_targets() {
        let metadata = r#"{"packages":[
            {"name":"a","version":"1.0.0","dependencies":[{"name":"b","source":null,"req":"^2"}],
             "targets":[{"name":"a","edition":"2024"}],"rust_version":"1.89.0"},
            {"name":"b","version":"2.1.0","dependencies":[],"targets":[{"name":"b"}],"rust_version":null}]}"#
            .replace("\n             ", "");
        let found: Vec<_> =
            packages(&metadata).iter().map(|p| (p.name, p.version, p.rust)).collect();
        assert_eq!(found, [("a", "1.0.0", Some((1, 89))), ("b", "2.1.0", None)]);
    }
}
