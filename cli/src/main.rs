//! The program `tokenkeep`: keeps sign-ins, prints tokens, says what protects them.

mod args;
mod command;
mod descriptor;
mod failure;
mod input;
mod interrupt;
mod key;
mod open;
mod output;
mod provider;

use std::process::ExitCode;

use tokenkeep_platform::{WipingAllocator, wipe};

use self::{args::Misuse, failure::Failure};

/// Wipes freed memory, because a parser leaves copies of tokens on the heap.
#[global_allocator]
static ALLOCATOR: WipingAllocator = WipingAllocator::new();

fn main() -> ExitCode {
    // First, while nothing secret is in memory.
    wipe::refuse_dumps();
    wipe::leave_no_traces(run)
}

fn run() -> ExitCode {
    let arguments = match args::parse() {
        Ok(arguments) => arguments,
        Err(Misuse::Shown(error)) => error.exit(),
        // `note` escapes the text, which may quote control characters from the arguments.
        Err(Misuse::Raw(error)) => {
            output::note(&error.render().to_string());
            return ExitCode::from(2);
        }
    };
    match command::run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        // The reader has what it wanted, so this is no failure.
        Err(failure) if failure.is_broken_pipe() => ExitCode::SUCCESS,
        Err(Failure::Reported(failure)) => ExitCode::from(failure.exit_code()),
        Err(failure) => {
            for line in failure::explain(&failure, &arguments.store) {
                output::note(&line);
            }
            ExitCode::from(failure.exit_code())
        }
    }
}
