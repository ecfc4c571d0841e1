//! What rules and splits answer, by table and for random rules.

use basics::agent::{Device, Os};
use basics::id::ClickId;
use basics::time::Timestamp;
use proptest::prelude::*;
use rules::{BUCKETS, Branch, Conditions, Kind, Rule, Rules, Share, Visit, bucket_of, buckets_of};
use serde_json::{Value, json};

const VISIT: Visit<'static> = Visit {
    device: Device::Mobile,
    os: Os::Ios,
    language: b"es-MX,es;q=0.9,en;q=0.8",
    country: Some(*b"MX"),
    at: Timestamp::from_ms(1_000),
    query: "ref=bio&s=story",
    bucket: 0,
};

fn rule(conditions: &Value, destination: &str) -> Rule {
    let conditions = serde_json::from_value(conditions.clone()).expect("conditions");
    Rule { conditions, destination: destination.into(), name: None }
}

fn share(weight: u32, destination: &str) -> Share {
    Share { weight, destination: destination.into(), name: None }
}

#[test]
fn a_rule_holds_when_all_of_its_conditions_do() {
    for (conditions, holds) in [
        (json!({}), true),
        (json!({ "device": ["ios"] }), true),
        (json!({ "device": ["android", "mobile"] }), true),
        (json!({ "device": ["android", "desktop", "tablet"] }), false),
        (json!({ "country": ["SE", "MX"] }), true),
        (json!({ "country": ["SE"] }), false),
        (json!({ "language": ["es"] }), true),
        (json!({ "language": ["sv", "en"] }), true),
        (json!({ "language": ["sv"] }), false),
        (json!({ "from": Timestamp::from_ms(1_000) }), true),
        (json!({ "from": Timestamp::from_ms(1_001) }), false),
        (json!({ "to": Timestamp::from_ms(1_001) }), true),
        (json!({ "to": Timestamp::from_ms(1_000) }), false),
        (json!({ "query": { "ref": "bio", "s": null } }), true),
        (json!({ "query": { "ref": "bio", "x": null } }), false),
        (json!({ "device": ["ios"], "country": ["SE"] }), false),
        (json!({ "device": ["ios"], "language": ["es"], "query": { "ref": null } }), true),
    ] {
        let read: Conditions = serde_json::from_value(conditions.clone()).unwrap();
        assert_eq!(read.hold(&VISIT), holds, "{conditions}");
    }
}

#[test]
fn an_unknown_country_is_in_no_list() {
    let rule = rule(&json!({ "country": ["SE", "MX"] }), "a");
    assert!(rule.conditions.hold(&VISIT));
    assert!(!rule.conditions.hold(&Visit { country: None, ..VISIT }));
}

#[test]
fn the_first_rule_answers_then_the_split_then_the_link_itself() {
    let ios = rule(&json!({ "device": ["ios"] }), "ios");
    let spanish = rule(&json!({ "language": ["es"] }), "spanish");
    let swedish = rule(&json!({ "language": ["sv"] }), "swedish");
    let split = vec![share(1, "a"), share(3, "b")];
    let of = |rules: &[&Rule], split: &[Share], bucket| {
        let rules = rules.iter().map(|rule| (*rule).clone()).collect();
        let rules = Rules { rules, split: split.to_vec() };
        let branch = rules.choose(&Visit { bucket, ..VISIT });
        branch.map(|branch| (branch, rules.destination(branch).unwrap().to_owned()))
    };
    let is = |branch, to: &str| Some((branch, to.to_owned()));
    assert_eq!(of(&[&ios, &spanish], &split, 0), is(Branch::Rule(0), "ios"));
    assert_eq!(of(&[&spanish, &ios], &split, 0), is(Branch::Rule(0), "spanish"));
    assert_eq!(of(&[&swedish, &ios], &split, 0), is(Branch::Rule(1), "ios"));
    assert_eq!(of(&[&swedish], &split, 31), is(Branch::Share(0), "a"));
    assert_eq!(of(&[&swedish], &split, 32), is(Branch::Share(1), "b"));
    assert_eq!(of(&[&swedish], &[], 0), None);
    assert_eq!(of(&[], &[], 0), None);
    assert_eq!(buckets_of(&split), [32, 96]);
}

#[test]
fn a_branch_keeps_its_number_in_journals() {
    for (branch, number) in [
        (Branch::Rule(0), 0),
        (Branch::Rule(19), 19),
        (Branch::Share(0), 128),
        (Branch::Share(9), 137),
    ] {
        assert_eq!((branch.number(), Branch::of_number(number)), (number, branch));
    }
}

fn conditions() -> impl Strategy<Value = Conditions> {
    let kinds = prop::sample::select(vec![Kind::Ios, Kind::Android, Kind::Mobile, Kind::Desktop]);
    let device = prop::collection::vec(kinds, 0..3);
    let country = prop::collection::vec(prop::sample::select(vec!["SE", "MX"]), 0..2);
    let language = prop::collection::vec(prop::sample::select(vec!["es", "sv"]), 0..2);
    let time = || prop::option::weighted(0.2, (900..1_100i64).prop_map(Timestamp::from_ms));
    let texts = |list: Vec<&str>| list.into_iter().map(str::to_owned).collect();
    (device, country, language, time(), time()).prop_map(
        move |(device, country, language, from, to)| Conditions {
            device,
            country: texts(country),
            language: texts(language),
            from,
            to,
            query: [].into(),
        },
    )
}

fn rules() -> impl Strategy<Value = Rules> {
    let rules = prop::collection::vec(conditions(), 0..20);
    let split = prop::collection::vec(0..1000u32, 0..10);
    (rules, split).prop_map(|(rules, weights)| Rules {
        rules: rules
            .into_iter()
            .enumerate()
            .map(|(place, conditions)| Rule {
                conditions,
                destination: format!("rule {place}"),
                name: None,
            })
            .collect(),
        split: weights
            .into_iter()
            .enumerate()
            .map(|(place, weight)| share(weight, &format!("share {place}")))
            .collect(),
    })
}

fn visit() -> impl Strategy<Value = Visit<'static>> {
    let device = prop::sample::select(vec![Device::Mobile, Device::Desktop]);
    let os = prop::sample::select(vec![Os::Ios, Os::Android, Os::Other]);
    let language = prop::sample::select(vec![&b"es-MX"[..], b"sv", b"*", b""]);
    let country = prop::sample::select(vec![None, Some(*b"SE"), Some(*b"MX")]);
    (device, os, language, country, 900..1_100i64, 0..BUCKETS).prop_map(
        |(device, os, language, country, at, bucket)| {
            let at = Timestamp::from_ms(at);
            Visit { device, os, language, country, at, query: "", bucket }
        },
    )
}

proptest! {
    /// Says it once more, in the plainest way: no rule before the one that answers holds.
    #[test]
    fn the_order_of_rules_is_kept(rules in rules(), visit in visit()) {
        let holds = |rule: &Rule| rule.conditions.hold(&visit);
        match rules.choose(&visit) {
            Some(Branch::Rule(place)) => {
                prop_assert!(holds(&rules.rules[usize::from(place)]));
                prop_assert!(!rules.rules[..usize::from(place)].iter().any(holds));
            }
            Some(Branch::Share(_)) | None => prop_assert!(!rules.rules.iter().any(holds)),
        }
    }

    #[test]
    fn a_destination_is_always_one_of_the_links(rules in rules(), visit in visit()) {
        if let Some(branch) = rules.choose(&visit) {
            let destination = rules.destination(branch);
            prop_assert!(rules.destinations().any(|known| Some(known) == destination));
        } else {
            prop_assert!(rules.split.iter().all(|share| share.weight == 0));
        }
    }

    #[test]
    fn the_same_visitor_keeps_their_share(
        rules in rules(),
        visit in visit(),
        clicks in prop::collection::vec(any::<[u8; 16]>(), 2..8),
    ) {
        let rules = Rules { rules: vec![], ..rules };
        let clicks = clicks.into_iter().map(ClickId::from_bytes);
        let chosen = |click| rules.choose(&Visit { bucket: bucket_of(click), ..visit });
        clicks.reduce(|earlier, random| {
            let click = rules::in_bucket_of(random, earlier);
            assert_eq!(chosen(click), chosen(earlier));
            assert_eq!(click.as_bytes()[..15], random.as_bytes()[..15]);
            assert_eq!(click.as_bytes()[15] & BUCKETS, random.as_bytes()[15] & BUCKETS);
            click
        });
    }

    /// A share has the buckets that its weight says, give or take the rounding of its two ends.
    #[test]
    fn shares_are_as_large_as_they_weigh(rules in rules()) {
        let total: u32 = rules.split.iter().map(|share| share.weight).sum();
        for (share, buckets) in rules.split.iter().zip(buckets_of(&rules.split)) {
            let wanted = share.weight * u32::from(BUCKETS) / total.max(1);
            prop_assert!(u32::try_from(buckets).unwrap().abs_diff(wanted) <= 1);
        }
    }
}
