//! What importing the package costs, what its stubs say, and what its errors are.
#![allow(clippy::unwrap_used, reason = "a test may")]

mod support;

use std::process::Command;

use support::{other_pythons, package, script, succeeds, system_python};
use tokenkeep_test_support::{NodeModules, Tool, need, node, workspace_root};

/// In the system's Python, and in the oldest and the newest that are here.
fn in_each_python(name: &str) {
    for python in [system_python()].into_iter().chain(other_pythons()) {
        let place = tempfile::tempdir().unwrap();
        let mut command = script(&python, name, place.path());
        command.arg(package().join("tokenkeep/_native.pyi"));
        assert_eq!(succeeds(&mut command).trim(), "done");
    }
}

#[test]
fn an_import_pulls_in_neither_msal_nor_anything_else() {
    in_each_python("imports.py");
}

#[test]
fn the_stub_is_what_the_native_module_has() {
    in_each_python("stubs.py");
}

#[test]
fn the_clauses_of_programs_with_msal_extensions_catch_the_errors() {
    in_each_python("errors.py");
}

#[test]
fn the_types_are_complete_and_right() {
    if !need(Tool::Pyright) {
        return;
    }
    let mut pyright = Command::new(node().expect("it is here"));
    pyright.arg(NodeModules::PYRIGHT.path().join("node_modules/pyright/index.js"));
    pyright.args(["--warnings", "--project"]).arg(workspace_root().join("python"));
    let output = pyright.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("0 errors, 0 warnings"), "{said}");
}
