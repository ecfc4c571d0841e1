//! Finds circles of files: files that all reach each other over arrows.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::arrows::{Arrows, listed};

/// Files that all reach each other.
pub(crate) struct Circle {
    pub(crate) files: BTreeSet<String>,
    /// A shortest way round, which need not touch every file.
    pub(crate) way: Vec<Step>,
}

/// One arrow of a way.
pub(crate) struct Step {
    pub(crate) from: String,
    pub(crate) to: String,
    pub(crate) items: String,
}

/// The circles that the arrows form; each file is in one at most.
pub(crate) fn between(arrows: &Arrows) -> Vec<Circle> {
    let mut circles: Vec<Circle> = Vec::new();
    let files: BTreeSet<_> = arrows.keys().map(|(from, _)| from.as_str()).collect();
    for file in files {
        let known = circles.iter().any(|circle| circle.files.contains(file));
        if known || way_round(file, arrows).is_none() {
            continue;
        }
        let reached = reached_from(file, arrows);
        let returns = |it: &&str| reached_from(it, arrows).contains_key(file);
        let files: BTreeSet<_> = reached.keys().copied().filter(returns).collect();
        let ways = files.iter().filter_map(|it| way_round(it, arrows));
        if let Some(way) = ways.min_by_key(Vec::len) {
            let files = files.into_iter().map(str::to_owned).collect();
            circles.push(Circle { files, way });
        }
    }
    circles
}

/// A shortest way from a file back to itself.
fn way_round(file: &str, arrows: &Arrows) -> Option<Vec<Step>> {
    let came_from = reached_from(file, arrows);
    let mut way = Vec::new();
    let mut to = file;
    loop {
        let from = *came_from.get(to)?;
        let items = &arrows[&(from.to_owned(), to.to_owned())];
        way.push(Step { from: from.to_owned(), to: to.to_owned(), items: listed(items) });
        if from == file {
            way.reverse();
            return Some(way);
        }
        to = from;
    }
}

/// All files that are reached from `file`, each with the file before it on a shortest way. The
/// file itself is among them only when a way leads back to it.
fn reached_from<'a>(file: &'a str, arrows: &'a Arrows) -> BTreeMap<&'a str, &'a str> {
    let mut came_from = BTreeMap::new();
    let mut queue = VecDeque::from([file]);
    while let Some(here) = queue.pop_front() {
        for (from, to) in arrows.keys().filter(|(from, _)| from == here) {
            if !came_from.contains_key(to.as_str()) {
                came_from.insert(to.as_str(), from.as_str());
                queue.push_back(to);
            }
        }
    }
    came_from
}
