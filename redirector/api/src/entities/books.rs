//! The fields of exchange rates, holds and bookings.

use super::{CREATED_AT, UPDATED_AT};
use crate::field::{Field, Form};

pub(crate) const RATE: &[Field] = &[
    Field::derived("id", Form::Word, "The two currencies and the day."),
    Field::required("date", Form::Day, "The day on which it counts.").once(),
    Field::required("from", Form::Currency, "The currency that is converted.").once(),
    Field::required("to", Form::Currency, "The currency that comes out.").once(),
    Field::required("rate", Form::Decimal, "How many of `to` one of `from` is.").once(),
    Field::required("source", Form::Text(200), "Where it was read.").once(),
    CREATED_AT,
];

const ORDER: &[Field] = &[
    Field::required("merchant", Form::Id("mer_"), "Whose order it is."),
    Field::required("order_id", Form::Text(200), "The shop's order id."),
];

pub(crate) const HOLD: &[Field] = &[
    Field::derived("id", Form::Id("hld_"), "The id."),
    Field::required("reason", Form::Text(500), "Why, for whoever is affected.").once(),
    Field::optional(
        "order",
        Form::Either(&[Form::Text(250), Form::Record(ORDER)]),
        "The order that is held: `mer_…/1001`, or its id beside `merchant`.",
    )
    .once(),
    Field::optional("merchant", Form::Id("mer_"), "Whose order it is.").once(),
    Field::optional("link", Form::Id("lnk_"), "The link whose commissions are held.").once(),
    Field::optional("influencer", Form::Id("inf_"), "The influencer whose commissions are held.")
        .once(),
    Field::derived("key", Form::Count, "The key of click tokens that was revoked.").or_null(),
    Field::derived("since", Form::Time, "Since when, where not everything is held.").or_null(),
    Field::derived("released_at", Form::Time, "When it was released.").or_null(),
    Field::derived("release_reason", Form::Word, "Why it was released.").or_null(),
    CREATED_AT,
    UPDATED_AT,
];

pub(crate) const BOOKING: &[Field] = &[
    Field::derived("id", Form::Id("bkg_"), "The id."),
    Field::required("influencer", Form::Id("inf_"), "Who gets it.").once(),
    Field::optional("merchant", Form::Id("mer_"), "Who pays; or say the campaign.").once(),
    Field::optional("campaign", Form::Id("cmp_"), "The campaign that it belongs to.").once(),
    Field::required(
        "kind",
        Form::OneOf(&["bonus", "fixed_fee", "correction"]),
        "What it is. Only a correction may be negative.",
    )
    .once(),
    Field::required("amount", Form::Decimal, "The amount, in the merchant's currency.").once(),
    Field::derived("amount_minor", Form::Minor, "The amount in minor units."),
    Field::optional("currency", Form::Currency, "The merchant's currency, to be sure.").once(),
    Field::required("note", Form::Text(500), "What for: the influencer reads it.").once(),
    Field::derived("author", Form::Word, "Who booked it."),
    Field::derived("booked_on", Form::Day, "The merchant's day on which it was booked."),
    CREATED_AT,
];
