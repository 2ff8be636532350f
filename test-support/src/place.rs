//! Where things are: the workspace, what cargo built, and the programs on this machine.

use std::path::{Path, PathBuf};
use std::{env, fs};

use crate::skip::skip;

/// The folder of the workspace's `Cargo.toml`.
pub fn workspace_root() -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.parent().expect("it is a folder of the workspace").to_owned()
}

/// The folder cargo builds into: of the running executable if cargo built that, else of the
/// workspace.
pub fn target_dir() -> PathBuf {
    if let Some(dir) = env::var_os("CARGO_TARGET_DIR").filter(|dir| !dir.is_empty()) {
        return workspace_root().join(dir);
    }
    let running = env::current_exe().ok();
    let marked = running
        .as_deref()
        .and_then(|exe| exe.ancestors().find(|dir| dir.join(CACHE_TAG).is_file()));
    marked.map_or_else(|| workspace_root().join("target"), Path::to_owned)
}

/// The built example `name` of the workspace.
///
/// `cargo test` builds the examples of a package before its tests run; `cargo test --test x` does
/// not, unless `--examples` is given too.
///
/// # Panics
///
/// When the example is not built; the message has the line that builds it.
pub fn example(name: &str) -> PathBuf {
    let path = profile_dir().join("examples").join(program_file(name));
    assert!(
        path.is_file(),
        "{} is not built; build it with: cargo build --example {name}",
        path.display()
    );
    path
}

/// The built program `name` of any package of the workspace, if it is built.
///
/// `cargo test --workspace` builds them all; `cargo test` in one package only that package's own,
/// whose tests use `env!("CARGO_BIN_EXE_name")` instead. Without it a skip is printed.
///
/// # Panics
///
/// When `CI` is set and the program is not built.
#[track_caller]
pub fn program(name: &str) -> Option<PathBuf> {
    let path = profile_dir().join(program_file(name));
    if path.is_file() {
        return Some(path);
    }
    skip(&format!("the program {name}"), &format!("cargo build --workspace --bin {name}"));
    None
}

pub(crate) fn has_gi() -> bool {
    Path::new("/usr/lib/python3/dist-packages/gi").is_dir()
}

pub(crate) fn has_typelib(name: &str) -> bool {
    let file = format!("girepository-1.0/{name}.typelib");
    folders(Path::new("/usr/lib")).any(|folder| folder.join(&file).is_file())
}

pub(crate) fn folders(path: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    fs::read_dir(path).into_iter().flatten().flatten().map(|entry| entry.path())
}

/// The `strace` on this machine, on Linux.
pub fn strace() -> Option<PathBuf> {
    if cfg!(target_os = "linux") { executable("strace") } else { None }
}

/// The folder of PostgreSQL's programs, of the newest version that is here. Debian keeps most of
/// them out of `PATH`.
pub(crate) fn postgres_programs() -> Option<PathBuf> {
    let version = |folder: &PathBuf| folder.file_name()?.to_str()?.parse::<u32>().ok();
    let debian = folders(Path::new("/usr/lib/postgresql"))
        .filter_map(|folder| Some((version(&folder)?, folder.join("bin"))))
        .filter(|(_, programs)| programs.join("postgres").is_file())
        .max();
    debian.map(|(_, programs)| programs).or_else(|| {
        let initdb = executable("initdb")?;
        executable("postgres").and(initdb.parent().map(Path::to_owned))
    })
}

/// PgBouncer. Debian keeps it where only root's `PATH` leads.
pub(crate) fn pgbouncer() -> Option<PathBuf> {
    let debian = PathBuf::from("/usr/sbin/pgbouncer");
    executable("pgbouncer").or_else(|| debian.is_file().then_some(debian))
}

/// The browser on this machine. Where there is Chrome, the driver is of its version.
pub(crate) fn browser() -> Option<PathBuf> {
    ["google-chrome", "chromium", "chromium-browser"].into_iter().find_map(executable)
}

/// The first program called `name` in the folders of `PATH`.
pub fn executable(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path).map(|dir| dir.join(program_file(name))).find(|file| file.is_file())
}

fn program_file(name: &str) -> String {
    format!("{name}{}", env::consts::EXE_SUFFIX)
}

/// `target/debug` and the like: the running test lies in its `deps`, an example in its `examples`.
fn profile_dir() -> PathBuf {
    let running = env::current_exe().expect("the running program has a path");
    let folder = running.parent().expect("a program lies in a folder");
    let nested = folder.file_name().is_some_and(|name| name == "deps" || name == "examples");
    if nested { folder.parent().expect("deps lies in a profile's folder") } else { folder }
        .to_owned()
}

/// Cargo puts this file into every target folder.
const CACHE_TAG: &str = "CACHEDIR.TAG";
