//! Names and ids: who is meant by a name, and whose id it is. It asks the server's lists, and
//! guesses nothing: a name that two have is refused with both.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use serde_json::Value;

use crate::api::{Request, Server};
use crate::fields::Named;
use crate::problem::{Refused, printable};

/// How many items a page has at most.
const PAGE: usize = 1000;
/// Up to this many ids are asked for one by one; for more, the list is read.
const SINGLY_MAX: usize = 8;

/// Returns the id that a text means: itself, or that of the only one with exactly this name.
pub(crate) fn id_of(server: &Server, named: Named, text: &str) -> Result<String> {
    let text = text.trim();
    if text.starts_with(named.prefix()) {
        return Ok(text.to_owned());
    }
    let items = pages(server, &[named.path()], &[], usize::MAX)?.items;
    let fits = |item: &&Value| item["name"].as_str() == Some(text);
    let ids: Vec<&str> = items.iter().filter(fits).filter_map(|item| item["id"].as_str()).collect();
    let word = named.word();
    match ids[..] {
        [id] => Ok(id.to_owned()),
        [] => {
            let reason = format!("`{text}` does not exist; `afterclick {word} list` shows all");
            Err(Refused::of(word, reason).into())
        }
        _ => {
            let reason = format!("`{text}` is the name of {}; say which by its id", ids.join(", "));
            Err(Refused::of(word, reason).into())
        }
    }
}

/// The items of a list.
pub(crate) struct Items {
    pub(crate) items: Vec<Value>,
    /// Where it goes on, if it does.
    pub(crate) next: Value,
}

/// Reads a list page by page, up to a number of items.
pub(crate) fn pages(
    server: &Server,
    path: &[&str],
    query: &[(String, String)],
    most: usize,
) -> Result<Items> {
    let mut read = Items { items: Vec::new(), next: Value::Null };
    loop {
        let limit = most.saturating_sub(read.items.len()).clamp(1, PAGE);
        let mut query = query.to_vec();
        query.push(("limit".to_owned(), limit.to_string()));
        if let Some(cursor) = read.next.as_str() {
            query.push(("cursor".to_owned(), cursor.to_owned()));
        }
        let mut page = server.ask(&Request::get(path, query))?.json()?;
        if let Value::Array(items) = page["items"].take() {
            read.items.extend(items);
        }
        read.next = page["next_cursor"].take();
        if read.next.is_null() || read.items.len() >= most {
            return Ok(read);
        }
    }
}

/// The names that stand beside ids. Whoever may not read a list sees ids alone.
#[derive(Default)]
pub(crate) struct Names(BTreeMap<String, String>);

impl Names {
    /// Collects the names of all ids that stand in an answer, and asks for those that it does not
    /// say.
    pub(crate) fn of(server: &Server, answer: &Value) -> Self {
        let mut names = BTreeMap::new();
        for named in Named::ALL {
            let mut found = BTreeMap::new();
            collect(answer, named, &mut found);
            let unknown = found.iter().filter(|(_, name)| name.is_none()).map(|(id, _)| *id);
            names.extend(asked(server, named, &unknown.collect()));
            let known =
                found.iter().filter_map(|(id, name)| Some(((*id).to_owned(), (*name)?.to_owned())));
            names.extend(known);
        }
        Self(names)
    }

    /// Returns an id with its name beside it.
    pub(crate) fn beside(&self, id: &str) -> String {
        self.0.get(id).map_or_else(|| printable(id), |name| format!("{id} {}", printable(name)))
    }
}

/// Collects the ids that fields such as `merchant` hold, with the names that the answer says: in
/// `merchant_name`, or in `name` of a row that has no id of its own.
fn collect<'a>(answer: &'a Value, named: Named, found: &mut BTreeMap<&'a str, Option<&'a str>>) {
    match answer {
        Value::Array(items) => items.iter().for_each(|item| collect(item, named, found)),
        Value::Object(fields) => {
            let text = |name: &str| fields.get(name).and_then(Value::as_str);
            if let Some(id) = text(named.word()).filter(|id| id.starts_with(named.prefix())) {
                let own = text("name").filter(|_| !fields.contains_key("id"));
                let name = text(&format!("{}_name", named.word())).or(own);
                let known = found.entry(id).or_default();
                *known = known.or(name);
            }
            fields.values().for_each(|value| collect(value, named, found));
        }
        _ => {}
    }
}

fn asked(server: &Server, named: Named, ids: &BTreeSet<&str>) -> Vec<(String, String)> {
    let name_of = |item: &Value| Some((item["id"].as_str()?.into(), item["name"].as_str()?.into()));
    if ids.len() > SINGLY_MAX {
        let items = pages(server, &[named.path()], &[], usize::MAX).map(|read| read.items);
        return items.iter().flatten().filter_map(name_of).collect();
    }
    let one = |id: &&str| {
        let answer = server.ask(&Request::get(&[named.path(), id], vec![])).ok()?;
        name_of(&answer.json().ok()?)
    };
    ids.iter().filter_map(one).collect()
}
