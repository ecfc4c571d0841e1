//! The resources of the API as a table: their fields, what a list shows of them, and what may be
//! done with them. It states what docs/api/README.md states, and a test compares the two. It
//! decides nothing about values: the server does.

use crate::fields::Kind::{self, Commission, Flag, Json, List, Number, Of, One, Secret, Text};
use crate::fields::Named::{Campaign, Influencer, Merchant};
use crate::fields::When::{self, Later, May, MayClear, MayOnce, Must, MustOnce};

/// A resource: what can be listed, shown and, mostly, made.
#[derive(Debug, Clone, Copy)]
pub struct Resource {
    /// The command's word.
    pub word: &'static str,
    /// Its place in the API.
    pub path: &'static str,
    /// The article before the word.
    pub article: &'static str,
    /// What it is, for people.
    pub about: &'static str,
    /// Its fields: name, kind, when it may be given, help.
    pub fields: &'static [Row],
    /// The columns of a list.
    pub columns: &'static [&'static str],
    /// Whether it may be changed.
    pub changes: bool,
    /// Whether it has `paused`.
    pub pauses: bool,
    /// Whether a table of it can be imported.
    pub imports: bool,
    /// What its ids name, where names do as well.
    pub named: Option<crate::fields::Named>,
}

/// A field of a resource.
pub type Row = (&'static str, Kind, When, &'static str);

/// Every resource that has commands of its own.
pub const RESOURCES: [Resource; 8] =
    [MERCHANT, INFLUENCER, CAMPAIGN, LINK, COUPON, RATE, BOOKING, HOLD];

const PLAIN: Resource = Resource {
    word: "",
    path: "",
    article: "a",
    about: "",
    fields: &[],
    columns: &[],
    changes: false,
    pauses: false,
    imports: false,
    named: None,
};

#[rustfmt::skip]
const MERCHANT: Resource = Resource {
    word: "merchant",
    path: "merchants",
    about: "Merchants: who pays; each owns shops",
    fields: &[
        ("name",           Text,     Must,     "Its name"),
        ("domains",        List,     Must,     "Host names of its shops, comma-separated: shop.example,other.example"),
        ("currency",       Text,     MustOnce, "The currency in which it pays: EUR"),
        ("timezone",       Text,     MustOnce, "Its time zone, whose days figures are counted in: Europe/Berlin"),
        ("platform",       One(PLATFORMS), May, "The shop's system"),
        ("webhook_secret", Secret,   May,      "The secret that signs the shop's webhooks, or @FILE; one is made without it"),
        ("shop_api",       Json,     MayClear, "How the shop is asked for orders, as JSON or @FILE: {\"url\": …, \"token\": …}"),
        ("trust_pixel",    Flag,     MayOnce,  "Let orders that only the pixel told of earn"),
        ("trust_leads",    Flag,     MayOnce,  "Let leads that only the pixel told of earn [default: as --trust-pixel]"),
        ("claims",         One(&["proof", "number"]), May, "What backs an order that a browser tells of [default: proof]"),
        ("payer",          Json,     MayClear, "Who pays the influencers, as JSON or @FILE"),
        ("agency_share",   Text,     May,      "Percent of what influencers get, for the agency, on top of it"),
        ("archived",       Flag,     Later,    "Put it aside: lists leave it out"),
    ],
    columns: &["id", "name", "domains", "currency", "timezone", "platform", "key"],
    changes: true,
    named: Some(Merchant),
    ..PLAIN
};

#[rustfmt::skip]
const INFLUENCER: Resource = Resource {
    word: "influencer",
    path: "influencers",
    article: "an",
    about: "Influencers: who promotes",
    fields: &[
        ("name",           Text, Must,     "The name"),
        ("email",          Text, May,      "The e-mail address"),
        ("payout",         Json, MayClear, "How the influencer is paid, as JSON or @FILE: {\"method\": \"sepa\", …}"),
        ("suspended_from", Text, Later,    "A time from which the influencer earns nothing: 2027-01-31T00:00:00Z"),
        ("archived",       Flag, Later,    "Put the influencer aside: lists leave them out"),
    ],
    columns: &["id", "name", "email", "suspended_from"],
    changes: true,
    imports: true,
    named: Some(Influencer),
    ..PLAIN
};

#[rustfmt::skip]
const CAMPAIGN: Resource = Resource {
    word: "campaign",
    path: "campaigns",
    about: "Campaigns: a merchant's offers, with terms and dates",
    fields: &[
        ("merchant",       Of(Merchant), MustOnce, "The merchant, by id or exact name"),
        ("name",           Text,         Must,     "Its name"),
        ("commission",     Commission,   Must,     "What is paid: 15%, 5.00/sale, 2.00/lead or 0.10/click, or several with commas between them"),
        ("window_days",    Number,       May,      "Days for which a click may earn [default: 30]"),
        ("dedupe_minutes", Number,       MayOnce,  "Minutes in which a visitor's clicks on a link count once [default: 30]"),
        ("hold_days",      Number,       May,      "Days before a commission may be paid [default: 30]"),
        ("starts_at",      Text,         MayClear, "The time of its start: 2026-12-01T00:00:00+01:00"),
        ("ends_at",        Text,         MayClear, "The time of its end"),
        ("paused",         Flag,         May,      "Let its links earn nothing for now"),
        ("precedence",     List,         MayOnce,  "Which evidence goes first, comma-separated [default: click,coupon]"),
        ("model",          One(&["last_click", "first_click"]), MayOnce, "Which click is paid [default: last_click]"),
        ("renewals",       One(&["none", "within_window", "all"]), MayOnce,  "Which renewals of a subscription are paid [default: none]"),
        ("caps",           Json,         MayOnce,  "The most that is paid, as JSON or @FILE: {\"commission_total\": \"1000.00\"}"),
        ("minimum_payout", Text,         MayClear, "The least amount that is paid out: 50.00"),
        ("target",         Json,         MayClear, "What it is to reach, as JSON or @FILE: {\"orders\": 100}"),
        ("destinations",   List,         May,      "Further hosts that its links may lead to, comma-separated"),
        ("archived",       Flag,         Later,    "Put it aside, and pause it: lists leave it out"),
    ],
    columns: &["id", "merchant", "name", "commission_text", "window_days", "hold_days", "starts_at", "ends_at", "paused"],
    changes: true,
    pauses: true,
    named: Some(Campaign),
    ..PLAIN
};

#[rustfmt::skip]
const LINK: Resource = Resource {
    word: "link",
    path: "links",
    about: "Links: each leads to a destination, for one influencer in one campaign",
    fields: &[
        ("campaign",       Of(Campaign),   MustOnce, "The campaign, by id or exact name"),
        ("influencer",     Of(Influencer), MustOnce, "The influencer, by id or exact name"),
        ("destination",    Text,           Must,     "The address to which it leads: https://shop.example/shoes"),
        ("slug",           Text,           MayOnce,  "The part of its address behind the host [default: a random one]"),
        ("starts_at",      Text,           MayClear, "The time of its start"),
        ("ends_at",        Text,           MayClear, "The time of its end"),
        ("fallback",       Text,           MayClear, "The address to which it leads after its end"),
        ("paused",         Flag,           May,      "Let it lead on without earning"),
        ("pass_click_ids", Flag,           May,      "Pass on the click ids of advertising platforms"),
        ("deep_links",     Flag,           May,      "Go on with the destination's path behind the slug"),
        ("rules",          Json,           MayClear, "Other destinations for some visitors, as JSON or @FILE: [{\"if\": {\"device\": \"ios\"}, \"destination\": …}]"),
        ("split",          Json,           MayClear, "Destinations that share the visitors, as JSON or @FILE: [{\"weight\": 1, \"destination\": …}]"),
        ("suspended_from", Text,           Later,    "A time from which it earns nothing"),
        ("archived",       Flag,           Later,    "Put it aside, and pause it: lists leave it out"),
    ],
    columns: &["id", "path", "campaign", "influencer", "destination", "paused", "ends_at"],
    changes: true,
    pauses: true,
    imports: true,
    ..PLAIN
};

#[rustfmt::skip]
const COUPON: Resource = Resource {
    word: "coupon",
    path: "coupons",
    about: "Coupons: discount codes, each of one influencer in one campaign",
    fields: &[
        ("campaign",       Of(Campaign),   MustOnce, "The campaign, by id or exact name"),
        ("influencer",     Of(Influencer), MustOnce, "The influencer, by id or exact name"),
        ("code",           Text,           MustOnce, "The code as the shop knows it: ANNA15"),
        ("starts_at",      Text,           MayClear, "The time from which it counts"),
        ("ends_at",        Text,           MayClear, "The time of its end"),
        ("suspended_from", Text,           Later,    "A time from which it earns nothing"),
        ("archived",       Flag,           Later,    "Put it aside: lists leave it out"),
    ],
    columns: &["id", "code", "campaign", "influencer", "starts_at", "ends_at", "suspended_from"],
    changes: true,
    imports: true,
    ..PLAIN
};

#[rustfmt::skip]
const RATE: Resource = Resource {
    word: "rate",
    path: "rates",
    about: "Exchange rates, a day each; they never change",
    fields: &[
        ("date",   Text, MustOnce, "The day: 2026-11-25"),
        ("from",   Text, MustOnce, "The currency that is turned into another: SEK"),
        ("to",     Text, MustOnce, "The currency that comes out: EUR"),
        ("rate",   Text, MustOnce, "How much of it one unit is: 0.0876"),
        ("source", Text, MustOnce, "Who says so: ECB"),
    ],
    columns: &["id", "date", "from", "to", "rate", "source"],
    imports: true,
    ..PLAIN
};

#[rustfmt::skip]
const BOOKING: Resource = Resource {
    word: "booking",
    path: "bookings",
    about: "Amounts booked by hand; they never change",
    fields: &[
        ("influencer", Of(Influencer), MustOnce, "The influencer, by id or exact name"),
        ("kind",       One(&["bonus", "fixed_fee", "correction"]), MustOnce, "What it is; only a correction takes back"),
        ("amount",     Text,           MustOnce, "The amount in the merchant's currency: 50.00"),
        ("note",       Text,           MustOnce, "The reason, which stands in statements"),
        ("merchant",   Of(Merchant),   MayOnce,  "Who pays, by id or exact name; or say --campaign"),
        ("campaign",   Of(Campaign),   MayOnce,  "The campaign, by id or exact name"),
        ("currency",   Text,           MayOnce,  "The currency, to be sure that it is the merchant's"),
    ],
    columns: &["id", "booked_on", "influencer", "merchant", "kind", "amount", "currency", "note"],
    ..PLAIN
};

#[rustfmt::skip]
const HOLD: Resource = Resource {
    word: "hold",
    path: "holds",
    about: "Holds: commissions that must not be paid for now",
    fields: &[
        ("reason",     Text,           MustOnce, "The reason, which everybody sees whose commission is held"),
        ("order",      Text,           MayOnce,  "The order: mer_…/1001, or its id beside --merchant"),
        ("link",       Text,           MayOnce,  "The id of a link"),
        ("influencer", Of(Influencer), MayOnce,  "The influencer, by id or exact name"),
        ("merchant",   Of(Merchant),   MayOnce,  "Whose order it is, by id or exact name"),
    ],
    columns: &["id", "order", "link", "influencer", "reason", "created_at", "released_at"],
    ..PLAIN
};

const PLATFORMS: &[&str] = &["shopify", "woocommerce", "magento", "stripe", "other"];
