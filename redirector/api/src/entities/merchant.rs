//! The fields of a merchant.

use super::payee::PAYER;
use super::{ARCHIVED, CREATED_AT, UPDATED_AT};
use crate::field::{Field, Form, Seen, Setter};

const SHOP_API: &[Field] = &[
    Field::required("url", Form::Address, "The shop's address: https and a host, without a path."),
    Field::required("token", Form::Text(500), "The token with which the shop is asked."),
    Field::optional("secret", Form::Text(500), "The secret that goes with the token."),
];

const CLAIMS: &[Field] = &[
    Field::derived("until", Form::Time, "The end of the rule."),
    Field::derived("rule", Form::Word, "The rule."),
];

const SHARES: &[Field] = &[
    Field::derived("from", Form::Time, "From when on it counts."),
    Field::derived("percent", Form::Decimal, "Percent of what influencers get."),
];

pub(crate) const MERCHANT: &[Field] = &[
    Field::derived("id", Form::Id("mer_"), "The id."),
    Field::required("name", Form::Text(200), "The name for people."),
    Field::required(
        "domains",
        Form::List(&Form::Host, 100),
        "The domains of the shop's pages. No two merchants have one in common.",
    ),
    Field::required("currency", Form::Currency, "The currency in which influencers are paid.")
        .once(),
    Field::required("timezone", Form::Zone, "The zone of the merchant's calendar days.").once(),
    Field::optional(
        "platform",
        Form::OneOf(&["shopify", "woocommerce", "magento", "stripe", "other"]),
        "The shop's system.",
    ),
    Field::derived("key", Form::Word, "The key in the addresses of webhooks and postbacks.")
        .seen(Seen::ByMerchant),
    Field::optional(
        "webhook_secret",
        Form::Text(200),
        "The secret with which the shop signs, of at least 16 characters. Without it one is made. \
         The one before stays valid for two hours.",
    )
    .seen(Seen::Once)
    .set_by(Setter::Merchant),
    Field::derived("postback_token", Form::Word, "The token of unsigned postbacks.")
        .or_null()
        .seen(Seen::Once),
    Field::derived("has_webhook_secret", Form::Flag, "Whether it has a webhook secret.")
        .seen(Seen::ByMerchant),
    Field::optional(
        "shop_api",
        Form::Record(SHOP_API),
        "How the shop is asked for its orders.",
    )
    .cleared_by_null()
    .seen(Seen::Never),
    Field::derived("has_shop_api", Form::Flag, "Whether the shop can be asked for its orders.")
        .seen(Seen::ByMerchant),
    Field::defaulted(
        "trust_pixel",
        Form::Flag,
        "Whether an order that only the buyer's browser reported earns. Default: false.",
    )
    .once()
    .seen(Seen::ByMerchant),
    Field::defaulted(
        "trust_leads",
        Form::Flag,
        "Whether a lead that only the browser reported earns. Default: as trust_pixel.",
    )
    .once()
    .seen(Seen::ByMerchant),
    Field::defaulted(
        "claims",
        Form::OneOf(&["proof", "number"]),
        "What makes a browser's word about an order count: a proof, or the order's number alone. \
         Default: proof. A new rule is for orders placed from then on.",
    )
    .seen(Seen::ByMerchant),
    Field::derived(
        "earlier_claims",
        Form::List(&Form::Record(CLAIMS), 10_000),
        "The rules before, the oldest first.",
    )
    .or_null()
    .seen(Seen::ByMerchant),
    Field::optional(
        "payer",
        Form::Record(PAYER),
        "Who pays the influencers.",
    )
    .cleared_by_null()
    .seen(Seen::ByMerchant),
    Field::optional(
        "agency_share",
        Form::Decimal,
        "The agency's percent of what influencers get, on top of it. A new one is of what is booked \
         from then on.",
    )
    .seen(Seen::ByMerchant),
    Field::derived(
        "agency_shares",
        Form::List(&Form::Record(SHARES), 10_000),
        "Every share, the oldest first.",
    )
    .or_null()
    .seen(Seen::ByMerchant),
    ARCHIVED.seen(Seen::ByMerchant),
    CREATED_AT,
    UPDATED_AT,
];
