//! The members of the workspace and what their manifests say. Only dependencies on other members
//! are of interest here.

use std::fs;
use std::path::{Component, Path, PathBuf};

use anyhow::{Context as _, Result};
use toml::{Table, Value};

/// A member of the workspace, named after its folder.
pub(crate) struct Member {
    pub(crate) name: String,
    pub(crate) folder: PathBuf,
    /// Members it depends on, in builds and at run time.
    pub(crate) uses: Vec<String>,
    /// Members its tests, examples and benches depend on.
    pub(crate) uses_in_tests: Vec<String>,
    manifest: Table,
}

/// Reads the manifests of all members of the workspace at `root`.
pub(crate) fn read(root: &Path) -> Result<Vec<Member>> {
    let manifest = table(&root.join("Cargo.toml"))?;
    let workspace = manifest.get("workspace").context("the root Cargo.toml has no [workspace]")?;
    let own = workspace.get("dependencies").and_then(Value::as_table).cloned().unwrap_or_default();
    strings(workspace.get("members")).iter().map(|name| Member::read(root, name, &own)).collect()
}

/// Reads a TOML file.
pub(crate) fn table(path: &Path) -> Result<Table> {
    let text = fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
    text.parse().with_context(|| format!("parsing {}", path.display()))
}

/// The strings of an array; none when the array is missing.
pub(crate) fn strings(array: Option<&Value>) -> Vec<String> {
    let values = array.and_then(Value::as_array).into_iter().flatten();
    values.filter_map(Value::as_str).map(str::to_owned).collect()
}

impl Member {
    fn read(root: &Path, name: &str, own: &Table) -> Result<Self> {
        let folder = root.join(name);
        let manifest = table(&folder.join("Cargo.toml"))?;
        let in_section = |section: &str| -> Vec<String> {
            let sections = sections(&manifest, section);
            let dependencies = sections.into_iter().flatten();
            dependencies.filter_map(|(key, value)| member_of(name, key, value, own)).collect()
        };
        let uses = [in_section("dependencies"), in_section("build-dependencies")].concat();
        let uses_in_tests = in_section("dev-dependencies");
        Ok(Self { name: name.to_owned(), folder, uses, uses_in_tests, manifest })
    }

    /// The root files of its library, its binaries and its build script.
    pub(crate) fn crate_roots(&self) -> Result<Vec<PathBuf>> {
        let mut roots: Vec<_> =
            ["build.rs", "src/lib.rs", "src/main.rs"].map(|it| self.folder.join(it)).into();
        let bins = self.manifest.get("bin").and_then(Value::as_array).into_iter().flatten();
        let targets = bins.chain(self.manifest.get("lib"));
        let paths = targets.filter_map(|it| it.get("path")?.as_str());
        roots.extend(paths.map(|it| self.folder.join(it)));
        if let Ok(bins) = fs::read_dir(self.folder.join("src/bin")) {
            for bin in bins {
                let path = bin?.path();
                roots.push(if path.is_dir() { path.join("main.rs") } else { path });
            }
        }
        roots.retain(|it| it.is_file());
        roots.sort();
        roots.dedup();
        Ok(roots)
    }
}

/// The tables of one kind of dependency: the plain one and those for some targets only.
fn sections<'a>(manifest: &'a Table, section: &str) -> Vec<&'a Table> {
    let targets = manifest.get("target").and_then(Value::as_table).into_iter().flatten();
    let of_targets = targets.filter_map(|(_, it)| it.get(section));
    manifest.get(section).into_iter().chain(of_targets).filter_map(Value::as_table).collect()
}

/// The member that a dependency of `name` stands for, if it is one of our own.
fn member_of(name: &str, key: &str, value: &Value, own: &Table) -> Option<String> {
    let is_inherited = value.get("workspace").and_then(Value::as_bool) == Some(true);
    let (base, value) = if is_inherited { ("", own.get(key)?) } else { (name, value) };
    Some(normal(&Path::new(base).join(value.get("path")?.as_str()?)))
}

/// A path without `.` and `..`, as the workspace writes it.
fn normal(path: &Path) -> String {
    let mut parts = Vec::new();
    for component in path.components() {
        match component {
            Component::ParentDir => {
                parts.pop();
            }
            Component::Normal(part) => parts.push(part.to_string_lossy()),
            _ => {}
        }
    }
    parts.join("/")
}
