//! The description of the API for people: a page of the documentation, made from the same list.

use std::fmt::Write as _;

use crate::field::{Field, Form, Seen, Want};
use crate::kind::Kind;
use crate::operation::{Body, Operation, Place};
use crate::operations::operations;

/// Returns the page as Markdown.
pub fn reference() -> String {
    let mut page = "# Every operation and every field\n\n\
        This page is made from the list from which routes, rights and `/api/v1/openapi.json` are \
        made too. Change the list in `redirector/api`, never this page.\n\n\
        Addresses lie below `/api/v1`. *For* says who may ask; a merchant or an influencer gets \
        their own alone, and a foreign id answers 404.\n"
        .to_owned();
    let mut chapter = "";
    for operation in operations() {
        if operation.chapter != chapter {
            chapter = operation.chapter;
            // Writing to a String cannot fail, here and below.
            _ = write!(page, "\n## {chapter}\n\n");
            page.push_str("| request | does | for |\n|---|---|---|\n");
            let of_chapter = operations().into_iter().filter(|other| other.chapter == chapter);
            of_chapter.for_each(|operation| page.push_str(&row(&operation)));
            fields_of_chapter(&mut page, chapter);
        }
    }
    page
}

fn row(operation: &Operation) -> String {
    let query: Vec<_> = operation
        .parameters
        .iter()
        .filter(|parameter| parameter.place == Place::Query)
        .map(|parameter| format!("`{}`", parameter.name))
        .collect();
    let query = if query.is_empty() { String::new() } else { format!(" ?{}", query.join(", ")) };
    let (verb, path) = (operation.verb.as_str(), &operation.path);
    let repeats = if operation.repeats { " Takes an `Idempotency-Key`." } else { "" };
    let body = match operation.body {
        Body::Csv(columns) => format!(" The header line has {columns}."),
        _ => String::new(),
    };
    let says = format!("{}{body}{repeats}", operation.says);
    format!("| `{verb} {path}`{query} | {says} | {} |\n", operation.scope.says())
}

/// Adds the fields of the entity that a chapter is about, and of the bodies that it takes.
fn fields_of_chapter(page: &mut String, chapter: &str) {
    let of_chapter: Vec<_> =
        operations().into_iter().filter(|operation| operation.chapter == chapter).collect();
    let kind = of_chapter.iter().find_map(|operation| match operation.body {
        Body::New(kind) => Some(kind),
        _ => None,
    });
    if let Some(kind) = kind {
        entity(page, kind);
    }
    for operation in &of_chapter {
        if let Body::Fields(name, fields) | Body::MaybeFields(name, fields) = operation.body {
            _ = write!(page, "\n`{name}`, the body of `{}`:\n\n", operation.path);
            table(page, fields, "");
        }
    }
}

fn entity(page: &mut String, kind: Kind) {
    page.push_str("\n| field | value | set | seen | means |\n|---|---|---|---|---|\n");
    for field in kind.fields() {
        let (set, seen) = (set(field), seen(field));
        let (name, form) = (field.name, form(field.form));
        _ = writeln!(page, "| `{name}` | {form} | {set} | {seen} | {} |", field.says);
        nested(page, field.form, name);
    }
}

/// Adds a row for each field of a record within a field of an entity.
fn nested(page: &mut String, of: Form, parent: &str) {
    for field in record(of) {
        let name = format!("{parent}.{}", field.name);
        _ = writeln!(page, "| `{name}` | {} | | | {} |", form(field.form), field.says);
        nested(page, field.form, &name);
    }
}

fn table(page: &mut String, fields: &[Field], parent: &str) {
    page.push_str("| field | value | set | means |\n|---|---|---|---|\n");
    for field in fields {
        let (name, form, set) = (field.name, form(field.form), set(field));
        _ = writeln!(page, "| `{parent}{name}` | {form} | {set} | {} |", field.says);
    }
}

/// Returns the fields of the record that a form is, or of which it has several.
fn record(form: Form) -> &'static [Field] {
    match form {
        Form::Record(fields) => fields,
        Form::List(each, _) => record(*each),
        Form::Either(forms) => {
            forms.iter().map(|each| record(*each)).find(|fields| !fields.is_empty()).unwrap_or(&[])
        }
        _ => &[],
    }
}

fn set(field: &Field) -> &'static str {
    match field.want {
        Want::Required => "required",
        Want::RequiredOnce => "required, never changes",
        Want::Optional if field.clears => "optional, `null` clears it",
        Want::Optional => "optional",
        Want::OptionalOnce => "optional, never changes",
        Want::OnChange if field.clears => "by a change, `null` clears it",
        Want::OnChange => "by a change",
        Want::Derived => "",
    }
}

fn seen(field: &Field) -> &'static str {
    match field.seen {
        Seen::ByAll => "all",
        Seen::ByMerchant => "agency, merchant",
        Seen::ByInfluencer => "agency, influencer",
        Seen::ByAgency => "agency",
        Seen::Once => "once, when created",
        Seen::Never => "never",
    }
}

/// Returns a form in words.
fn form(form: Form) -> String {
    match form {
        Form::Text(most) => format!("text, at most {most} characters"),
        Form::Word | Form::Slug => "text".to_owned(),
        Form::OneOf(words) => words.iter().map(|w| format!("`{w}`")).collect::<Vec<_>>().join(", "),
        Form::Id(prefix) => format!("id `{prefix}…`"),
        Form::Number(least, most) => format!("whole number, {least} to {most}"),
        Form::Count | Form::Minor => "whole number".to_owned(),
        Form::Flag => "`true` or `false`".to_owned(),
        Form::Time => "time".to_owned(),
        Form::Day => "day".to_owned(),
        Form::Decimal => "decimal".to_owned(),
        Form::Currency => "currency".to_owned(),
        Form::ByCurrency => "decimals by currency".to_owned(),
        Form::Counts => "numbers by name".to_owned(),
        Form::Zone => "IANA time zone".to_owned(),
        Form::Address => "address".to_owned(),
        Form::Host => "host".to_owned(),
        Form::Email => "e-mail address".to_owned(),
        Form::List(each, most) if most <= 1_000 => {
            format!("list of at most {most}: {}", self::form(*each))
        }
        Form::List(each, _) => format!("list: {}", self::form(*each)),
        Form::Record(_) | Form::Object => "object".to_owned(),
        Form::Either(forms) => {
            forms.iter().map(|each| self::form(*each)).collect::<Vec<_>>().join(", or ")
        }
        Form::Any => "any".to_owned(),
    }
}
