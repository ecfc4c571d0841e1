//! The plan of the house, `dev/floors/floors.toml`: which member may depend on which.

use std::path::Path;

use anyhow::{Context as _, Result};
use toml::Value;

use crate::members::{self, Member};

const FILE: &str = "dev/floors/floors.toml";

/// The floors from the ground up.
pub(crate) struct Plan {
    floors: Vec<Floor>,
}

struct Floor {
    name: String,
    uses: Vec<String>,
    in_tests: Vec<String>,
}

impl Plan {
    pub(crate) fn read(root: &Path) -> Result<Self> {
        let table = members::table(&root.join(FILE))?;
        let entries = table.get("member").and_then(Value::as_array);
        let entries = entries.with_context(|| format!("{FILE} lists no [[member]]"))?;
        let floors = entries.iter().map(Floor::read).collect::<Result<_>>()?;
        Ok(Self { floors })
    }

    /// Where the plan and the workspace differ, and where the plan contradicts itself.
    pub(crate) fn mistakes(&self, members: &[Member]) -> Vec<String> {
        let mut mistakes = Vec::new();
        for member in members.iter().filter(|it| self.height(&it.name).is_none()) {
            mistakes.push(format!("{} is missing in {FILE}: add an entry", member.name));
        }
        for (height, floor) in self.floors.iter().enumerate() {
            let name = &floor.name;
            if !members.iter().any(|member| member.name == *name) {
                mistakes.push(format!("{FILE} lists {name}, which is no member: remove the entry"));
            }
            for used in floor.uses.iter().chain(&floor.in_tests) {
                if self.height(used).is_none_or(|used_height| used_height >= height) {
                    mistakes.push(format!(
                        "{FILE} lets {name} use {used}, which does not stand below it: list it \
                         before {name}"
                    ));
                }
            }
        }
        mistakes
    }

    /// The dependencies of a member that the plan does not allow.
    pub(crate) fn arrows_upwards(&self, member: &Member) -> Vec<String> {
        let Some(height) = self.height(&member.name) else { return Vec::new() };
        let floor = &self.floors[height];
        let normal = member.uses.iter().filter(|used| !floor.uses.contains(used));
        let in_tests = member
            .uses_in_tests
            .iter()
            .filter(|used| !floor.uses.contains(used) && !floor.in_tests.contains(used));
        let message = |used: &String, how: &str| {
            let is_above = self.height(used).is_none_or(|used_height| used_height > height);
            let place = if is_above { "above it" } else { "behind a wall" };
            format!(
                "{} depends{how} on {used}, which stands {place}: move what it needs to a member \
                 that both may use, or change the plan in {FILE}",
                member.name
            )
        };
        let normal = normal.map(|used| message(used, ""));
        normal.chain(in_tests.map(|used| message(used, " in its tests"))).collect()
    }

    fn height(&self, name: &str) -> Option<usize> {
        self.floors.iter().position(|floor| floor.name == name)
    }
}

impl Floor {
    fn read(entry: &Value) -> Result<Self> {
        let name = entry.get("name").and_then(Value::as_str);
        let name = name.with_context(|| format!("a [[member]] in {FILE} has no name"))?;
        Ok(Self {
            name: name.to_owned(),
            uses: members::strings(entry.get("uses")),
            in_tests: members::strings(entry.get("in_tests")),
        })
    }
}
