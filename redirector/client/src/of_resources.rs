//! The operations that follow from the table of resources: add, list, show, change, pause, import.

use crate::fields::Field;
use crate::fields::Kind::{Of, Text};
use crate::fields::Place::{Body, Path};
use crate::operation::{Asks, Group, ID, Operation, Shows, import, may, must, operation};
use crate::resources::{RESOURCES, Resource};

pub(crate) fn of_resource(of: &Resource) -> Group {
    let mut operations = vec![add(of), list(of), show(of)];
    if of.changes {
        operations.push(change(of));
    }
    if of.pauses {
        let (word, path) = (of.word, of.path);
        let about = format!("Pause a {word}: its clicks earn nothing until it is resumed");
        operations.push(paused("pause", about, path, &[("paused", true)]));
        let about = format!("Resume a {word} that is paused");
        operations.push(paused("resume", about, path, &[("paused", false)]));
    }
    if of.imports {
        let about =
            format!("Import {} from a CSV file with a header line, all or nothing", of.path);
        operations.push(import(about, of.path, vec![], true));
    }
    if of.word == "hold" {
        let fields = vec![ID, may("reason", Text, Body, "The reason for the release")];
        let about = "Release a hold: its commissions go on as if they had never been held";
        operations.push(Operation {
            fields,
            ..operation("release", about, Asks::Post, "holds/{id}/release", Shows::One(of.columns))
        });
    }
    Group { word: of.word, about: of.about, operations }
}

fn add(of: &Resource) -> Operation {
    let fields = of.fields.iter().filter(|(_, _, when, _)| when.on_creation());
    let fields = fields.map(|&(name, kind, when, help)| Field {
        name,
        kind,
        place: Body,
        required: when.is_required(),
        help,
    });
    Operation {
        fields: fields.collect(),
        ..operation(
            "add",
            format!("Add {} {}", of.article, of.word),
            Asks::Create,
            of.path,
            Shows::One(of.columns),
        )
    }
}

fn list(of: &Resource) -> Operation {
    let about = format!("List {}, the earliest first", of.path);
    operation("list", about, Asks::Pages, of.path, Shows::Rows("items", of.columns))
}

fn show(of: &Resource) -> Operation {
    let path = format!("{}/{{id}}", of.path);
    let about = format!("Show {} {}", of.article, of.word);
    let fields = vec![id(of)];
    Operation { fields, ..operation("show", about, Asks::Get, path, Shows::One(of.columns)) }
}

fn change(of: &Resource) -> Operation {
    let changing = of.fields.iter().filter(|(_, _, when, _)| when.on_change());
    let changing = changing.map(|&(name, kind, _, help)| may(name, kind, Body, help));
    let clears = of.fields.iter().filter(|(_, _, when, _)| when.may_be_cleared());
    let path = format!("{}/{{id}}", of.path);
    let about = format!("Change {} {}; what is not given stays", of.article, of.word);
    Operation {
        fields: [id(of)].into_iter().chain(changing).collect(),
        clears: clears.map(|(name, ..)| *name).collect(),
        ..operation("change", about, Asks::Patch, path, Shows::One(of.columns))
    }
}

fn paused(
    verb: &'static str,
    about: String,
    path: &str,
    fixed: &'static [(&'static str, bool)],
) -> Operation {
    let of = RESOURCES.iter().find(|of| of.path == path);
    let (id, columns) = of.map_or((ID, &[][..]), |of| (id(of), of.columns));
    Operation {
        fields: vec![id],
        fixed,
        ..operation(verb, about, Asks::Patch, format!("{path}/{{id}}"), Shows::One(columns))
    }
}

/// Returns the argument that says which one of a resource.
fn id(of: &Resource) -> Field {
    match of.named {
        Some(named) => must("id", Of(named), Path, "Its id, or its exact name"),
        None => ID,
    }
}
