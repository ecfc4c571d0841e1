//! Who and what the sample campaign is made of: a shop, twelve influencers, a link and a code for
//! each. Ids are fixed, so that every demo has the same ones.

use shared::catalog::{
    Campaign, Change, ClaimRule, Coupon, Entity, Evidence, Influencer, Merchant, Model, Renewals,
};
use shared::commission::{Base, Caps, Pays, Rule, Terms};
use shared::id::{CampaignId, CouponId, InfluencerId, LinkId, MerchantId};
use shared::links::Link;
use shared::platform::Platform;
use shared::time::Timestamp;

/// The sample shop.
pub(super) const SHOP: MerchantId = MerchantId::from_bits(0x0d_e305_0001);
const AUTUMN: CampaignId = CampaignId::from_bits(0x00d3_3050_0000_0002);
/// How long a click may earn.
pub(super) const WINDOW_DAYS: u32 = 30;
/// What is paid of the goods, in percent.
pub(super) const PERCENT: i64 = 15;
/// The influencers.
const NAMES: [&str; 12] = [
    "Anna Berg",
    "Bo Lind",
    "Cleo Roth",
    "Dan Levi",
    "Elsa Krogh",
    "Finn Aalto",
    "Greta Weiss",
    "Hugo Meyer",
    "Ida Strand",
    "Jonas Kalnins",
    "Kira Volkova",
    "Liam Byrne",
];

/// Returns how many influencers there are.
pub(super) const fn count() -> u64 {
    NAMES.len() as u64
}

/// Returns the slugs of the links, one an influencer.
pub(super) fn slugs() -> impl Iterator<Item = String> {
    NAMES.iter().map(|name| first(name).to_lowercase())
}

/// Returns the link of an influencer.
pub(super) const fn link_of(influencer: u64) -> LinkId {
    LinkId::from_bits(0x00d3_3050_0000_0200 + influencer)
}

/// Returns the code of an influencer.
pub(super) fn code_of(influencer: u64) -> String {
    let name = usize::try_from(influencer).ok().and_then(|at| NAMES.get(at));
    format!("{}{PERCENT}", first(name.unwrap_or(&NAMES[0])).to_uppercase())
}

fn first(name: &str) -> &str {
    name.split(' ').next().unwrap_or(name)
}

/// Returns the change that made everything, at this time.
pub(super) fn change(at: Timestamp) -> Change {
    let mut entities = vec![Entity::Merchant(merchant(at)), Entity::Campaign(campaign(at))];
    for (number, (name, slug)) in (0..).zip(NAMES.iter().zip(slugs())) {
        let influencer = influencer(number, name, at);
        entities.push(Entity::Link(link(number, influencer.id, slug, at)));
        entities.push(Entity::Coupon(coupon(number, influencer.id, at)));
        entities.push(Entity::Influencer(influencer));
    }
    Change { at, entities, request: None, by: None }
}

fn merchant(at: Timestamp) -> Merchant {
    Merchant {
        id: SHOP,
        key: "demo-shop".into(),
        name: "Lumen & Loom".into(),
        domains: vec!["shop.example".into()],
        currency: "EUR".parse().expect("it is a currency"),
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
        created_at: at,
        updated_at: at,
    }
}

fn campaign(at: Timestamp) -> Campaign {
    let percent = PERCENT.to_string().parse().expect("it is a number");
    Campaign {
        id: AUTUMN,
        merchant: SHOP,
        name: "Three weeks".into(),
        window_days: WINDOW_DAYS,
        dedupe_minutes: 30,
        hold_days: 7,
        starts_at: None,
        ends_at: None,
        commission: Terms::new(vec![Rule::always(Pays::Percent(percent, Base::NetGoods))])
            .expect("one rule is valid"),
        earlier_commissions: vec![],
        destinations: vec![],
        caps: Caps::default(),
        minimum_payout: None,
        target: None,
        renewals: Renewals::None,
        precedence: vec![Evidence::Click, Evidence::Coupon],
        model: Model::LastClick,
        paused: false,
        created_at: at,
        updated_at: at,
    }
}

fn influencer(number: u64, name: &str, at: Timestamp) -> Influencer {
    Influencer {
        id: InfluencerId::from_bits(0x00d3_3050_0000_0100 + number),
        name: name.into(),
        email: None,
        email_since: None,
        payout: None,
        sealed: None,
        created_at: at,
        updated_at: at,
    }
}

fn link(number: u64, influencer: InfluencerId, slug: String, at: Timestamp) -> Link {
    Link {
        id: link_of(number),
        campaign: AUTUMN,
        influencer,
        destination: "https://shop.example/".into(),
        slug,
        starts_at: None,
        ends_at: None,
        fallback: None,
        paused: false,
        pass_click_ids: false,
        deep_links: false,
        rules: vec![],
        split: vec![],
        created_at: at,
        updated_at: at,
    }
}

fn coupon(number: u64, influencer: InfluencerId, at: Timestamp) -> Coupon {
    Coupon {
        id: CouponId::from_bits(0x00d3_3050_0000_0300 + number),
        campaign: AUTUMN,
        influencer,
        code: code_of(number),
        starts_at: None,
        ends_at: None,
        created_at: at,
        updated_at: at,
    }
}
