//! The documentation that stands in files says what the program says.

#![expect(clippy::unwrap_used, reason = "a test that can't go on must fail")]

use clap::{Command, CommandFactory};
use pointsman::cli::{Cli, docs};

fn file(name: &str) -> String {
    let path = format!("{}/../docs/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(path).unwrap()
}

#[test]
fn the_committed_description_of_the_api_is_the_one_that_is_served() {
    let served = docs::openapi().unwrap();
    let committed = file("openapi.json");
    let differs = committed.lines().zip(served.lines()).position(|(committed, served)| committed != served);
    assert!(
        committed == served,
        "docs/openapi.json is stale, from line {} on; write it anew with `cargo run -- docs openapi > docs/openapi.json`",
        differs.map_or(0, |line| line + 1)
    );
}

#[test]
fn every_command_and_option_is_in_the_page_on_the_command_line() {
    let page = file("cli.md");
    let mut missing = Vec::new();
    let mut seen = 0;
    visit(&Cli::command(), "pointsman", &mut |name, command| {
        seen += 1;
        let row = page.lines().find(|line| line.starts_with(&format!("| `{name}")));
        if row.is_none() {
            missing.push(name.to_owned());
        }
        for option in command.get_arguments().filter_map(|argument| argument.get_long()) {
            if !["help", "version", "json"].contains(&option) && !page.contains(&format!("--{option}")) {
                missing.push(format!("{name} --{option}"));
            }
        }
    });
    assert!(seen >= 8, "only {seen} commands were found");
    assert_eq!(missing, Vec::<String>::new(), "not in docs/cli.md");
}

/// Calls `look` for every command that does something and is not hidden.
fn visit(command: &Command, name: &str, look: &mut impl FnMut(&str, &Command)) {
    let mut below = command.get_subcommands().filter(|command| !command.is_hide_set()).peekable();
    if below.peek().is_none() {
        look(name, command);
    }
    for command in below {
        visit(command, &format!("{name} {}", command.get_name()), look);
    }
}
