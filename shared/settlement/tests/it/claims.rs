//! What browsers claim moves money only with a proof, or where the merchant accepts the risk.

use std::sync::Arc;

use settlement::attribution::{Method, Standing, Verdict};
use settlement::ledger::Settled;
use shared::catalog::{Catalog, Change, ClaimRule, EarlierClaimRule, Entity, Evidence, Merchant};
use shared::id::{ClickId, FactId, LinkId, ProofId};
use shared::links::Link;
use shared::order::{BROWSER_FACTS_MAX, OrderFact, Source, Touch, distinct};
use shared::time::{Span, Timestamp};

use crate::world::{
    ANNA, ANNAS_LINK, BEN, CAMPAIGN, MERCHANT, NOW, catalog, click_first, fifteen_percent, later,
    paid, settled, total, touch,
};

const KEY: &str = "wc_order_58d2d042d1d";
const BENS_LINK: LinkId = LinkId::from_bits(7);

/// The shop's report: without a click, and with the order's key.
fn report() -> OrderFact {
    OrderFact { touches: vec![], proofs: proof(KEY), ..paid() }
}

fn proof(key: &str) -> Vec<ProofId> {
    ProofId::of_key(MERCHANT, key).into_iter().collect()
}

/// A claim from Anna's link, so many minutes after the report.
fn claim(id: u8, minutes: i64, key: &str) -> OrderFact {
    later(id, minutes, |f| (f.source, f.proofs) = (Source::Pixel, proof(key)))
}

fn by(link: LinkId, click: u8, claim: OrderFact) -> OrderFact {
    let touch = Touch { link, click: ClickId::from_bytes([click; 16]), ..touch(NOW) };
    OrderFact { touches: vec![touch], ..claim }
}

/// The catalog with a link of Ben's, and the merchant changed.
fn with_merchant(base: Catalog, change: impl FnOnce(&mut Merchant)) -> Catalog {
    let mut catalog = base;
    let mut merchant = Arc::unwrap_or_clone(catalog.merchants[&MERCHANT].clone());
    change(&mut merchant);
    merchant.updated_at = NOW.plus(Span::minutes(1));
    let link = Link {
        id: BENS_LINK,
        campaign: CAMPAIGN,
        influencer: BEN,
        destination: "https://shop.example/".into(),
        slug: "ben".into(),
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
    let entities = vec![Entity::Merchant(merchant), Entity::Link(link)];
    catalog.apply(&Change { at: NOW, entities, request: None, by: None });
    catalog
}

fn by_number() -> Catalog {
    with_merchant(click_first(), |merchant| merchant.claims = ClaimRule::Number)
}

fn outcome(settled: &Settled) -> (i64, Method, &str) {
    (total(settled), settled.decision.method, &settled.decision.label)
}

#[test]
fn a_claim_counts_with_the_key_that_the_shop_bears_and_with_no_other() {
    let catalog = click_first();
    let proven = settled(&[report(), claim(2, 1, KEY)], &catalog);
    assert_eq!(outcome(&proven), (1949, Method::Click, ""));
    assert_eq!(proven.decision.subject().unwrap().claim, Some(Standing::Proven));
    for key in ["", "wc_order_guessed00000", "WC_ORDER_58D2D042D1D"] {
        let settled = settled(&[report(), claim(2, 1, key)], &catalog);
        assert_eq!(outcome(&settled), (0, Method::None, "unproven"), "{key}");
        assert_eq!(settled.decision.candidates[0].verdict, Verdict::Unproven);
        assert_eq!(settled.decision.subject().unwrap().influencer, Some(ANNA), "it is shown");
    }
}

#[test]
fn an_order_that_is_called_by_its_key_needs_no_other_proof() {
    let mut by_key = claim(2, 1, "");
    by_key.order_id = KEY.to_owned();
    assert_eq!(total(&settled(&[report(), by_key.clone()], &click_first())), 1949);
    by_key.order_id = "1001".to_owned();
    assert_eq!(total(&settled(&[report(), by_key], &click_first())), 0);
}

#[test]
fn a_key_of_another_merchants_order_proves_nothing() {
    let mut foreign = claim(2, 1, "");
    foreign.proofs =
        ProofId::of_key(shared::id::MerchantId::from_bits(2), KEY).into_iter().collect();
    assert_eq!(total(&settled(&[report(), foreign], &click_first())), 0);
}

#[test]
fn an_order_that_the_shop_has_not_reported_is_claimed_with_a_key_only() {
    let keyed = settled(&[claim(2, 0, "anything")], &click_first());
    assert_eq!(outcome(&keyed), (0, Method::Click, ""));
    assert!(!keyed.accepted);
    assert_eq!(keyed.decision.subject().unwrap().claim, Some(Standing::Unchecked));
    let bare = settled(&[claim(2, 0, "")], &click_first());
    assert_eq!(outcome(&bare), (0, Method::None, "unproven"));
}

#[test]
fn an_unproven_claim_takes_no_order_from_the_owner_of_a_coupon_nor_from_the_shops_own_click() {
    let with_code = |fact: OrderFact| OrderFact { coupons: vec!["BEN15".into()], ..fact };
    for catalog in [click_first(), by_number()] {
        let bens = settled(&[with_code(report()), claim(2, 1, "")], &catalog);
        assert_eq!(outcome(&bens), (1949, Method::Coupon, ""));
        assert_eq!(bens.decision.subject().unwrap().influencer, Some(BEN));
    }
    let proven = settled(&[with_code(report()), claim(2, 1, KEY)], &click_first());
    assert_eq!(proven.decision.subject().unwrap().influencer, Some(ANNA), "a proof is a click");
    let own = settled(&[paid(), by(BENS_LINK, 9, claim(2, 1, KEY))], &by_number());
    assert_eq!(own.decision.subject().unwrap().influencer, Some(ANNA));
}

#[test]
fn many_claims_never_shut_out_the_one_with_a_proof() {
    for after in [false, true] {
        let flood = |n: u8| claim(100 + n, if after { 2 } else { -50 }, "wc_order_made_up_0000");
        let mut facts: Vec<OrderFact> = (0..100).map(flood).collect();
        facts.push(report());
        facts.push(by(BENS_LINK, 9, claim(2, 1, KEY)));
        let settled = settled(&facts, &by_number());
        assert_eq!(settled.decision.subject().unwrap().influencer, Some(BEN), "after: {after}");
        assert_eq!(total(&settled), 1949);
        let kept = distinct(&facts);
        assert_eq!(kept.len(), BROWSER_FACTS_MAX + 1);
        assert!(kept.iter().any(|fact| fact.id == FactId::from_bytes([2; 16])));
    }
}

#[test]
fn of_claims_by_number_those_nearest_to_the_order_are_kept() {
    let mut facts: Vec<OrderFact> = (0..25).map(|n| claim(100 + n, -30, "")).collect();
    facts.push(report());
    facts.push(by(BENS_LINK, 9, claim(2, 3, "")));
    // Those that came before the order are no claims of its buyer, so nobody contests it.
    let settled = settled(&facts, &by_number());
    assert_eq!(settled.decision.subject().unwrap().influencer, Some(BEN));
    assert_eq!(settled.decision.subject().unwrap().claim, Some(Standing::ByNumber));
}

#[test]
fn a_number_counts_where_the_merchant_says_so_soon_after_the_order_and_uncontested() {
    let catalog = by_number();
    let after = |minutes| settled(&[report(), claim(2, minutes, "")], &catalog);
    assert_eq!(outcome(&after(1)), (1949, Method::Click, ""));
    for minutes in [-5, 61] {
        assert_eq!(outcome(&after(minutes)), (0, Method::None, "unproven"), "{minutes}");
    }
    let late_click = Touch { clicked_at: NOW.plus(Span::minutes(61)), ..touch(NOW) };
    let clicked_after = OrderFact { touches: vec![late_click], ..claim(2, 2, "") };
    assert_eq!(total(&settled(&[report(), clicked_after], &catalog)), 0);
    let contested = [report(), claim(2, 1, ""), by(BENS_LINK, 9, claim(3, 2, ""))];
    let contested = settled(&contested, &catalog);
    assert_eq!(outcome(&contested), (0, Method::None, "contested"));
    assert!(contested.decision.candidates.iter().all(|c| c.verdict == Verdict::Contested));
    let twice = [report(), claim(2, 1, ""), by(ANNAS_LINK, 9, claim(3, 2, ""))];
    assert_eq!(total(&settled(&twice, &catalog)), 1949, "two clicks of one influencer");
    let beside_proof = [report(), claim(2, 1, ""), by(BENS_LINK, 9, claim(3, 2, KEY))];
    let beside_proof = settled(&beside_proof, &catalog);
    assert_eq!(beside_proof.decision.subject().unwrap().influencer, Some(BEN));
}

#[test]
fn many_claims_by_number_contest_themselves_since_the_buyers_may_be_shut_out() {
    let catalog = by_number();
    let of_one = |count: u8| -> Vec<OrderFact> {
        let many = (0..count).map(|n| by(BENS_LINK, 100 + n, claim(50 + n, 0, "")));
        [report()].into_iter().chain(many).collect()
    };
    assert_eq!(outcome(&settled(&of_one(19), &catalog)), (1949, Method::Click, ""));
    let shut_out = [&of_one(20)[..], &[claim(2, 1, "")]].concat();
    for facts in [of_one(20), shut_out] {
        assert_eq!(outcome(&settled(&facts, &catalog)), (0, Method::None, "contested"));
    }
    // Junk that comes later takes nothing away.
    let late = (0..40).map(|n| by(BENS_LINK, 100 + n, claim(50 + n, 120, "")));
    let facts: Vec<_> = [report(), claim(2, 1, "")].into_iter().chain(late).collect();
    assert_eq!(outcome(&settled(&facts, &catalog)), (1949, Method::Click, ""));
}

#[test]
fn a_number_counts_where_the_campaign_does_not_count_the_coupon() {
    let clicks_only = catalog(vec![Evidence::Click], fifteen_percent());
    let catalog = with_merchant(clicks_only, |merchant| merchant.claims = ClaimRule::Number);
    let with_code = OrderFact { coupons: vec!["BEN15".into()], ..report() };
    let settled = settled(&[with_code, claim(2, 1, "")], &catalog);
    assert_eq!(settled.decision.subject().unwrap().influencer, Some(ANNA));
}

#[test]
fn a_new_rule_for_claims_judges_only_orders_placed_from_then_on() {
    let facts = [report(), claim(2, 1, "")];
    let changed = |until: Timestamp| {
        with_merchant(click_first(), |merchant| {
            merchant.earlier_claims = vec![EarlierClaimRule { until, rule: ClaimRule::Number }];
        })
    };
    let placed_at = report().ordered_at.unwrap();
    assert_eq!(total(&settled(&facts, &changed(placed_at.plus(Span::ms(1))))), 1949);
    assert_eq!(total(&settled(&facts, &changed(placed_at))), 0);
}

#[test]
fn what_was_settled_before_claims_needed_a_proof_stays() {
    let earlier = |fact: OrderFact| OrderFact { asks_proof: false, proofs: vec![], ..fact };
    let catalog = click_first();
    let old = settled(&[earlier(report()), earlier(claim(2, 1, ""))], &catalog);
    assert_eq!(outcome(&old), (1949, Method::Click, ""));
    assert_eq!(old.decision.subject().unwrap().claim, Some(Standing::Earlier));
    // A later report of the same order changes nothing; a later claim needs a proof.
    let reported_again = later(3, 90, |f| (f.touches, f.proofs) = (vec![], proof(KEY)));
    let again = [earlier(report()), earlier(claim(2, 1, "")), reported_again.clone()];
    assert_eq!(total(&settled(&again, &catalog)), 1949);
    assert_eq!(total(&settled(&[earlier(report()), claim(2, 1, "")], &catalog)), 0);
    // An order that was reported only afterwards is not taken by claims that lay in wait for it.
    assert_eq!(total(&settled(&[reported_again, earlier(claim(2, 1, ""))], &catalog)), 0);
    // Of many claims of that time the first ones count, as they did.
    let mut many: Vec<OrderFact> = (0..25)
        .map(|n| earlier(by(BENS_LINK, 100 + n, claim(100 + n, i64::from(n), ""))))
        .collect();
    many.push(earlier(report()));
    let kept = distinct(&many);
    assert!(kept.iter().all(|fact| fact.id != FactId::from_bytes([124; 16])));
    assert!(kept.iter().any(|fact| fact.id == FactId::from_bytes([100; 16])));
}

#[test]
fn where_the_pixel_is_trusted_claims_count_until_the_shop_reports_the_order() {
    let catalog = with_merchant(click_first(), |merchant| merchant.trust_pixel = true);
    let trusted = settled(&[claim(2, 1, "")], &catalog);
    assert_eq!(outcome(&trusted), (1949, Method::Click, ""));
    assert_eq!(trusted.decision.subject().unwrap().claim, Some(Standing::Trusted));
    assert_eq!(total(&settled(&[report(), claim(2, 1, "")], &catalog)), 0);
    assert_eq!(total(&settled(&[report(), claim(2, 1, KEY)], &catalog)), 1949);
}
