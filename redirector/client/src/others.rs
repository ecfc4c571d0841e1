//! The operations that are about no resource: orders, leads, figures, balances, payouts, what shops
//! sent and what they are asked.

use crate::fields::Field;
use crate::fields::Kind::{AllOf, Flag, Number, Of, One, Text};
use crate::fields::Named::{Campaign, Influencer, Merchant};
use crate::fields::Place::{Body, Path, Query};
use crate::operation::{Asks, Group, ID, Operation, Shows, import, may, must, operation};

/// Returns their groups, in the order of the help.
pub(crate) fn groups() -> Vec<Group> {
    vec![orders(), leads(), stats(), balances(), payouts(), unparsed(), reconcile()]
}

fn orders() -> Group {
    let fields = vec![
        must("merchant", Of(Merchant), Path, "The merchant, by id or exact name"),
        must("order", Text, Path, "The shop's id of the order; any of its names will do"),
    ];
    let about = "Show an order: its facts, the decision with every candidate, each amount booked";
    let show = Operation {
        fields,
        ..operation("show", about, Asks::Get, "orders/{merchant}/{order}", Shows::One(ORDER))
    };
    let about = "Import orders from a CSV file with a header line, all or nothing";
    let import = import(about, "orders", vec![OF_MERCHANT], false);
    Group { word: "orders", about: "What the shops sold", operations: vec![show, import] }
}

fn leads() -> Group {
    let about = "Import leads from a CSV file with a header line, all or nothing";
    let import = import(about, "leads", vec![OF_MERCHANT], false);
    Group { word: "leads", about: "Sign-ups, forms and trials", operations: vec![import] }
}

fn stats() -> Group {
    let about = "Clicks, sessions, orders, revenue and commission, as they stand now";
    let fields = vec![
        may(
            "by",
            One(&["link", "influencer", "campaign", "day"]),
            Query,
            "Add up by [default: link]",
        ),
        may("from", Text, Query, "The first day, in the merchant's calendar: 2026-11-01"),
        may("to", Text, Query, "The last day"),
        may("merchant", Of(Merchant), Query, "Only this merchant, by id or exact name"),
        may("campaign", Of(Campaign), Query, "Only this campaign, by id or exact name"),
        may("influencer", Of(Influencer), Query, "Only this influencer, by id or exact name"),
        may("link", Text, Query, "Only the link with this id"),
    ];
    let shows = Shows::Rows("rows", FIGURES);
    let stats = Operation { fields, ..operation("", about, Asks::Get, "stats", shows) };
    Group { word: "stats", about, operations: vec![stats] }
}

fn balances() -> Group {
    let about = "What every influencer has with every merchant: pending, approved, payable, paid";
    let fields = vec![
        may("merchant", Of(Merchant), Query, "Only this merchant, by id or exact name"),
        may("influencer", Of(Influencer), Query, "Only this influencer, by id or exact name"),
        may("as_of", Text, Query, "The end of this day [default: now]"),
    ];
    let shows = Shows::Rows("items", BALANCE);
    let balances = Operation { fields, ..operation("", about, Asks::Get, "balances", shows) };
    Group { word: "balances", about, operations: vec![balances] }
}

#[rustfmt::skip]
fn payouts() -> Group {
    let operations = vec![
        Operation {
            fields: vec![may("merchant", Of(Merchant), Query, "Only this merchant, by id or exact name")],
            ..operation("list", "List payouts, the latest first", Asks::Pages, "payouts", Shows::Rows("items", PAYOUT))
        },
        Operation {
            fields: vec![ID],
            ..operation("show", "Show a payout with its lines", Asks::Get, "payouts/{id}", Shows::One(PAYOUT))
        },
        Operation {
            fields: vec![
                must("merchant", Of(Merchant), Body, "The merchant, by id or exact name"),
                must("closed_on", Text, Body, "The last day that is paid: 2026-11-30"),
                may("influencers", AllOf(Influencer), Body, "Only these, comma-separated [default: all]"),
                may("ignore_minimum", Flag, Body, "Pay small amounts, too"),
                may("dry_run", Flag, Body, "Only show what would be paid"),
            ],
            ..operation("close", "Close the days up to one of them: make a payout of all that is payable", Asks::Create, "payouts", Shows::One(PAYOUT))
        },
        Operation {
            fields: vec![
                ID,
                must("format", One(&["sepa", "paypal", "wise", "plain"]), Query, "Who reads it"),
                may("pay_on", Text, Query, "The day of payment [default: today]"),
                may("checksum", Text, Query, "Refuse another payout than the one with this checksum"),
            ],
            ..operation("file", "Print the file with which a bank or a payment service pays", Asks::File, "payouts/{id}/file", Shows::Said(""))
        },
        Operation {
            fields: vec![
                ID,
                may("influencers", AllOf(Influencer), Body, "Only their lines, comma-separated [default: all]"),
                may("on", Text, Body, "The bank's day [default: today]"),
                may("reference", Text, Body, "The bank's reference"),
                may("checksum", Text, Body, "Refuse another payout than the one with this checksum"),
                may("has_left", Flag, Body, "The money has left, whether it was owed or not"),
            ],
            ..operation("paid", "Record that the money has left", Asks::Post, "payouts/{id}/paid", Shows::One(PAYOUT))
        },
        Operation {
            fields: vec![
                ID,
                must("influencers", AllOf(Influencer), Body, "Whose transfers came back, comma-separated"),
                must("reason", Text, Body, "What happened"),
            ],
            ..operation("undo", "Take the mark back: their lines are open again", Asks::Post, "payouts/{id}/undo", Shows::One(PAYOUT))
        },
        Operation {
            fields: vec![ID],
            ..operation("cancel", "Cancel a payout of which nothing is paid", Asks::Post, "payouts/{id}/cancel", Shows::One(PAYOUT))
        },
    ];
    Group { word: "payouts", about: "Closing, paying, and what was paid", operations }
}

fn unparsed() -> Group {
    let shows = Shows::Rows("items", &["id", "merchant", "platform", "received_at", "reason"]);
    let about = "List what shops sent and nobody could read, the latest first";
    let list = operation("list", about, Asks::Get, "unparsed", shows);
    let limit = may("limit", Number, Query, "The most that are listed [default: 100]");
    let list = Operation { fields: vec![limit], ..list };
    let about = "Read these again, and record what can be read now";
    let shows = Shows::One(&["reread", "still_unparsed"]);
    let replay = operation("replay", about, Asks::Post, "unparsed/replay", shows);
    let about = "What shops sent and nobody could read";
    Group { word: "unparsed", about, operations: vec![list, replay] }
}

fn reconcile() -> Group {
    let shows = Shows::Rows("items", &["merchant"]);
    let about = "List how asking the shops went";
    let list = operation("list", about, Asks::Get, "reconcile", shows);
    let fields = vec![
        must("merchant", Of(Merchant), Path, "The merchant, by id or exact name"),
        may("since", Text, Query, "As far back as this time"),
    ];
    let shows =
        Shows::Said("the shop is asked soon; `afterclick reconcile list` shows how it went");
    let now = operation("now", "Ask a shop soon", Asks::Post, "reconcile/{merchant}", shows);
    let now = Operation { fields, ..now };
    let about = "Asking shops for orders whose webhooks were lost";
    Group { word: "reconcile", about, operations: vec![list, now] }
}

const OF_MERCHANT: Field =
    must("merchant", Of(Merchant), Query, "The merchant, by id or exact name");
const ORDER: &[&str] =
    &["order_id", "merchant", "order", "decision", "commission", "held", "flags"];
#[rustfmt::skip]
const FIGURES: &[&str] = &[
    "day", "campaign", "influencer", "link", "slug", "clicks.raw", "clicks.billable", "sessions", "leads",
    "orders", "orders_held", "revenue", "commission",
];
#[rustfmt::skip]
const BALANCE: &[&str] = &[
    "merchant", "influencer", "currency", "pending", "held", "approved", "in_payout", "paid", "payable",
    "below_minimum", "below_zero",
];
#[rustfmt::skip]
const PAYOUT: &[&str] = &[
    "id", "number", "merchant", "closed_on", "state", "line_count", "sum", "open", "paid", "currency", "checksum",
];
