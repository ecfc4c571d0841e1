//! The bounds of dates, windows and the checkout, to the millisecond.

use settlement::attribution::{Method, Verdict};
use shared::catalog::{Campaign, Catalog, Change, Coupon, Entity, Evidence, Model};
use shared::id::ClickId;
use shared::order::{OrderFact, Touch};
use shared::time::{Span, Timestamp};

use crate::world::{BENS_COUPON, CAMPAIGN, NOW, click_first, later, settled, touch};

/// When the order of these tests is placed.
const PLACED: Timestamp = Timestamp::from_ms(NOW.as_ms() + 3_600_000);

fn shifted(at: Timestamp, ms: i64) -> Timestamp {
    at.plus(Span::ms(ms))
}

fn order(change: impl FnOnce(&mut OrderFact)) -> OrderFact {
    later(1, 0, change)
}

type Dates = (Option<Timestamp>, Option<Timestamp>);

fn with_dates(of_coupon: Dates, of_campaign: Dates) -> Catalog {
    let mut catalog = click_first();
    let updated_at = shifted(NOW, 1);
    let coupon = catalog.coupons[&BENS_COUPON].as_ref().clone();
    let campaign = catalog.campaigns[&CAMPAIGN].as_ref().clone();
    let (starts_at, ends_at) = of_coupon;
    let coupon = Coupon { starts_at, ends_at, updated_at, ..coupon };
    let (starts_at, ends_at) = of_campaign;
    let campaign = Campaign { starts_at, ends_at, updated_at, ..campaign };
    let entities = vec![Entity::Coupon(coupon), Entity::Campaign(campaign)];
    catalog.apply(&Change { at: NOW, entities, request: None, by: None });
    catalog
}

#[test]
fn a_coupon_counts_from_its_start_until_before_its_end() {
    let (before, after) = (Some(shifted(PLACED, -1)), Some(shifted(PLACED, 1)));
    let at = Some(PLACED);
    for (dates, counts) in [
        ((None, None), true),
        ((at, None), true),
        ((after, None), false),
        ((None, after), true),
        ((None, at), false),
        ((before, before), false),
        ((after, after), false),
        ((at, after), true),
    ] {
        for (of_coupon, of_campaign) in [(dates, (None, None)), ((None, None), dates)] {
            let order = order(|f| (f.touches, f.coupons) = (vec![], vec!["BEN15".into()]));
            let decision = settled(&[order], &with_dates(of_coupon, of_campaign)).decision;
            assert_eq!(decision.placed_at, PLACED);
            let expected = if counts { Verdict::Credited } else { Verdict::OutOfDates };
            assert_eq!(decision.candidates[0].verdict, expected, "{of_coupon:?} {of_campaign:?}");
            assert_eq!(decision.method == Method::Coupon, counts);
        }
    }
}

#[test]
fn a_coupon_is_one_candidate_however_often_its_code_is_on_the_order() {
    let codes = vec!["BEN15".into(), " ben15 ".into(), "Ben15".into()];
    let order = order(|f| (f.touches, f.coupons) = (vec![], codes));
    let decision = settled(&[order], &click_first()).decision;
    assert_eq!(decision.candidates.len(), 1, "{:?}", decision.candidates);
}

fn clicked(number: u8, clicked_at: Timestamp, window_minutes: u32) -> Touch {
    Touch { click: ClickId::from_bytes([number; 16]), window_minutes, ..touch(clicked_at) }
}

#[test]
fn only_a_click_before_the_checkout_leads_there_and_coupons_do_not_click() {
    let checkout = shifted(NOW, 1_800_000);
    for (ms, expected) in [(-1, Verdict::Credited), (0, Verdict::AfterCheckout)] {
        let order = order(|f| {
            f.touches = vec![clicked(1, NOW, 1440), clicked(2, shifted(checkout, ms), 1440)];
            f.checkout_at = Some(checkout);
            f.coupons = vec!["BEN15".into()];
        });
        let candidates = settled(&[order], &click_first()).decision.candidates;
        let of = |evidence: Evidence| candidates.iter().filter(move |c| c.evidence == evidence);
        assert_eq!(of(Evidence::Click).next_back().map(|c| c.verdict), Some(expected), "{ms}");
        let coupon = of(Evidence::Coupon).next().map(|c| c.verdict);
        assert_eq!(coupon, Some(Verdict::LowerPrecedence), "{ms}");
    }
}

#[test]
fn a_click_counts_from_its_moment_until_before_its_window_closes() {
    let minute = 60_000;
    for (clicked_at, window_minutes, expected) in [
        (PLACED, 1, Verdict::Credited),
        (PLACED, 0, Verdict::OutsideWindow),
        (shifted(PLACED, -minute + 1), 1, Verdict::Credited),
        (shifted(PLACED, -minute - 1), 1, Verdict::OutsideWindow),
    ] {
        let order = order(|f| f.touches = vec![clicked(1, clicked_at, window_minutes)]);
        let decision = settled(&[order], &click_first()).decision;
        let found = decision.candidates[0].verdict;
        assert_eq!(found, expected, "{clicked_at:?}, {window_minutes} minutes");
    }
}

#[test]
fn the_model_credits_a_click_inside_its_window_and_the_reason_says_which() {
    let minutes_before = |minutes: i64| shifted(PLACED, -60_000 * minutes);
    let order = order(|f| {
        f.touches = vec![
            clicked(1, minutes_before(3), 1),
            clicked(2, minutes_before(2), 1440),
            clicked(3, minutes_before(1), 1440),
        ];
    });
    let mut catalog = click_first();
    let verdicts = |catalog: &Catalog| {
        let decision = settled(std::slice::from_ref(&order), catalog).decision;
        let verdicts: Vec<Verdict> = decision.candidates.iter().map(|c| c.verdict).collect();
        (verdicts, decision.reason)
    };
    let (found, reason) = verdicts(&catalog);
    assert_eq!(found, [Verdict::OutsideWindow, Verdict::EarlierTouch, Verdict::Credited]);
    assert!(reason.contains("the latest click") && reason.contains("; 2 other"), "{reason}");
    let campaign = catalog.campaigns[&CAMPAIGN].as_ref().clone();
    let updated_at = shifted(NOW, 1);
    let campaign = Campaign { model: Model::FirstClick, updated_at, ..campaign };
    catalog.apply(&Change {
        at: NOW,
        entities: vec![Entity::Campaign(campaign)],
        request: None,
        by: None,
    });
    let (found, reason) = verdicts(&catalog);
    assert_eq!(found, [Verdict::OutsideWindow, Verdict::Credited, Verdict::LaterTouch]);
    assert!(reason.contains("the first click") && reason.contains("; 2 other"), "{reason}");
}
