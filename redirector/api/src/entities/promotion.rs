//! The fields of influencers, links and coupons.

use super::payee::PAYEE;
use super::{ARCHIVED, CREATED_AT, UPDATED_AT};
use crate::field::{Field, Form, Seen, Setter};

const SUSPENDED_FROM: Field = Field::optional(
    "suspended_from",
    Form::Time,
    "From when on it earns nothing. `null` lifts the suspension.",
)
.on_change()
.cleared_by_null();

const STARTS_AT: Field = Field::optional("starts_at", Form::Time, "The start.").cleared_by_null();
const ENDS_AT: Field =
    Field::optional("ends_at", Form::Time, "The end, which is not part of it.").cleared_by_null();

pub(crate) const INFLUENCER: &[Field] = &[
    Field::derived("id", Form::Id("inf_"), "The id."),
    Field::required("name", Form::Text(200), "The name for people."),
    Field::optional(
        "email",
        Form::Email,
        "The address. Orders of the influencer's own earn nothing.",
    )
    .seen(Seen::ByInfluencer),
    Field::derived("email_since", Form::Time, "Since when the address is known.")
        .or_null()
        .seen(Seen::ByAgency),
    Field::optional(
        "payout",
        Form::Record(PAYEE),
        "How the influencer is paid: docs/accounts/payment-files.md.",
    )
    .cleared_by_null()
    .seen(Seen::ByInfluencer)
    .set_by(Setter::Influencer),
    SUSPENDED_FROM.seen(Seen::ByInfluencer),
    ARCHIVED.seen(Seen::ByAgency),
    CREATED_AT.seen(Seen::ByInfluencer),
    UPDATED_AT.seen(Seen::ByInfluencer),
];

const NAMES: Form = Form::Either(&[Form::Text(40), Form::List(&Form::Text(40), 50)]);

const CONDITIONS: &[Field] = &[
    Field::optional("device", NAMES, "The user agent names one of these: `ios`, `desktop`, …"),
    Field::optional("language", NAMES, "`Accept-Language` names one of these."),
    Field::optional("country", NAMES, "The visitor is in one of these countries."),
    Field::optional("from", Form::Time, "The click is not before this time."),
    Field::optional("to", Form::Time, "The click is before this time."),
    Field::optional(
        "query",
        Form::Object,
        "The address has these parameters, each with this value, or with any for `null`.",
    ),
];

const RULE: &[Field] = &[
    Field::required("if", Form::Record(CONDITIONS), "The conditions, of which one at least."),
    Field::required("destination", Form::Address, "Where it leads."),
    Field::optional("name", Form::Text(100), "The name for people."),
];

const SHARE: &[Field] = &[
    Field::required("weight", Form::Number(1, 1_000), "Its part of the sum of all weights."),
    Field::required("destination", Form::Address, "Where it leads."),
    Field::optional("name", Form::Text(100), "The name for people."),
];

pub(crate) const LINK: &[Field] = &[
    Field::derived("id", Form::Id("lnk_"), "The id."),
    Field::required("campaign", Form::Id("cmp_"), "The campaign.").once(),
    Field::derived("merchant", Form::Id("mer_"), "The campaign's merchant.").or_null(),
    Field::required("influencer", Form::Id("inf_"), "Whose link it is.").once(),
    Field::required(
        "destination",
        Form::Address,
        "Where it leads: https, on the merchant's domains or the campaign's `destinations`.",
    ),
    Field::defaulted(
        "slug",
        Form::Slug,
        "The path. Two links of a merchant never share one, whatever the case of its letters. \
         Without it one is made that nobody guesses.",
    )
    .once(),
    Field::derived("path", Form::Word, "The slug with a slash before it."),
    Field::derived(
        "addresses",
        Form::List(&Form::Address, 1_000),
        "Where it is found: on the agency's hosts, unless an earlier link has its slug there, and on \
         the name `go` below the merchant's domains.",
    ),
    STARTS_AT,
    ENDS_AT,
    Field::optional("fallback", Form::Address, "Where it leads after its end or the campaign's.")
        .cleared_by_null(),
    Field::defaulted("paused", Form::Flag, "Whether it is switched off. Default: false."),
    Field::defaulted(
        "pass_click_ids",
        Form::Flag,
        "Whether click ids of advertising platforms (`fbclid`, …) are passed on. Default: false.",
    ),
    Field::defaulted(
        "deep_links",
        Form::Flag,
        "Whether `/{slug}/rest/of/path` goes on with the destination's path. Default: false.",
    ),
    Field::defaulted(
        "rules",
        Form::List(&Form::Record(RULE), 20),
        "Other destinations for some visitors: the first rule whose conditions all hold answers.",
    )
    .cleared_by_null()
    .or_null(),
    Field::defaulted(
        "split",
        Form::List(&Form::Record(SHARE), 10),
        "Destinations that share the visitors for whom no rule answers.",
    )
    .cleared_by_null()
    .or_null(),
    SUSPENDED_FROM,
    ARCHIVED.seen(Seen::ByMerchant),
    CREATED_AT,
    UPDATED_AT,
];

pub(crate) const COUPON: &[Field] = &[
    Field::derived("id", Form::Id("cpn_"), "The id."),
    Field::required("campaign", Form::Id("cmp_"), "The campaign.").once(),
    Field::required("influencer", Form::Id("inf_"), "Whose code it is.").once(),
    Field::required(
        "code",
        Form::Text(128),
        "The discount code, as the shop has it. It has one owner at a time.",
    )
    .once(),
    STARTS_AT,
    ENDS_AT,
    SUSPENDED_FROM,
    ARCHIVED.seen(Seen::ByMerchant),
    CREATED_AT,
    UPDATED_AT,
];
