//! The list of operations. An operation that is not here does not exist.

use crate::field::Form;
use crate::kind::Kind;
use crate::operation::{Answer, Body, Call, Operation, Parameter, Place, Scope, Verb};
use crate::shapes;

/// Returns every operation of the API, in the order of the documentation.
pub fn operations() -> Vec<Operation> {
    let mut all: Vec<Operation> = Kind::ALL.into_iter().flat_map(of_kind).collect();
    all.extend(of_figures());
    all.extend(of_payouts());
    all.extend(of_deliveries());
    all.extend(of_sign_ins());
    all.extend(of_history());
    all.push(Operation {
        scope: Scope::Open,
        ..get(Call::Describe, "/openapi.json", "openapi", "Describes this API, as OpenAPI.")
            .in_chapter("Description")
            .answering(Answer::Json)
    });
    all
}

/// Returns what can be done with entities of a kind.
fn of_kind(kind: Kind) -> Vec<Operation> {
    let (one, many) = (kind.name(), kind.plural());
    let (all, single) = (format!("/{many}"), format!("/{many}/{{id}}"));
    let id = Parameter { form: id_of(kind), ..path("id", Form::Word, "The id.") };
    let reading = reading_scope(kind);
    let mut found = vec![
        get(Call::List(kind), &all, &format!("{many}_list"), &format!("Lists {many}."))
            .for_(reading)
            .with(filters(kind).iter().copied())
            .with([SORT, FORMAT, SEPARATOR])
            .with(paging())
            .answering(Answer::Page(kind)),
        get(Call::Read(kind), &single, &format!("{many}_show"), &format!("Shows a {one}."))
            .for_(reading)
            .with([id])
            .answering(Answer::Entity(kind)),
        post(Call::Create(kind), &all, &format!("{many}_create"), &format!("Creates a {one}."))
            .repeating()
            .taking(Body::New(kind))
            .answering(Answer::Created(kind)),
    ];
    if kind.is_changed() {
        let says = format!("Changes a {one}. Fields that are not sent stay.");
        found.push(Operation {
            verb: Verb::Patch,
            ..post(Call::Change(kind), &single, &format!("{many}_change"), &says)
                .for_(changing_scope(kind))
                .with([id])
                .taking(Body::Changed(kind))
                .answering(Answer::Entity(kind))
        });
    }
    if kind.is_imported() {
        let says = format!("Creates {many} from a CSV with a header line: all rows, or none.");
        found.push(
            post(Call::Import(kind), &format!("{all}/import"), &format!("{many}_import"), &says)
                .repeating()
                .taking(Body::Csv("the names of the fields of a creation"))
                .answering(Answer::Fields(201, "Imported", shapes::IMPORTED)),
        );
    }
    match kind {
        Kind::Token => found.push(Operation {
            verb: Verb::Delete,
            ..post(
                Call::RevokeToken,
                &single,
                "tokens_revoke",
                "Revokes a token: it opens nothing any more. It stays listed.",
            )
            .with([id])
            .answering(Answer::Empty(204))
        }),
        Kind::Hold => found.push(
            post(
                Call::ReleaseHold,
                "/holds/{id}/release",
                "holds_release",
                "Releases a hold. Done twice, it is the same release.",
            )
            .with([id])
            .taking(Body::MaybeFields("HoldRelease", shapes::RELEASE))
            .answering(Answer::Entity(kind)),
        ),
        Kind::Person => found.extend(of_person(id)),
        Kind::Link => found.push(
            get(
                Call::TryLink,
                "/links/{id}/try",
                "links_try",
                "Says where a link would lead a visitor, and which rule answers. Records nothing.",
            )
            .with([id])
            .with(visitor())
            .answering(Answer::Fields(200, "LinkTry", shapes::TRY)),
        ),
        Kind::Campaign => found.push(
            post(
                Call::ImportSheet,
                "/campaigns/import",
                "campaigns_import",
                "Creates and updates campaigns with their influencers, links and codes from one CSV, \
                 by names: all rows, or none. The same file may come again.",
            )
            .repeating()
            .with([
                Parameter { is_required: true, ..MERCHANT },
                query("dry_run", Form::Flag, "Only show what would be done. Default: false."),
            ])
            .taking(Body::Csv(
                "`influencer` and `campaign`, and any of `email`, `iban`, `commission`, `slug`, \
                 `code` and `destination`",
            ))
            .answering(Answer::Fields(201, "CampaignSheet", shapes::SHEET))
            .answering(Answer::Fields(200, "CampaignSheet", shapes::SHEET)),
        ),
        _ => {}
    }
    let chapter = chapter_of(kind);
    found.into_iter().map(|operation| operation.in_chapter(chapter)).collect()
}

fn visitor() -> [Parameter; 5] {
    [
        query("user_agent", Form::Text(1_000), "The visitor's user agent."),
        query("country", Form::Text(2), "The visitor's country: ISO 3166-1, two letters."),
        query("language", Form::Text(200), "The visitor's `Accept-Language`."),
        query("at", Form::Time, "When the visitor comes. Default: now."),
        query("query", Form::Text(2_000), "The query of the visitor's address."),
    ]
}

fn of_person(id: Parameter) -> [Operation; 2] {
    [
        post(
            Call::MakeSignInLink,
            "/people/{id}/sign-in-link",
            "people_invite",
            "Makes another address with which a person signs in once, within seven days.",
        )
        .with([id])
        .answering(Answer::Fields(201, "SignInLink", shapes::SIGN_IN_LINK)),
        post(
            Call::EndSignIns,
            "/people/{id}/end-sign-ins",
            "people_end_sign_ins",
            "Signs a person out everywhere. Addresses that were made for them end, too.",
        )
        .with([id])
        .answering(Answer::Entity(Kind::Person)),
    ]
}

/// Returns the operations with which people sign in and see to themselves.
fn of_sign_ins() -> Vec<Operation> {
    let found = [
        post(
            Call::SignIn,
            "/sign-ins",
            "sign_in",
            "Signs in, by the secret part of an address or by a password. The answer sets a cookie.",
        )
        .for_(Scope::Open)
        .taking(Body::Fields("SignIn", shapes::SIGN_IN))
        .answering(Answer::Fields(200, "Me", shapes::ME)),
        post(Call::SignOut, "/sign-outs", "sign_out", "Takes the cookie back.")
            .for_(Scope::Open)
            .answering(Answer::Empty(204)),
        get(Call::ShowMe, "/me", "me_show", "Says who asks, and what they may do.")
            .for_(Scope::Everyone)
            .answering(Answer::Fields(200, "Me", shapes::ME)),
        Operation {
            verb: Verb::Patch,
            ..post(Call::ChangeMe, "/me", "me_change", "Changes the person who asks.")
                .for_(Scope::Everyone)
                .taking(Body::Fields("MeChange", shapes::ME_CHANGE))
                .answering(Answer::Fields(200, "Me", shapes::ME))
        },
        post(
            Call::SetPassword,
            "/me/password",
            "me_password",
            "Sets the password of the person who asks. Every other sign-in of theirs ends.",
        )
        .for_(Scope::Everyone)
        .taking(Body::Fields("PasswordNew", shapes::PASSWORD))
        .answering(Answer::Empty(204)),
    ];
    found.into_iter().map(|operation| operation.in_chapter("Signing in")).collect()
}

/// Returns the operations about who changed what.
fn of_history() -> [Operation; 2] {
    let id = path("id", Form::Word, "The change, as the history names it.");
    [
        get(
            Call::History,
            "/history",
            "history_list",
            "Lists who changed what, the latest first, with each field before and after.",
        )
        .with([
            query("entity", Form::Text(100), "Only changes of the entity with this id."),
            query("by", Form::Text(40), "Only changes by the person or token with this id."),
        ])
        .with(paging())
        .answering(Answer::Fields(200, "History", shapes::HISTORY))
        .in_chapter("History"),
        post(
            Call::Undo,
            "/history/{id}/undo",
            "history_undo",
            "Changes the fields of a change back, by the rules of every change. Refused where they \
             were changed since.",
        )
        .with([id])
        .answering(Answer::Fields(200, "Undone", shapes::UNDONE))
        .in_chapter("History"),
    ]
}

const fn chapter_of(kind: Kind) -> &'static str {
    match kind {
        Kind::Merchant => "Merchants",
        Kind::Influencer => "Influencers",
        Kind::Campaign => "Campaigns",
        Kind::Link => "Links",
        Kind::Coupon => "Coupons",
        Kind::Rate => "Exchange rates",
        Kind::Hold => "Holds",
        Kind::Booking => "Bookings by hand",
        Kind::Token => "Access tokens",
        Kind::Person => "People",
    }
}

/// Returns the filters of a list.
pub const fn filters(kind: Kind) -> &'static [Parameter] {
    match kind {
        Kind::Token => &[Q],
        Kind::Merchant | Kind::Person => &[ARCHIVED, Q],
        Kind::Influencer => &[MERCHANT, CAMPAIGN, ARCHIVED, Q],
        Kind::Campaign => &[MERCHANT, PAUSED, ARCHIVED, Q],
        Kind::Link => &[MERCHANT, CAMPAIGN, INFLUENCER, PAUSED, ARCHIVED, Q],
        Kind::Coupon => &[MERCHANT, CAMPAIGN, INFLUENCER, ARCHIVED, Q],
        Kind::Rate => &[],
        Kind::Hold => &[INFLUENCER, Q],
        Kind::Booking => &[MERCHANT, CAMPAIGN, INFLUENCER, Q],
    }
}

/// Returns who may read entities of a kind; each sees their own.
const fn reading_scope(kind: Kind) -> Scope {
    match kind {
        Kind::Merchant => Scope::WithMerchants,
        Kind::Influencer | Kind::Campaign | Kind::Link | Kind::Coupon => Scope::Everyone,
        Kind::Rate | Kind::Hold | Kind::Booking | Kind::Token | Kind::Person => Scope::Agency,
    }
}

/// Returns who may change entities of a kind; each changes the fields that are theirs.
const fn changing_scope(kind: Kind) -> Scope {
    match kind {
        Kind::Merchant => Scope::WithMerchants,
        Kind::Influencer => Scope::WithInfluencers,
        _ => Scope::Agency,
    }
}

const fn id_of(kind: Kind) -> Form {
    match kind {
        Kind::Merchant => Form::Id("mer_"),
        Kind::Influencer => Form::Id("inf_"),
        Kind::Campaign => Form::Id("cmp_"),
        Kind::Link => Form::Id("lnk_"),
        Kind::Coupon => Form::Id("cpn_"),
        Kind::Hold => Form::Id("hld_"),
        Kind::Booking => Form::Id("bkg_"),
        Kind::Token => Form::Id("tok_"),
        Kind::Person => Form::Id("per_"),
        // Two currencies and a day.
        Kind::Rate => Form::Word,
    }
}

/// Returns the operations about figures and orders.
fn of_figures() -> Vec<Operation> {
    let by = Form::OneOf(&["link", "influencer", "campaign", "day", "hour"]);
    let stats = [
        query("by", by, "By what the rows are grouped. Default: link."),
        query("from", Form::Day, "The first day, of each merchant's calendar."),
        query("to", Form::Day, "The last day."),
        query(
            "compare",
            Form::OneOf(&["previous"]),
            "Adds the figures of as many days right before `from`.",
        ),
        MERCHANT,
        CAMPAIGN,
        INFLUENCER,
        query("link", Form::Id("lnk_"), "Only this link."),
    ];
    let of_merchant = Parameter { is_required: true, ..MERCHANT };
    let found = [
        get(Call::Stats, "/stats", "stats", "Counts clicks, sessions, leads, orders and amounts.")
            .for_(Scope::Everyone)
            .with(stats)
            .answering(Answer::Fields(200, "Stats", shapes::STATS)),
        get(
            Call::Orders,
            "/orders",
            "orders_list",
            "Lists orders, the newest first. An influencer sees no name of an order.",
        )
        .for_(Scope::Everyone)
        .with([MERCHANT, CAMPAIGN, INFLUENCER])
        .with(order_filters())
        .with([FORMAT, SEPARATOR])
        .with(paging())
        .answering(Answer::Listed("Orders", shapes::ORDERS)),
        get(
            Call::Order,
            "/orders/{merchant}/{order}",
            "orders_show",
            "Shows an order with everything that is known of it. Any of its names will do.",
        )
        .for_(Scope::WithMerchants)
        .with([
            path("merchant", Form::Id("mer_"), "Whose order it is."),
            path("order", Form::Word, "The shop's order id, or another name of the order."),
        ])
        .answering(Answer::Fields(200, "Order", shapes::ORDER)),
        post(
            Call::ImportOrders,
            "/orders/import",
            "orders_import",
            "Takes orders as CSV, all or nothing: docs/shops/postbacks.md.",
        )
        .with([of_merchant])
        .taking(Body::Csv("the fields of the server API"))
        .answering(Answer::Fields(201, "Imported", shapes::IMPORTED)),
        post(
            Call::ImportLeads,
            "/leads/import",
            "leads_import",
            "Takes leads as CSV, all or nothing: docs/shops/postbacks.md.",
        )
        .with([of_merchant])
        .taking(Body::Csv("the fields of a lead"))
        .answering(Answer::Fields(201, "Imported", shapes::IMPORTED)),
    ];
    found.into_iter().map(|operation| operation.in_chapter("Figures and orders")).collect()
}

fn order_filters() -> [Parameter; 6] {
    let status =
        Form::OneOf(&["draft", "unpaid", "paid", "void", "claimed", "confirmed", "cancelled"]);
    let method = Form::OneOf(&["click", "coupon", "code_visit", "none"]);
    [
        query("status", status, "Only orders of this status, or whose conversion has it."),
        query("method", method, "Only orders that were credited so."),
        query("credited", Form::Flag, "Only orders that somebody is credited for, or the others."),
        query("from", Form::Day, "The first day, of each merchant's calendar."),
        query("to", Form::Day, "The last day."),
        query("q", Form::Text(200), "The order's id or another of its names, such as `#1007`."),
    ]
}

/// Returns the operations about what is owed and paid.
fn of_payouts() -> Vec<Operation> {
    let id = path("id", Form::Id("pay_"), "The batch.");
    let whole = Answer::Fields(200, "Payout", shapes::PAYOUT);
    let format = Form::OneOf(&["sepa", "paypal", "wise", "plain"]);
    let found = [
        get(Call::Balances, "/balances", "balances", "Tells what every account has.")
            .for_(Scope::Everyone)
            .with([MERCHANT, INFLUENCER])
            .with([query("as_of", Form::Day, "At the end of this day. Default: now.")])
            .answering(Answer::Fields(200, "Balances", shapes::BALANCES)),
        get(Call::Payouts, "/payouts", "payouts_list", "Lists batches, the latest first.")
            .with([MERCHANT])
            .with(paging())
            .answering(Answer::Fields(200, "Payouts", shapes::PAYOUTS)),
        post(
            Call::ClosePayout,
            "/payouts",
            "payouts_close",
            "Closes the days up to one of them, and makes a batch of what is to be paid. Where \
             nothing is payable, or only a look is asked for, nothing is recorded.",
        )
        .repeating()
        .taking(Body::Fields("PayoutClose", shapes::CLOSE))
        .answering(Answer::Fields(201, "Payout", shapes::PAYOUT))
        .answering(whole),
        get(Call::ReadPayout, "/payouts/{id}", "payouts_show", "Shows a batch.")
            .for_(Scope::Everyone)
            .with([id])
            .answering(whole),
        get(
            Call::PayoutFile,
            "/payouts/{id}/file",
            "payouts_file",
            "Answers the file that a bank or a payment service reads. It changes nothing.",
        )
        .with([
            id,
            Parameter { is_required: true, ..query("format", format, "For whom the file is.") },
            query("pay_on", Form::Day, "The day on which the bank shall pay."),
            query("checksum", Form::Text(64), "The batch's checksum, to be sure."),
        ])
        .answering(Answer::File(&["application/xml", "text/csv"])),
        post(Call::MarkPaid, "/payouts/{id}/paid", "payouts_paid", "Marks lines as paid.")
            .with([id])
            .taking(Body::MaybeFields("Payment", shapes::PAID))
            .answering(whole),
        post(
            Call::UndoPayment,
            "/payouts/{id}/undo",
            "payouts_undo",
            "Takes back the mark that lines were paid.",
        )
        .with([id])
        .taking(Body::Fields("PaymentUndo", shapes::UNDO))
        .answering(whole),
        post(
            Call::CancelPayout,
            "/payouts/{id}/cancel",
            "payouts_cancel",
            "Cancels a batch of which nothing is paid.",
        )
        .with([id])
        .answering(whole),
    ];
    found.into_iter().map(|operation| operation.in_chapter("Balances and payouts")).collect()
}

/// Returns the operations about what shops send.
fn of_deliveries() -> Vec<Operation> {
    let found = [
        get(
            Call::Unparsed,
            "/unparsed",
            "unparsed_list",
            "Lists what shops sent and nobody could read, the latest first.",
        )
        .with([LIMIT])
        .answering(Answer::Fields(200, "Unparsed", shapes::UNPARSED)),
        post(
            Call::ReplayUnparsed,
            "/unparsed/replay",
            "unparsed_replay",
            "Reads these again, and records what can be read now.",
        )
        .answering(Answer::Fields(200, "Replayed", shapes::REPLAYED)),
        post(
            Call::AskErasure,
            "/erasures",
            "erasures_create",
            "Lists a request to erase a customer, without the address.",
        )
        .taking(Body::Fields("ErasureNew", shapes::ERASURE))
        .answering(Answer::Fields(202, "Erasure", shapes::ERASURE_ASKED)),
        get(
            Call::Reconciliations,
            "/reconcile",
            "reconcile_list",
            "Tells how asking the shops went.",
        )
        .answering(Answer::Fields(200, "Reconciliations", shapes::RECONCILIATIONS)),
        post(Call::Reconcile, "/reconcile/{merchant}", "reconcile_now", "Asks a shop soon.")
            .with([
                path("merchant", Form::Id("mer_"), "Whose shop it is."),
                query("since", Form::Time, "From when on orders are asked for."),
            ])
            .answering(Answer::Empty(202)),
    ];
    found.into_iter().map(|operation| operation.in_chapter("What shops send")).collect()
}

const MERCHANT: Parameter = query("merchant", Form::Id("mer_"), "Only this merchant.");
const INFLUENCER: Parameter = query("influencer", Form::Id("inf_"), "Only this influencer.");
const CAMPAIGN: Parameter = query("campaign", Form::Id("cmp_"), "Only this campaign.");
const PAUSED: Parameter =
    query("paused", Form::Flag, "Only those that are switched off, or only the others.");
const ARCHIVED: Parameter =
    query("archived", Form::Flag, "`true` for what is archived. Default: the others.");
const Q: Parameter = query(
    "q",
    Form::Text(200),
    "Only those whose name, slug, code, address or id holds this text, whatever its case.",
);
const LIMIT: Parameter =
    query("limit", Form::Number(1, 1_000), "How many entries to answer. Default: 100.");
const SORT: Parameter = query(
    "sort",
    Form::OneOf(&["created_at", "-created_at", "name", "-name"]),
    "The order: by age, or by name, slug or code; with `-` backwards. Default: created_at.",
);
const FORMAT: Parameter = query(
    "format",
    Form::OneOf(&["json", "csv"]),
    "`csv` answers every entry that fits, up to 100,000, as a table. Default: json.",
);
const SEPARATOR: Parameter = query(
    "separator",
    Form::OneOf(&[",", ";"]),
    "What stands between the cells of a table. Default: `,`.",
);

fn paging() -> [Parameter; 2] {
    [query("cursor", Form::Word, "The `next_cursor` of an earlier page."), LIMIT]
}

const fn query(name: &'static str, form: Form, says: &'static str) -> Parameter {
    Parameter { name, place: Place::Query, form, is_required: false, says }
}

const fn path(name: &'static str, form: Form, says: &'static str) -> Parameter {
    Parameter { name, place: Place::Path, form, is_required: true, says }
}

fn get(call: Call, path: &str, name: &str, says: &str) -> Operation {
    operation(call, Verb::Get, (path, name, says))
}

fn post(call: Call, path: &str, name: &str, says: &str) -> Operation {
    operation(call, Verb::Post, (path, name, says))
}

/// Makes an operation that the agency alone may do.
fn operation(call: Call, verb: Verb, (path, name, says): (&str, &str, &str)) -> Operation {
    Operation {
        call,
        verb,
        path: path.to_owned(),
        name: name.to_owned(),
        chapter: "",
        scope: Scope::Agency,
        parameters: vec![],
        body: Body::Nothing,
        answers: vec![],
        repeats: false,
        says: says.to_owned(),
    }
}

impl Operation {
    fn for_(self, scope: Scope) -> Self {
        Self { scope, ..self }
    }

    fn in_chapter(self, chapter: &'static str) -> Self {
        Self { chapter, ..self }
    }

    fn with(mut self, more: impl IntoIterator<Item = Parameter>) -> Self {
        self.parameters.extend(more);
        self
    }

    fn taking(self, body: Body) -> Self {
        Self { body, ..self }
    }

    fn answering(mut self, answer: Answer) -> Self {
        self.answers.push(answer);
        self
    }

    fn repeating(self) -> Self {
        Self { repeats: true, ..self }
    }
}
