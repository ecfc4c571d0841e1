//! Leads of a shop's server: who is credited, and what is booked and taken back.

use settlement::leads::{LeadLabel, SettledLead, settle};
use settlement::ledger::Reason;
use shared::catalog::{Catalog, Change, Entity, Evidence, Suspendable, Suspension};
use shared::commission::Pays;
use shared::id::{ClickId, FactId, LinkId, MerchantId};
use shared::lead::{LeadFact, LeadStatus};
use shared::order::{Touch, Visit};
use shared::time::{Span, Timestamp};

use crate::world::{ANNA, ANNAS_LINK, MERCHANT, NOW, catalog, terms, touch};

/// A campaign that pays 2.50 for a lead.
fn per_lead() -> Catalog {
    catalog(vec![Evidence::Click], terms(Pays::PerLead("2.50".parse().unwrap())))
}

fn minutes(minutes: i64) -> Timestamp {
    NOW.plus(Span::minutes(minutes))
}

/// What the shop says of the lead so many minutes after the click, with the click's token.
fn said(minute: i64, status: LeadStatus) -> LeadFact {
    LeadFact {
        id: FactId::of_content(&[&minute.to_be_bytes(), status.as_str().as_bytes()]),
        merchant: MERCHANT,
        lead_id: "L1".into(),
        status,
        occurred_at: minutes(minute),
        received_at: minutes(minute),
        place: 0,
        made_at: None,
        touches: vec![touch(NOW)],
        clicks: vec![],
        order_id: None,
        test: false,
        reread: None,
    }
}

fn settled(facts: &[LeadFact], catalog: &Catalog) -> SettledLead {
    settle(&facts.iter().collect::<Vec<_>>(), catalog, &|_| None).unwrap()
}

fn booked(settled: &SettledLead) -> Vec<(i64, Reason)> {
    settled.bookings.iter().map(|b| (b.amount_minor, b.reason)).collect()
}

#[test]
fn a_lead_earns_when_it_is_qualified_and_is_taken_back_when_it_is_not() {
    use LeadStatus::{Lost, NotQualified, Open, Qualified, Won};
    let (earned, voided) = ((250, Reason::Accrued), (-250, Reason::Voided));
    for (statuses, expected) in [
        (&[Open][..], vec![]),
        (&[Open, Qualified, Qualified], vec![earned]),
        (&[Won], vec![earned]),
        (&[Qualified, Lost], vec![earned]),
        (&[Lost], vec![]),
        (&[Qualified, NotQualified], vec![earned, voided]),
        (&[Qualified, NotQualified, Qualified], vec![earned, voided, earned]),
    ] {
        let facts: Vec<_> = (1..).zip(statuses).map(|(at, status)| said(at, *status)).collect();
        let once = settled(&facts, &per_lead());
        assert_eq!(booked(&once), expected, "{statuses:?}");
        assert_eq!(once.label, LeadLabel::None);
        let again: Vec<_> = facts.iter().rev().chain(&facts).cloned().collect();
        assert_eq!(settled(&again, &per_lead()).bookings, once.bookings, "{statuses:?}");
    }
}

#[test]
fn a_lead_without_a_click_of_the_merchant_that_covers_it_earns_nothing() {
    let qualified = || said(1, LeadStatus::Qualified);
    let label = |fact: LeadFact| {
        let settled = settled(&[fact], &per_lead());
        (settled.label, settled.bookings.len())
    };
    assert_eq!(label(qualified()), (LeadLabel::None, 1));
    assert_eq!(label(LeadFact { touches: vec![], ..qualified() }), (LeadLabel::NoClick, 0));
    assert_eq!(label(LeadFact { test: true, ..qualified() }), (LeadLabel::Test, 0));
    let late = Some(minutes(31 * 24 * 60));
    assert_eq!(label(LeadFact { made_at: late, ..qualified() }), (LeadLabel::OutsideWindow, 0));
    let unknown = Touch { link: LinkId::from_bits(99), ..touch(NOW) };
    let elsewhere = LeadFact { touches: vec![unknown], ..qualified() };
    assert_eq!(label(elsewhere), (LeadLabel::NoClick, 0));
}

#[test]
fn a_click_that_is_named_by_its_id_counts_for_the_merchant_of_its_link_alone() {
    let visit = Visit { touch: touch(NOW), previous: None };
    let named = |merchant| {
        let click = ClickId::from_bytes([8; 16]);
        let mut fact = said(1, LeadStatus::Qualified);
        (fact.merchant, fact.touches, fact.clicks) = (merchant, vec![], vec![click]);
        settle(&[&fact], &per_lead(), &|_| Some(visit)).unwrap()
    };
    let own = named(MERCHANT);
    assert_eq!((own.label, own.bookings.len()), (LeadLabel::None, 1));
    assert_eq!(own.bookings[0].account.influencer, ANNA);
    let foreign = named(MerchantId::from_bits(77));
    assert_eq!((foreign.label, foreign.bookings.len()), (LeadLabel::NoClick, 0));
}

#[test]
fn a_suspension_takes_back_what_the_lead_earned_when_it_was_decided() {
    let mut catalog = per_lead();
    let of = Suspendable::Link(ANNAS_LINK);
    let suspension = Suspension::changed(None, of, Some(minutes(-5)), minutes(30));
    let entities = vec![Entity::Suspension(suspension)];
    catalog.apply(&Change { at: minutes(30), entities, request: None, by: None });
    let facts = [said(1, LeadStatus::Qualified), said(60, LeadStatus::Won)];
    let settled = settled(&facts, &catalog);
    assert_eq!(booked(&settled), [(250, Reason::Accrued), (-250, Reason::Suspended)]);
    assert_eq!(settled.bookings[1].booked_at, minutes(30));
    assert_eq!(settled.label, LeadLabel::Suspended);
}

#[test]
fn a_thousand_reports_of_a_lead_book_once() {
    let facts: Vec<_> = (1..=1000).map(|at| said(at, LeadStatus::Qualified)).collect();
    assert_eq!(booked(&settled(&facts, &per_lead())), [(250, Reason::Accrued)]);
}
