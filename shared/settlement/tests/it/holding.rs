//! Commissions that are held, and influencers, links and coupons that are suspended.

use settlement::attribution::{Method, Verdict};
use settlement::held::Held;
use settlement::history::Newness;
use settlement::ledger::{Reason, Settled, settle};
use shared::catalog::{Catalog, Change, Entity, Hold, HoldTarget, Suspendable, Suspension};
use shared::id::{ClickId, FactId, HoldId};
use shared::order::{AmountPart, OrderFact, Refund, RefundList, Source, Status, Touch, Unreadable};
use shared::time::{Span, Timestamp};

use crate::world::{
    ANNA, ANNAS_LINK, BENS_COUPON, MERCHANT, NOW, click_first, later, paid, settled, total, touch,
};

fn unreadable(part: AmountPart) -> Unreadable {
    Unreadable { part, field: "line_items[1].total".into(), shape: "9,999.99".into() }
}

/// A later state of the order whose goods could not be read.
fn unread_goods(id: u8, minutes: i64) -> OrderFact {
    later(id, minutes, |f| {
        f.goods_minor = None;
        f.unreadable = vec![unreadable(AmountPart::Goods)];
    })
}

fn reasons(settled: &Settled) -> Vec<&'static str> {
    settled.holding.held.iter().map(Held::as_str).collect()
}

#[test]
fn an_amount_that_cannot_be_read_is_unknown_and_holds_the_commission() {
    for part in [AmountPart::Goods, AmountPart::Total, AmountPart::Currency] {
        let fact = later(1, 0, |f| {
            match part {
                AmountPart::Total => f.total_minor = None,
                AmountPart::Currency => f.currency = None,
                _ => f.goods_minor = None,
            }
            f.unreadable = vec![unreadable(part.clone())];
        });
        let settled = settled(&[fact], &click_first());
        assert_eq!(settled.decision.method, Method::Click, "the order is attributed all the same");
        assert_eq!(settled.order.net_goods_minor(), None, "{part:?}: unknown, not zero");
        assert_eq!(settled.bookings, [], "{part:?}");
        let (field, shape) = ("line_items[1].total".to_owned(), "9,999.99".to_owned());
        assert_eq!(settled.holding.held, [Held::UnreadableAmount { field, shape }]);
    }
    let fine = settled(&[paid()], &click_first());
    assert_eq!((fine.holding.held.len(), fine.order.net_goods_minor()), (0, Some(12990)));
}

#[test]
fn what_was_booked_stays_while_an_amount_is_unknown_and_a_readable_one_resolves_it() {
    let unknown = settled(&[paid(), unread_goods(2, 10)], &click_first());
    assert_eq!(total(&unknown), 1949, "nothing is taken back on a guess");
    assert_eq!(reasons(&unknown), ["unreadable_amount"]);
    let halved = later(3, 20, |f| f.goods_minor = Some(6495));
    let resolved = settled(&[halved.clone(), unread_goods(2, 10), paid()], &click_first());
    assert_eq!((total(&resolved), reasons(&resolved)), (974, vec![]));
    assert_eq!(
        resolved,
        settled(&[paid(), unread_goods(2, 10), halved], &click_first()),
        "in whatever order they come"
    );
    // An import is trusted less than a webhook, but it is the only one that could be read.
    let imported = later(4, 30, |f| {
        (f.source, f.goods_minor) = (Source::Postback, Some(10000));
    });
    let resolved = settled(&[paid(), unread_goods(2, 10), imported], &click_first());
    assert_eq!((total(&resolved), reasons(&resolved)), (1500, vec![]));
    let before = later(5, 5, |f| f.source = Source::Postback);
    let unresolved = settled(&[unread_goods(2, 10), before], &click_first());
    assert_eq!(reasons(&unresolved), ["unreadable_amount"], "it was said before the change");
    let claimed = later(6, 40, |f| f.source = Source::Pixel);
    let unresolved = settled(&[unread_goods(2, 10), claimed], &click_first());
    assert_eq!(reasons(&unresolved), ["unreadable_amount"], "a browser resolves nothing");
}

#[test]
fn a_void_order_and_one_without_credit_have_nothing_to_hold() {
    let void = later(3, 20, |f| {
        (f.status, f.goods_minor) = (Some(Status::Void), None);
        f.unreadable = vec![unreadable(AmountPart::Goods)];
    });
    let cancelled = settled(&[paid(), void], &click_first());
    assert_eq!((total(&cancelled), reasons(&cancelled)), (0, vec![]), "it is worth nothing");
    let nobodys = later(1, 0, |f| {
        f.touches = vec![];
        f.unreadable = vec![unreadable(AmountPart::Goods)];
    });
    assert_eq!(reasons(&settled(&[nobodys], &click_first())), Vec::<&str>::new());
}

#[test]
fn a_refund_that_cannot_be_read_holds_until_it_is_read_or_gone() {
    let refund = AmountPart::Refund("r1".into());
    let unread = later(2, 10, |f| f.unreadable = vec![unreadable(refund.clone())]);
    let held = settled(&[paid(), unread.clone()], &click_first());
    assert_eq!((total(&held), reasons(&held)), (1949, vec!["unreadable_amount"]));
    assert_eq!(held.order.net_goods_minor(), None);
    let read = later(3, 20, |f| f.refunds = vec![Refund::new("r1".into(), 6995, None)]);
    let resolved = settled(&[paid(), unread.clone(), read], &click_first());
    assert_eq!((total(&resolved), reasons(&resolved)), (974, vec![]));
    let gone = later(4, 30, |_| {});
    assert_eq!(reasons(&settled(&[paid(), unread, gone], &click_first())), Vec::<&str>::new());
    let alone = |id, minutes, change: &dyn Fn(&mut OrderFact)| {
        later(id, minutes, |f| {
            (f.partial, f.refund_list, f.goods_minor) = (true, RefundList::Some, None);
            change(f);
        })
    };
    let listed = later(1, 0, |f| f.refund_list = RefundList::Some);
    let unread = alone(5, 10, &|f| f.unreadable = vec![unreadable(refund.clone())]);
    let other = alone(6, 20, &|f| f.refunds = vec![Refund::new("r2".into(), 0, None)]);
    let held = settled(&[listed, unread, other], &click_first());
    assert_eq!(reasons(&held), ["unreadable_amount"], "another refund does not resolve it");
}

fn with(catalog: &Catalog, entity: Entity) -> Catalog {
    let mut catalog = catalog.clone();
    catalog.apply(&Change { at: NOW, entities: vec![entity], request: None, by: None });
    catalog
}

fn hold(target: HoldTarget) -> Hold {
    Hold {
        id: HoldId::from_bits(7),
        target,
        reason: "looks odd".into(),
        since: None,
        created_at: NOW,
        released_at: None,
        release_reason: None,
        updated_at: NOW,
    }
}

#[test]
fn a_hold_by_hand_names_itself_and_its_release_leaves_only_its_day() {
    let at = NOW.plus(Span::days(40));
    let plain = settled(&[paid()], &click_first());
    for target in [
        HoldTarget::Order { merchant: MERCHANT, order_id: "#1001".into() },
        HoldTarget::Link(ANNAS_LINK),
        HoldTarget::Influencer(ANNA),
    ] {
        let held = with(&click_first(), Entity::Hold(hold(target.clone())));
        let settled_held = settled(&[paid()], &held);
        let note = "looks odd".to_owned();
        assert_eq!(
            settled_held.holding.held,
            [Held::ByHand { hold: HoldId::from_bits(7), note }],
            "{target:?}"
        );
        assert_eq!(settled_held.bookings, plain.bookings, "it stays booked");
        assert_eq!(settled_held.decision, plain.decision);
        let release = Hold { released_at: Some(at), updated_at: at, ..hold(target) };
        let released = with(&held, Entity::Hold(release.clone()));
        let settled_released = settled(&[paid()], &released);
        assert_eq!(
            (reasons(&settled_released), settled_released.holding.released_at),
            (vec![], Some(at))
        );
        assert_eq!(settled_released.bookings, plain.bookings);
        let reordered = with(
            &with(&click_first(), Entity::Hold(release)),
            Entity::Hold(hold(HoldTarget::Link(ANNAS_LINK))),
        );
        assert!(
            settled(&[paid()], &reordered).holding.held.is_empty(),
            "an old version is no hold"
        );
    }
    let other = HoldTarget::Order { merchant: MERCHANT, order_id: "1002".into() };
    let others = with(&click_first(), Entity::Hold(hold(other)));
    assert_eq!(reasons(&settled(&[paid()], &others)), Vec::<&str>::new());
}

#[test]
fn a_hold_on_an_order_finds_it_by_every_name_that_its_shop_gave_it() {
    let target = HoldTarget::Order { merchant: MERCHANT, order_id: "W-7".into() };
    let held = with(&click_first(), Entity::Hold(hold(target)));
    let named = later(1, 0, |f| {
        f.aliases = vec![shared::order::Alias {
            kind: shared::order::AliasKind::OrderNumber,
            value: "w-7".into(),
        }];
    });
    assert_eq!(reasons(&settled(&[named], &held)), ["by_hand"]);
}

fn signed_by(key: u8) -> OrderFact {
    later(1, 0, |f| f.touches = vec![Touch { key: Some(key), ..touch(NOW) }])
}

#[test]
fn a_token_of_a_revoked_key_credits_and_is_held_until_the_key_is_released() {
    let received_at = paid().received_at;
    let revoked = |since| {
        let hold = Hold { since: Some(since), ..hold(HoldTarget::Key(3)) };
        with(&click_first(), Entity::Hold(hold))
    };
    let held = settled(&[signed_by(3)], &revoked(received_at));
    assert_eq!((held.decision.method, total(&held)), (Method::Click, 1949), "it is attributed");
    assert_eq!(reasons(&held), ["revoked_key"]);
    let before = revoked(received_at.plus(Span::ms(1)));
    assert_eq!(reasons(&settled(&[signed_by(3)], &before)), Vec::<&str>::new(), "it came before");
    for fact in [signed_by(2), paid()] {
        assert_eq!(reasons(&settled(&[fact], &revoked(received_at))), Vec::<&str>::new());
    }
    let again = later(2, 60, |f| f.touches = signed_by(3).touches);
    let known = settled(&[again.clone(), signed_by(3)], &before);
    assert_eq!(reasons(&known), Vec::<&str>::new(), "it came before, and again after");
    assert_eq!(reasons(&settled(&[again], &before)), ["revoked_key"], "it came after");
    let of_coupon = later(1, 0, |f| {
        f.touches =
            vec![Touch { key: Some(3), clicked_at: NOW.plus(Span::days(-60)), ..touch(NOW) }];
        f.coupons = vec!["BEN15".into()];
    });
    let settled_coupon = settled(&[of_coupon], &revoked(received_at));
    assert_eq!(settled_coupon.decision.method, Method::Coupon);
    assert_eq!(reasons(&settled_coupon), Vec::<&str>::new(), "the token brought nothing");
    let release = Hold {
        since: Some(received_at),
        released_at: Some(NOW.plus(Span::days(1))),
        updated_at: NOW.plus(Span::days(1)),
        ..hold(HoldTarget::Key(3))
    };
    let released = with(&revoked(received_at), Entity::Hold(release));
    assert_eq!(reasons(&settled(&[signed_by(3)], &released)), Vec::<&str>::new());
}

#[test]
fn a_browser_that_names_a_click_in_vain_holds_nothing() {
    let revoked = Hold { since: Some(NOW), ..hold(HoldTarget::Key(3)) };
    let catalog = with(&click_first(), Entity::Hold(revoked));
    let claim = later(2, 1, |f| {
        f.source = Source::Pixel;
        f.touches = vec![Touch { key: Some(3), click: ClickId::from_bytes([6; 16]), ..touch(NOW) }];
    });
    assert_eq!(reasons(&settled(&[paid(), claim], &catalog)), Vec::<&str>::new());
}

#[test]
fn a_click_that_is_also_known_by_its_record_keeps_the_key_of_its_token() {
    let hold = Hold { since: Some(NOW), ..hold(HoldTarget::Key(3)) };
    let revoked = with(&click_first(), Entity::Hold(hold));
    let by_id = later(2, 10, |f| {
        (f.touches, f.clicks) = (vec![], vec![ClickId::from_bytes([8; 16])]);
        f.source = Source::Postback;
    });
    let visit = |_: &ClickId| Some(shared::order::Visit { touch: touch(NOW), previous: None });
    let settled = settle(&[signed_by(3), by_id], &revoked, &visit, &Newness::default()).unwrap();
    assert_eq!(reasons(&settled), ["revoked_key"]);
}

fn suspended(of: Suspendable, from: Timestamp, made_at: Timestamp) -> Catalog {
    let suspension = Suspension::changed(None, of, Some(from), made_at);
    with(&click_first(), Entity::Suspension(suspension))
}

#[test]
fn clicks_and_codes_earn_nothing_from_the_suspension_on_and_what_came_before_stays() {
    let placed_at = paid().ordered_at.unwrap();
    let code = later(1, 0, |f| {
        (f.touches, f.coupons) = (vec![], vec!["BEN15".into()]);
    });
    let ben = Suspendable::Influencer(crate::world::BEN);
    for (fact, of, moment) in [
        (paid(), Suspendable::Link(ANNAS_LINK), NOW),
        (paid(), Suspendable::Influencer(ANNA), NOW),
        (code.clone(), Suspendable::Coupon(BENS_COUPON), placed_at),
        (code, ben, placed_at),
    ] {
        let stopped = settled(std::slice::from_ref(&fact), &suspended(of, moment, NOW));
        assert_eq!((stopped.decision.method, total(&stopped)), (Method::None, 0), "{of:?}");
        assert_eq!(stopped.decision.label, "suspended");
        assert_eq!(stopped.decision.candidates[0].verdict, Verdict::Suspended);
        assert!(stopped.decision.reason.contains("suspended"), "{}", stopped.decision.reason);
        let after = suspended(of, moment.plus(Span::ms(1)), NOW);
        let earned = settled(&[fact], &after);
        assert_eq!((earned.decision.label.as_str(), total(&earned)), ("", 1949), "{of:?} before");
    }
}

#[test]
fn a_suspended_click_leaves_the_credit_to_the_one_before_it() {
    let earlier = Touch { click: ClickId::from_bytes([7; 16]), ..touch(NOW.plus(Span::days(-3))) };
    let fact = later(1, 0, |f| f.touches = vec![earlier, touch(NOW)]);
    let settled = settled(&[fact], &suspended(Suspendable::Link(ANNAS_LINK), NOW, NOW));
    let credited = settled.decision.subject().unwrap();
    assert_eq!((credited.click, total(&settled)), (Some(earlier.click), 1949));
}

#[test]
fn a_suspension_from_an_earlier_moment_takes_back_by_a_booking_of_its_own() {
    let made_at = NOW.plus(Span::days(2));
    let settled = settled(&[paid()], &suspended(Suspendable::Influencer(ANNA), NOW, made_at));
    let booked: Vec<_> =
        settled.bookings.iter().map(|b| (b.reason, b.amount_minor, b.booked_at)).collect();
    assert_eq!(
        booked,
        [(Reason::Accrued, 1949, paid().received_at), (Reason::Suspended, -1949, made_at),]
    );
    assert_eq!(settled.lapsed_at, Some(made_at));
    assert_eq!(FactId::from_bytes([1; 16]), settled.bookings[1].fact);
}
