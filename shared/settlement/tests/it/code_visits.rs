//! Visits that a discount code opened: who is paid for the order to which one led. Ben owns the code;
//! Anna has the link.

use std::sync::Arc;

use settlement::attribution::{Candidate, Method, Standing, Verdict, credit};
use settlement::ledger::{Reason, Settled};
use shared::catalog::{
    Campaign, Catalog, Change, ClaimRule, Coupon, Entity, Evidence, Influencer, Merchant, Model,
    Renewals, Suspendable, SuspendedPeriod, Suspension,
};
use shared::id::{CouponId, CustomerId, ProofId};
use shared::order::{BROWSER_FACTS_MAX, CodeVisit, OrderFact, Source};
use shared::time::{Span, Timestamp};

use crate::world::{
    ANNA, BEN, BENS_COUPON, CAMPAIGN, MERCHANT, NOW, catalog, click_first, fifteen_percent, later,
    settled, total, touch,
};

const KEY: &str = "wc_order_58d2d042d1d";
/// What 15 % of the order are.
const DUE: i64 = 1949;

fn days(days: i64) -> Timestamp {
    NOW.plus(Span::days(days))
}

/// The shop's report of an order placed ten days from now, with the order's key and no click.
fn report() -> OrderFact {
    later(1, 0, |f| {
        (f.touches, f.proofs) = (vec![], ProofId::of_key(MERCHANT, KEY).into_iter().collect());
        (f.occurred_at, f.received_at) = (days(10), days(10).plus(Span::seconds(5)));
        f.ordered_at = Some(days(10));
    })
}

/// What the buyer's page says a minute after the order: Ben's code opened the visit then.
fn by_code(opened_at: Timestamp) -> OrderFact {
    let mut fact = report();
    (fact.source, fact.received_at) = (Source::Pixel, days(10).plus(Span::minutes(1)));
    (fact.id, fact.code_visit) = (
        shared::id::FactId::of_content(&[&opened_at.as_ms().to_be_bytes()]),
        Some(CodeVisit { opened_at, coupon: BENS_COUPON }),
    );
    fact
}

/// The same page, whose visitor clicked Anna's link then, too.
fn by_both(opened_at: Timestamp, clicked_at: Timestamp) -> OrderFact {
    OrderFact { touches: vec![touch(clicked_at)], ..by_code(opened_at) }
}

fn without_key(fact: OrderFact) -> OrderFact {
    OrderFact { proofs: vec![], ..fact }
}

fn with_code(fact: OrderFact, code: &str) -> OrderFact {
    OrderFact { coupons: vec![code.into()], ..fact }
}

/// A catalog in which an entity is changed.
fn changed<E: Clone>(
    mut catalog: Catalog,
    held: impl Fn(&Catalog) -> Arc<E>,
    change: impl FnOnce(&mut E),
    entity: impl FnOnce(E) -> Entity,
) -> Catalog {
    let mut changed = Arc::unwrap_or_clone(held(&catalog));
    change(&mut changed);
    catalog.apply(&Change { at: NOW, entities: vec![entity(changed)], request: None, by: None });
    catalog
}

const AFTERWARDS: Timestamp = NOW.plus(Span::minutes(1));

fn with_campaign(catalog: Catalog, change: impl FnOnce(&mut Campaign)) -> Catalog {
    let change = |campaign: &mut Campaign| {
        campaign.updated_at = AFTERWARDS;
        change(campaign);
    };
    changed(catalog, |catalog| catalog.campaigns[&CAMPAIGN].clone(), change, Entity::Campaign)
}

fn with_coupon(catalog: Catalog, change: impl FnOnce(&mut Coupon)) -> Catalog {
    let change = |coupon: &mut Coupon| {
        coupon.updated_at = AFTERWARDS;
        change(coupon);
    };
    changed(catalog, |catalog| catalog.coupons[&BENS_COUPON].clone(), change, Entity::Coupon)
}

fn with_merchant(catalog: Catalog, change: impl FnOnce(&mut Merchant)) -> Catalog {
    let change = |merchant: &mut Merchant| {
        merchant.updated_at = AFTERWARDS;
        change(merchant);
    };
    changed(catalog, |catalog| catalog.merchants[&MERCHANT].clone(), change, Entity::Merchant)
}

fn listing(precedence: &[Evidence]) -> Catalog {
    catalog(precedence.to_vec(), fifteen_percent())
}

fn outcome(settled: &Settled) -> (i64, Method, &str) {
    (total(settled), settled.decision.method, &settled.decision.label)
}

fn visit_of(settled: &Settled) -> &Candidate {
    let mut candidates = settled.decision.candidates.iter();
    candidates.find(|candidate| candidate.evidence == Evidence::CodeVisit).unwrap()
}

#[test]
fn a_visit_that_a_code_opened_credits_its_owner_and_invents_no_click() {
    let found = settled(&[report(), by_code(days(7))], &click_first());
    assert_eq!(outcome(&found), (DUE, Method::CodeVisit, ""));
    let [candidate] = &found.decision.candidates[..] else { panic!("{:?}", found.decision) };
    assert_eq!((candidate.influencer, candidate.coupon), (Some(BEN), Some(BENS_COUPON)));
    assert_eq!((candidate.click, candidate.link, candidate.clicked_at), (None, None, None));
    assert_eq!((candidate.opened_at, candidate.claim), (Some(days(7)), Some(Standing::Proven)));
    let reason = "credited to the owner of the code BEN15, which opened the shop 3 days before; \
                  0 other candidates";
    assert_eq!(found.decision.reason, reason);
}

#[test]
fn the_reason_says_in_words_how_long_before_it_was() {
    for (before, words) in [
        (Span::ms(0), "just before"),
        (Span::seconds(59), "just before"),
        (Span::minutes(1), "1 minute before"),
        (Span::minutes(119), "1 hour before"),
        (Span::minutes(150), "2 hours before"),
        (Span::days(1), "1 day before"),
    ] {
        let opened_at = days(10).plus(Span::ms(-before.as_ms()));
        let found = settled(&[report(), by_code(opened_at)], &click_first());
        assert!(found.decision.reason.contains(words), "{}", found.decision.reason);
    }
}

/// Whoever knows an order's number can say that it was opened by any code.
#[test]
fn a_visit_that_is_claimed_by_the_orders_number_alone_earns_nothing() {
    let guessed = OrderFact {
        proofs: ProofId::of_key(MERCHANT, "wc_order_guessed00000").into_iter().collect(),
        ..by_code(days(7))
    };
    for claim in [without_key(by_code(days(7))), guessed] {
        let found = settled(&[report(), claim], &click_first());
        assert_eq!(outcome(&found), (0, Method::None, "unproven"));
        assert_eq!(visit_of(&found).verdict, Verdict::Unproven);
        assert_eq!(found.decision.subject().unwrap().influencer, Some(BEN), "it is shown");
    }
}

#[test]
fn where_numbers_do_a_visit_must_be_timely_and_uncontested_like_a_click() {
    let catalog = with_merchant(click_first(), |merchant| merchant.claims = ClaimRule::Number);
    let of = |claims: &[OrderFact]| settled(&[&[report()], claims].concat(), &catalog);
    let visit = without_key(by_code(days(7)));
    assert_eq!(outcome(&of(std::slice::from_ref(&visit))), (DUE, Method::CodeVisit, ""));
    let late = OrderFact { received_at: days(10).plus(Span::minutes(61)), ..visit.clone() };
    assert_eq!(outcome(&of(&[late])), (0, Method::None, "unproven"));
    let old = without_key(by_code(days(-21)));
    assert_eq!(outcome(&of(&[old])), (0, Method::None, "unproven"));
    let click = without_key(later(9, 0, |f| {
        (f.source, f.received_at) = (Source::Pixel, days(10).plus(Span::minutes(2)));
    }));
    assert_eq!(outcome(&of(&[visit.clone(), click.clone()])), (0, Method::None, "contested"));
    // A proof ends the contest.
    let proven = of(&[click, by_code(days(7))]);
    assert_eq!(outcome(&proven), (DUE, Method::CodeVisit, ""));
}

#[test]
fn where_the_pixel_is_trusted_a_visit_counts_until_the_shop_reports_the_order() {
    let catalog = with_merchant(click_first(), |merchant| merchant.trust_pixel = true);
    let visit = without_key(by_code(days(7)));
    let trusted = settled(std::slice::from_ref(&visit), &catalog);
    assert_eq!(outcome(&trusted), (DUE, Method::CodeVisit, ""));
    assert_eq!(visit_of(&trusted).claim, Some(Standing::Trusted));
    assert_eq!(total(&settled(&[report(), visit], &catalog)), 0);
}

#[test]
fn an_order_that_the_shop_has_not_reported_is_only_claimed() {
    let found = settled(&[by_code(days(7))], &click_first());
    assert_eq!(outcome(&found), (0, Method::CodeVisit, ""));
    assert_eq!(visit_of(&found).claim, Some(Standing::Unchecked));
}

/// A page that the shop signed is the shop's own report.
#[test]
fn a_signed_page_needs_no_other_proof() {
    let consent = Some(shared::consent::Consent::Granted);
    let signed = OrderFact { source: Source::Postback, consent, ..without_key(by_code(days(7))) };
    let found = settled(std::slice::from_ref(&signed), &click_first());
    assert_eq!(outcome(&found), (DUE, Method::CodeVisit, ""));
    assert_eq!(visit_of(&found).claim, None);
    let claim = by_both(days(9), days(9));
    let found = settled(&[signed, claim], &click_first());
    assert_eq!(visit_of(&found).opened_at, Some(days(7)));
    let others = &found.decision.candidates[1..];
    assert_eq!(others.len(), 2, "a click and a visit");
    assert!(others.iter().all(|claimed| claimed.verdict == Verdict::LessTrusted));
}

#[test]
fn a_visit_counts_inside_its_window_and_not_after_the_order() {
    let of = |opened_at| settled(&[report(), by_code(opened_at)], &click_first());
    let ms = Span::ms(1);
    for (opened_at, verdict, label) in [
        (days(10).plus(ms), Verdict::AfterOrder, ""),
        (days(10), Verdict::Credited, ""),
        (days(-20).plus(ms), Verdict::Credited, ""),
        (days(-20), Verdict::OutsideWindow, "outside_window"),
    ] {
        let found = of(opened_at);
        assert_eq!(visit_of(&found).verdict, verdict, "{opened_at:?}");
        assert_eq!(found.decision.label, label);
        assert_eq!(total(&found), if verdict == Verdict::Credited { DUE } else { 0 });
    }
    assert!(of(days(-20)).decision.reason.contains("a code opened"));
}

#[test]
fn code_and_campaign_must_have_been_valid_when_the_visit_began() {
    let ended = |ends_at| with_coupon(click_first(), |coupon| coupon.ends_at = Some(ends_at));
    let paused = |starts_at| with_campaign(click_first(), |c| c.starts_at = Some(starts_at));
    for (catalog, opened_at, verdict) in [
        // It ended between the visit and the order: as a click before the end does, it earns.
        (ended(days(8)), days(7), Verdict::Credited),
        (ended(days(7)), days(7), Verdict::OutOfDates),
        (paused(days(7)), days(7), Verdict::Credited),
        (paused(days(8)), days(7), Verdict::OutOfDates),
    ] {
        let found = settled(&[report(), by_code(opened_at)], &catalog);
        assert_eq!(visit_of(&found).verdict, verdict);
    }
}

#[test]
fn a_coupon_of_another_merchant_or_of_nobody_earns_nothing() {
    let coupon = CouponId::from_bits(99);
    let unknown = OrderFact {
        code_visit: Some(CodeVisit { opened_at: days(7), coupon }),
        ..by_code(days(7))
    };
    let found = settled(&[report(), unknown], &click_first());
    assert_eq!((outcome(&found).0, visit_of(&found).verdict), (0, Verdict::Unknown));
    let other = shared::id::MerchantId::from_bits(77);
    let moved = with_campaign(click_first(), |campaign| campaign.merchant = other);
    let found = settled(&[report(), by_code(days(7))], &moved);
    assert_eq!((outcome(&found).0, visit_of(&found).verdict), (0, Verdict::Unknown));
}

#[test]
fn of_click_and_visit_the_later_one_is_credited() {
    for (opened, clicked, winner) in [(7, 5, BEN), (5, 7, ANNA), (7, 7, ANNA)] {
        let claim = by_both(days(opened), days(clicked));
        let found = settled(&[report(), claim], &click_first());
        assert_eq!(
            found.decision.subject().unwrap().influencer,
            Some(winner),
            "{opened} {clicked}"
        );
        assert_eq!(total(&found), DUE);
        let loser = found.decision.candidates.iter().find(|c| c.influencer != Some(winner));
        assert_eq!(loser.unwrap().verdict, Verdict::EarlierTouch);
    }
}

#[test]
fn a_code_on_the_order_was_really_used_and_goes_before_every_visit() {
    // Anna's code is on the order, and Ben's opened the shop.
    let annas = Coupon {
        id: CouponId::from_bits(8),
        influencer: ANNA,
        code: "ANNA15".into(),
        ..Coupon::clone(&click_first().coupons[&BENS_COUPON])
    };
    for precedence in [
        &[Evidence::Click, Evidence::Coupon][..],
        &[Evidence::CodeVisit, Evidence::Coupon, Evidence::Click],
        &[Evidence::Coupon, Evidence::Click],
    ] {
        let mut catalog = listing(precedence);
        let entities = vec![Entity::Coupon(annas.clone())];
        catalog.apply(&Change { at: NOW, entities, request: None, by: None });
        let found = settled(&[with_code(report(), "ANNA15"), by_code(days(7))], &catalog);
        assert_eq!(outcome(&found), (DUE, Method::Coupon, ""));
        assert_eq!(found.decision.subject().unwrap().influencer, Some(ANNA));
        assert_eq!(visit_of(&found).verdict, Verdict::LowerPrecedence);
        // A code that earns nobody anything takes nothing away either.
        let found = settled(&[with_code(report(), "SUMMER"), by_code(days(7))], &catalog);
        assert_eq!(outcome(&found), (DUE, Method::CodeVisit, ""));
    }
    // The campaign counts clicks first: then the click goes before both.
    let claim = by_both(days(7), days(5));
    let found = settled(&[with_code(report(), "BEN15"), claim], &click_first());
    assert_eq!(outcome(&found), (DUE, Method::Click, ""));
}

#[test]
fn a_click_in_the_shops_own_facts_is_never_outdone_by_what_a_browser_says() {
    let own = OrderFact { touches: vec![touch(days(1))], ..report() };
    let found = settled(&[own, by_code(days(9))], &click_first());
    assert_eq!(outcome(&found), (DUE, Method::Click, ""));
    assert_eq!(visit_of(&found).verdict, Verdict::LessTrusted);
}

#[test]
fn the_precedence_decides_where_visits_by_a_code_stand() {
    use Evidence::{Click, CodeVisit, Coupon, ExistingCustomer};
    let of = |precedence: &[Evidence], opened, clicked, new_customer| {
        let reported = OrderFact { new_customer, ..report() };
        let claim = by_both(days(opened), days(clicked));
        let found = settled(&[reported, claim], &listing(precedence));
        (found.decision.method, visit_of(&found).verdict)
    };
    let (by_visit, by_click, nobody) = (Method::CodeVisit, Method::Click, Method::None);
    for (precedence, opened, clicked, new_customer, expected) in [
        (&[][..], 7, 5, None, (by_visit, Verdict::Credited)),
        (&[Coupon, Click], 7, 5, None, (by_visit, Verdict::Credited)),
        (&[Coupon, Click], 5, 7, None, (by_click, Verdict::EarlierTouch)),
        (&[Coupon], 5, 7, None, (by_visit, Verdict::Credited)),
        // Where codes do not count, visits by a code do not.
        (&[Click], 7, 5, None, (by_click, Verdict::LowerPrecedence)),
        // Where it is listed, it stands there, whatever was later.
        (&[Click, CodeVisit, Coupon], 7, 5, None, (by_click, Verdict::LowerPrecedence)),
        (&[CodeVisit, Click], 5, 7, None, (by_visit, Verdict::Credited)),
        // Codes do not count for existing customers here, so neither do visits by one.
        (&[Click, ExistingCustomer, Coupon], 7, 5, Some(true), (by_visit, Verdict::Credited)),
        (
            &[Click, ExistingCustomer, Coupon],
            7,
            5,
            Some(false),
            (by_click, Verdict::LowerPrecedence),
        ),
        (&[Coupon, ExistingCustomer, Click], 5, 7, Some(false), (by_visit, Verdict::Credited)),
        (
            &[ExistingCustomer, Click, Coupon],
            7,
            5,
            Some(false),
            (nobody, Verdict::ExistingCustomer),
        ),
        (
            &[Click, Coupon, ExistingCustomer, CodeVisit],
            7,
            5,
            Some(false),
            (by_click, Verdict::LowerPrecedence),
        ),
    ] {
        let found = of(precedence, opened, clicked, new_customer);
        assert_eq!(found, expected, "{precedence:?} {opened} {clicked} {new_customer:?}");
    }
}

#[test]
fn where_first_clicks_are_credited_the_first_of_clicks_and_visits_is() {
    let catalog = with_campaign(click_first(), |campaign| campaign.model = Model::FirstClick);
    let of = |opened, clicked| settled(&[report(), by_both(days(opened), days(clicked))], &catalog);
    let first = of(5, 7);
    assert_eq!(first.decision.method, Method::CodeVisit);
    let click = first.decision.candidates.iter().find(|c| c.evidence == Evidence::Click);
    assert_eq!(click.unwrap().verdict, Verdict::LaterTouch);
    assert_eq!(of(7, 5).decision.method, Method::Click);
    let whole = credit(&first.decision, Model::Linear, 100);
    assert_eq!(
        whole.iter().map(|(owner, part)| (owner.influencer, *part)).collect::<Vec<_>>(),
        [(Some(BEN), 100)]
    );
}

#[test]
fn a_visit_after_the_way_to_the_checkout_takes_no_credit_from_the_click_before() {
    let reported = OrderFact { checkout_at: Some(days(8)), ..report() };
    let found = settled(&[reported, by_both(days(9), days(7))], &click_first());
    assert_eq!(found.decision.method, Method::Click);
    assert_eq!(visit_of(&found).verdict, Verdict::AfterCheckout);
}

#[test]
fn own_orders_and_renewals_are_judged_like_others() {
    let email = "ben@example.com";
    let own = changed(
        click_first(),
        |catalog| catalog.influencers[&BEN].clone(),
        |ben: &mut Influencer| {
            (ben.email, ben.email_since, ben.updated_at) =
                (Some(email.into()), Some(NOW), AFTERWARDS);
        },
        Entity::Influencer,
    );
    let reported = OrderFact { customer: CustomerId::of_email(MERCHANT, email), ..report() };
    let found = settled(&[reported, by_code(days(7))], &own);
    assert_eq!(outcome(&found), (0, Method::None, "self_referral"));
    let renewal = OrderFact { renewal: true, ..report() };
    let found = settled(&[renewal.clone(), by_code(days(7))], &click_first());
    assert_eq!(outcome(&found), (0, Method::None, "renewal"));
    let all = with_campaign(click_first(), |campaign| campaign.renewals = Renewals::All);
    assert_eq!(total(&settled(&[renewal, by_code(days(-25))], &all)), DUE);
}

/// The moment is the browser's word, so it must not lead out of a suspension.
#[test]
fn a_suspension_counts_when_the_visit_began_and_when_the_order_was_placed() {
    let suspended = |of, from: Timestamp, until: Timestamp| {
        let mut catalog = click_first();
        let period = SuspendedPeriod { from, until: Some(until), made_at: from };
        let suspension = Suspension { of, periods: vec![period], updated_at: NOW };
        let entities = vec![Entity::Suspension(suspension)];
        catalog.apply(&Change { at: NOW, entities, request: None, by: None });
        catalog
    };
    for of in [Suspendable::Coupon(BENS_COUPON), Suspendable::Influencer(BEN)] {
        for (from, until, is_paid) in
            [(6, 8, false), (8, 20, false), (1, 6, true), (8, 9, true), (11, 20, true)]
        {
            let catalog = suspended(of, days(from), days(until));
            let found = settled(&[report(), by_code(days(7))], &catalog);
            assert_eq!(total(&found) == DUE, is_paid, "{of:?} {from} {until}");
            if !is_paid {
                assert_eq!(found.decision.label, "suspended");
            }
        }
    }
    // What was decided afterwards is taken back by a booking of its own.
    let mut catalog = suspended(Suspendable::Coupon(BENS_COUPON), days(6), days(12));
    let made_at = days(11);
    let period = SuspendedPeriod { from: days(6), until: None, made_at };
    let of = Suspendable::Coupon(BENS_COUPON);
    let suspension = Suspension { of, periods: vec![period], updated_at: AFTERWARDS };
    let entities = vec![Entity::Suspension(suspension)];
    catalog.apply(&Change { at: AFTERWARDS, entities, request: None, by: None });
    let found = settled(&[report(), by_code(days(7))], &catalog);
    let booked: Vec<_> = found.bookings.iter().map(|b| (b.amount_minor, b.reason)).collect();
    assert_eq!(booked, [(DUE, Reason::Accrued), (-DUE, Reason::Suspended)]);
}

#[test]
fn a_flood_of_made_up_visits_never_shuts_out_the_one_with_a_proof() {
    let mut facts: Vec<OrderFact> = (0..100)
        .map(|n| without_key(by_code(days(9).plus(Span::ms(n)))))
        .chain([report(), by_code(days(7))])
        .collect();
    let found = settled(&facts, &click_first());
    assert_eq!(outcome(&found), (DUE, Method::CodeVisit, ""));
    assert!(found.decision.candidates.len() <= BROWSER_FACTS_MAX);
    facts.reverse();
    assert_eq!(settled(&facts, &click_first()).decision.to_json(), found.decision.to_json());
}

#[test]
fn a_visit_never_says_when_the_order_was_placed() {
    let undated = OrderFact { ordered_at: None, ..report() };
    let known = settled(std::slice::from_ref(&undated), &click_first()).order.placed_at;
    let opened_at = days(10).plus(Span::seconds(5));
    for opened_at in [opened_at, days(10).plus(Span::minutes(1)), days(-300)] {
        let found = settled(&[undated.clone(), by_code(opened_at)], &click_first());
        assert_eq!(found.order.placed_at, known);
    }
}
