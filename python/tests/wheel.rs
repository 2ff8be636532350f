//! A wheel that cargo and Python alone make is installed by pip and works.
#![allow(clippy::unwrap_used, reason = "a test may")]

mod support;

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
};

use support::{succeeds, system_python};
use tokenkeep_test_support::{Tool, native_library, need, workspace_root};

fn dist(script: &str) -> Command {
    let mut command = Command::new(system_python());
    command.arg("-B").arg(workspace_root().join("python/dist").join(script));
    command
}

/// What a program of Python says about a file.
fn python(code: &str, file: &Path) -> String {
    succeeds(Command::new(system_python()).args(["-c", code]).arg(file))
}

#[test]
fn a_wheel_is_installed_and_has_what_its_record_says() {
    if !need(Tool::Python) {
        return;
    }
    let place = tempfile::tempdir().unwrap();
    let test = env::current_exe().unwrap();
    let library = native_library(test.parent().unwrap());
    let said = succeeds(dist("wheel.py").arg(library).arg(place.path()));
    let wheel = PathBuf::from(said.trim());
    let name = wheel.file_name().unwrap().to_str().unwrap();
    let version = env!("CARGO_PKG_VERSION");
    assert!(name.starts_with(&format!("tokenkeep-{version}-cp39-abi3-")), "{name}");

    // Every file is in the record with its hash and size, and none else is.
    let checked = python(
        "import base64, csv, hashlib, io, sys, zipfile\n\
         with zipfile.ZipFile(sys.argv[1]) as wheel:\n    \
             record = [name for name in wheel.namelist() if name.endswith('/RECORD')]\n    \
             rows = list(csv.reader(io.StringIO(wheel.read(record[0]).decode())))\n    \
             assert [row[0] for row in rows] == wheel.namelist(), rows\n    \
             for name, digest, size in rows[:-1]:\n        \
                 content = wheel.read(name)\n        \
                 hashed = hashlib.sha256(content).digest()\n        \
                 made = base64.urlsafe_b64encode(hashed).decode()\n        \
                 assert digest == 'sha256=' + made.rstrip('='), name\n        \
                 assert int(size) == len(content), name\n\
         print('checked')",
        &wheel,
    );
    assert_eq!(checked.trim(), "checked");

    let venv = place.path().join("venv");
    succeeds(Command::new(system_python()).args(["-m", "venv"]).arg(&venv));
    let inside = venv.join("bin/python");
    let pip = ["-m", "pip", "install", "--quiet", "--no-index", "--disable-pip-version-check"];
    let mut install = Command::new(&inside);
    succeeds(install.args(pip).env("PIP_ROOT_USER_ACTION", "ignore").arg(&wheel));
    let mut show = Command::new(&inside);
    let shown = succeeds(show.args(["-m", "pip", "show", "-f", "tokenkeep"]));
    for part in ["Version: ", "Requires: \n", "py.typed", "_native.abi3.so", "LICENSE-MIT"] {
        assert!(shown.contains(part), "{shown}");
    }
    let program = workspace_root().join("python/tests/programs/native.py");
    let folder = tempfile::tempdir().unwrap();
    let mut run = Command::new(&inside);
    run.args(["-X", "dev", "-W", "error", "-B"]).arg(program).arg(folder.path());
    assert_eq!(succeeds(run.env("HOME", folder.path())).trim(), "done");
}

#[test]
fn an_sdist_has_the_workspace_and_a_manifest_at_its_root() {
    let place = tempfile::tempdir().unwrap();
    let said = succeeds(dist("sdist.py").arg(place.path()));
    let listed = python(
        "import sys, tarfile, tomllib\n\
         with tarfile.open(sys.argv[1]) as sdist:\n    \
             begin = sdist.getnames()[0].split('/')[0]\n    \
             names = {name.split('/', 1)[1] for name in sdist.getnames()}\n    \
             manifest = sdist.extractfile(begin + '/pyproject.toml').read()\n\
         project = tomllib.loads(manifest.decode())\n\
         maturin = project['tool']['maturin']\n\
         assert maturin['manifest-path'] in names, names\n\
         assert maturin['python-source'] + '/tokenkeep/__init__.py' in names, names\n\
         assert project['project']['readme'] in names\n\
         assert set(project['project']['license-files']) <= names\n\
         assert {'Cargo.toml', 'Cargo.lock', 'src/lib.rs', 'PKG-INFO'} <= names\n\
         print('checked')",
        Path::new(said.trim()),
    );
    assert_eq!(listed.trim(), "checked");
}
