//! A source file without its tests: everything under `#[cfg(test)]` or `#[test]` is taken out.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use syn::spanned::Spanned;
use syn::visit_mut::{self, VisitMut};
use syn::{Attribute, Block, ExprMatch, File, ImplItem, Item, ItemImpl, ItemMod, Meta, Stmt};

/// What a file contributes to the product.
pub(crate) struct Production {
    pub(crate) items: Vec<Item>,
    /// Its lines, comments and blank ones included.
    pub(crate) lines: usize,
}

/// Reads a source file and takes its tests out.
pub(crate) fn read(path: &Path) -> Result<Production> {
    let text = fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
    let mut file = syn::parse_file(&text).with_context(|| format!("parsing {}", path.display()))?;
    if is_test(&file.attrs) {
        return Ok(Production { items: Vec::new(), lines: 0 });
    }
    let mut tests = Tests { lines: BTreeSet::new() };
    tests.visit_file_mut(&mut file);
    Ok(Production { items: file.items, lines: text.lines().count() - tests.lines.len() })
}

/// Takes tests out and remembers their lines.
struct Tests {
    lines: BTreeSet<usize>,
}

impl Tests {
    fn take_out<T: Spanned>(&mut self, all: &mut Vec<T>, attributes: fn(&T) -> &[Attribute]) {
        all.retain(|one| {
            let is_test = is_test(attributes(one));
            if is_test {
                self.lines.extend(one.span().start().line..=one.span().end().line);
            }
            !is_test
        });
    }
}

impl VisitMut for Tests {
    fn visit_file_mut(&mut self, file: &mut File) {
        self.take_out(&mut file.items, of_item);
        visit_mut::visit_file_mut(self, file);
    }

    fn visit_item_mod_mut(&mut self, module: &mut ItemMod) {
        if let Some((_, items)) = &mut module.content {
            self.take_out(items, of_item);
        }
        visit_mut::visit_item_mod_mut(self, module);
    }

    fn visit_item_impl_mut(&mut self, block: &mut ItemImpl) {
        self.take_out(&mut block.items, of_impl_item);
        visit_mut::visit_item_impl_mut(self, block);
    }

    fn visit_block_mut(&mut self, block: &mut Block) {
        self.take_out(&mut block.stmts, of_statement);
        visit_mut::visit_block_mut(self, block);
    }

    fn visit_expr_match_mut(&mut self, expression: &mut ExprMatch) {
        self.take_out(&mut expression.arms, |arm| &arm.attrs);
        visit_mut::visit_expr_match_mut(self, expression);
    }
}

/// Returns whether the attributes say `#[test]`, `#[cfg(test)]` or `#[cfg(all(test, …))]`.
fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| match &attribute.meta {
        Meta::Path(path) => path.is_ident("test"),
        Meta::List(list) if list.path.is_ident("cfg") => {
            let condition = list.tokens.to_string().replace(' ', "");
            condition == "test" || condition.starts_with("all(test,")
        }
        _ => false,
    })
}

fn of_item(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(it) => &it.attrs,
        Item::Enum(it) => &it.attrs,
        Item::ExternCrate(it) => &it.attrs,
        Item::Fn(it) => &it.attrs,
        Item::Impl(it) => &it.attrs,
        Item::Macro(it) => &it.attrs,
        Item::Mod(it) => &it.attrs,
        Item::Static(it) => &it.attrs,
        Item::Struct(it) => &it.attrs,
        Item::Trait(it) => &it.attrs,
        Item::Type(it) => &it.attrs,
        Item::Use(it) => &it.attrs,
        _ => &[],
    }
}

fn of_impl_item(item: &ImplItem) -> &[Attribute] {
    match item {
        ImplItem::Const(it) => &it.attrs,
        ImplItem::Fn(it) => &it.attrs,
        ImplItem::Type(it) => &it.attrs,
        _ => &[],
    }
}

fn of_statement(statement: &Stmt) -> &[Attribute] {
    match statement {
        Stmt::Local(it) => &it.attrs,
        Stmt::Item(it) => of_item(it),
        Stmt::Macro(it) => &it.attrs,
        Stmt::Expr(..) => &[],
    }
}
