//! `cargo xtask test`: what the tests need, then every test of the workspace.

use tokenkeep_lab::Tool;

use crate::stage::{self, Failure};
use crate::tools;

/// Without `arguments`, what needs a feature comes first. The runner's own summary closes the output, so that a script or a person finds the verdict there.
pub(crate) fn run(arguments: &[String]) -> Result<(), Failure> {
    tools::provide(&[
        Tool::SecretService,
        Tool::KWallet,
        Tool::Strace,
        Tool::Debugger,
        Tool::Python,
        Tool::PythonLibsecret,
    ])?;
    if arguments.is_empty() {
        let with_twins = || {
            let mut test = stage::cargo();
            test.args(["test", "--workspace", "--features", "tokenkeep/tokio"]);
            test
        };
        let mut twins = with_twins();
        twins.args(["--test", "twins", "--test", "vault_in_tokio"]);
        stage::finish("cargo test with the feature tokio", &mut twins)?;
        stage::finish("its documentation", with_twins().arg("--doc"))?;
    }
    stage::finish("cargo test", stage::cargo().args(["test", "--workspace"]).args(arguments))
}
