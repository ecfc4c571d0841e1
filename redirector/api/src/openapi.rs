//! The description of the API for programs: OpenAPI 3.1, made from the list of operations.

use std::collections::BTreeMap;

use serde_json::Value;
use utoipa::openapi::header::Header;
use utoipa::openapi::path::{OperationBuilder, ParameterBuilder, ParameterIn};
use utoipa::openapi::request_body::{RequestBody, RequestBodyBuilder};
use utoipa::openapi::response::ResponseBuilder;
use utoipa::openapi::schema::{ArrayBuilder, ComponentsBuilder, SchemaType, Type};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{
    Content, HttpMethod, InfoBuilder, License, ObjectBuilder, OpenApi, OpenApiBuilder, PathItem,
    PathsBuilder, Ref, RefOr, Required, Schema, ServerBuilder,
};

use crate::field::{Field, Form};
use crate::kind::Kind;
use crate::operation::{Answer, Body, Operation, Parameter, Place, Scope, Verb};
use crate::operations::operations;
use crate::schema::{Use, form, object};

/// The statuses with which any operation may refuse, and when.
const REFUSALS: [(u16, &str); 13] = [
    (400, "The request cannot be read."),
    (401, "There is no access token, or an unknown one."),
    (403, "This token may not do it."),
    (404, "It does not exist, or not for this token."),
    (405, "The address takes other methods."),
    (408, "The request did not arrive or was not answered in time."),
    (409, "It conflicts with something that exists."),
    (413, "The body is too large, or has too many rows."),
    (421, "The request names a host that is not the console's."),
    (422, "Fields or parameters are missing, invalid or unknown; `errors` names all of them."),
    (429, "Too many wrong tokens came from this address."),
    (500, "The server failed."),
    (503, "It cannot be recorded or answered now; nothing is lost."),
];

/// Returns the description.
pub fn openapi() -> OpenApi {
    let operations = operations();
    let mut schemas = BTreeMap::from([("Problem".to_owned(), problem())]);
    let mut paths = PathsBuilder::new();
    for operation in &operations {
        collect(operation, &mut schemas);
        paths = paths.path(operation.path.as_str(), item(operation));
    }
    let mut components = ComponentsBuilder::new();
    for (name, schema) in schemas {
        components = components.schema(name, schema);
    }
    for (status, when) in REFUSALS {
        components = components.response(refusal_name(status), refused(status, when));
    }
    let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
    let components = components.security_scheme("token", SecurityScheme::Http(bearer));
    OpenApiBuilder::new()
        .info(
            InfoBuilder::new()
                .title("afterclick")
                .version("1")
                .description(Some(
                    "Times are RFC 3339 with their zone, days are the merchant's calendar days, \
                     amounts are decimal texts beside a currency. Unknown fields and parameters \
                     are refused. Readers must pass over fields that they do not know: more may be \
                     added.",
                ))
                .license(Some(License::new("Apache-2.0"))),
        )
        .servers(Some([ServerBuilder::new().url("/api/v1").build()]))
        .paths(paths)
        .components(Some(components.build()))
        .build()
}

/// Returns an operation as an item of its path. Items of one path are put together.
fn item(operation: &Operation) -> PathItem {
    let method = match operation.verb {
        Verb::Get => HttpMethod::Get,
        Verb::Post => HttpMethod::Post,
        Verb::Patch => HttpMethod::Patch,
        Verb::Delete => HttpMethod::Delete,
    };
    let mut described = OperationBuilder::new()
        .operation_id(Some(operation.name.as_str()))
        .tag(operation.chapter)
        .summary(Some(operation.says.as_str()))
        .description(Some(format!("For: {}.", operation.scope.says())))
        .request_body(body(operation.body));
    for wanted in &operation.parameters {
        described = described.parameter(parameter(wanted));
    }
    if operation.repeats {
        described = described.parameter(idempotency_key());
    }
    for answer in &operation.answers {
        described = described.response(answer.status().to_string(), answered(*answer));
    }
    for (status, _) in REFUSALS {
        let refusal = RefOr::Ref(Ref::from_response_name(refusal_name(status)));
        described = described.response(status.to_string(), refusal);
    }
    if operation.scope != Scope::Open {
        let no_scopes: [&str; 0] = [];
        described = described.security(SecurityRequirement::new("token", no_scopes));
    }
    PathItem::new(method, described)
}

fn parameter(wanted: &Parameter) -> ParameterBuilder {
    let place = match wanted.place {
        Place::Path => ParameterIn::Path,
        Place::Query => ParameterIn::Query,
    };
    let required = if wanted.is_required { Required::True } else { Required::False };
    ParameterBuilder::new()
        .name(wanted.name)
        .parameter_in(place)
        .required(required)
        .description(Some(wanted.says))
        .schema(Some(form(wanted.form, Use::Change)))
}

fn idempotency_key() -> ParameterBuilder {
    let schema = form(Form::Text(255), Use::Answer);
    ParameterBuilder::new()
        .name("Idempotency-Key")
        .parameter_in(ParameterIn::Header)
        .required(Required::False)
        .description(Some("Repeats of a request with the same key are done once."))
        .schema(Some(schema))
}

fn body(body: Body) -> Option<RequestBody> {
    let json = |name: &str, required| {
        RequestBodyBuilder::new()
            .content("application/json", Content::new(Some(Ref::from_schema_name(name))))
            .required(Some(required))
            .build()
    };
    match body {
        Body::Nothing => None,
        Body::New(kind) => Some(json(&new_name(kind), Required::True)),
        Body::Changed(kind) => Some(json(&change_name(kind), Required::True)),
        Body::Fields(name, _) => Some(json(name, Required::True)),
        Body::MaybeFields(name, _) => Some(json(name, Required::False)),
        Body::Csv(columns) => {
            let text = ObjectBuilder::new().schema_type(Type::String);
            let csv = RequestBodyBuilder::new()
                .description(Some(format!("A header line with {columns}, then the rows.")))
                .content("text/csv", Content::new(Some(Schema::from(text))))
                .required(Some(Required::True));
            Some(csv.build())
        }
    }
}

fn answered(answer: Answer) -> ResponseBuilder {
    let json = |says: &str, name: &str| {
        let content = Content::new(Some(Ref::from_schema_name(name)));
        ResponseBuilder::new().description(says).content("application/json", content)
    };
    let listed = |name: &str| {
        let text = ObjectBuilder::new().schema_type(Type::String);
        json("A page of the list.", name)
            .content("text/csv", Content::new(Some(Schema::from(text))))
    };
    match answer {
        Answer::Page(kind) => listed(&page_name(kind)),
        Answer::Listed(name, _) => listed(name),
        Answer::Entity(kind) => json("As it stands now.", &type_name(kind)),
        Answer::Created(kind) => json("It is created.", &created_name(kind))
            .header("Location", header("Where it stands."))
            .header("Idempotency-Replayed", header("`true` where it had been created before.")),
        Answer::Fields(_, name, _) => json("Done.", name),
        Answer::Empty(_) => ResponseBuilder::new().description("Done."),
        Answer::Json => {
            let any = ObjectBuilder::new().schema_type(SchemaType::AnyValue);
            let content = Content::new(Some(Schema::from(any)));
            ResponseBuilder::new()
                .description("This description.")
                .content("application/json", content)
        }
        Answer::File(types) => {
            types.iter().fold(ResponseBuilder::new().description("The file."), |response, kind| {
                let text = ObjectBuilder::new().schema_type(Type::String);
                response.content(*kind, Content::new(Some(Schema::from(text))))
            })
        }
    }
}

fn header(says: &str) -> Header {
    let mut header = Header::new(ObjectBuilder::new().schema_type(Type::String));
    header.description = Some(says.to_owned());
    header
}

fn refusal_name(status: u16) -> String {
    format!("Refused{status}")
}

fn refused(status: u16, when: &str) -> ResponseBuilder {
    let content = Content::new(Some(Ref::from_schema_name("Problem")));
    let response =
        ResponseBuilder::new().description(when).content("application/problem+json", content);
    match status {
        401 | 403 => response.header("WWW-Authenticate", header("What is wrong with the token.")),
        405 => response.header("Allow", header("The methods that it takes.")),
        429 | 503 => response.header("Retry-After", header("Seconds to wait.")),
        _ => response,
    }
}

/// Puts the schemas that an operation names beside the others.
fn collect(operation: &Operation, schemas: &mut BTreeMap<String, Schema>) {
    let mut put = |name: String, fields: &[Field], of: Use| {
        schemas.entry(name).or_insert_with(|| object(fields, of));
    };
    let mut pages = vec![];
    match operation.body {
        Body::New(kind) => put(new_name(kind), kind.fields(), Use::Creation),
        Body::Changed(kind) => put(change_name(kind), kind.fields(), Use::Change),
        Body::Fields(name, fields) | Body::MaybeFields(name, fields) => {
            put(name.to_owned(), fields, Use::Creation);
        }
        Body::Nothing | Body::Csv(_) => {}
    }
    for answer in &operation.answers {
        match *answer {
            Answer::Entity(kind) => put(type_name(kind), kind.fields(), Use::Answer),
            Answer::Created(kind) => put(created_name(kind), kind.fields(), Use::CreationAnswer),
            Answer::Fields(_, name, fields) | Answer::Listed(name, fields) => {
                put(name.to_owned(), fields, Use::Answer);
            }
            Answer::Page(kind) => put(type_name(kind), kind.fields(), Use::Answer),
            Answer::File(_) | Answer::Empty(_) | Answer::Json => {}
        }
        if let Answer::Page(kind) = *answer {
            pages.push(kind);
        }
    }
    for kind in pages {
        schemas.entry(page_name(kind)).or_insert_with(|| page(kind));
    }
}

fn page(kind: Kind) -> Schema {
    let items = ArrayBuilder::new().items(Ref::from_schema_name(type_name(kind)));
    let cursor = object(&[crate::shapes::NEXT_CURSOR], Use::Answer);
    let Schema::Object(mut schema) = cursor else { return cursor };
    schema.properties.insert("items".to_owned(), RefOr::T(Schema::Array(items.build())));
    schema.required = vec!["items".to_owned(), "next_cursor".to_owned()];
    Schema::Object(schema)
}

/// Returns the schema of problem documents (RFC 9457).
fn problem() -> Schema {
    const ERROR: &[Field] = &[
        Field::derived("field", Form::Word, "The field, or `line 7: destination` in an import."),
        Field::derived("reason", Form::Word, "What was expected instead."),
        Field::derived("code", Form::Word, "`required`, `invalid`, `unknown` or `taken`."),
    ];
    const PROBLEM: &[Field] = &[
        Field::derived("type", Form::Word, "Always `about:blank`."),
        Field::derived("title", Form::Word, "What happened, in a few words."),
        Field::derived("status", Form::Count, "The status."),
        Field::derived("code", Form::Word, "A name for programs that never changes."),
        Field::derived("detail", Form::Word, "What is wrong, and the way out."),
        Field::derived("errors", Form::List(&Form::Record(ERROR), 1_000), "Every mistake."),
    ];
    let schema = object(PROBLEM, Use::Answer);
    let Schema::Object(mut schema) = schema else { return schema };
    schema.required = ["type", "title", "status", "code", "detail"].map(str::to_owned).to_vec();
    Schema::Object(schema)
}

fn type_name(kind: Kind) -> String {
    let (first, rest) = kind.name().split_at(1);
    first.to_uppercase() + rest
}

fn new_name(kind: Kind) -> String {
    type_name(kind) + "New"
}

fn change_name(kind: Kind) -> String {
    type_name(kind) + "Change"
}

fn created_name(kind: Kind) -> String {
    type_name(kind) + "Created"
}

fn page_name(kind: Kind) -> String {
    type_name(kind) + "Page"
}

/// Returns the description as JSON text, spelled the same each time.
pub fn openapi_json() -> String {
    let value: Value = serde_json::to_value(openapi()).unwrap_or_default();
    serde_json::to_string_pretty(&value).unwrap_or_default() + "\n"
}
