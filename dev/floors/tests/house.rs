//! Small houses with a planted fault, which the check must find and name; and the real house,
//! which must stand.

use std::fs;
use std::path::Path;

use floors::{House, LINES_MAX};
use tempfile::TempDir;

const PLAN: &str = "
    [[member]]
    name = 'cellar'
    uses = []
    [[member]]
    name = 'rooms/hall'
    uses = ['cellar']
    [[member]]
    name = 'rooms/attic'
    uses = ['rooms/hall']
    in_tests = ['cellar']";

const MANIFEST: &str = "
    [workspace]
    members = ['cellar', 'rooms/hall', 'rooms/attic']
    [workspace.dependencies]
    anyhow = '1'
    hall = { path = 'rooms/hall' }";

/// Writes a workspace that stands, but for the files given, and returns its mistakes.
fn mistakes(changed: &[(&str, &str)]) -> Vec<String> {
    let root = TempDir::new().expect("a folder for the house");
    let sound = [
        ("Cargo.toml", MANIFEST),
        ("dev/floors/floors.toml", PLAN),
        ("cellar/Cargo.toml", ""),
        ("cellar/src/lib.rs", ""),
        ("rooms/hall/Cargo.toml", "dependencies = { anyhow = { workspace = true } }"),
        ("rooms/hall/src/lib.rs", ""),
        ("rooms/attic/Cargo.toml", "dependencies = { hall = { workspace = true } }"),
        ("rooms/attic/src/main.rs", "fn main() {}"),
    ];
    for (path, text) in sound.iter().chain(changed) {
        let path = root.path().join(path);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a new folder");
        fs::write(path, text).expect("a new file");
    }
    House::open(root.path()).and_then(|house| house.mistakes()).expect("readable sources")
}

/// The mistakes of a house whose cellar has these files in `src`, besides a `lib.rs`.
fn in_cellar(lib: &str, files: &[(&str, &str)]) -> Vec<String> {
    let mut changed = vec![("cellar/src/lib.rs".to_owned(), lib)];
    changed.extend(files.iter().map(|(path, text)| (format!("cellar/src/{path}"), *text)));
    let changed: Vec<_> = changed.iter().map(|(path, text)| (path.as_str(), *text)).collect();
    mistakes(&changed)
}

#[track_caller]
fn check(mistakes: &[String], expected: &[&str]) {
    assert_eq!(mistakes.len(), expected.len(), "{mistakes:#?}");
    for (mistake, expected) in mistakes.iter().zip(expected) {
        assert!(mistake.contains(expected), "{mistake:?} does not say {expected:?}");
    }
}

#[test]
fn the_house_stands() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mistakes = House::open(&root).unwrap().mistakes().unwrap();
    assert!(mistakes.is_empty(), "\n{}", mistakes.join("\n"));
}

#[test]
fn a_sound_house_has_no_mistakes() {
    check(&mistakes(&[]), &[]);
}

#[test]
fn an_arrow_upwards_names_both_members() {
    let up = "target.'cfg(unix)'.dependencies = { attic = { path = '../attic' } }";
    let found = mistakes(&[("rooms/hall/Cargo.toml", up)]);
    check(&found, &["rooms/hall depends on rooms/attic, which stands above it"]);
    let in_build = "build-dependencies = { hall = { workspace = true } }";
    let found = mistakes(&[("cellar/Cargo.toml", in_build)]);
    check(&found, &["cellar depends on rooms/hall, which stands above it"]);
}

#[test]
fn what_tests_may_use_is_not_for_the_product() {
    let in_tests = "dev-dependencies = { cellar = { path = '../../cellar' } }";
    check(&mistakes(&[("rooms/attic/Cargo.toml", in_tests)]), &[]);
    let in_product = "dependencies = { cellar = { path = '../../cellar' } }";
    let found = mistakes(&[("rooms/attic/Cargo.toml", in_product)]);
    check(&found, &["rooms/attic depends on cellar, which stands behind a wall"]);
    let up = "dev-dependencies = { hall = { workspace = true } }";
    let found = mistakes(&[("cellar/Cargo.toml", up)]);
    check(&found, &["cellar depends in its tests on rooms/hall, which stands above it"]);
}

#[test]
fn plan_and_workspace_list_the_same_members() {
    let plan = PLAN.replace("'rooms/attic'", "'rooms/loft'");
    let found = mistakes(&[("dev/floors/floors.toml", &plan)]);
    check(&found, &["rooms/attic is missing in", "lists rooms/loft, which is no member"]);
}

#[test]
fn the_plan_itself_has_no_arrow_upwards() {
    let plan = PLAN.replace("uses = []", "uses = ['rooms/attic']");
    let found = mistakes(&[("dev/floors/floors.toml", &plan)]);
    check(&found, &["lets cellar use rooms/attic, which does not stand below it"]);
}

#[test]
fn a_circle_of_two_files_is_found() {
    let files = [
        ("a.rs", "use crate::b::{self, Barrel as Cask}; pub struct Apple(Cask);"),
        ("b/mod.rs", "pub struct Barrel(Option<super::a::Apple>);"),
    ];
    let expected = "a circle in cellar: a.rs → b/mod.rs (Barrel) → a.rs (Apple); move";
    check(&in_cellar("mod a; mod b;", &files), &[expected]);
}

#[test]
fn a_circle_of_three_files_is_found() {
    let files = [
        ("a.rs", "use crate::b; fn apple() { b::barrel() }"),
        ("b.rs", "pub fn barrel() { crate::c::Candle::light() }"),
        ("c.rs", "pub struct Candle; impl Candle { fn light() { use super::a::*; apple() } }"),
        ("d.rs", "use crate::a::apple;"),
    ];
    let expected = "cellar: a.rs → b.rs (barrel) → c.rs (Candle) → a.rs (apple); move";
    check(&in_cellar("mod a; mod b; mod c; mod d;", &files), &[expected]);
}

#[test]
fn the_shortest_way_is_shown_and_all_files_are_listed() {
    let files = [
        ("a.rs", "use crate::{b::B, c::C}; pub struct A;"),
        ("b.rs", "use crate::c::C; pub struct B;"),
        ("c.rs", "use crate::a::A; pub struct C;"),
    ];
    let expected = "a.rs → c.rs (C) → a.rs (A); in circles with these: a.rs, b.rs, c.rs;";
    check(&in_cellar("mod a; mod b; mod c;", &files), &[expected]);
}

#[test]
fn a_parent_that_uses_its_child_and_is_used_by_it_is_a_circle() {
    let lib = "mod a; use a::Apple; pub struct Basket(Apple);";
    let expected = "lib.rs (Basket) → a.rs (Apple); move";
    let found = in_cellar(lib, &[("a.rs", "pub struct Apple; use super::Basket;")]);
    check(&found, &["a circle in cellar: a.rs → lib.rs (Basket) → a.rs (Apple); move"]);
    let lib = "mod a; pub use a::Apple; pub struct Basket(Apple);";
    check(&in_cellar(lib, &[("a.rs", "pub struct Apple; use crate::Basket;")]), &[expected]);
}

#[test]
fn a_re_export_makes_no_circle() {
    let lib = "mod a; mod b; pub use a::{Apple, store}; pub(crate) use b::*;";
    let files = [
        ("a.rs", "pub struct Apple; pub mod store { pub fn keep() {} }"),
        ("b.rs", "use crate::{Apple, store}; pub struct Barrel(Apple); fn b() { store::keep() }"),
    ];
    check(&in_cellar(lib, &files), &[]);
    let back = ("a.rs", "pub struct Apple(super::Barrel); pub mod store {}");
    check(&in_cellar(lib, &[back, files[1]]), &["a.rs → b.rs (Barrel) → a.rs (Apple, keep)"]);
}

#[test]
fn names_of_other_crates_are_no_arrows() {
    let lib = "mod redis; mod sync; pub use redis::Link;";
    let files = [
        ("redis.rs", "use ::redis::Client; use std::sync::Arc; pub struct Link(Arc<Client>);"),
        ("sync.rs", "use crate::Link; fn wait(redis: Link) { redis.wait() }"),
    ];
    check(&in_cellar(lib, &files), &[]);
}

#[test]
fn a_circle_only_in_tests_is_none() {
    let files = [
        ("a.rs", "use crate::b::Barrel; pub struct Apple;"),
        ("b.rs", "pub struct Barrel; #[cfg(test)] mod tests { use crate::a::Apple; }"),
        ("suite.rs", "use crate::a::Apple; pub fn run() {}"),
    ];
    let lib = "mod a; mod b; #[cfg(test)] mod suite; #[cfg(test)] fn f() { suite::run() }";
    check(&in_cellar(lib, &files), &[]);
}

#[test]
fn a_path_in_a_macro_is_an_arrow() {
    for text in ["macro_rules! b { () => { $crate::a::Apple } }", "fn b() { vec![(a::Apple, 1)] }"]
    {
        let b = format!("use crate::a; pub struct Barrel; {text}");
        let files = [("a.rs", "pub struct Apple(crate::b::Barrel);"), ("b.rs", b.as_str())];
        check(&in_cellar("mod a; mod b;", &files), &["a.rs → b.rs (Barrel) → a.rs (Apple)"]);
    }
}

#[test]
fn an_item_that_a_macro_makes_counts_for_the_file_of_the_macro() {
    let files = [
        ("a.rs", "id!(Apple); use crate::b::Barrel;"),
        ("b.rs", "use crate::a::Apple; pub struct Barrel;"),
    ];
    let found = in_cellar("mod a; mod b;", &files);
    check(&found, &["a.rs → b.rs (Barrel) → a.rs (Apple)"]);
}

#[test]
fn too_many_lines_are_counted_without_tests() {
    let tests = "#[cfg(test)]\nmod tests {\n}\n";
    let most = format!("{}{tests}", "// a line\n".repeat(LINES_MAX));
    check(&in_cellar(&most, &[]), &[]);
    let found = in_cellar(&format!("{most}\n"), &[]);
    check(&found, &["cellar has 6001 production lines, at most 6000 are allowed"]);
}
