//! One merchant, one campaign, Anna's link, Ben's coupon, and an order of 129.90.

use settlement::history::Newness;
use settlement::ledger::{Settled, settle};
use shared::catalog::{
    Campaign, Catalog, Change, ClaimRule, Coupon, Entity, Evidence, Influencer, Merchant, Model,
    Renewals,
};
use shared::commission::{Base, Caps, Pays, Rule, Terms};
use shared::id::{CampaignId, ClickId, CouponId, FactId, InfluencerId, LinkId, MerchantId};
use shared::links::Link;
use shared::order::{OrderFact, RefundList, Source, Status, Touch};
use shared::platform::Platform;
use shared::time::{Span, Timestamp};

pub(crate) const NOW: Timestamp = Timestamp::from_ms(1_763_800_000_000);
pub(crate) const MERCHANT: MerchantId = MerchantId::from_bits(1);
pub(crate) const CAMPAIGN: CampaignId = CampaignId::from_bits(2);
pub(crate) const ANNA: InfluencerId = InfluencerId::from_bits(3);
pub(crate) const BEN: InfluencerId = InfluencerId::from_bits(4);
pub(crate) const ANNAS_LINK: LinkId = LinkId::from_bits(5);
pub(crate) const BENS_COUPON: CouponId = CouponId::from_bits(6);

pub(crate) fn catalog(precedence: Vec<Evidence>, commission: Terms) -> Catalog {
    let merchant = Merchant {
        id: MERCHANT,
        key: "key".into(),
        name: "Shop".into(),
        domains: vec!["shop.example".into()],
        currency: "EUR".parse().unwrap(),
        timezone: "UTC".into(),
        platform: Some(Platform::Woocommerce),
        webhook_secret: None,
        old_webhook_secret: None,
        sealed: None,
        shop_api: None,
        payer: None,
        agency_shares: vec![],
        trust_pixel: false,
        trust_leads: None,
        claims: ClaimRule::Proof,
        earlier_claims: vec![],
        created_at: NOW,
        updated_at: NOW,
    };
    let campaign = Campaign {
        id: CAMPAIGN,
        merchant: MERCHANT,
        name: "Autumn".into(),
        window_days: 30,
        dedupe_minutes: 30,
        hold_days: 30,
        starts_at: None,
        ends_at: None,
        commission,
        earlier_commissions: vec![],
        destinations: vec![],
        caps: Caps::default(),
        minimum_payout: None,
        target: None,
        renewals: Renewals::None,
        precedence,
        model: Model::LastClick,
        paused: false,
        created_at: NOW,
        updated_at: NOW,
    };
    let influencer = |id, name: &str| {
        let name = name.to_owned();
        Entity::Influencer(Influencer {
            id,
            name,
            email: None,
            email_since: None,
            payout: None,
            sealed: None,
            created_at: NOW,
            updated_at: NOW,
        })
    };
    let link = Link {
        id: ANNAS_LINK,
        campaign: CAMPAIGN,
        influencer: ANNA,
        destination: "https://shop.example/".into(),
        slug: "anna".into(),
        starts_at: None,
        ends_at: None,
        fallback: None,
        paused: false,
        pass_click_ids: false,
        deep_links: false,
        rules: vec![],
        split: vec![],
        created_at: NOW,
        updated_at: NOW,
    };
    let coupon = Coupon {
        id: BENS_COUPON,
        campaign: CAMPAIGN,
        influencer: BEN,
        code: "BEN15".into(),
        starts_at: None,
        ends_at: Some(NOW.plus(Span::days(60))),
        created_at: NOW,
        updated_at: NOW,
    };
    let entities = vec![
        Entity::Merchant(merchant),
        Entity::Campaign(campaign),
        influencer(ANNA, "Anna"),
        influencer(BEN, "Ben"),
        Entity::Link(link),
        Entity::Coupon(coupon),
    ];
    let mut catalog = Catalog::default();
    catalog.apply(&Change { at: NOW, entities, request: None, by: None });
    catalog
}

pub(crate) fn terms(pays: Pays) -> Terms {
    Terms::new(vec![Rule::always(pays)]).unwrap()
}

pub(crate) fn fifteen_percent() -> Terms {
    terms(Pays::Percent("15".parse().unwrap(), Base::NetGoods))
}

pub(crate) fn click_first() -> Catalog {
    catalog(vec![Evidence::Click, Evidence::Coupon], fifteen_percent())
}

pub(crate) fn touch(clicked_at: Timestamp) -> Touch {
    Touch {
        clicked_at,
        click: ClickId::from_bytes([8; 16]),
        link: ANNAS_LINK,
        window_minutes: 30 * 24 * 60,
        key: None,
    }
}

/// A paid WooCommerce order of 129.90 + 10.00 shipping, an hour after the click.
pub(crate) fn paid() -> OrderFact {
    let ordered_at = NOW.plus(Span::minutes(60));
    OrderFact {
        occurred_at: ordered_at,
        ordered_at: Some(ordered_at),
        status: Some(Status::Paid),
        currency: "EUR".parse().ok(),
        goods_minor: Some(12990),
        tax_minor: Some(0),
        shipping_minor: Some(1000),
        total_minor: Some(13990),
        refund_list: RefundList::Whole,
        touches: vec![touch(NOW)],
        ..OrderFact::blank(
            FactId::from_bytes([1; 16]),
            MERCHANT,
            (Platform::Woocommerce, "1001".into()),
            Source::Webhook,
            ordered_at.plus(Span::seconds(5)),
        )
    }
}

pub(crate) fn later(id: u8, minutes: i64, change: impl FnOnce(&mut OrderFact)) -> OrderFact {
    let mut fact = paid();
    fact.id = FactId::from_bytes([id; 16]);
    fact.occurred_at = fact.occurred_at.plus(Span::minutes(minutes));
    fact.received_at = fact.received_at.plus(Span::minutes(minutes));
    change(&mut fact);
    fact
}

pub(crate) fn settled(facts: &[OrderFact], catalog: &Catalog) -> Settled {
    settle(facts, catalog, &|_| None, &Newness::default()).unwrap()
}

pub(crate) fn total(settled: &Settled) -> i64 {
    settled.bookings.iter().map(|b| b.amount_minor).sum()
}
