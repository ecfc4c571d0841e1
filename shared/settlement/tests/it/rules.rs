//! Tests of attribution and commission: precedence, models, refused clicks, and commission rules.

use settlement::attribution::{Method, Verdict, shares};
use settlement::history::Newness;
use settlement::ledger::{Settled, settle};
use settlement::own_mailbox::is_own_mailbox;
use shared::catalog::{Campaign, Catalog, Change, Entity, Evidence, Model, Moment, Renewals};
use shared::commission::{Base, Pays, Rule, Terms};
use shared::id::{ClickId, CustomerId};
use shared::order::{FactKind, Line, OrderFact, Refund, RefundList, RefundedLine, Touch};
use shared::time::{Span, Timestamp};

use crate::world::{
    ANNA, BEN, CAMPAIGN, MERCHANT, NOW, click_first, fifteen_percent, later, paid, settled, terms,
    total, touch,
};

fn with_campaign(change: impl FnOnce(&mut Campaign)) -> Catalog {
    let mut catalog = click_first();
    let mut campaign = catalog.campaigns[&CAMPAIGN].as_ref().clone();
    change(&mut campaign);
    campaign.updated_at = NOW.plus(Span::ms(1));
    catalog.apply(&Change {
        at: NOW,
        entities: vec![Entity::Campaign(campaign)],
        request: None,
        by: None,
    });
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
fn an_order_of_zero_is_paid_per_sale_unless_the_rule_leaves_it_out() {
    let free = || order(|f| (f.goods_minor, f.total_minor) = (Some(0), Some(490)));
    let unknown = || order(|f| f.goods_minor = None);
    for (when, of_free, of_paid, of_unknown) in
        [("{}", 500, 500, 500), (r#"{"free":false}"#, 0, 500, 0), (r#"{"free":true}"#, 500, 0, 0)]
    {
        let rules = format!(r#"[{{"kind":"per_sale","amount":"5.00","when":{when}}}]"#);
        let catalog = with_rules(&rules);
        let paid =
            [free(), order(|_| {}), unknown()].map(|fact| total(&settled(&[fact], &catalog)));
        assert_eq!(paid, [of_free, of_paid, of_unknown], "{when}");
    }
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

/// A campaign that a clock created on `day`, and the percentages that it pays on other days.
fn created_on(day: i64) -> Campaign {
    let mut campaign = click_first().campaigns[&CAMPAIGN].as_ref().clone();
    campaign.created_at = on(day);
    campaign
}

fn on(day: i64) -> Timestamp {
    NOW.plus(Span::days(day))
}

fn percent(rate: &str) -> Terms {
    terms(Pays::Percent(rate.parse().unwrap(), Base::NetGoods))
}

fn moment(now: i64, latest: Option<i64>) -> Moment {
    Moment { now: on(now), latest: latest.map(on) }
}

fn pays(campaign: &Campaign, day: i64) -> String {
    campaign.terms_at(on(day)).1.describe().split(' ').next().unwrap_or_default().to_owned()
}

fn check_terms(campaign: &Campaign, expected: &[(i64, &str)]) {
    for (day, rate) in expected {
        assert_eq!(
            pays(campaign, *day),
            *rate,
            "on day {day} of {:?}",
            campaign.earlier_commissions
        );
    }
}

#[test]
fn new_terms_count_from_the_change_on() {
    let mut campaign = created_on(0);
    campaign.replace_terms(percent("20"), moment(10, Some(9)));
    campaign.replace_terms(percent("25"), moment(20, None));
    check_terms(&campaign, &[(0, "15"), (9, "15"), (10, "20"), (19, "20"), (20, "25"), (99, "25")]);
    assert!(!campaign.redate_terms(moment(20, Some(20))), "nothing is dated ahead");
}

#[test]
fn terms_changed_after_a_set_up_with_a_clock_that_was_ahead_count_at_once() {
    // Set up on day 365 by a clock that is a year ahead. Then the clock is put right.
    let mut campaign = created_on(365);
    campaign.replace_terms(percent("20"), moment(1, None));
    check_terms(&campaign, &[(0, "15"), (1, "20"), (365, "20"), (999, "20")]);
    // Changed before the clock is put right, and once more after.
    let mut campaign = created_on(365);
    campaign.replace_terms(percent("20"), moment(366, None));
    assert_eq!(pays(&campaign, 1), "15", "the terms would count in a year");
    let mut redated = campaign.clone();
    assert!(redated.redate_terms(moment(1, None)));
    check_terms(&redated, &[(0, "15"), (1, "20"), (365, "20"), (366, "20")]);
    assert!(!redated.redate_terms(moment(2, Some(2))), "once is enough");
    campaign.replace_terms(percent("25"), moment(1, None));
    check_terms(&campaign, &[(0, "15"), (1, "25"), (365, "25"), (366, "25")]);
}

#[test]
fn what_was_recorded_before_a_change_keeps_its_terms_whatever_the_clock_says() {
    // A clock that was ahead recorded orders up to day 370.
    let mut ahead = created_on(365);
    ahead.replace_terms(percent("20"), moment(367, Some(366)));
    let mut redated = ahead.clone();
    ahead.replace_terms(percent("25"), moment(1, Some(370)));
    check_terms(
        &ahead,
        &[
            (0, "15"),
            (1, "25"),
            (364, "25"),
            (365, "15"),
            (366, "15"),
            (367, "20"),
            (370, "20"),
            (371, "25"),
        ],
    );
    ahead.replace_terms(percent("30"), moment(2, Some(370)));
    check_terms(
        &ahead,
        &[
            (0, "15"),
            (1, "25"),
            (2, "30"),
            (364, "30"),
            (365, "15"),
            (367, "20"),
            (370, "20"),
            (371, "30"),
        ],
    );
    // While the clock is right, orders are recorded. Then it is set back by two days.
    let mut twice = created_on(365);
    assert!(!twice.redate_terms(moment(10, Some(10))));
    twice.replace_terms(percent("20"), moment(10, Some(9)));
    twice.replace_terms(percent("25"), moment(8, Some(12)));
    check_terms(&twice, &[(7, "15"), (8, "25"), (10, "20"), (12, "20"), (13, "25")]);
    assert!(redated.redate_terms(moment(1, Some(370))));
    check_terms(
        &redated,
        &[(1, "20"), (364, "20"), (365, "15"), (366, "15"), (367, "20"), (371, "20")],
    );
    assert!(!redated.redate_terms(moment(2, Some(370))));
    // A clock that is a year behind, while orders are recorded from day 0 to day 100.
    let mut behind = created_on(0);
    behind.replace_terms(percent("20"), moment(50, Some(49)));
    behind.replace_terms(percent("25"), moment(-265, Some(100)));
    check_terms(&behind, &[(0, "15"), (49, "15"), (50, "20"), (100, "20"), (101, "25")]);
    assert_eq!(pays(&behind, -265), "25", "orders that come now");
    // The clock is back by an hour at most: orders of that hour keep their terms too.
    let mut hour = created_on(0);
    hour.replace_terms(percent("20"), moment(9, Some(10)));
    check_terms(&hour, &[(9, "15"), (10, "15"), (11, "20")]);
    assert!(!hour.redate_terms(moment(9, Some(10))), "it is no mistake");
}

#[test]
fn an_influencers_own_order_is_not_paid() {
    let mut catalog = click_first();
    let mut anna = catalog.influencers[&ANNA].as_ref().clone();
    (anna.email, anna.email_since, anna.updated_at) =
        (Some("Anna@Example.org".into()), Some(NOW), NOW.plus(Span::ms(1)));
    catalog.apply(&Change {
        at: NOW,
        entities: vec![Entity::Influencer(anna)],
        request: None,
        by: None,
    });
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
fn an_order_from_the_influencers_own_mailbox_is_flagged_and_paid() {
    let mut catalog = click_first();
    let mut anna = catalog.influencers[&ANNA].as_ref().clone();
    (anna.email, anna.email_since, anna.updated_at) =
        (Some("anna.b@gmail.com".into()), Some(NOW), NOW.plus(Span::ms(1)));
    catalog.apply(&Change {
        at: NOW,
        entities: vec![Entity::Influencer(anna)],
        request: None,
        by: None,
    });
    let by = |email: &str| {
        order(|f| {
            f.customer = CustomerId::of_email(MERCHANT, email);
            f.mailbox = CustomerId::of_mailbox(MERCHANT, email);
        })
    };
    for (email, flagged, paid) in [
        ("annab@gmail.com", true, 1949),
        ("Anna.B+shop@googlemail.com", true, 1949),
        ("anna.b@gmail.com.", true, 1949),
        ("anna.b@gmail.com", false, 0),
        ("anna.c@gmail.com", false, 1949),
        ("", false, 1949),
    ] {
        let settled = settled(&[by(email)], &catalog);
        assert_eq!(
            (is_own_mailbox(&settled, &catalog), total(&settled)),
            (flagged, paid),
            "{email}"
        );
    }
    let plain = click_first();
    assert!(!is_own_mailbox(&settled(&[by("annab@gmail.com")], &plain), &plain), "not known then");
}

#[test]
fn spellings_of_a_code_credit_its_owner() {
    let catalog = click_first();
    for code in ["ben15", "BEN15\u{200b}", "&#66;en15", "ＢＥＮ１５"] {
        let with_code = order(|f| (f.touches, f.coupons) = (vec![], vec![code.into()]));
        let bens = settled(&[with_code], &catalog);
        assert_eq!(bens.decision.subject().unwrap().influencer, Some(BEN), "{code}");
    }
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
        settle(std::slice::from_ref(&by_id), &click_first(), &known, &Newness::default()).unwrap();
    assert_eq!(total(&settled), 1949);
    let unknown = settle(&[by_id], &click_first(), &|_| None, &Newness::default()).unwrap();
    assert_eq!(unknown.decision.method, Method::None);
}
