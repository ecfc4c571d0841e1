//! The arrows between the files of a crate: which file uses an item that another one defines.
//!
//! A `mod` declaration is no arrow, nor is a re-export of what stands within the module: both only
//! say where things are. An import of a module is none either, but each use of an item through it
//! is.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};
use syn::{Attribute, ItemMod, ItemUse, Macro, Meta, Visibility};

use crate::tree::{self, Target, Tree};

/// From one file to another, with the items that make the arrow. Files are relative to `src`.
pub(crate) type Arrows = BTreeMap<(String, String), BTreeSet<String>>;

/// The items of an arrow in words.
pub(crate) fn listed(items: &BTreeSet<String>) -> String {
    items.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
}

/// Adds the arrows of a crate; `folder` is that of the member.
pub(crate) fn collect(tree: &Tree, folder: &Path, arrows: &mut Arrows) {
    for (module, it) in tree.modules.iter().enumerate() {
        let mut walk = Walk { tree, module, folder, arrows };
        it.items.iter().for_each(|item| walk.visit_item(item));
    }
}

/// A walk through the items of one module.
struct Walk<'a> {
    tree: &'a Tree,
    module: usize,
    folder: &'a Path,
    arrows: &'a mut Arrows,
}

impl<'ast> Visit<'ast> for Walk<'_> {
    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        let is_export = !matches!(item.vis, Visibility::Inherited);
        for leaf in tree::leaves(item) {
            self.point_at(&leaf.path, is_export);
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        if path.leading_colon.is_none() {
            let segments: Vec<_> = path.segments.iter().map(|it| it.ident.to_string()).collect();
            self.point_at(&segments, false);
        }
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, call: &'ast Macro) {
        self.visit_path(&call.path);
        self.scan(call.tokens.clone());
    }

    fn visit_attribute(&mut self, attribute: &'ast Attribute) {
        if let Meta::List(list) = &attribute.meta {
            self.scan(list.tokens.clone());
        } else {
            visit::visit_attribute(self, attribute);
        }
    }

    /// `pub(in a::b)` names a module, but uses nothing of it.
    fn visit_visibility(&mut self, _: &'ast Visibility) {}

    /// Child modules are walked by themselves.
    fn visit_item_mod(&mut self, _: &'ast ItemMod) {}
}

impl Walk<'_> {
    /// Draws an arrow to the file that defines what `path` names, unless it is this file.
    fn point_at(&mut self, path: &[String], is_export: bool) {
        for target in self.tree.resolve(self.module, path) {
            let Target::Item(module, item) = target else { continue };
            if is_export && self.tree.is_within(module, self.module) {
                continue;
            }
            let (from, to) = (self.shown(self.module), self.shown(module));
            if from != to {
                self.arrows.entry((from, to)).or_default().insert(item);
            }
        }
    }

    fn shown(&self, module: usize) -> String {
        let file = &self.tree.modules[module].file;
        let file = file.strip_prefix(self.folder).unwrap_or(file);
        file.strip_prefix("src").unwrap_or(file).display().to_string()
    }

    /// Finds paths in the tokens of a macro. A single name counts when it begins with a capital:
    /// others are mostly variables and fields.
    fn scan(&mut self, tokens: TokenStream) {
        let tokens: Vec<_> = tokens.into_iter().collect();
        let mut at = 0;
        while let Some(token) = tokens.get(at) {
            match token {
                TokenTree::Group(group) => self.scan(group.stream()),
                TokenTree::Ident(_) => {
                    let before = at.checked_sub(1).map(|before| &tokens[before]);
                    let path = path_at(&tokens[at..]);
                    at += 3 * (path.len() - 1);
                    let is_part = before.is_some_and(|it| is_punct(it, ":."));
                    let is_path = path.len() > 1 || path[0].starts_with(char::is_uppercase);
                    if is_path && !is_part {
                        self.point_at(&path, false);
                    }
                }
                _ => {}
            }
            at += 1;
        }
    }
}

/// The longest `a::b::c` at the beginning of the tokens.
fn path_at(tokens: &[TokenTree]) -> Vec<String> {
    let mut path = Vec::new();
    let mut rest = tokens;
    while let [TokenTree::Ident(name), after @ ..] = rest {
        path.push(name.to_string());
        match after {
            [a, b, next @ ..] if is_punct(a, ":") && is_punct(b, ":") => rest = next,
            _ => break,
        }
    }
    path
}

fn is_punct(token: &TokenTree, any_of: &str) -> bool {
    matches!(token, TokenTree::Punct(punct) if any_of.contains(punct.as_char()))
}
