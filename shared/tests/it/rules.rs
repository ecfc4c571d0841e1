//! Tests of attribution and commission: precedence, models, refused clicks, and commission rules.

use shared::attribution::{Method, Verdict, shares};
use shared::catalog::{Campaign, Catalog, Change, Entity, Evidence, Model, Renewals};
use shared::commission::{Rule, Terms};
use shared::id::{ClickId, CustomerId};
use shared::ledger::Settled;
use shared::order::{FactKind, Line, OrderFact, Refund, RefundList, RefundedLine, Touch};
use shared::time::Span;

use crate::world::{
    ANNA, BEN, CAMPAIGN, MERCHANT, NOW, click_first, fifteen_percent, later, paid, settled, total,
    touch,
};

fn with_campaign(change: impl FnOnce(&mut Campaign)) -> Catalog {
    let mut catalog = click_first();
    let mut campaign = catalog.campaigns[&CAMPAIGN].as_ref().clone();
    change(&mut campaign);
    campaign.updated_at = NOW.plus(Span::ms(1));
    catalog.apply(&Change { at: NOW, entities: vec![Entity::Campaign(campaign)], request: None });
    catalog
}

fn with_rules(json: &str) -> Catalog {
    let rules: Vec<Rule> = serde_json::from_str(json).unwrap();
    with_campaign(|campaign| campaign.commission = Terms::new(rules).unwrap())
}

fn order(change: impl FnOnce(&mut OrderFact)) -> OrderFact {
    later(1, 0, change)
}

fn line(id: &str, sku: &str, category: &str, goods_minor: i64) -> Line {
    let (sku, category) = (Some(sku.to_owned()), Some(category.to_owned()));
    Line { id: id.into(), sku, product: None, category, goods_minor }
}

/// Shoes for 100.00 and a book for 29.90.
fn shoes_and_book() -> OrderFact {
    order(|f| f.lines = vec![line("1", "S1", "Shoes", 10_000), line("2", "B1", "Books", 2990)])
}

fn label(settled: &Settled) -> (&str, Method) {
    (&settled.decision.label, settled.decision.method)
}

#[test]
fn each_line_is_paid_by_the_first_percentage_that_fits_and_rounded_once() {
    let rules = r#"[{"kind":"percent","rate":"20","when":{"category":["shoes "]}},{"kind":"percent","rate":"7.5"}]"#;
    let settled_order = settled(&[shoes_and_book()], &with_rules(rules));
    assert_eq!(total(&settled_order), 2224, "20.00 and 2.2425");
    assert_eq!(settled_order.bookings[0].rate, "20 + 7.5");
    assert_eq!(
        settled_order.decision.terms,
        "20 % of net goods in category shoes ; 7.5 % of net goods"
    );
    let only_books = r#"[{"kind":"percent","rate":"10","when":{"product":["b1"]}}]"#;
    let settled_books = settled(&[shoes_and_book()], &with_rules(only_books));
    assert_eq!((total(&settled_books), settled_books.bookings[0].base_minor), (299, 2990));
    assert_eq!(
        total(&settled(&[paid()], &with_rules(only_books))),
        0,
        "without lines no product is known"
    );
}

#[test]
fn a_refund_of_a_line_takes_back_what_that_line_earned() {
    let rules = r#"[{"kind":"percent","rate":"20","when":{"category":["Shoes"]}},{"kind":"percent","rate":"10"}]"#;
    let refund = |lines: Vec<RefundedLine>, goods| {
        later(2, 10, |f| {
            (f.kind, f.partial, f.refund_list, f.goods_minor) =
                (FactKind::Refund, true, RefundList::Some, None);
            f.refunds = vec![Refund { lines, ..Refund::new("r".into(), goods, Some(goods)) }];
        })
    };
    let shoes = refund(vec![RefundedLine { line: "1".into(), goods_minor: 5000 }], 5000);
    assert_eq!(
        total(&settled(&[shoes_and_book(), shoes], &with_rules(rules))),
        1299,
        "20 % of 50.00, 10 % of 29.90"
    );
    // A refund of half the goods names no line: every line loses its share.
    let half = refund(vec![], 6495);
    assert_eq!(
        total(&settled(&[shoes_and_book(), half], &with_rules(rules))),
        1150,
        "half of 22.99, rounded"
    );
    let all = refund(vec![], 12_990);
    assert_eq!(total(&settled(&[shoes_and_book(), all], &with_rules(rules))), 0);
}

#[test]
fn kinds_add_up_and_a_new_customer_earns_a_bonus() {
    let rules = r#"[{"kind":"percent","rate":"10"},{"kind":"per_sale","amount":"5.00","when":{"new_customer":true}}]"#;
    let catalog = with_rules(rules);
    for (new_customer, expected) in [(Some(true), 1799), (Some(false), 1299), (None, 1299)] {
        assert_eq!(
            total(&settled(&[order(|f| f.new_customer = new_customer)], &catalog)),
            expected
        );
    }
    let fixed = r#"[{"kind":"per_sale","amount":"9.00","when":{"category":["Shoes"]}},{"kind":"per_sale","amount":"2.00"}]"#;
    assert_eq!(total(&settled(&[shoes_and_book()], &with_rules(fixed))), 900);
    assert_eq!(total(&settled(&[paid()], &with_rules(fixed))), 200);
}

#[test]
fn rules_read_back_from_what_they_are_written_as() {
    for text in [
        r#"{"kind":"percent","rate":"15","base":"net_goods"}"#,
        r#"[{"kind":"percent","rate":"15","base":"net_goods","when":{"category":["Shoes"]}},{"kind":"per_lead","amount":"2.00"}]"#,
    ] {
        let terms: Terms = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&terms).unwrap(), text);
    }
    let number: Terms = serde_json::from_str(r#"{"kind":"percent","rate":7.50}"#).unwrap();
    assert_eq!(number.describe(), "7.50 % of net goods");
    for wrong in [r#"{"kind":"percent","amount":"1"}"#, r#"{"kind":"per_sale","rate":"1"}"#, "[]"] {
        assert!(serde_json::from_str::<Terms>(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn terms_are_those_of_the_time_the_order_was_placed() {
    let earlier = |until| shared::catalog::EarlierTerms { until, commission: fifteen_percent() };
    let rules = || serde_json::from_str::<Terms>(r#"{"kind":"percent","rate":"1"}"#).unwrap();
    for (minutes, version, expected) in [(60, 2, 130), (61, 1, 1949)] {
        let catalog = with_campaign(|campaign| {
            campaign.earlier_commissions = vec![earlier(NOW.plus(Span::minutes(minutes)))];
            campaign.commission = rules();
        });
        let settled = settled(&[paid()], &catalog);
        assert_eq!((settled.decision.terms_version, total(&settled)), (version, expected));
    }
}

#[test]
fn an_influencers_own_order_is_not_paid() {
    let mut catalog = click_first();
    let mut anna = catalog.influencers[&ANNA].as_ref().clone();
    (anna.email, anna.email_since, anna.updated_at) =
        (Some("Anna@Example.org".into()), Some(NOW), NOW.plus(Span::ms(1)));
    catalog.apply(&Change { at: NOW, entities: vec![Entity::Influencer(anna)], request: None });
    let by = |email: &str| order(|f| f.customer = CustomerId::of_email(MERCHANT, email));
    let own = settled(&[by(" anna@example.ORG ")], &catalog);
    assert_eq!(label(&own), ("self_referral", Method::None));
    assert_eq!((total(&own), own.decision.subject().unwrap().influencer), (0, Some(ANNA)));
    assert_eq!(total(&settled(&[by("somebody@example.org")], &catalog)), 1949);
    let with_code = order(|f| {
        (f.customer, f.coupons) =
            (CustomerId::of_email(MERCHANT, "anna@example.org"), vec!["BEN15".into()]);
    });
    let bens = settled(&[with_code], &catalog);
    assert_eq!(
        bens.decision.subject().unwrap().influencer,
        Some(BEN),
        "somebody else may still be credited"
    );
}

#[test]
fn existing_customers_stop_a_precedence_where_the_campaign_says() {
    let precedence = vec![Evidence::Click, Evidence::ExistingCustomer, Evidence::Coupon];
    let catalog = with_campaign(|campaign| campaign.precedence = precedence);
    let with_code = |new_customer, touches: Vec<Touch>| {
        order(|f| {
            (f.coupons, f.new_customer, f.touches) = (vec!["BEN15".into()], new_customer, touches);
        })
    };
    let existing = settled(&[with_code(Some(false), vec![])], &catalog);
    assert_eq!(label(&existing), ("existing_customer", Method::None));
    for new_customer in [Some(true), None] {
        assert_eq!(
            settled(&[with_code(new_customer, vec![])], &catalog).decision.method,
            Method::Coupon
        );
    }
    let clicked = settled(&[with_code(Some(false), vec![touch(NOW)])], &catalog);
    assert_eq!(clicked.decision.method, Method::Click, "the click stands before");
}

#[test]
fn a_click_at_the_checkout_does_not_displace_the_one_that_led_there() {
    let late = Touch { click: ClickId::from_bytes([9; 16]), ..touch(NOW.plus(Span::minutes(50))) };
    let fact = |checkout_minute, touches: Vec<Touch>| {
        order(|f| {
            (f.checkout_at, f.touches) = (Some(NOW.plus(Span::minutes(checkout_minute))), touches);
        })
    };
    let verdicts = |fact: OrderFact| {
        let decision = settled(&[fact], &click_first()).decision;
        decision.candidates.iter().map(|c| c.verdict).collect::<Vec<_>>()
    };
    let both = vec![touch(NOW), late];
    assert_eq!(
        verdicts(fact(45, both.clone())),
        [Verdict::Credited, Verdict::AfterCheckout],
        "both are shown"
    );
    assert_eq!(verdicts(fact(51, both)), [Verdict::EarlierTouch, Verdict::Credited]);
    assert_eq!(verdicts(fact(45, vec![late])), [Verdict::Credited], "nobody else led there");
}

#[test]
fn renewals_earn_what_the_campaign_says() {
    let late = |renewal| {
        order(|f| {
            let month_later = NOW.plus(Span::days(40));
            (f.ordered_at, f.received_at, f.renewal) = (Some(month_later), month_later, renewal);
        })
    };
    let catalog = |renewals| with_campaign(|campaign| campaign.renewals = renewals);
    let soon = order(|f| f.renewal = true);
    assert_eq!(
        label(&settled(std::slice::from_ref(&soon), &catalog(Renewals::None))),
        ("renewal", Method::None)
    );
    assert_eq!(total(&settled(&[soon], &catalog(Renewals::WithinWindow))), 1949);
    assert_eq!(
        label(&settled(&[late(true)], &catalog(Renewals::WithinWindow))).0,
        "outside_window"
    );
    assert_eq!(total(&settled(&[late(true)], &catalog(Renewals::All))), 1949);
    assert_eq!(label(&settled(&[late(false)], &catalog(Renewals::All))).0, "outside_window");
}

#[test]
fn models_share_credit_exactly_and_the_first_click_can_be_paid() {
    let touches: Vec<Touch> = (0..4)
        .map(|day| Touch {
            click: ClickId::from_bytes([day + 1; 16]),
            ..touch(NOW.plus(Span::days(i64::from(day) * 7 - 21)))
        })
        .collect();
    let fact = order(|f| f.touches = touches);
    let last = settled(std::slice::from_ref(&fact), &click_first()).decision;
    let first =
        settled(&[fact], &with_campaign(|campaign| campaign.model = Model::FirstClick)).decision;
    assert_eq!(first.subject().unwrap().click, Some(ClickId::from_bytes([1; 16])));
    assert_eq!(first.candidates[3].verdict, Verdict::LaterTouch);
    for decision in [&last, &first] {
        let of =
            |model| shares(decision, model).into_iter().map(|(_, share)| share).collect::<Vec<_>>();
        assert_eq!(of(Model::LastClick), [1]);
        assert_eq!(of(Model::Linear), [1, 1, 1, 1]);
        assert_eq!(of(Model::Position), [4, 1, 1, 4]);
        let decay = of(Model::TimeDecay);
        assert!(decay.windows(2).all(|pair| pair[1] == 2 * pair[0]), "{decay:?}");
    }
    assert_eq!(shares(&last, Model::LastClick)[0].0.click, Some(ClickId::from_bytes([4; 16])));
    assert_eq!(shares(&last, Model::FirstClick)[0].0.click, Some(ClickId::from_bytes([1; 16])));
}

#[test]
fn a_click_that_came_by_its_id_alone_is_looked_up() {
    let by_id = order(|f| (f.touches, f.clicks) = (vec![], vec![touch(NOW).click]));
    let known = |click: &ClickId| {
        let visit = shared::order::Visit { touch: touch(NOW), previous: None };
        (*click == visit.touch.click).then_some(visit)
    };
    let settled =
        shared::ledger::settle(std::slice::from_ref(&by_id), &click_first(), &known).unwrap();
    assert_eq!(total(&settled), 1949);
    let unknown = shared::ledger::settle(&[by_id], &click_first(), &|_| None).unwrap();
    assert_eq!(unknown.decision.method, Method::None);
}
