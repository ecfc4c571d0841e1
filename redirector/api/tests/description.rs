//! The descriptions of the API are files, so that each change of the outside is seen in a diff.
//! `AFTERCLICK_TEST_REWRITE=1` writes them anew.

use std::collections::HashSet;
use std::fs;
use std::path::Path;

use api::{Body, Kind, Place, operations};

fn check(file: &str, made: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/api").join(file);
    if std::env::var_os("AFTERCLICK_TEST_REWRITE").is_some() {
        fs::write(&path, made).expect("the folder is there");
    }
    let held = fs::read_to_string(&path).unwrap_or_default();
    let way_out = "run this test with AFTERCLICK_TEST_REWRITE=1 and look at the difference";
    assert!(held == made, "docs/api/{file} is not what the list of operations says: {way_out}");
}

#[test]
fn the_description_for_programs_is_up_to_date() {
    check("openapi.json", &api::openapi_json());
}

#[test]
fn the_description_for_people_is_up_to_date() {
    check("operations.md", &api::reference());
}

#[test]
fn every_operation_has_a_name_and_a_place_of_its_own() {
    let (mut names, mut places) = (HashSet::new(), HashSet::new());
    for operation in operations() {
        assert!(names.insert(operation.name.clone()), "{} stands twice", operation.name);
        let place = (operation.verb, operation.path.clone());
        assert!(places.insert(place), "{:?} {} stands twice", operation.verb, operation.path);
        for parameter in operation.parameters.iter().filter(|of| of.place == Place::Path) {
            let braced = format!("{{{}}}", parameter.name);
            assert!(operation.path.contains(&braced), "{}: {braced}", operation.name);
        }
        assert!(!operation.answers.is_empty(), "{} answers nothing", operation.name);
        let ends = operation.says.ends_with('.') && !operation.chapter.is_empty();
        assert!(ends, "{} has no sentence, or no chapter", operation.name);
    }
}

#[test]
fn every_field_says_what_it_means() {
    let records = operations().into_iter().filter_map(|operation| match operation.body {
        Body::Fields(_, fields) | Body::MaybeFields(_, fields) => Some(fields),
        _ => None,
    });
    for fields in Kind::ALL.into_iter().map(Kind::fields).chain(records) {
        let mut names = HashSet::new();
        for field in fields {
            assert!(names.insert(field.name), "{} stands twice", field.name);
            assert!(field.says.ends_with('.'), "{} has no sentence", field.name);
        }
    }
}
