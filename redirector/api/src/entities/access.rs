//! The fields of access tokens and of people.

use super::{CREATED_AT, UPDATED_AT};
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

pub(crate) const PERSON: &[Field] = &[
    Field::derived("id", Form::Id("per_"), "The id."),
    Field::required("name", Form::Text(200), "The name for people."),
    Field::optional("email", Form::Email, "The address with which they sign in by a password.")
        .cleared_by_null(),
    Field::required(
        "role",
        Form::OneOf(&["admin", "merchant", "influencer"]),
        "What they may do: everything, or see what is a merchant's or an influencer's own.",
    )
    .once(),
    Field::optional("for", Form::Text(40), "The merchant's or influencer's id.").once(),
    Field::optional(
        "language",
        Form::OneOf(&["en", "sv", "he", "ru", "lv"]),
        "The language of pages. Without it, that of the browser.",
    )
    .cleared_by_null(),
    Field::defaulted("archived", Form::Flag, "Whether they may not sign in any more.").on_change(),
    Field::derived("has_password", Form::Flag, "Whether they have a password."),
    Field::derived("signed_in_at", Form::Time, "When they last signed in.").or_null(),
    Field::derived(
        "sign_in",
        Form::Word,
        "The address with which they sign in once, within seven days. Give it to nobody else.",
    )
    .seen(Seen::Once),
    CREATED_AT,
    UPDATED_AT,
];
