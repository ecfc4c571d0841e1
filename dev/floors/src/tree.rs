//! The modules of one crate and the names in them. It finds the file in which a path is defined,
//! through imports and re-exports. Names of other crates are of no interest.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use syn::visit::{self, Visit};
use syn::{Attribute, Expr, ExprLit, Item, ItemMod, ItemUse, Lit, Meta, UseTree};

use crate::production;

/// The modules of a crate; the first one is the root.
pub(crate) struct Tree {
    pub(crate) modules: Vec<Module>,
    /// Production lines of each file.
    pub(crate) files: BTreeMap<PathBuf, usize>,
}

/// A module, in a file of its own or within the file of its parent.
pub(crate) struct Module {
    pub(crate) file: PathBuf,
    /// Its items, without child modules and tests.
    pub(crate) items: Vec<Item>,
    parent: Option<usize>,
    names: HashMap<String, Vec<Name>>,
    globs: Vec<Vec<String>>,
}

/// What a name in a module stands for.
enum Name {
    Item,
    Module(usize),
    Import(Vec<String>),
}

/// Where a path leads to.
#[derive(Clone, PartialEq)]
pub(crate) enum Target {
    /// An item, with the module that defines it.
    Item(usize, String),
    Module(usize),
}

/// One path of a `use` item: `use a::{b as c, d::*}` has two.
pub(crate) struct Leaf {
    pub(crate) path: Vec<String>,
    /// `None` for a glob.
    name: Option<String>,
}

impl Tree {
    /// Reads the crate whose root is `file`.
    pub(crate) fn read(file: &Path) -> Result<Self> {
        let mut tree = Self { modules: Vec::new(), files: BTreeMap::new() };
        let folder = file.parent().context("a source file stands in a folder")?;
        tree.add_file(None, file.to_owned(), folder)?;
        Ok(tree)
    }

    /// Adds a module that has a file; `folder` holds the files of its children.
    fn add_file(&mut self, parent: Option<usize>, file: PathBuf, folder: &Path) -> Result<usize> {
        let production = production::read(&file)?;
        self.files.insert(file.clone(), production.lines);
        self.add(parent, file, folder, production.items)
    }

    fn add(
        &mut self,
        parent: Option<usize>,
        file: PathBuf,
        folder: &Path,
        items: Vec<Item>,
    ) -> Result<usize> {
        let id = self.modules.len();
        let (children, items) = items.into_iter().partition(|item| matches!(item, Item::Mod(_)));
        let mut module = Module { file, items, parent, names: HashMap::new(), globs: Vec::new() };
        module.name_items();
        self.modules.push(module);
        for child in children {
            if let Item::Mod(child) = child {
                let name = child.ident.to_string();
                let child = self.add_child(id, child, folder)?;
                self.modules[id].names.entry(name).or_default().push(Name::Module(child));
            }
        }
        Ok(id)
    }

    fn add_child(&mut self, parent: usize, child: ItemMod, folder: &Path) -> Result<usize> {
        let inner = folder.join(child.ident.to_string());
        let parent_file = self.modules[parent].file.clone();
        if let Some((_, items)) = child.content {
            return self.add(Some(parent), parent_file, &inner, items);
        }
        if let Some(path) = path_attribute(&child.attrs) {
            let file = parent_file.with_file_name(path);
            let folder = file.parent().context("a source file stands in a folder")?.to_owned();
            return self.add_file(Some(parent), file, &folder);
        }
        let flat = inner.with_extension("rs");
        let file = if flat.is_file() { flat } else { inner.join("mod.rs") };
        self.add_file(Some(parent), file, &inner)
    }

    /// Finds what a path means in a module. Empty when it leads out of the crate.
    pub(crate) fn resolve(&self, module: usize, path: &[String]) -> Vec<Target> {
        self.follow(module, path, &mut Vec::new())
    }

    /// Returns whether `module` is `ancestor` or stands within it.
    pub(crate) fn is_within(&self, module: usize, ancestor: usize) -> bool {
        let mut next = Some(module);
        while let Some(module) = next {
            if module == ancestor {
                return true;
            }
            next = self.modules[module].parent;
        }
        false
    }

    fn follow(
        &self,
        module: usize,
        path: &[String],
        seen: &mut Vec<(usize, String)>,
    ) -> Vec<Target> {
        let mut here = Vec::new();
        for (index, segment) in path.iter().enumerate() {
            here = match (segment.as_str(), here.as_slice()) {
                ("crate", _) => vec![Target::Module(0)],
                ("self", []) => vec![Target::Module(module)],
                ("self", _) => here,
                ("super", from) => {
                    let from = if let [Target::Module(from)] = from { *from } else { module };
                    self.modules[from].parent.map(Target::Module).into_iter().collect()
                }
                _ if index == 0 => self.look_up(module, segment, seen).unwrap_or_default(),
                _ => here.iter().flat_map(|it| self.step(it, segment, seen)).collect(),
            };
            let is_last = index + 1 == path.len();
            here = preferred(here, |it| matches!(it, Target::Item(..)) == is_last);
            if here.is_empty() {
                break;
            }
        }
        here
    }

    /// Goes one segment further. What follows an item (a variant, a function of a type) belongs to
    /// the item. A name that a module does not know comes from a macro in its file.
    fn step(&self, from: &Target, segment: &str, seen: &mut Vec<(usize, String)>) -> Vec<Target> {
        match from {
            Target::Item(..) => vec![from.clone()],
            Target::Module(module) => self
                .look_up(*module, segment, seen)
                .unwrap_or_else(|| vec![Target::Item(*module, segment.to_owned())]),
        }
    }

    /// Finds a name in the scope of a module; `None` when the module does not know it.
    fn look_up(
        &self,
        module: usize,
        name: &str,
        seen: &mut Vec<(usize, String)>,
    ) -> Option<Vec<Target>> {
        let place = (module, name.to_owned());
        if seen.contains(&place) {
            return None;
        }
        seen.push(place);
        let Module { names, globs, .. } = &self.modules[module];
        let found = names.get(name).map(|found| {
            let targets = found.iter().flat_map(|found| match found {
                Name::Item => vec![Target::Item(module, name.to_owned())],
                Name::Module(child) => vec![Target::Module(*child)],
                Name::Import(path) => self.follow(module, path, seen),
            });
            targets.collect()
        });
        let found = found.or_else(|| {
            let sources = globs.iter().flat_map(|path| self.follow(module, path, seen));
            let sources: Vec<_> = sources.collect();
            sources.into_iter().find_map(|source| match source {
                Target::Module(source) => self.look_up(source, name, seen),
                Target::Item(..) => None,
            })
        });
        seen.pop();
        found
    }
}

/// Those that are preferred, or all when none is.
fn preferred(targets: Vec<Target>, is_preferred: impl Fn(&Target) -> bool) -> Vec<Target> {
    if targets.iter().any(&is_preferred) {
        targets.into_iter().filter(is_preferred).collect()
    } else {
        targets
    }
}

impl Module {
    fn name_items(&mut self) {
        let mut imports = Imports(Vec::new());
        for item in &self.items {
            if let Some(name) = name_of(item) {
                self.names.entry(name).or_default().push(Name::Item);
            }
            imports.visit_item(item);
        }
        for Leaf { path, name } in imports.0 {
            match name {
                Some(name) => self.names.entry(name).or_default().push(Name::Import(path)),
                None => self.globs.push(path),
            }
        }
    }
}

fn name_of(item: &Item) -> Option<String> {
    Some(match item {
        Item::Const(it) => it.ident.to_string(),
        Item::Enum(it) => it.ident.to_string(),
        Item::Fn(it) => it.sig.ident.to_string(),
        Item::Macro(it) => it.ident.as_ref()?.to_string(),
        Item::Static(it) => it.ident.to_string(),
        Item::Struct(it) => it.ident.to_string(),
        Item::Trait(it) => it.ident.to_string(),
        Item::Type(it) => it.ident.to_string(),
        Item::Union(it) => it.ident.to_string(),
        _ => return None,
    })
}

/// Collects the `use` items of a module, those within functions too.
struct Imports(Vec<Leaf>);

impl<'ast> Visit<'ast> for Imports {
    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        self.0.extend(leaves(item));
        visit::visit_item_use(self, item);
    }
}

/// The paths of a `use` item; none when it names another crate by `::`.
pub(crate) fn leaves(item: &ItemUse) -> Vec<Leaf> {
    let mut leaves = Vec::new();
    if item.leading_colon.is_none() {
        spread(&item.tree, &[], &mut leaves);
    }
    leaves
}

fn spread(tree: &UseTree, before: &[String], leaves: &mut Vec<Leaf>) {
    let mut leaf = |last: &syn::Ident, name: String| {
        let path = [before, &[last.to_string()]].concat();
        leaves.push(Leaf { path, name: Some(name) });
    };
    match tree {
        UseTree::Path(it) => spread(&it.tree, &[before, &[it.ident.to_string()]].concat(), leaves),
        UseTree::Name(it) if it.ident == "self" => {
            let name = before.last().cloned();
            leaves.push(Leaf { path: before.to_vec(), name });
        }
        UseTree::Name(it) => leaf(&it.ident, it.ident.to_string()),
        UseTree::Rename(it) => leaf(&it.ident, it.rename.to_string()),
        UseTree::Glob(_) => leaves.push(Leaf { path: before.to_vec(), name: None }),
        UseTree::Group(it) => it.items.iter().for_each(|it| spread(it, before, leaves)),
    }
}

fn path_attribute(attributes: &[Attribute]) -> Option<String> {
    attributes.iter().find_map(|attribute| match &attribute.meta {
        Meta::NameValue(pair) if pair.path.is_ident("path") => match &pair.value {
            Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Some(text.value()),
            _ => None,
        },
        _ => None,
    })
}
