//! Every operation that the command line asks the API for: those that follow from the table of
//! resources, and the others, each with its words, method, path, fields and what is shown of the answer.
//! It is data only. Arguments, requests and tables follow from it.

use crate::fields::Kind::{AllOf, Flag, Of, One, Text};
use crate::fields::Named::{Campaign, Influencer, Merchant};
use crate::fields::Place::{Body, Path, Query};
use crate::fields::{Field, Kind, Place};
use crate::resources::{RESOURCES, Resource};

/// Commands that begin with one word.
#[derive(Debug, Clone)]
pub struct Group {
    /// The word.
    pub word: &'static str,
    /// What it is about, for people.
    pub about: &'static str,
    /// Its operations; one without a verb is the word itself.
    pub operations: Vec<Operation>,
}

/// One operation of the API, as a command.
#[derive(Debug, Clone)]
pub struct Operation {
    /// The second word of the command; empty where the first one is enough.
    pub verb: &'static str,
    /// What it does, for people.
    pub about: String,
    /// How it asks.
    pub asks: Asks,
    /// The path below `/api/v1/`, with `{names}` of fields.
    pub path: String,
    /// What may be given.
    pub fields: Vec<Field>,
    /// What may be cleared by a change.
    pub clears: Vec<&'static str>,
    /// Body fields with the same value each time: `paused` of `pause`.
    pub fixed: &'static [(&'static str, bool)],
    /// What is shown of the answer.
    pub shows: Shows,
}

/// How an operation asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asks {
    /// `GET`.
    Get,
    /// `GET`, page by page, up to `--limit`.
    Pages,
    /// `GET` of a file, which is printed or written as it is.
    File,
    /// `POST`; done twice, it is the same.
    Post,
    /// `POST` with an `Idempotency-Key`.
    Create,
    /// `PATCH`.
    Patch,
    /// `POST` of a CSV file; with an `Idempotency-Key` where the server heeds it.
    Import {
        /// Whether it takes an idempotency key.
        keyed: bool,
    },
}

/// What is shown of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shows {
    /// All fields of one thing, these first.
    One(&'static [&'static str]),
    /// Rows: the field of the answer that holds them, and their columns; `clicks.raw` is a field of a
    /// field.
    Rows(&'static str, &'static [&'static str]),
    /// These words and no more, where the answer has no body.
    Said(&'static str),
}

/// Returns every group, in the order of the help.
pub fn groups() -> Vec<Group> {
    let mut groups: Vec<Group> = RESOURCES.iter().map(of_resource).collect();
    groups.extend([orders(), leads(), stats(), balances(), payouts(), unparsed(), reconcile()]);
    groups
}

fn of_resource(of: &Resource) -> Group {
    let mut operations = vec![add(of), list(of), show(of)];
    if of.changes {
        operations.push(change(of));
    }
    if of.pauses {
        let (word, path) = (of.word, of.path);
        let about = format!("Pause a {word}: its clicks earn nothing until it is resumed");
        operations.push(paused("pause", about, path, &[("paused", true)]));
        let about = format!("Resume a {word} that is paused");
        operations.push(paused("resume", about, path, &[("paused", false)]));
    }
    if of.imports {
        let about =
            format!("Import {} from a CSV file with a header line, all or nothing", of.path);
        operations.push(import(about, of.path, vec![], true));
    }
    if of.word == "hold" {
        let fields = vec![ID, may("reason", Text, Body, "The reason for the release")];
        let about = "Release a hold: its commissions go on as if they had never been held";
        operations.push(Operation {
            fields,
            ..operation("release", about, Asks::Post, "holds/{id}/release", Shows::One(of.columns))
        });
    }
    Group { word: of.word, about: of.about, operations }
}

fn add(of: &Resource) -> Operation {
    let fields = of.fields.iter().filter(|(_, _, when, _)| when.on_creation());
    let fields = fields.map(|&(name, kind, when, help)| Field {
        name,
        kind,
        place: Body,
        required: when.is_required(),
        help,
    });
    Operation {
        fields: fields.collect(),
        ..operation(
            "add",
            format!("Add {} {}", of.article, of.word),
            Asks::Create,
            of.path,
            Shows::One(of.columns),
        )
    }
}

fn list(of: &Resource) -> Operation {
    let about = format!("List {}, the earliest first", of.path);
    operation("list", about, Asks::Pages, of.path, Shows::Rows("items", of.columns))
}

fn show(of: &Resource) -> Operation {
    let path = format!("{}/{{id}}", of.path);
    let about = format!("Show {} {}", of.article, of.word);
    let fields = vec![id(of)];
    Operation { fields, ..operation("show", about, Asks::Get, path, Shows::One(of.columns)) }
}

fn change(of: &Resource) -> Operation {
    let changing = of.fields.iter().filter(|(_, _, when, _)| when.on_change());
    let changing = changing.map(|&(name, kind, _, help)| may(name, kind, Body, help));
    let clears = of.fields.iter().filter(|(_, _, when, _)| when.may_be_cleared());
    let path = format!("{}/{{id}}", of.path);
    let about = format!("Change {} {}; what is not given stays", of.article, of.word);
    Operation {
        fields: [id(of)].into_iter().chain(changing).collect(),
        clears: clears.map(|(name, ..)| *name).collect(),
        ..operation("change", about, Asks::Patch, path, Shows::One(of.columns))
    }
}

fn paused(
    verb: &'static str,
    about: String,
    path: &str,
    fixed: &'static [(&'static str, bool)],
) -> Operation {
    let of = RESOURCES.iter().find(|of| of.path == path);
    let (id, columns) = of.map_or((ID, &[][..]), |of| (id(of), of.columns));
    Operation {
        fields: vec![id],
        fixed,
        ..operation(verb, about, Asks::Patch, format!("{path}/{{id}}"), Shows::One(columns))
    }
}

fn import(about: impl Into<String>, path: &str, fields: Vec<Field>, keyed: bool) -> Operation {
    let path = format!("{path}/import");
    let shows = Shows::One(&["imported"]);
    Operation { fields, ..operation("import", about, Asks::Import { keyed }, path, shows) }
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
    let limit = may("limit", Kind::Number, Query, "The most that are listed [default: 100]");
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

fn operation(
    verb: &'static str,
    about: impl Into<String>,
    asks: Asks,
    path: impl Into<String>,
    shows: Shows,
) -> Operation {
    let (about, path) = (about.into(), path.into());
    Operation { verb, about, asks, path, fields: vec![], clears: vec![], fixed: &[], shows }
}

const fn must(name: &'static str, kind: Kind, place: Place, help: &'static str) -> Field {
    Field { name, kind, place, required: true, help }
}

const fn may(name: &'static str, kind: Kind, place: Place, help: &'static str) -> Field {
    Field { name, kind, place, required: false, help }
}

/// Returns the argument that says which one of a resource.
fn id(of: &Resource) -> Field {
    match of.named {
        Some(named) => must("id", Of(named), Path, "Its id, or its exact name"),
        None => ID,
    }
}

const ID: Field = must("id", Text, Path, "Its id");
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
