//! `afterclick-report`: the command line around the crate `reporting`. It never computes a figure
//! itself.

use std::process::ExitCode;

mod cli;
mod clock;
mod run;
mod terminal;

fn main() -> ExitCode {
    match cli::parse() {
        Ok(command) => run::run(command),
        Err(status) => status,
    }
}
