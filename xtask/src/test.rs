//! `cargo xtask test`: what the tests need, then every test of the workspace.

use tokenkeep_lab::Tool;

use crate::stage::{self, Failure};
use crate::tools;

/// The runner's own summary closes the output, so that a script or a person finds the verdict there.
pub(crate) fn run(arguments: &[String]) -> Result<(), Failure> {
    tools::provide(&[Tool::SecretService, Tool::KWallet, Tool::Strace, Tool::Python])?;
    stage::finish("cargo test", stage::cargo().args(["test", "--workspace"]).args(arguments))
}
