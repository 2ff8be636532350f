//! Prints what a shell needs to complete the arguments.

use clap::CommandFactory as _;
use clap_complete::{Shell, generate};

use crate::{args::Arguments, failure::Failure, output};

pub(super) fn run(shell: Shell) -> Result<(), Failure> {
    let mut script = Vec::new();
    generate(shell, &mut Arguments::command(), "tokenkeep", &mut script);
    output::exactly(script.trim_ascii_end())
}
