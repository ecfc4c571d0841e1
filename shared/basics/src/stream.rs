//! The journal's streams: three kinds, and how their names are spelled.
//!
//! A name is `kind-node` or `kind-node-part`: `facts-0c1m8y5v`, `edge-0c1m8y5v-3`. The node's name
//! keeps the streams of several nodes apart, the part keeps apart the writers of one node.

use std::fmt::Display;

/// A kind of stream. Each kind holds records of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StreamKind {
    /// Clicks, one stream for each worker of the edge.
    Edge,
    /// Events, order facts and deliveries that could not be read.
    Facts,
    /// Changes of the catalog.
    Catalog,
}

impl StreamKind {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::Edge, Self::Facts, Self::Catalog];

    /// Returns the first part of the names of this kind, without a dash.
    pub const fn prefix(self) -> &'static str {
        match self {
            Self::Edge => "edge",
            Self::Facts => "facts",
            Self::Catalog => "catalog",
        }
    }

    /// Returns the kind of the stream with this name, or `None` for a name of no kind.
    pub fn of(name: &str) -> Option<Self> {
        let first = name.split('-').next();
        Self::ALL.into_iter().find(|kind| first == Some(kind.prefix()))
    }

    /// Returns the name of a node's only stream of this kind: `facts-0c1m8y5v`.
    pub fn name(self, node: &str) -> String {
        format!("{}-{node}", self.prefix())
    }

    /// Returns the name of one stream among several of a node: `edge-0c1m8y5v-3` for core 3,
    /// `catalog-0c1m8y5v-cli` for the command line.
    pub fn part_name(self, node: &str, part: impl Display) -> String {
        format!("{}-{node}-{part}", self.prefix())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_spelled_by_kind_node_and_part() {
        assert_eq!(StreamKind::Facts.name("0c1m8y5v"), "facts-0c1m8y5v");
        assert_eq!(StreamKind::Catalog.name("0c1m8y5v"), "catalog-0c1m8y5v");
        assert_eq!(StreamKind::Edge.part_name("0c1m8y5v", 3), "edge-0c1m8y5v-3");
        assert_eq!(StreamKind::Catalog.part_name("0c1m8y5v", "cli"), "catalog-0c1m8y5v-cli");
    }

    #[test]
    fn every_name_leads_back_to_its_kind() {
        for kind in StreamKind::ALL {
            for name in [kind.name("0c1m8y5v"), kind.part_name("0c1m8y5v", 3)] {
                assert_eq!(StreamKind::of(&name), Some(kind), "{name}");
            }
            assert_eq!(StreamKind::of(kind.prefix()), Some(kind), "a name without a node");
        }
    }

    #[test]
    fn other_names_have_no_kind() {
        for name in ["", "-edge", "edges-0c1m8y5v", "core-0", "Facts-0c1m8y5v"] {
            assert_eq!(StreamKind::of(name), None, "{name}");
        }
    }
}
