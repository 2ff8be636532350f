//! `cargo xtask test`: what the tests need, then every test of the workspace.

use tokenkeep_test_support::Tool;

use crate::stage::{self, Failure};
use crate::{everything, tools};

/// The runner's own summary closes the output, so that a script or a user finds the verdict there.
pub(crate) fn run(arguments: &[String]) -> Result<(), Failure> {
    tools::provide(&[
        Tool::SecretService,
        Tool::KWallet,
        Tool::Strace,
        Tool::Debugger,
        Tool::Python,
        Tool::PythonLibsecret,
        Tool::PythonSuites,
        Tool::OidcProvider,
        Tool::DjangoProvider,
        Tool::Redis,
        Tool::Postgres,
        Tool::PgBouncer,
        Tool::Browser,
        Tool::Pyright,
    ])?;
    let mut test = stage::cargo();
    test.args(["test", "--no-fail-fast"]).args(everything::arguments()).args(arguments);
    stage::finish("cargo test", &mut test)
}
