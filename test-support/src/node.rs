//! Node.js, and what npm installs for the tests, in folders of the target folder.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::environment::folder;
use crate::place::{executable, workspace_root};

/// Packages of Node.js, in the versions of a lock file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeModules {
    /// In the folder of this package.
    source: &'static str,
    name: &'static str,
}

impl NodeModules {
    /// Node.js itself, where the system's own is too old.
    const NODE: Self = Self { source: "providers", name: "node" };

    /// oidc-provider, which ends a sign-in whose refresh token is spent twice.
    pub const OIDC: Self = Self { source: "providers", name: "oidc" };

    /// MSAL for Node.js and its client of Redis, which benchmarks compare with.
    pub const MSAL: Self = Self { source: "peers", name: "msal_node" };

    /// Pyright, which checks the types of the Python package.
    pub const PYRIGHT: Self = Self { source: "peers", name: "pyright" };

    /// The files that `npm ci` reads, in [`source`](Self::source) and copied to
    /// [`path`](Self::path).
    pub const MANIFEST: [&str; 2] = ["package.json", LOCK];

    /// These, and before them Node.js itself, if the system has none that is new enough.
    pub(crate) fn with_node(self) -> Vec<Self> {
        let node = systems_node().is_none().then_some(Self::NODE);
        node.into_iter().chain([self]).collect()
    }

    /// Whether all are there, and a Node.js that runs them.
    pub(crate) fn can_run(self) -> bool {
        node().is_some() && self.is_complete()
    }

    /// The folder of their manifest.
    pub fn source(self) -> PathBuf {
        workspace_root().join("test-support").join(self.source).join(self.name)
    }

    /// The folder that they are installed in, whether it is there or not.
    pub fn path(self) -> PathBuf {
        folder(self.name)
    }

    /// Whether all are there, in their versions.
    pub fn is_complete(self) -> bool {
        let lock = |folder: PathBuf| fs::read(folder.join(LOCK)).ok();
        // npm writes it last.
        let is_finished = self.path().join("node_modules/.package-lock.json").is_file();
        // npm goes on without an optional package that it cannot have.
        let has_program = self != Self::NODE || self.path().join(NODE).is_file();
        is_finished && has_program && lock(self.path()) == lock(self.source())
    }
}

const LOCK: &str = "package-lock.json";

/// Where npm links the program.
const NODE: &str = "node_modules/.bin/node";

/// Node.js in a version that is new enough for the providers, if it is here.
pub fn node() -> Option<PathBuf> {
    let installed = NodeModules::NODE;
    systems_node().or_else(|| installed.is_complete().then(|| installed.path().join(NODE)))
}

/// Whether npm is here. It runs with any Node.js.
pub(crate) fn has_npm() -> bool {
    executable("node").and(executable("npm")).is_some()
}

/// The one of the system, if it is new enough.
fn systems_node() -> Option<PathBuf> {
    let node = executable("node")?;
    let output = Command::new(&node).arg("--version").output().ok()?;
    is_new_enough(&String::from_utf8_lossy(&output.stdout)).then_some(node)
}

fn is_new_enough(version: &str) -> bool {
    let major = version.trim_start_matches('v').split('.').next();
    major.and_then(|major| major.parse::<u32>().ok()).is_some_and(|major| major >= OLDEST_NODE)
}

/// Older ones have no global `crypto`, which oidc-provider uses.
const OLDEST_NODE: u32 = 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_node_of_older_systems_is_too_old() {
        assert!(!is_new_enough("v18.20.4\n") && !is_new_enough("v9.1.0") && !is_new_enough(""));
        assert!(is_new_enough("v20.0.0\n") && is_new_enough("v100.1.2"));
    }

    #[test]
    fn a_lock_file_names_no_registry() {
        for modules in
            [NodeModules::NODE, NodeModules::OIDC, NodeModules::MSAL, NodeModules::PYRIGHT]
        {
            for file in NodeModules::MANIFEST {
                let path = modules.source().join(file);
                let text = fs::read_to_string(&path).unwrap();
                let is_free = !text.contains("\"resolved\"");
                assert!(is_free, "{}: npm ci takes what it is set up for", path.display());
            }
        }
    }
}
