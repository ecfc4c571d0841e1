//! The commands as clap reads them, made from the table of operations. It asks nobody; what is
//! wrong here is wrong usage.

use std::path::Path;

use clap::builder::{PossibleValuesParser, ValueParser};
use clap::{Arg, ArgAction, ArgGroup, ArgMatches, Args, Command, FromArgMatches, Subcommand};
use serde_json::Value;

use crate::commission;
use crate::fields::{Field, Kind, Place};
use crate::operation::{Asks, Operation};
use crate::operations::groups;

/// Where the server is, and who asks it. A flag wins over the environment, the environment over the
/// configuration file.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Server")]
pub struct ServerFlags {
    /// Address of the admin listener [default: that of the settings].
    #[arg(long, value_name = "URL", env = "AFTERCLICK_URL")]
    pub url: Option<String>,
    /// Access token [default: the first admin token of the settings]. Other users of the machine
    /// see flags: better set the variable, or name a file.
    #[arg(long, value_name = "TOKEN", env = "AFTERCLICK_TOKEN", hide_env_values = true)]
    pub token: Option<String>,
    /// File with the access token.
    #[arg(long, value_name = "FILE", env = "AFTERCLICK_TOKEN_FILE")]
    pub token_file: Option<String>,
    /// Configuration file (TOML).
    #[arg(long, value_name = "FILE", env = "AFTERCLICK_CONFIG")]
    pub config: Option<String>,
}

/// A command that asks the API: the operation, and what was given for it.
#[derive(Debug, Clone)]
pub struct Asked {
    /// Where the server is.
    pub server: ServerFlags,
    pub(crate) operation: Operation,
    pub(crate) given: ArgMatches,
}

impl Subcommand for Asked {
    fn augment_subcommands(command: Command) -> Command {
        groups().into_iter().fold(command, |command, group| {
            let (word, about) = (group.word, group.about);
            let mut operations = group.operations;
            command.subcommand(match &operations[..] {
                [only] if only.verb.is_empty() => {
                    arguments(Command::new(word), &operations.remove(0))
                }
                _ => Command::new(word)
                    .about(about)
                    .subcommand_required(true)
                    .arg_required_else_help(true)
                    .subcommands(operations.iter().map(|it| arguments(Command::new(it.verb), it))),
            })
        })
    }

    fn augment_subcommands_for_update(command: Command) -> Command {
        Self::augment_subcommands(command)
    }

    fn has_subcommand(name: &str) -> bool {
        groups().iter().any(|group| group.word == name)
    }
}

impl FromArgMatches for Asked {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let missing = || clap::Error::new(clap::error::ErrorKind::MissingSubcommand);
        let (word, of_word) = matches.subcommand().ok_or_else(missing)?;
        let group = groups().into_iter().find(|group| group.word == word).ok_or_else(missing)?;
        let (verb, given) = of_word.subcommand().unwrap_or(("", of_word));
        let operation = group.operations.into_iter().find(|it| it.verb == verb);
        Ok(Self {
            server: ServerFlags::from_arg_matches(given)?,
            operation: operation.ok_or_else(missing)?,
            given: given.clone(),
        })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

/// Adds the arguments of an operation to its command.
fn arguments(command: Command, operation: &Operation) -> Command {
    let mut command = command;
    for field in &operation.fields {
        command = command.args(of_field(field));
    }
    if operation.asks == Asks::Patch && operation.fixed.is_empty() {
        command = change(command, operation);
    }
    if operation.asks == Asks::Pages {
        let limit = Arg::new("limit").long("limit").value_name("N").default_value("1000");
        let limit = limit.value_parser(clap::value_parser!(u32).range(1..));
        command = command.arg(limit.help("The most that are listed"));
    }
    if matches!(operation.asks, Asks::Import { .. }) {
        let help = "The CSV file; - for standard input";
        command = command.arg(Arg::new("file").value_name("FILE").required(true).help(help));
    }
    if matches!(operation.asks, Asks::Create | Asks::Import { keyed: true }) {
        let help = "A name for this request: sent again with it, nothing is added twice";
        let key = Arg::new("idempotency_key").long("idempotency-key").value_name("KEY");
        command = command.arg(key.help(help));
    }
    if operation.asks != Asks::File {
        let json = Arg::new("json").long("json").action(ArgAction::SetTrue);
        command = command.arg(json.help("Print the API's answer as it is"));
    }
    // The description of the flags is none of the command.
    ServerFlags::augment_args(command).about(operation.about.clone()).long_about(None)
}

/// A change needs something to change, and may clear some fields.
fn change(command: Command, operation: &Operation) -> Command {
    let body = operation.fields.iter().filter(|field| field.place == Place::Body);
    let mut names: Vec<String> = body.clone().map(|field| field.name.to_owned()).collect();
    names.extend(body.filter(|field| field.kind == Kind::Commission).map(json_of));
    let mut command = command;
    if !operation.clears.is_empty() {
        let flags = operation.clears.iter().map(|name| flag(name));
        let clear = Arg::new("clear").long("clear").value_name("FIELDS").value_delimiter(',');
        let clear = clear.value_parser(PossibleValuesParser::new(flags));
        command = command.arg(clear.help("What to clear, comma-separated"));
        names.push("clear".to_owned());
    }
    command.group(ArgGroup::new("changes").args(names).required(true).multiple(true))
}

/// Returns the argument of a field; two where it has a short form and JSON.
fn of_field(field: &Field) -> Vec<Arg> {
    let mut arg = Arg::new(field.name).help(field.help).value_name(value_name(field));
    if field.place == Place::Path {
        return vec![arg.required(true)];
    }
    arg = arg.long(flag(field.name)).required(field.required);
    match field.kind {
        Kind::Text | Kind::Of(_) => vec![arg],
        Kind::Secret => vec![arg.value_parser(ValueParser::from(content))],
        Kind::List | Kind::AllOf(_) => vec![arg.value_delimiter(',')],
        Kind::Number => vec![arg.value_parser(clap::value_parser!(u64))],
        Kind::Flag => {
            let arg = arg.num_args(0..=1).require_equals(true).default_missing_value("true");
            vec![arg.value_parser(clap::value_parser!(bool))]
        }
        Kind::Json => vec![arg.value_parser(ValueParser::from(json))],
        Kind::One(words) => vec![arg.value_parser(PossibleValuesParser::new(words))],
        Kind::Commission => with_json(arg, field),
    }
}

fn with_json(arg: Arg, field: &Field) -> Vec<Arg> {
    let long = json_of(field);
    let short = arg.required(false).value_parser(ValueParser::from(commission::read));
    let whole = Arg::new(long.clone()).long(flag(&long)).value_name("JSON");
    let whole = whole
        .help("The same as JSON or @FILE: a rule, or a list of rules")
        .value_parser(ValueParser::from(json))
        .conflicts_with(field.name);
    if field.required {
        vec![short.required_unless_present(long), whole]
    } else {
        vec![short, whole]
    }
}

/// Returns the name of the argument that takes a field's JSON.
pub(crate) fn json_of(field: &Field) -> String {
    format!("{}_json", field.name)
}

/// Returns the flag of a field.
pub(crate) fn flag(name: &str) -> String {
    name.replace('_', "-")
}

fn value_name(field: &Field) -> String {
    match field.kind {
        Kind::Number => "N".to_owned(),
        Kind::Json => "JSON".to_owned(),
        Kind::Commission => "TERMS".to_owned(),
        Kind::List => "LIST".to_owned(),
        Kind::Of(named) if field.name != named.word() => "ID".to_owned(),
        Kind::Text if field.name.ends_with("_at") || field.name.ends_with("_from") => {
            "TIME".to_owned()
        }
        _ => field.name.to_uppercase(),
    }
}

/// Reads JSON, or the JSON in a file.
fn json(text: &str) -> Result<Value, String> {
    serde_json::from_str(&content(text)?)
        .map_err(|error| format!("expected JSON, or @FILE with JSON: {error}"))
}

/// Returns a text, or what stands in the file that it names with an `@`.
fn content(text: &str) -> Result<String, String> {
    let Some(path) = text.strip_prefix('@') else { return Ok(text.to_owned()) };
    let read = std::fs::read_to_string(Path::new(path));
    read.map(|text| text.trim().to_owned()).map_err(|error| format!("{path}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The resources of docs/api/README.md with their fields, in its order.
    fn documented() -> Vec<(String, Vec<(String, bool)>)> {
        let page = include_str!("../../../docs/api/README.md");
        let table = page.split("| resource | fields |").nth(1).unwrap();
        let table = table.split("\n\n").next().unwrap();
        let rows = table.lines().filter(|line| line.starts_with("| `"));
        let read = |row: &str| {
            let (resource, fields) = row.trim_matches(['|', ' ']).split_once(" | ").unwrap();
            (resource.trim_matches('`').to_owned(), fields_of(fields))
        };
        rows.map(read).collect()
    }

    /// Reads "`name`, `email`? (…), one of `a`, `b`", leaving out what stands in brackets.
    fn fields_of(text: &str) -> Vec<(String, bool)> {
        let (mut depth, mut plain) = (0, String::new());
        for letter in text.chars() {
            depth +=
                i32::from(matches!(letter, '(' | '{')) - i32::from(matches!(letter, ')' | '}'));
            if depth == 0 {
                plain.push(letter);
            }
        }
        let parts: Vec<&str> = plain.split('`').collect();
        let name = |at: usize| (parts[at].to_owned(), parts[at + 1].starts_with('?'));
        (1..parts.len()).step_by(2).map(name).collect()
    }

    #[test]
    fn the_table_has_the_fields_that_the_documentation_names() {
        let documented = documented();
        for of in crate::resources::RESOURCES {
            let (_, expected) = documented.iter().find(|(path, _)| path == of.path).unwrap();
            let fields = of.fields.iter().filter(|(_, _, when, _)| when.on_creation());
            for (name, _, when, _) in fields.clone() {
                if (of.path, *name) == ("holds", "merchant") {
                    continue; // It stands there in brackets, beside `order`.
                }
                let known = expected.iter().find(|(expected, _)| expected == name);
                let (_, is_optional) = known.unwrap_or_else(|| panic!("{}: {name}", of.path));
                // Of these, one of several is needed, which the documentation says in words.
                if !["holds", "bookings"].contains(&of.path) {
                    assert_eq!(when.is_required(), !is_optional, "{}: {name}", of.path);
                }
            }
            for (name, _) in expected {
                assert!(fields.clone().any(|(known, ..)| known == name), "{}: {name}", of.path);
            }
        }
    }

    #[test]
    fn every_command_can_be_parsed_and_has_help_for_everything() {
        let all = Asked::augment_subcommands(Command::new("afterclick"));
        all.clone().debug_assert();
        let mut left = vec![all];
        while let Some(command) = left.pop() {
            for arg in command.get_arguments() {
                assert!(arg.get_help().is_some(), "{}: {}", command.get_name(), arg.get_id());
            }
            for sub in command.get_subcommands() {
                assert!(sub.get_about().is_some(), "{}", sub.get_name());
                left.push(sub.clone());
            }
        }
    }
}
