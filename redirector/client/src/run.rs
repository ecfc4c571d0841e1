//! Runs a command: what was given becomes a request, and the answer is shown. It decides nothing
//! about values.

use std::io::{Read as _, Write as _};

use anyhow::{Context, Result};
use clap::ArgMatches;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Map, Value, json};
use ureq::http::Method;

use crate::api::{Answer, Request, Server};
use crate::arguments::{Asked, flag, json_of};
use crate::fields::{Field, Kind, Place};
use crate::names::{self, Names};
use crate::operation::{Asks, Operation, Shows};
use crate::shown;

/// Runs a command that asks the API, and prints the answer.
///
/// # Errors
/// When the server refuses ([`Refused`](crate::Refused)), does not answer, or a file cannot be
/// read.
pub fn run(asked: &Asked, server: &Server) -> Result<()> {
    let (operation, given) = (&asked.operation, &asked.given);
    let read = Given::read(operation, given, server)?;
    let answer = match operation.asks {
        Asks::Pages => return list(operation, &read, given, server),
        Asks::Get | Asks::File => read.get(server)?,
        Asks::Post => read.send(Method::POST, operation, None, server)?,
        Asks::Patch => read.send(Method::PATCH, operation, None, server)?,
        Asks::Create => {
            let key = given.get_one::<String>("idempotency_key").unwrap_or(&server.key);
            read.send(Method::POST, operation, Some(key), server)?
        }
        Asks::Import { keyed } => import(&read, keyed, given, server)?,
    };
    if answer.is_repeated {
        eprintln!("note: this was done before with the same Idempotency-Key; nothing was added");
    }
    if operation.asks == Asks::File {
        return print(&answer.body);
    }
    if given.get_flag("json") {
        return print_line(&answer.body);
    }
    show(operation, &answer.json()?, server)
}

/// What was given, in its places.
struct Given {
    path: Vec<String>,
    query: Vec<(String, String)>,
    body: Map<String, Value>,
}

impl Given {
    fn read(operation: &Operation, given: &ArgMatches, server: &Server) -> Result<Self> {
        let (mut query, mut body, mut in_path) = (Vec::new(), Map::new(), Map::new());
        for field in &operation.fields {
            let Some(value) = value(field, given, server)? else { continue };
            match field.place {
                Place::Path => _ = in_path.insert(format!("{{{}}}", field.name), value),
                Place::Query => query.push((field.name.to_owned(), text(&value))),
                Place::Body => _ = body.insert(field.name.to_owned(), value),
            }
        }
        let cleared: Vec<String> = many(given, "clear");
        let cleared = operation.clears.iter().filter(|name| cleared.contains(&flag(name)));
        body.extend(cleared.map(|name| ((*name).to_owned(), Value::Null)));
        body.extend(operation.fixed.iter().map(|(name, value)| ((*name).to_owned(), json!(value))));
        let segment = |segment: &str| in_path.get(segment).map_or_else(|| segment.to_owned(), text);
        Ok(Self { path: operation.path.split('/').map(segment).collect(), query, body })
    }

    fn path(&self) -> Vec<&str> {
        self.path.iter().map(String::as_str).collect()
    }

    fn get(&self, server: &Server) -> Result<Answer> {
        server.ask(&Request::get(&self.path(), self.query.clone()))
    }

    fn send(
        &self,
        method: Method,
        operation: &Operation,
        key: Option<&str>,
        server: &Server,
    ) -> Result<Answer> {
        let body = serde_json::to_vec(&self.body)?;
        let takes_body = operation.fields.iter().any(|field| field.place == Place::Body);
        let takes_body = takes_body || !operation.fixed.is_empty();
        let request = Request {
            method,
            body: takes_body.then_some(("application/json", &body[..])),
            key,
            may_repeat: key.is_some(),
            ..Request::get(&self.path(), self.query.clone())
        };
        server.ask(&request)
    }
}

/// Returns what was given for a field, as the API takes it.
fn value(field: &Field, given: &ArgMatches, server: &Server) -> Result<Option<Value>> {
    let name = field.name;
    let of_name = |named, text: &String| names::id_of(server, named, text).map(Value::from);
    Ok(match field.kind {
        Kind::Text | Kind::Secret | Kind::One(_) => {
            given.get_one::<String>(name).map(|text| Value::from(text.as_str()))
        }
        Kind::Number => given.get_one::<u64>(name).map(|number| Value::from(*number)),
        Kind::Flag => given.get_one::<bool>(name).map(|flag| Value::from(*flag)),
        Kind::Json => given.get_one::<Value>(name).cloned(),
        Kind::Commission => {
            let whole = given.get_one::<Value>(&json_of(field));
            given.get_one::<Value>(name).or(whole).cloned()
        }
        Kind::List => given.contains_id(name).then(|| Value::from(many(given, name))),
        Kind::Of(named) => {
            given.get_one::<String>(name).map(|text| of_name(named, text)).transpose()?
        }
        Kind::AllOf(named) if given.contains_id(name) => {
            let ids: Result<Vec<_>> =
                many(given, name).iter().map(|text| of_name(named, text)).collect();
            Some(ids?.into())
        }
        Kind::AllOf(_) => None,
    })
}

/// Returns the texts that were given with commas between them.
fn many(given: &ArgMatches, name: &str) -> Vec<String> {
    let texts = given.try_get_many::<String>(name).ok().flatten().into_iter().flatten();
    texts.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty()).collect()
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Prints a list, page by page, up to `--limit`.
fn list(operation: &Operation, read: &Given, given: &ArgMatches, server: &Server) -> Result<()> {
    let most = given.get_one::<u32>("limit").map_or(usize::MAX, |most| *most as usize);
    let names::Items { items, next } = names::pages(server, &read.path(), &read.query, most)?;
    let has_more = !next.is_null();
    let answer = json!({ "items": items, "next_cursor": next });
    if given.get_flag("json") {
        return print_line(&serde_json::to_vec(&answer)?);
    }
    show(operation, &answer, server)?;
    if has_more {
        eprintln!("note: there are more; --limit shows them");
    }
    Ok(())
}

/// Sends a file, with a bar that counts its bytes.
fn import(read: &Given, keyed: bool, given: &ArgMatches, server: &Server) -> Result<Answer> {
    let file = given.get_one::<String>("file").map_or("-", String::as_str);
    let body = content(file).with_context(|| format!("`{file}`"))?;
    let key = keyed.then(|| given.get_one::<String>("idempotency_key").unwrap_or(&server.key));
    let bar = ProgressBar::new(body.len() as u64);
    let style = ProgressStyle::with_template("sending {bar:40} {bytes}/{total_bytes} {eta}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    let request = Request {
        method: Method::POST,
        body: Some(("text/csv", &body)),
        key: key.map(String::as_str),
        // A row of orders or leads that comes twice is one fact.
        may_repeat: true,
        sent: &|bytes| bar.set_position(bytes),
        ..Request::get(&read.path(), read.query.clone())
    };
    let answer = server.ask(&request);
    bar.finish_and_clear();
    answer
}

fn content(file: &str) -> Result<Vec<u8>> {
    if file != "-" {
        return Ok(std::fs::read(file)?);
    }
    let mut body = Vec::new();
    std::io::stdin().lock().read_to_end(&mut body)?;
    Ok(body)
}

/// Prints an answer as a table, and its remarks to standard error.
fn show(operation: &Operation, answer: &Value, server: &Server) -> Result<()> {
    let text = match operation.shows {
        Shows::Said(text) => format!("{text}\n"),
        Shows::One(first) => shown::one(answer, first, &Names::of(server, answer)),
        Shows::Rows(field, columns) => {
            let rows = answer[field].as_array().map_or(&[][..], Vec::as_slice);
            if rows.is_empty() {
                eprintln!("note: there are none");
            }
            shown::rows(rows, columns, &Names::of(server, answer))
        }
    };
    print(text.as_bytes())?;
    shown::remarks(answer).iter().for_each(|line| eprintln!("{line}"));
    Ok(())
}

fn print_line(body: &[u8]) -> Result<()> {
    print(&[body, b"\n"].concat())
}

/// Writes to standard output. It is no failure when the reader closes it early.
pub(crate) fn print(bytes: &[u8]) -> Result<()> {
    let mut output = std::io::stdout().lock();
    match output.write_all(bytes).and_then(|()| output.flush()) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        written => written.context("standard output"),
    }
}
