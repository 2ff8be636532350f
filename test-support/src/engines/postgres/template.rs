//! A database cluster right after its creation, which each server gets a copy of.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use super::{hand_over, run, user};
use crate::engines::daemon::{folder, run_as};
use crate::place::{postgres_programs, target_dir};

/// Makes the folder `data` with a new cluster in it.
///
/// To create one takes seconds, so that is done once for a target folder.
pub(super) fn copy(data: &Path) {
    let template = {
        let _one_at_a_time = CREATION.lock().unwrap_or_else(PoisonError::into_inner);
        template()
    };
    run(Command::new("cp").args(["-R", "-p"]).arg(template).arg(data));
}

fn template() -> PathBuf {
    let programs = postgres_programs().expect("PostgreSQL is here");
    let version = Command::new(programs.join("postgres")).arg("--version").output();
    let version = version.map(|output| output.stdout).unwrap_or_default();
    let version = String::from_utf8_lossy(&version).replace(|c: char| !c.is_alphanumeric(), "-");
    let clusters = target_dir().join("test-support/postgres");
    let template = clusters.join(version.trim_end_matches('-'));
    if !template.is_dir() {
        create(&programs, &clusters, &template);
    }
    template
}

fn create(programs: &Path, clusters: &Path, template: &Path) {
    // That user may not write to the target folder.
    let folder = folder();
    hand_over(folder.path());
    let data = folder.path().join("data");
    let mut initdb = run_as(user(), &programs.join("initdb"));
    initdb.args(["--auth=trust", "--username=postgres", "--encoding=UTF8", "--no-locale"]);
    initdb.args(["--no-sync", "--no-instructions", "--wal-segsize=1", "-D"]).arg(&data);
    run(&mut initdb);
    let done = fs::create_dir_all(clusters);
    done.unwrap_or_else(|error| panic!("{}: {error}", clusters.display()));
    let parts = tempfile::tempdir_in(clusters).expect("the folder is ours");
    let copied = parts.path().join("data");
    run(Command::new("cp").args(["-R", "-p"]).arg(&data).arg(&copied));
    // Another process may have made it by now.
    fs::rename(&copied, template).ok();
    assert!(template.is_dir(), "{} cannot be made", template.display());
}

static CREATION: Mutex<()> = Mutex::new(());
