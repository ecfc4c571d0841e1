//! The floors of the house: reads the sources of all members and reports what breaks the plan.
//!
//! Three rules: a member depends only on the members that `floors.toml` allows; the files of a
//! crate form no circle; a member has at most [`LINES_MAX`] production lines. The check never runs
//! the compiler and never changes a file.

mod arrows;
mod circles;
mod members;
mod plan;
mod production;
mod tree;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::arrows::Arrows;
use crate::circles::Circle;
use crate::members::Member;
use crate::plan::Plan;
use crate::tree::Tree;

/// The most production lines that a member may have: without tests, but with comments and blank
/// lines.
pub const LINES_MAX: usize = 6_000;

/// The workspace and its plan, read from disk.
pub struct House {
    members: Vec<Member>,
    plan: Plan,
}

impl House {
    /// Reads the manifests and the plan of the workspace at `root`, but no sources yet.
    ///
    /// # Errors
    ///
    /// When a manifest or the plan is missing or is not valid.
    pub fn open(root: &Path) -> Result<Self> {
        Ok(Self { members: members::read(root)?, plan: Plan::read(root)? })
    }

    /// The members as the workspace lists them.
    pub fn members(&self) -> impl Iterator<Item = &str> {
        self.members.iter().map(|member| member.name.as_str())
    }

    /// All mistakes of the plan and of every member.
    ///
    /// # Errors
    ///
    /// When a source file cannot be read or parsed.
    pub fn mistakes(&self) -> Result<Vec<String>> {
        let mut mistakes = self.plan.mistakes(&self.members);
        for name in self.members() {
            mistakes.extend(self.mistakes_of(name)?);
        }
        Ok(mistakes)
    }

    /// The mistakes of one member: arrows upwards, circles, too many lines.
    ///
    /// # Errors
    ///
    /// When there is no such member, or a source file cannot be read or parsed.
    pub fn mistakes_of(&self, name: &str) -> Result<Vec<String>> {
        let member = self.member(name)?;
        let sources = Sources::read(member)?;
        let mut mistakes = self.plan.arrows_upwards(member);
        mistakes.extend(circles::between(&sources.arrows).iter().map(|it| in_words(name, it)));
        let lines: usize = sources.lines.values().sum();
        if lines > LINES_MAX {
            mistakes.push(format!(
                "{name} has {lines} production lines, at most {LINES_MAX} are allowed: cut it \
                 where two parts know little of each other"
            ));
        }
        Ok(mistakes)
    }

    /// The arrows between the files of one member, one a line; those within a circle begin with a
    /// star.
    ///
    /// # Errors
    ///
    /// When there is no such member, or a source file cannot be read or parsed.
    pub fn arrows_of(&self, name: &str) -> Result<Vec<String>> {
        let arrows = Sources::read(self.member(name)?)?.arrows;
        let circles = circles::between(&arrows);
        let line = |((from, to), items): (&(String, String), &_)| {
            let in_circle =
                circles.iter().any(|it| it.files.contains(from) && it.files.contains(to));
            let mark = if in_circle { '*' } else { ' ' };
            format!("{mark} {from} → {to} ({})", arrows::listed(items))
        };
        Ok(arrows.iter().map(line).collect())
    }

    fn member(&self, name: &str) -> Result<&Member> {
        let found = self.members.iter().find(|member| member.name == name);
        found.with_context(|| format!("the workspace has no member {name}"))
    }
}

/// What is read from the sources of a member.
struct Sources {
    arrows: Arrows,
    /// Production lines a file.
    lines: BTreeMap<PathBuf, usize>,
}

impl Sources {
    /// Reads every crate of the member: library, binaries and build script.
    fn read(member: &Member) -> Result<Self> {
        let mut sources = Self { arrows: Arrows::new(), lines: BTreeMap::new() };
        for root in member.crate_roots()? {
            let tree = Tree::read(&root)?;
            arrows::collect(&tree, &member.folder, &mut sources.arrows);
            sources.lines.extend(tree.files);
        }
        Ok(sources)
    }
}

fn in_words(member: &str, circle: &Circle) -> String {
    let mut way = circle.way[0].from.clone();
    for step in &circle.way {
        way.push_str(&format!(" → {} ({})", step.to, step.items));
    }
    let files: Vec<_> = circle.files.iter().map(String::as_str).collect();
    let rest = if files.len() > circle.way.len() {
        format!("; in circles with these: {}", files.join(", "))
    } else {
        String::new()
    };
    format!("a circle in {member}: {way}{rest}; move what both sides need to a file below both")
}
