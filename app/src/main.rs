//! The binary `pointsman`: hands the command line and the environment over.

use pointsman::cli;
use std::process::ExitCode;

#[expect(clippy::disallowed_methods, reason = "this is where the environment comes in, once")]
fn main() -> ExitCode {
    cli::main(std::env::args_os(), std::env::vars_os().collect())
}
