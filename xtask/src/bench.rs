//! `cargo xtask bench`: the benchmarks of the libraries and the program, plain programs that print
//! their own rows.

use std::path::Path;
use std::{fs, io};

use tokenkeep_test_support::{Tool, workspace_root};

use crate::stage::{self, Failure};
use crate::tools;

/// Runs the named benchmarks, or every one in the folders of [`PACKAGES`].
pub(crate) fn run(names: &[String]) -> Result<(), Failure> {
    let mut found = Vec::new();
    for &(package, folder) in packages() {
        let programs = programs(&workspace_root().join(folder))
            .map_err(|error| Failure::new(format!("cannot list {folder}: {error}")))?;
        found.extend(programs.into_iter().map(|name| (package, name)));
    }
    if let Some(unknown) = names.iter().find(|name| !found.iter().any(|(_, there)| there == *name))
    {
        let known: Vec<_> = found.into_iter().map(|(_, name)| name).collect();
        return Err(Failure::new(format!(
            "no benchmark {unknown}; there are: {}",
            known.join(", ")
        )));
    }
    found.retain(|(_, name)| names.is_empty() || names.contains(name));
    tools::provide(&[Tool::SecretService, Tool::Python, Tool::PythonLibsecret])?;
    if found.iter().any(|(package, _)| *package == WEB) {
        tools::provide(&[Tool::MsalNode, Tool::Redis, Tool::Postgres])?;
    }
    for &(package, _) in packages() {
        let of_package = found.iter().filter(|(theirs, _)| *theirs == package);
        let mut build = bench(package);
        build.arg("--no-run");
        let mut none = true;
        for (_, name) in of_package {
            build.args(["--bench", name]);
            none = false;
        }
        if !none {
            stage::run(&format!("build {package}"), &mut build)?;
        }
    }
    for (package, name) in &found {
        stage::run(name, bench(package).args(["--bench", name]))?;
    }
    Ok(())
}

/// The packages that have benchmarks, and where. Servers run on Linux, so that of the web cache is
/// the last and is there alone.
fn packages() -> &'static [(&'static str, &'static str)] {
    let all = PACKAGES.as_slice();
    if cfg!(target_os = "linux") { all } else { &all[..all.len() - 1] }
}

const PACKAGES: [(&str, &str); 4] = [
    ("tokenkeep", "benches"),
    ("tokenkeep-cli", "cli/benches"),
    ("tokenkeep-python", "python/benches"),
    (WEB, "web/benches"),
];

const WEB: &str = "tokenkeep-web";

/// The command that runs benchmarks of a package.
pub(crate) fn bench(package: &str) -> std::process::Command {
    let mut bench = stage::cargo();
    bench.args(["bench", "--quiet", "--all-features", "--package", package]);
    bench
}

/// The targets that cargo finds in `folder` by itself: files, and folders with a `main.rs`.
fn programs(folder: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let is_program =
            path.extension().is_some_and(|kind| kind == "rs") || path.join("main.rs").is_file();
        if let Some(name) = path.file_stem().and_then(|stem| stem.to_str()).filter(|_| is_program) {
            names.push(name.to_owned());
        }
    }
    names.sort();
    Ok(names)
}
