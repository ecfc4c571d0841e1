//! The terms of a campaign: rules and upper bounds.

use crate::field::{Field, Form};

const WHEN: &[Field] = &[
    Field::defaulted(
        "product",
        Form::List(&Form::Text(200), 1_000),
        "Article numbers or product ids. One of them must fit.",
    ),
    Field::defaulted(
        "category",
        Form::List(&Form::Text(200), 1_000),
        "The shop's categories. One of them must fit.",
    ),
    Field::optional(
        "new_customer",
        Form::Flag,
        "`true` asks for the customer's first order, `false` for a later one.",
    ),
    Field::optional(
        "free",
        Form::Flag,
        "`true` asks for an order whose goods cost nothing, `false` for one whose goods cost \
         something.",
    ),
];

/// A rule of the terms.
pub(crate) const RULE: &[Field] = &[
    Field::required(
        "kind",
        Form::OneOf(&["percent", "per_sale", "per_lead", "per_click", "volume"]),
        "What is paid for. `percent` and `volume` go with `rate`, the others with `amount`.",
    ),
    Field::optional("rate", Form::Decimal, "Percent."),
    Field::optional("amount", Form::Decimal, "The amount, in the merchant's currency."),
    Field::optional("base", Form::OneOf(&["net_goods"]), "What the percent are of."),
    Field::optional(
        "orders",
        Form::Number(1, u32::MAX),
        "How many orders a month `volume` asks for.",
    ),
    Field::optional("when", Form::Record(WHEN), "The conditions under which it counts."),
];

/// Upper bounds of what a campaign pays.
pub(crate) const CAPS: &[Field] = &[
    Field::optional("commission_per_order", Form::Decimal, "The most for one order."),
    Field::optional(
        "commission_per_influencer_month",
        Form::Decimal,
        "The most for one influencer in one month of the merchant's calendar.",
    ),
    Field::optional("commission_total", Form::Decimal, "The most in total: the budget."),
    Field::optional("leads_per_click", Form::Number(1, 10), "The most leads of one click."),
];
