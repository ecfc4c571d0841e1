//! Finds changes in the journal, the latest first.
//!
//! It reads the changes twice: first to see which ones are asked for, then for the versions before
//! them. So it holds a few bytes for each change, and the entities of one page.

use std::collections::{HashMap, HashSet};

use answers::Problem;
use journal::Reader;
use serde_json::{Map, Value};
use shared::catalog::{By, Change};
use shared::record::Record;
use shared::stream::StreamKind;
use shared::time::Timestamp;

use super::difference::{Difference, differences, fields};
use crate::context::Console;

/// The most entities of a change that are shown.
const ENTITIES_MAX: usize = 20;

/// Which changes are asked for.
pub(super) struct Wanted {
    pub(super) entity: Option<String>,
    pub(super) by: Option<String>,
    /// Only those before this one.
    pub(super) before: Option<String>,
    pub(super) only: Option<String>,
}

/// A change that was found.
pub(super) struct Found {
    pub(super) id: String,
    pub(super) at: Timestamp,
    pub(super) by: Option<By>,
    pub(super) count: usize,
    pub(super) entities: Vec<FoundEntity>,
}

/// An entity that it changed.
pub(super) struct FoundEntity {
    pub(super) kind: String,
    pub(super) id: String,
    pub(super) is_new: bool,
    pub(super) fields: Vec<Difference>,
}

/// The place of a change: when it was made, and where it stands in the journal.
type Place = (Timestamp, String, u64);

/// The fields of an entity as a change left them.
type Version = (Place, Map<String, Value>);

/// Finds the first `count` changes; `None` where there is no change to begin behind.
///
/// # Errors
/// When the journal cannot be read.
pub(super) fn find(
    console: &Console,
    wanted: &Wanted,
    count: usize,
) -> Result<Option<Vec<Found>>, Problem> {
    let mut places: Vec<Place> = vec![];
    let mut begin = None;
    each(console, &mut |id, place, change| {
        if wanted.before.as_deref() == Some(id) {
            begin = Some(place.clone());
        }
        if wanted.has(id, change) {
            places.push(place.clone());
        }
    })?;
    if wanted.before.is_some() && begin.is_none() {
        return Ok(None);
    }
    if let Some(begin) = begin {
        places.retain(|place| *place < begin);
    }
    places.sort_unstable();
    let page: HashSet<Place> = places.into_iter().rev().take(count).collect();
    let mut found = compare(console, &page)?;
    found.sort_unstable_by(|(one, _), (other, _)| other.cmp(one));
    Ok(Some(found.into_iter().map(|(_, found)| found).collect()))
}

impl Wanted {
    fn has(&self, id: &str, change: &Change) -> bool {
        let by = match change.by {
            Some(By::Person(id)) => Some(id.to_string()),
            Some(By::Token(id)) => Some(id.to_string()),
            _ => None,
        };
        self.only.as_ref().is_none_or(|only| only == id)
            && self.by.as_ref().is_none_or(|wanted| by.as_ref() == Some(wanted))
            && self.entity.as_ref().is_none_or(|wanted| {
                change.entities.iter().any(|entity| fields(entity).1 == *wanted)
            })
    }
}

/// Returns the changes at some places, each compared with what was before.
fn compare(console: &Console, page: &HashSet<Place>) -> Result<Vec<(Place, Found)>, Problem> {
    let mut ids = HashSet::new();
    each(console, &mut |_, place, change| {
        if page.contains(place) {
            ids.extend(
                change.entities.iter().take(ENTITIES_MAX).map(|entity| key(&fields(entity))),
            );
        }
    })?;
    let mut versions: HashMap<String, Vec<Version>> = HashMap::new();
    let mut chosen = vec![];
    each(console, &mut |id, place, change| {
        let change = console.live.opened(change);
        for entity in &change.entities {
            let (kind, of, fields) = fields(entity);
            let key = key(&(kind, of, Map::new()));
            if ids.contains(&key) {
                versions.entry(key).or_default().push((place.clone(), fields));
            }
        }
        if page.contains(place) {
            chosen.push((id.to_owned(), place.clone(), change));
        }
    })?;
    let found = chosen.into_iter().map(|(id, place, change)| {
        let entities = change.entities.iter().take(ENTITIES_MAX);
        let entities = entities.map(|entity| {
            let (kind, of, after) = fields(entity);
            let all = versions.get(&key(&(kind.clone(), of.clone(), Map::new())));
            let earlier = all.into_iter().flatten().filter(|(at, _)| *at < place);
            let before = earlier.max_by(|(one, _), (other, _)| one.cmp(other));
            let before = before.map(|(_, fields)| fields);
            FoundEntity {
                kind,
                id: of,
                is_new: before.is_none(),
                fields: differences(before.unwrap_or(&Map::new()), &after),
            }
        });
        let entities = entities.collect();
        let (at, by, count) = (change.at, change.by, change.entities.len());
        (place, Found { id, at, by, count, entities })
    });
    Ok(found.collect())
}

/// Returns what tells entities apart: an archive has the id of what is archived.
fn key((kind, id, _): &(String, String, Map<String, Value>)) -> String {
    format!("{kind} {id}")
}

/// Calls `each` for every change in the journal, with its name and its place. Secrets are sealed.
fn each(console: &Console, each: &mut dyn FnMut(&str, &Place, &Change)) -> Result<(), Problem> {
    let unreadable = |error: anyhow::Error| Problem::internal(&error);
    let streams = journal::streams(&console.journal_dir).map_err(|e| unreadable(e.into()))?;
    for stream in streams {
        if StreamKind::of(stream.as_str()) != Some(StreamKind::Catalog) {
            continue;
        }
        let mut reader = Reader::open(&console.journal_dir, &stream, 0)
            .map_err(|error| unreadable(error.into()))?;
        while let Some(record) = reader.next().map_err(|error| unreadable(error.into()))? {
            let decoded = Record::decode(record.payload);
            if let Record::Catalog(change) = decoded.map_err(|error| unreadable(error.into()))? {
                let id = format!("{stream}.{}", record.seq);
                each(&id, &(change.at, stream.as_str().to_owned(), record.seq), &change);
            }
        }
    }
    Ok(())
}
