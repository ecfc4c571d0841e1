//! The fields of access tokens.

use super::CREATED_AT;
use crate::field::{Field, Form, Seen};

pub(crate) const TOKEN: &[Field] = &[
    Field::derived("id", Form::Id("tok_"), "The id."),
    Field::required(
        "role",
        Form::OneOf(&["admin", "merchant", "influencer"]),
        "What its holder may do.",
    )
    .once(),
    Field::optional("for", Form::Text(40), "The merchant's or influencer's id.").once(),
    Field::optional("name", Form::Text(200), "The name for people.").once(),
    Field::derived("token", Form::Word, "The token itself.").seen(Seen::Once),
    Field::optional("expires_at", Form::Time, "The end of its use.").once(),
    Field::derived("revoked_at", Form::Time, "When it was revoked.").or_null(),
    Field::derived("valid", Form::Flag, "Whether it opens anything now."),
    CREATED_AT,
];
