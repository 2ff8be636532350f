//! `cargo xtask bench`: the benchmarks of the library, plain programs that print their own rows.

use std::path::Path;
use std::{fs, io};

use tokenkeep_lab::workspace_root;

use crate::stage::{self, Failure};

/// Runs the named benchmarks, or every one in `benches/`.
pub(crate) fn run(names: &[String]) -> Result<(), Failure> {
    let found = programs(&workspace_root().join("benches"))
        .map_err(|error| Failure::new(format!("cannot list benches/: {error}")))?;
    if let Some(unknown) = names.iter().find(|name| !found.contains(name)) {
        return Err(Failure::new(format!(
            "no benchmark {unknown}; there are: {}",
            found.join(", ")
        )));
    }
    let chosen = if names.is_empty() { &found } else { names };
    if chosen.is_empty() {
        return Err(Failure::new("benches/ has no benchmark"));
    }
    let mut build = stage::cargo();
    build.args(["bench", "--quiet", "--package", "tokenkeep", "--no-run"]);
    for name in chosen {
        build.args(["--bench", name]);
    }
    stage::run("build", &mut build)?;
    for name in chosen {
        let mut bench = stage::cargo();
        stage::run(
            name,
            bench.args(["bench", "--quiet", "--package", "tokenkeep", "--bench", name]),
        )?;
    }
    Ok(())
}

/// The targets that cargo finds in `folder` by itself: files, and folders with a `main.rs`.
fn programs(folder: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    if !folder.is_dir() {
        return Ok(names);
    }
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
