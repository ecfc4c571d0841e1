//! The fields of a campaign.

use super::terms::{CAPS, RULE};
use super::{ARCHIVED, CREATED_AT, UPDATED_AT};
use crate::field::{Field, Form, Seen};

const TARGET: &[Field] = &[
    Field::optional("goods", Form::Decimal, "Net goods, in the merchant's currency."),
    Field::optional("orders", Form::Count, "Orders."),
];

const TERMS: &[Field] = &[
    Field::derived("until", Form::Time, "The end of these terms."),
    Field::derived("commission", Form::List(&Form::Record(RULE), 100), "The terms."),
];

pub(crate) const CAMPAIGN: &[Field] = &[
    Field::derived("id", Form::Id("cmp_"), "The id."),
    Field::required("merchant", Form::Id("mer_"), "The merchant who pays.").once(),
    Field::required("name", Form::Text(200), "The name for people."),
    Field::defaulted(
        "window_days",
        Form::Number(1, 365),
        "For how many days a click may earn. Default: 30. It changes until the first order or lead.",
    ),
    Field::defaulted(
        "dedupe_minutes",
        Form::Number(0, 10_080),
        "For how many minutes another click of the same visitor is a duplicate; 0 for none. \
         Default: 30.",
    )
    .once()
    .seen(Seen::ByMerchant),
    Field::defaulted(
        "hold_days",
        Form::Number(0, 365),
        "For how many days a commission waits before it is approved. Default: 30. It changes until \
         the first order or lead.",
    ),
    Field::optional("starts_at", Form::Time, "The start.").cleared_by_null(),
    Field::optional("ends_at", Form::Time, "The end, which is not part of it.").cleared_by_null(),
    Field::defaulted("paused", Form::Flag, "Whether it is switched off. Default: false."),
    Field::required(
        "commission",
        Form::Either(&[Form::Record(RULE), Form::List(&Form::Record(RULE), 100)]),
        "What it pays: a rule or a list of rules, docs/accounts/terms.md. New terms are for orders \
         placed from then on.",
    )
    .seen(Seen::ByMerchant),
    Field::derived("commission_text", Form::Word, "The terms in one line."),
    Field::derived(
        "earlier_commissions",
        Form::List(&Form::Record(TERMS), 10_000),
        "The terms before, the oldest first.",
    )
    .seen(Seen::ByMerchant),
    Field::defaulted(
        "precedence",
        Form::List(&Form::OneOf(&["click", "coupon", "code_visit", "existing_customer"]), 4),
        "In which order evidence counts. Default: click, coupon.",
    )
    .once()
    .seen(Seen::ByMerchant),
    Field::defaulted(
        "model",
        Form::OneOf(&["last_click", "first_click"]),
        "Which touch gets the credit. Default: last_click.",
    )
    .once()
    .seen(Seen::ByMerchant),
    Field::defaulted(
        "renewals",
        Form::OneOf(&["none", "within_window", "all"]),
        "Whether renewals of a subscription earn. Default: none.",
    )
    .once()
    .seen(Seen::ByMerchant),
    Field::defaulted("caps", Form::Record(CAPS), "Upper bounds of what is paid.")
        .once()
        .seen(Seen::ByMerchant),
    Field::optional(
        "minimum_payout",
        Form::Decimal,
        "The least that is paid out; a smaller amount is carried forward. It changes until the \
         first order or lead.",
    )
    .cleared_by_null(),
    Field::optional("target", Form::Record(TARGET), "What it is meant to reach.")
        .cleared_by_null()
        .seen(Seen::ByMerchant),
    Field::defaulted(
        "destinations",
        Form::List(&Form::Host, 100),
        "Hosts beside the merchant's domains to which its links may lead.",
    )
    .cleared_by_null()
    .or_null()
    .seen(Seen::ByMerchant),
    ARCHIVED.seen(Seen::ByMerchant),
    CREATED_AT,
    UPDATED_AT.seen(Seen::ByMerchant),
];
