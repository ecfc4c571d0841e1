//! Compares `Links` with a plain map: after any changes both give the same answers, and clones stay
//! as they were.

use std::collections::{BTreeMap, HashMap};

use proptest::prelude::*;
use shared::id::{CampaignId, InfluencerId, LinkId, MerchantId};
use shared::links::{Link, LinkRef, Links, Scope};
use shared::rules::{Conditions, Rule, Rules, Share};
use shared::time::Timestamp;

/// All links that were put, in a plain map. It promises the same as `Links`.
#[derive(Debug, Clone, Default)]
struct Model {
    links: BTreeMap<LinkId, (Link, Option<MerchantId>)>,
}

impl Model {
    fn put(&mut self, link: &Link, merchant: Option<MerchantId>) {
        self.links.insert(link.id, (link.clone(), merchant));
    }

    fn by_slug(&self, scope: Scope, slug: &str) -> Option<LinkId> {
        let wants = |(link, merchant): &&(Link, Option<MerchantId>)| {
            let in_scope = match scope {
                Scope::Merchant(id) => *merchant == Some(id),
                Scope::Agency => true,
            };
            in_scope && link.slug.eq_ignore_ascii_case(slug)
        };
        let wanting = self.links.values().filter(wants).map(|(link, _)| (link.created_at, link.id));
        wanting.min().map(|(_, id)| id)
    }
}

fn scopes() -> [Scope; 3] {
    [
        Scope::Agency,
        Scope::Merchant(MerchantId::from_bits(1)),
        Scope::Merchant(MerchantId::from_bits(2)),
    ]
}

fn check_same(links: &Links, model: &Model, slugs: &[String]) {
    assert_eq!(links.len(), model.links.len());
    let listed: HashMap<LinkId, Link> =
        links.iter().map(|link| (link.id(), link.to_link())).collect();
    assert_eq!(listed.len(), model.links.len());
    for (id, (link, merchant)) in &model.links {
        let found = links.get(*id).expect("a link that was put");
        assert_eq!((&found.to_link(), found.merchant()), (link, *merchant));
        assert_eq!(listed.get(id), Some(link));
    }
    for (scope, slug) in
        scopes().into_iter().flat_map(|scope| slugs.iter().map(move |slug| (scope, slug)))
    {
        let found = links.by_slug(scope, &slug.to_ascii_uppercase()).map(|link| link.id());
        assert_eq!(found, model.by_slug(scope, slug), "{slug} in {scope:?}");
    }
}

fn slug_of(id: u64) -> String {
    // Four links have each slug. Slugs differ in length; some are longer than one hashed word.
    format!("Slug-{}{}", id / 4, "x".repeat(usize::try_from(id / 4 % 3 * 60).unwrap()))
}

fn time() -> impl Strategy<Value = Option<Timestamp>> {
    prop::option::weighted(0.2, (0..i64::MAX).prop_map(Timestamp::from_ms))
}

/// Rules for a fifth of the links, and a split for some of these.
fn rules() -> impl Strategy<Value = Rules> {
    let destination = prop::option::weighted(0.2, "[a-z#?\u{7f}]{0,40}");
    (destination, any::<bool>()).prop_map(|(destination, splits)| {
        let Some(destination) = destination else { return Rules::default() };
        let conditions = Conditions { language: vec!["es".into()], ..Conditions::default() };
        let share = Share { weight: 1, destination: destination.clone(), name: None };
        let rule = Rule { conditions, destination, name: Some("Spanish".into()) };
        Rules { rules: vec![rule], split: if splits { vec![share] } else { vec![] } }
    })
}

/// A version of one of 200 links. Slug, time of creation and merchant follow from the id, because
/// they never change.
fn version() -> impl Strategy<Value = (Link, Option<MerchantId>)> {
    let text =
        prop_oneof![8 => "[a-z#?&ü]{0,40}", 1 => "[a-z]{3000,5000}", 1 => Just("x".repeat(70_000))];
    let times = (time(), time(), time());
    let fallback = prop::option::weighted(0.2, "[a-z]{0,200}");
    let options = (any::<bool>(), rules());
    (0..200u64, text, fallback, times, options).prop_map(
        |(id, destination, fallback, (updated_at, starts_at, ends_at), (paused, elsewhere))| {
            let Rules { rules, split } = elsewhere;
            // Some links with one slug were created at the same time.
            let created_at = Timestamp::from_ms(i64::try_from(id * 7 % 5 / 3).unwrap());
            let link = Link {
                id: LinkId::from_bits(id.wrapping_mul(0x9e37_79b9_7f4a_7c15)),
                campaign: CampaignId::from_bits(u64::MAX - id),
                influencer: InfluencerId::from_bits(id << 40),
                destination,
                slug: slug_of(id),
                starts_at,
                ends_at,
                fallback,
                paused,
                pass_click_ids: paused != (id % 3 == 0),
                deep_links: id % 2 == 0,
                rules,
                split,
                created_at,
                updated_at: updated_at.unwrap_or(created_at),
            };
            (link, (id % 3 != 0).then(|| MerchantId::from_bits(id % 3)))
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn links_behave_as_a_plain_map_and_clones_stay(
        puts in prop::collection::vec(version(), 1..400),
        clone_at in prop::collection::vec(0..400usize, 0..4),
    ) {
        let slugs: Vec<_> = (0..200).step_by(4).map(slug_of).chain(["nobodys".to_owned()]).collect();
        let (mut links, mut model) = (Links::default(), Model::default());
        let mut clones = Vec::new();
        for (index, (link, merchant)) in puts.iter().enumerate() {
            if clone_at.contains(&index) {
                clones.push((links.clone(), model.clone()));
            }
            links.put(link, *merchant);
            model.put(link, *merchant);
        }
        clones.push((links, model));
        for (links, model) in &clones {
            check_same(links, model, &slugs);
        }
    }
}

fn plain(id: u64, round: i64) -> Link {
    Link {
        id: LinkId::from_bits(id),
        campaign: CampaignId::from_bits(1),
        influencer: InfluencerId::from_bits(2),
        destination: format!("https://shop.example/{id}/{round}"),
        slug: format!("slug{id}"),
        starts_at: None,
        ends_at: None,
        fallback: None,
        paused: round % 2 == 1,
        pass_click_ids: round % 3 == 1,
        deep_links: round % 5 == 1,
        rules: vec![],
        split: vec![],
        created_at: Timestamp::from_ms(1),
        updated_at: Timestamp::from_ms(round),
    }
}

/// Every link is changed many times: replaced records are cleared away, and no link is lost.
#[test]
fn changing_every_link_again_and_again_loses_none() {
    let (count, merchant) = (5_000, MerchantId::from_bits(9));
    let mut links = Links::default();
    let first = {
        (0..count).for_each(|id| links.put(&plain(id, 0), Some(merchant)));
        links.clone()
    };
    for round in 1..12 {
        // The order differs each time, so that garbage is in every block.
        (0..count).for_each(|step| links.put(&plain(step * 2_741 % count, round), Some(merchant)));
        assert!(links.bytes() < 3 * first.bytes(), "{} of {}", links.bytes(), first.bytes());
    }
    for (held, round) in [(&first, 0), (&links, 11)] {
        for id in 0..count {
            let link = plain(id, round);
            let read = |link: LinkRef<'_>| link.to_link();
            assert_eq!(held.get(link.id).map(read).as_ref(), Some(&link));
            for scope in [Scope::Agency, Scope::Merchant(merchant)] {
                assert_eq!(held.by_slug(scope, &link.slug).map(|l| l.id()), Some(link.id));
            }
        }
        assert_eq!(held.len(), usize::try_from(count).unwrap());
    }
}

/// A link whose merchant becomes known gets its slug there, unless an earlier link has it.
#[test]
fn a_link_is_found_among_its_merchants_links_once_the_merchant_is_known() {
    let merchant = MerchantId::from_bits(9);
    let mut links = Links::default();
    let (mut early, mut late) = (plain(1, 0), plain(2, 0));
    (early.slug, late.slug, late.created_at) =
        ("anna".into(), "Anna".into(), Timestamp::from_ms(2));
    links.put(&late, Some(merchant));
    links.put(&early, None);
    let holder = |links: &Links, scope| links.by_slug(scope, "ANNA").map(|link| link.id());
    assert_eq!(holder(&links, Scope::Agency), Some(early.id));
    assert_eq!(holder(&links, Scope::Merchant(merchant)), Some(late.id));
    links.put(&early, Some(merchant));
    assert_eq!(holder(&links, Scope::Merchant(merchant)), Some(early.id));
    assert_eq!(holder(&links, Scope::Merchant(MerchantId::from_bits(8))), None);
}
