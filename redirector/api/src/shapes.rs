//! What requests and answers hold that are no entities.

use crate::field::{Field, Form};

const UP_TO_DATE: Field = Field::derived(
    "up_to_date",
    Form::Flag,
    "Whether everything that this node had acknowledged when you asked is in the answer.",
);

pub(crate) const IMPORTED: &[Field] =
    &[Field::derived("imported", Form::Count, "How many rows were taken.")];

pub(crate) const RELEASE: &[Field] =
    &[Field::optional("reason", Form::Text(500), "Why it is released.")];

const STATS_ROW: &[Field] = &[
    Field::derived("link", Form::Word, "The link; `null` for what a code brought.").or_null(),
    Field::derived("influencer", Form::Word, "The influencer.").or_null(),
    Field::derived("campaign", Form::Word, "The campaign.").or_null(),
    Field::derived("day", Form::Day, "The merchant's day.").or_null(),
    Field::derived("hour", Form::Word, "The hour of the merchant's clock.").or_null(),
    Field::derived("slug", Form::Word, "The link's slug.").or_null(),
    Field::derived("name", Form::Word, "The influencer's or campaign's name.").or_null(),
    Field::derived("previous", Form::Object, "The same figures of the days before.").or_null(),
    Field::derived("clicks", Form::Counts, "Clicks: `raw`, and how many of each class."),
    Field::derived("sessions", Form::Minor, "Visits to the shop."),
    Field::derived("sessions_by_code", Form::Minor, "Those of them that a code opened."),
    Field::derived("leads", Form::Minor, "Leads."),
    Field::derived("orders", Form::Minor, "Credited orders that are not void."),
    Field::derived("orders_held", Form::Minor, "Those of them whose commission is held."),
    Field::derived("revenue", Form::ByCurrency, "Net goods of these orders, by currency."),
    Field::derived("commission", Form::ByCurrency, "Commission of orders, by currency."),
];

pub(crate) const STATS: &[Field] = &[
    Field::derived("by", Form::Word, "By what the rows are grouped."),
    Field::derived("rows", Form::List(&Form::Record(STATS_ROW), 1_000_000), "The figures."),
    Field::derived("previous", Form::Any, "The days that they are compared with.").or_null(),
    UP_TO_DATE,
    Field::derived(
        "warnings",
        Form::List(&Form::Word, 100),
        "Where statements count more than these figures.",
    )
    .or_null(),
];

const LISTED_ORDER: &[Field] = &[
    Field::derived("placed_at", Form::Time, "When it was placed."),
    Field::derived("merchant", Form::Id("mer_"), "The merchant."),
    Field::derived("merchant_name", Form::Word, "The merchant's name.").or_null(),
    Field::derived("order_id", Form::Word, "The shop's order id; not for an influencer."),
    Field::derived("names", Form::List(&Form::Word, 100), "The numbers that its customer sees."),
    Field::derived("status", Form::Word, "`draft`, `unpaid`, `paid` or `void`."),
    Field::derived("conversion_status", Form::Word, "`claimed`, `confirmed` or `cancelled`."),
    Field::derived("test", Form::Flag, "Whether it is a test order."),
    Field::derived("held", Form::Flag, "Whether its commission is held."),
    Field::derived("method", Form::Word, "How it was credited."),
    Field::derived("label", Form::Word, "Why it earns nothing, in a word; else empty."),
    Field::derived("reason", Form::Word, "Why it was decided so; not for an influencer."),
    Field::derived("campaign", Form::Id("cmp_"), "The campaign.").or_null(),
    Field::derived("campaign_name", Form::Word, "The campaign's name.").or_null(),
    Field::derived("influencer", Form::Id("inf_"), "The influencer.").or_null(),
    Field::derived("influencer_name", Form::Word, "The influencer's name.").or_null(),
    Field::derived("link", Form::Id("lnk_"), "The link.").or_null(),
    Field::derived("currency", Form::Currency, "The order's currency.").or_null(),
    Field::derived("goods", Form::Decimal, "Goods, without tax and shipping.").or_null(),
    Field::derived("net_goods", Form::Decimal, "Goods less refunds.").or_null(),
    Field::derived("commission", Form::ByCurrency, "What is booked, by currency."),
];

pub(crate) const ORDERS: &[Field] = &[
    Field::derived("items", Form::List(&Form::Record(LISTED_ORDER), 1_000), "The orders."),
    NEXT_CURSOR,
    UP_TO_DATE,
];

const ORDER_FIGURES: &[Field] = &[
    Field::derived("status", Form::Word, "`draft`, `unpaid`, `paid` or `void`."),
    Field::derived("confirmed", Form::Flag, "Whether the shop itself reported it."),
    Field::derived("test", Form::Flag, "Whether it is a test order."),
    Field::derived("placed_at", Form::Time, "When it was placed."),
    Field::derived("paid_at", Form::Time, "When it was paid.").or_null(),
    Field::derived("currency", Form::Currency, "The order's currency.").or_null(),
    Field::derived("goods", Form::Decimal, "Goods, without tax and shipping.").or_null(),
    Field::derived("total", Form::Decimal, "What the customer pays.").or_null(),
    Field::derived("refunded", Form::Decimal, "What was paid back.").or_null(),
    Field::derived("net_goods", Form::Decimal, "Goods less refunds.").or_null(),
    Field::derived("unreadable", Form::Any, "What could not be read.").or_null(),
    Field::derived("coupons", Form::List(&Form::Word, 1_000), "Discount codes on it."),
    Field::derived("new_customer", Form::Any, "Whether it is the customer's first order.")
        .or_null(),
];

pub(crate) const ORDER: &[Field] = &[
    Field::derived("merchant", Form::Id("mer_"), "The merchant."),
    Field::derived("order_id", Form::Word, "The shop's order id."),
    Field::derived("order", Form::Record(ORDER_FIGURES), "The order, by all that is known."),
    Field::derived(
        "facts",
        Form::List(&Form::Object, 1_000_000),
        "What each channel reported, as exports hold it.",
    ),
    Field::derived("decision", Form::Object, "Who is credited and why, with every candidate."),
    Field::derived("conversion", Form::Object, "How its amount was converted.").or_null(),
    Field::derived("unconverted", Form::Flag, "Whether a rate is missing."),
    Field::derived("held", Form::List(&Form::Any, 1_000), "Why its commission is held."),
    Field::derived("flags", Form::List(&Form::Word, 10), "What a person should look at."),
    Field::derived(
        "commission",
        Form::List(&Form::Object, 1_000_000),
        "Every amount that was booked.",
    ),
    UP_TO_DATE,
];

const BALANCE: &[Field] = &[
    Field::derived("merchant", Form::Id("mer_"), "Who pays."),
    Field::derived("merchant_name", Form::Word, "The merchant's name.").or_null(),
    Field::derived("influencer", Form::Id("inf_"), "Who is paid."),
    Field::derived("influencer_name", Form::Word, "The influencer's name.").or_null(),
    Field::derived("currency", Form::Currency, "The currency of the amounts."),
    Field::derived("pending", Form::Decimal, "What still waits."),
    Field::derived("held", Form::Decimal, "What somebody or something holds."),
    Field::derived("approved", Form::Decimal, "What may be paid, less what was."),
    Field::derived("in_payout", Form::Decimal, "What is in a batch and not paid yet."),
    Field::derived("paid", Form::Decimal, "What was paid."),
    Field::derived("payable", Form::Decimal, "What a close would pay now."),
    Field::derived("below_minimum", Form::Decimal, "What is too small and is carried forward."),
    Field::derived("below_zero", Form::Decimal, "What the influencer owes."),
    Field::derived("minimum_payout", Form::Decimal, "The least that is paid out."),
];

pub(crate) const BALANCES: &[Field] = &[
    Field::derived("as_of", Form::Day, "The day at whose end it stands; `null` for now.").or_null(),
    Field::derived("items", Form::List(&Form::Record(BALANCE), 1_000_000), "The balances."),
    Field::derived(
        "missing_streams",
        Form::List(&Form::Word, 10_000),
        "Streams of other nodes whose journals are missing here.",
    ),
    Field::derived(
        "unexplained_payouts",
        Form::List(&Form::Any, 10_000),
        "Steps about batches that this node does not know.",
    ),
];

const PAYOUT_LINE: &[Field] = &[
    Field::derived("influencer", Form::Id("inf_"), "Who is paid."),
    Field::derived("name", Form::Word, "The influencer's name.").or_null(),
    Field::derived("amount", Form::Decimal, "The amount."),
    Field::derived("state", Form::Word, "`open`, `paid`, `cancelled` or `superseded`.").or_null(),
    Field::derived("paid_on", Form::Day, "The day on which it was paid.").or_null(),
    Field::derived("recorded_on", Form::Day, "The day on which that was recorded.").or_null(),
    Field::derived("reference", Form::Word, "The bank's reference.").or_null(),
];

const LEFT_OUT: &[Field] = &[
    Field::derived("influencer", Form::Id("inf_"), "Whose amount it is."),
    Field::derived("name", Form::Word, "The influencer's name.").or_null(),
    Field::derived("amount", Form::Decimal, "The amount."),
    Field::derived("why", Form::Word, "`below_minimum`, `below_zero`, `held` or `no_account`."),
];

macro_rules! payout {
    ($($more:expr),*) => {
        &[
            Field::derived("id", Form::Id("pay_"), "The id; `null` where nothing is recorded.")
                .or_null(),
            Field::derived("number", Form::Count, "The number, for people."),
            Field::derived("merchant", Form::Id("mer_"), "Who pays.").or_null(),
            Field::derived("currency", Form::Currency, "The currency of the amounts."),
            Field::derived("closed_on", Form::Day, "The last day that it pays."),
            Field::derived("made_at", Form::Time, "When it was made.").or_null(),
            Field::derived("made_on", Form::Day, "The merchant's day on which it was made.")
                .or_null(),
            Field::derived("author", Form::Word, "Who made it.").or_null(),
            Field::derived("checksum", Form::Word, "The checksum of what is to be paid."),
            Field::derived(
                "state",
                Form::Word,
                "`open`, `partly_paid`, `paid`, `cancelled` or `superseded`.",
            )
            .or_null(),
            Field::derived("superseded_by", Form::Word, "The batch that took its place.")
                .or_null(),
            Field::derived("line_count", Form::Count, "How many lines it has.").or_null(),
            Field::derived("sum", Form::Decimal, "The sum of its lines.").or_null(),
            Field::derived("open", Form::Decimal, "What is still to be paid.").or_null(),
            Field::derived("paid", Form::Decimal, "What was paid.").or_null(),
            $($more),*
        ]
    };
}

const PAYOUT_SUMMARY: &[Field] = payout!();

pub(crate) const PAYOUT: &[Field] = payout!(
    Field::derived("lines", Form::List(&Form::Record(PAYOUT_LINE), 1_000_000), "Who gets what."),
    Field::derived(
        "left_out",
        Form::List(&Form::Record(LEFT_OUT), 1_000_000),
        "Who gets nothing, and why."
    )
);

pub(crate) const PAYOUTS: &[Field] = &[
    Field::derived(
        "items",
        Form::List(&Form::Record(PAYOUT_SUMMARY), 1_000),
        "Batches, the latest first.",
    ),
    NEXT_CURSOR,
];

pub(crate) const NEXT_CURSOR: Field =
    Field::derived("next_cursor", Form::Word, "The cursor of the next page; `null` on the last.")
        .or_null();

pub(crate) const CLOSE: &[Field] = &[
    Field::required("merchant", Form::Id("mer_"), "Who pays."),
    Field::required("closed_on", Form::Day, "The last day that is paid, in the merchant's zone."),
    Field::optional(
        "influencers",
        Form::List(&Form::Id("inf_"), 100_000),
        "Whom to pay. Default: all.",
    ),
    Field::optional("ignore_minimum", Form::Flag, "Pay also less than the minimum."),
    Field::optional("dry_run", Form::Flag, "Only show what would be paid."),
];

pub(crate) const PAID: &[Field] = &[
    Field::optional(
        "influencers",
        Form::List(&Form::Id("inf_"), 100_000),
        "Whose lines were paid. Default: all that are open.",
    ),
    Field::optional("on", Form::Day, "The day on which they were paid. Default: today."),
    Field::optional("reference", Form::Text(140), "The bank's reference."),
    Field::optional("checksum", Form::Text(64), "The batch's checksum, to be sure."),
    Field::optional("has_left", Form::Flag, "The money has left, whether it was owed or not."),
];

pub(crate) const UNDO: &[Field] = &[
    Field::required(
        "influencers",
        Form::List(&Form::Id("inf_"), 100_000),
        "Whose lines were not paid after all.",
    ),
    Field::required("reason", Form::Text(500), "Why."),
];

const DELIVERY: &[Field] = &[
    Field::derived("id", Form::Word, "The delivery."),
    Field::derived("merchant", Form::Id("mer_"), "Whose it is."),
    Field::derived("platform", Form::Word, "The shop's system."),
    Field::derived("received_at", Form::Time, "When it came."),
    Field::derived("topic", Form::Word, "What it is about.").or_null(),
    Field::derived("reason", Form::Word, "Why it could not be read."),
    Field::derived("reread", Form::Flag, "Whether it was read after all."),
];

pub(crate) const UNPARSED: &[Field] = &[
    Field::derived("items", Form::List(&Form::Record(DELIVERY), 1_000), "The latest first."),
    Field::derived("count", Form::Count, "How many there are in all."),
    UP_TO_DATE,
];

pub(crate) const REPLAYED: &[Field] = &[
    Field::derived("reread", Form::Count, "How many could be read now."),
    Field::derived("still_unparsed", Form::Count, "How many could not."),
];

pub(crate) const ERASURE: &[Field] = &[
    Field::required("merchant", Form::Id("mer_"), "Whose customer it is."),
    Field::required("email", Form::Email, "The customer's address. It is not kept."),
];

pub(crate) const ERASURE_ASKED: &[Field] = &[
    Field::derived("customer", Form::Word, "The customer's hash."),
    Field::derived("command", Form::Word, "The command that erases the customer."),
];

const RECONCILIATION: &[Field] = &[
    Field::derived("merchant", Form::Id("mer_"), "Whose shop it is."),
    Field::derived("last_run", Form::Time, "When the last one began.").or_null(),
    Field::derived("next_run", Form::Time, "When the next one is due."),
    Field::derived("runs", Form::Count, "How many succeeded."),
    Field::derived("failures", Form::Count, "How many failed."),
    Field::derived("read", Form::Count, "How many orders were read."),
    Field::derived("found", Form::Count, "How many facts no webhook had brought."),
    Field::derived("last_error", Form::Word, "Why the last one failed.").or_null(),
];

pub(crate) const RECONCILIATIONS: &[Field] = &[Field::derived(
    "items",
    Form::List(&Form::Record(RECONCILIATION), 100_000),
    "One for each shop that is asked.",
)];

pub(crate) const SIGN_IN_LINK: &[Field] = &[
    Field::derived("sign_in", Form::Word, "The address. Give it to nobody else."),
    Field::derived("ends_at", Form::Time, "When it ends."),
];

pub(crate) const SIGN_IN: &[Field] = &[
    Field::optional("link", Form::Text(200), "The last part of the address: alone."),
    Field::optional("email", Form::Email, "The address of the person: with `password`."),
    Field::optional("password", Form::Text(200), "The password: with `email`."),
];

pub(crate) const ME: &[Field] = &[
    Field::derived("role", Form::OneOf(&["admin", "merchant", "influencer"]), "What they may do."),
    Field::derived("for", Form::Word, "The merchant's or influencer's id.").or_null(),
    Field::derived("name", Form::Word, "The name of the person or token."),
    Field::derived("person", Form::Id("per_"), "The person; `null` for a token.").or_null(),
    Field::derived("email", Form::Email, "The person's address.").or_null(),
    Field::derived("language", Form::Word, "The language of pages.").or_null(),
    Field::derived("has_password", Form::Flag, "Whether the person has a password.").or_null(),
];

pub(crate) const ME_CHANGE: &[Field] = &[
    Field::optional("name", Form::Text(200), "The name for people."),
    Field::optional(
        "language",
        Form::OneOf(&["en", "sv", "he", "ru", "lv"]),
        "The language of pages; `null` for that of the browser.",
    ),
];

pub(crate) const PASSWORD: &[Field] = &[
    Field::required("password", Form::Text(200), "The new password: 10 characters at least."),
    Field::optional("current", Form::Text(200), "The current password, where there is one."),
];

const FIELD_CHANGE: &[Field] = &[
    Field::derived("field", Form::Word, "The field."),
    Field::derived("before", Form::Any, "Its value before; `null` for none. Secrets are hidden.")
        .or_null(),
    Field::derived("after", Form::Any, "Its value after.").or_null(),
];

const ENTITY_CHANGE: &[Field] = &[
    Field::derived("kind", Form::Word, "The kind of the entity."),
    Field::derived("id", Form::Word, "The entity."),
    Field::derived("is_new", Form::Flag, "Whether the change created it."),
    Field::derived("fields", Form::List(&Form::Record(FIELD_CHANGE), 1_000), "What changed."),
];

const CHANGE: &[Field] = &[
    Field::derived("id", Form::Word, "The change."),
    Field::derived("at", Form::Time, "When it was made."),
    Field::derived("by", Form::Word, "Who made it: `person`, `token`, …").or_null(),
    Field::derived("by_id", Form::Word, "The person or token.").or_null(),
    Field::derived("by_name", Form::Word, "The name of the person or token.").or_null(),
    Field::derived("entity_count", Form::Count, "How many entities it changed."),
    Field::derived(
        "entities",
        Form::List(&Form::Record(ENTITY_CHANGE), 20),
        "The first twenty of them.",
    ),
];

pub(crate) const HISTORY: &[Field] = &[
    Field::derived("items", Form::List(&Form::Record(CHANGE), 1_000), "The latest first."),
    NEXT_CURSOR,
];

pub(crate) const UNDONE: &[Field] =
    &[Field::derived("undone", Form::Word, "The change whose fields are as before.")];

const SHEET_ROW: &[Field] = &[
    Field::derived("line", Form::Count, "The line of the file."),
    Field::derived("influencer", Form::Id("inf_"), "The influencer."),
    Field::derived("influencer_did", Form::OneOf(DID), "What became of the influencer."),
    Field::derived("campaign", Form::Id("cmp_"), "The campaign."),
    Field::derived("campaign_did", Form::OneOf(DID), "What became of the campaign."),
    Field::derived("link", Form::Id("lnk_"), "The link.").or_null(),
    Field::derived("link_did", Form::OneOf(DID), "What became of the link.").or_null(),
    Field::derived("slug", Form::Word, "The link's slug.").or_null(),
    Field::derived("coupon", Form::Id("cpn_"), "The coupon.").or_null(),
    Field::derived("coupon_did", Form::OneOf(DID), "What became of the coupon.").or_null(),
    Field::derived("code", Form::Word, "The coupon's code.").or_null(),
];

const DID: &[&str] = &["created", "changed", "stayed"];

pub(crate) const SHEET: &[Field] = &[
    Field::derived("dry_run", Form::Flag, "Whether nothing was recorded. Then ids are not kept."),
    Field::derived("entity_count", Form::Count, "How many entities are created or changed."),
    Field::derived("rows", Form::List(&Form::Record(SHEET_ROW), 100_000), "The rows."),
];

const SHARE_SHOWN: &[Field] = &[
    Field::derived("name", Form::Word, "The share's name.").or_null(),
    Field::derived("destination", Form::Address, "Where it leads."),
    Field::derived("parts", Form::Count, "How many parts of the visitors it has."),
    Field::derived("of", Form::Count, "How many parts there are."),
];

pub(crate) const TRY: &[Field] = &[
    Field::derived("answered_by", Form::OneOf(&["rule", "split", "link"]), "What answers."),
    Field::derived("destination", Form::Address, "Where it leads; `null` for a split.").or_null(),
    Field::derived("place", Form::Count, "The rule's place in the list, from 0.").or_null(),
    Field::derived("name", Form::Word, "The rule's name.").or_null(),
    Field::derived("shares", Form::List(&Form::Record(SHARE_SHOWN), 10), "The split.").or_null(),
    Field::derived("device", Form::Word, "The device that the user agent names."),
    Field::derived("system", Form::Word, "The system that the user agent names."),
    Field::derived("at", Form::Time, "When the visitor comes."),
];
