//! `docs/run/commands.md`, made from the command line's own description, and the test that compares
//! the two. It is no part of the program.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::PathBuf;

use clap::{Arg, Args as _, Command, CommandFactory as _};
use client::ServerFlags;

use crate::cli::{Cli, Settings};

const HEAD: &str = "\
# Commands of `afterclick`

Every command with its flags, made from the program itself. What the commands mean and rely on:
[docs/api](../api/README.md#commands). Settings, which most commands on the server's machine take:
[operate.md](operate.md#settings).

Exit status: 0 done, 1 failed or refused, 2 wrong usage, 64 bad configuration. Every command has
`--help`.
";

/// Returns the page.
fn page() -> String {
    let (settings, server) = (ids(Settings::augment_args), ids(ServerFlags::augment_args));
    let mut page = HEAD.to_owned();
    for command in Cli::command().get_subcommands() {
        // Writing to a String cannot fail, here and below.
        _ = write!(page, "\n## `{}`\n\n{}\n", command.get_name(), about(command));
        let mut any = false;
        for sub in command.get_subcommands() {
            any = true;
            let name = format!("{} {}", command.get_name(), sub.get_name());
            _ = write!(page, "\n### `{name}`\n\n{}\n", about(sub));
            page.push_str(&flags(sub, &settings, &server));
        }
        if !any {
            page.push_str(&flags(command, &settings, &server));
        }
    }
    page
}

fn about(command: &Command) -> String {
    let about = command.get_about().map(ToString::to_string).unwrap_or_default();
    format!("{}.", about.trim_end_matches('.'))
}

fn ids(augment: fn(Command) -> Command) -> BTreeSet<String> {
    augment(Command::new("")).get_arguments().map(|arg| arg.get_id().to_string()).collect()
}

fn flags(command: &Command, settings: &BTreeSet<String>, server: &BTreeSet<String>) -> String {
    let own = command.get_arguments().map(|arg| arg.get_id().as_str());
    let own: BTreeSet<&str> = own.collect();
    let takes_settings = settings.iter().all(|id| own.contains(id.as_str()));
    let takes_server = !takes_settings && server.iter().all(|id| own.contains(id.as_str()));
    let is_shared = |id: &str| {
        (takes_settings && settings.contains(id)) || (takes_server && server.contains(id))
    };
    let rest = command.get_arguments().filter(|arg| !is_shared(arg.get_id().as_str()));
    let rows: String = rest.filter(|arg| arg.get_id() != "help").map(row).collect();
    let mut text = String::new();
    if !rows.is_empty() {
        _ = write!(text, "\n| | |\n|---|---|\n{rows}");
    }
    if takes_settings {
        text.push_str("\nTakes the [settings](operate.md#settings).\n");
    }
    if takes_server {
        let place = "operate.md#the-command-line-over-http";
        _ = writeln!(
            text,
            "\nTakes `--url`, `--token`, `--token-file`, `--config` ([where it asks]({place}))."
        );
    }
    text
}

fn row(arg: &Arg) -> String {
    let value = arg.get_value_names().and_then(|names| names.first());
    let value = value.filter(|_| arg.get_action().takes_values());
    let value = value.map(ToString::to_string).unwrap_or_default();
    let name = match arg.get_long() {
        None => value,
        Some(long) => format!("--{long} {value}").trim_end().to_owned(),
    };
    let must = if arg.is_required_set() { " **Required.**" } else { "" };
    let help = arg.get_help().map(ToString::to_string).unwrap_or_default().replace('|', "\\|");
    let values = arg.get_possible_values();
    let words: Vec<String> = values.iter().map(|value| format!("`{}`", value.get_name())).collect();
    let is_flag = !arg.get_action().takes_values() || words == ["`true`", "`false`"];
    let words =
        if words.is_empty() || is_flag { String::new() } else { format!(": {}", words.join(", ")) };
    format!("| `{name}` | {}{words}.{must} |\n", help.trim_end_matches('.'))
}

fn path() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/run/commands.md")
}

#[test]
#[ignore = "rewrites docs/run/commands.md: run it when a command has changed"]
fn the_page_of_commands_is_written() {
    std::fs::write(path(), page()).unwrap();
}

#[test]
fn the_page_of_commands_is_what_the_program_says() {
    let held = std::fs::read_to_string(path()).unwrap_or_default();
    let is_same = held == page();
    assert!(
        is_same,
        "docs/run/commands.md is not what the program says; `cargo test -p redirector --bin afterclick \
         the_page_of_commands_is_written -- --ignored` writes it"
    );
}
