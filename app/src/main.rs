//! The binary `pointsman`: hands the command line and the environment over.

use mimalloc::MiMalloc;
use pointsman::cli;
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

#[expect(clippy::disallowed_methods, reason = "this is where the environment comes in, once")]
fn main() -> ExitCode {
    cli::main(std::env::args_os(), std::env::vars_os().collect())
}
