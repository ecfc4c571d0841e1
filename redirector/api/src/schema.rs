//! Forms of values as JSON schemas.

use serde_json::Value;
use utoipa::openapi::schema::{AdditionalProperties, AnyOfBuilder, KnownFormat, SchemaType, Type};
use utoipa::openapi::{ArrayBuilder, ObjectBuilder, RefOr, Schema, SchemaFormat};

use crate::field::{Field, Form};

/// Which of an object's fields a schema has.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Use {
    /// Those with which an entity is created.
    Creation,
    /// Those that change an entity.
    Change,
    /// Those that answers show.
    Answer,
    /// Those that the answer to a creation shows.
    CreationAnswer,
}

/// Returns the schema of an object with these fields.
pub(crate) fn object(fields: &[Field], of: Use) -> Schema {
    let mut schema = ObjectBuilder::new();
    for field in fields.iter().filter(|field| is_part(field, of)) {
        schema = schema.property(field.name, property(field, of));
        let is_required = match of {
            Use::Creation => field.is_required(),
            Use::Change => false,
            // A merchant or an influencer is not shown every field.
            Use::Answer | Use::CreationAnswer => field.name == "id" && !field.may_be_null,
        };
        if is_required {
            schema = schema.required(field.name);
        }
    }
    if matches!(of, Use::Creation | Use::Change) {
        // Unknown fields are refused.
        schema = schema.additional_properties(Some(AdditionalProperties::FreeForm(false)));
    }
    schema.into()
}

fn is_part(field: &Field, of: Use) -> bool {
    use crate::field::Seen;
    match of {
        Use::Creation => field.is_created(),
        Use::Change => field.is_changed(),
        Use::Answer => !matches!(field.seen, Seen::Once | Seen::Never),
        Use::CreationAnswer => field.seen != Seen::Never,
    }
}

/// Returns the schema of a field, which says what it means.
fn property(field: &Field, of: Use) -> RefOr<Schema> {
    let may_be_null = match of {
        Use::Creation => !field.is_required(),
        Use::Change => field.clears,
        Use::Answer | Use::CreationAnswer => field.may_be_null,
    };
    let schema = form(field.form, of);
    described(if may_be_null { or_null(schema) } else { schema }, field.says)
}

/// Returns the schema of a form.
pub(crate) fn form(form: Form, of: Use) -> Schema {
    let is_sent = matches!(of, Use::Creation | Use::Change);
    match form {
        Form::Text(most) => {
            // A text of blanks alone is none.
            let schema = text().min_length(Some(1)).max_length(Some(most));
            if is_sent { schema.pattern(Some(VISIBLE)).into() } else { schema.into() }
        }
        Form::Word => text().into(),
        Form::OneOf(words) => text().enum_values(Some(words.iter().copied())).into(),
        Form::Id(prefix) => pattern(&id_pattern(prefix)),
        Form::Number(least, most) => {
            integer().minimum(Some(u64::from(least))).maximum(Some(u64::from(most))).into()
        }
        Form::Count => integer().minimum(Some(0)).into(),
        Form::Minor => integer().format(Some(SchemaFormat::KnownFormat(KnownFormat::Int64))).into(),
        Form::Flag => of_type(Type::Boolean).into(),
        Form::Time => known(KnownFormat::DateTime),
        Form::Day => known(KnownFormat::Date),
        Form::Decimal if is_sent => {
            AnyOfBuilder::new().item(pattern(DECIMAL)).item(of_type(Type::Number)).into()
        }
        Form::Decimal => pattern(DECIMAL),
        Form::Currency => pattern("^[A-Z]{3}$"),
        Form::ByCurrency => {
            of_type(Type::Object).additional_properties(Some(RefOr::T(pattern(DECIMAL)))).into()
        }
        Form::Counts => of_type(Type::Object)
            .additional_properties(Some(RefOr::T(Schema::from(integer()))))
            .into(),
        Form::Zone => text().examples(["Europe/Riga"]).into(),
        Form::Address => text().format(Some(SchemaFormat::Custom("uri".to_owned()))).into(),
        Form::Host => text().examples(["shop.example"]).into(),
        Form::Email => known(KnownFormat::Email),
        Form::Slug => pattern("^[A-Za-z0-9_-]{1,64}$"),
        Form::List(each, most) => {
            let items = self::form(*each, of);
            let list = ArrayBuilder::new().items(RefOr::T(items));
            if is_sent { list.max_items(Some(most)).into() } else { list.into() }
        }
        Form::Record(fields) => object(fields, of),
        Form::Either(forms) => {
            let each = forms.iter().map(|each| self::form(*each, of));
            each.fold(AnyOfBuilder::new(), AnyOfBuilder::item).into()
        }
        Form::Object => of_type(Type::Object).into(),
        Form::Any => any().into(),
    }
}

/// A text that has something to be seen.
const VISIBLE: &str = r"\S";
const DECIMAL: &str = r"^-?[0-9]+(\.[0-9]+)?$";

fn id_pattern(prefix: &str) -> String {
    let digits = if prefix == "mer_" { "{8}" } else { "{13}" };
    format!("^{prefix}[0-9a-hjkmnp-tv-z]{digits}$")
}

fn pattern(pattern: &str) -> Schema {
    text().pattern(Some(pattern)).into()
}

fn known(format: KnownFormat) -> Schema {
    text().format(Some(SchemaFormat::KnownFormat(format))).into()
}

fn text() -> ObjectBuilder {
    of_type(Type::String)
}

fn integer() -> ObjectBuilder {
    of_type(Type::Integer)
}

fn any() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(SchemaType::AnyValue)
}

fn of_type(kind: Type) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(kind)
}

/// Lets a schema be `null` too.
fn or_null(schema: Schema) -> Schema {
    match schema {
        Schema::Object(mut object) => {
            if let SchemaType::Type(kind) = &object.schema_type {
                object.schema_type = SchemaType::from_iter([kind.clone(), Type::Null]);
            }
            if let Some(words) = &mut object.enum_values {
                words.push(Value::Null);
            }
            Schema::Object(object)
        }
        Schema::Array(mut array) => {
            array.schema_type = SchemaType::from_iter([Type::Array, Type::Null]);
            Schema::Array(array)
        }
        Schema::AnyOf(mut either) => {
            either.items.push(RefOr::T(of_type(Type::Null).into()));
            Schema::AnyOf(either)
        }
        other => other,
    }
}

/// Gives a schema a sentence.
fn described(schema: Schema, says: &str) -> RefOr<Schema> {
    let says = Some(says.to_owned());
    RefOr::T(match schema {
        Schema::Object(mut object) => {
            object.description = says;
            Schema::Object(object)
        }
        Schema::Array(mut array) => {
            array.description = says;
            Schema::Array(array)
        }
        Schema::AnyOf(mut either) => {
            either.description = says;
            Schema::AnyOf(either)
        }
        other => other,
    })
}
