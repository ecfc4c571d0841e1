//! The decision about a request to a link: its answer, and the click to record. Pure: the caller
//! provides the time, the click's id and the judgement of user agents.
//!
//! Rules of links and signals of click quality belong here and nowhere else.

use std::borrow::Cow;

use live::{HotCampaign, HotMerchant, Snapshot};
use shared::agent::Agent;
use shared::class::{Availability, Class, EarlierClick, classify};
use shared::consent::Consent;
use shared::id::{ClickId, LinkId};
use shared::links::{LinkRef, Scope};
use shared::record::Click;
use shared::rules::{self, Branch, Rules, Visit};
use shared::time::Timestamp;
use shared::token::{Claims, Kind, TOKEN_CHARS};

use crate::flood::Clicker;
use crate::redirect::deep;
use crate::redirect::query::Query;
use crate::request::Headers;
use crate::visitor::Block;

/// A request to a link: the parts that are used.
pub(crate) struct LinkRequest<'a> {
    /// Lower case, without port.
    pub host: &'a str,
    pub slug: &'a str,
    /// What stands behind the slug and its `/`; empty where nothing does.
    pub rest: &'a str,
    pub query: &'a str,
    pub headers: Headers<'a>,
    pub head: bool,
    /// The visitor's browser uses HTTPS, as far as the server can tell.
    pub https: bool,
    /// The block of the visitor's address, as far as the server can tell.
    pub block: Option<Block>,
}

/// The answer to a request to a link.
pub(crate) enum Reply<'a> {
    Redirect(Redirect<'a>),
    /// The link has ended, and now leads to this address.
    Fallback(&'a str),
    /// There is no such link, or it has ended and leads nowhere.
    NotFound,
    /// The host is not served here.
    Misdirected,
    /// The request is only a prefetch.
    Refused,
}

/// A redirect to a link's destination, with everything that its headers need.
pub(crate) struct Redirect<'a> {
    pub target: Target<'a>,
    /// The address that one of the link's rules chose, or that a deep link means; `None` for the
    /// link's own destination.
    pub chosen: Option<Cow<'a, str>>,
    pub token: Option<[u8; TOKEN_CHARS]>,
    /// Whether the browser may keep the token: not if the visitor refuses to be tracked.
    pub may_keep: bool,
    pub query: Query<'a>,
    pub host: &'a str,
    pub https: bool,
}

/// A link with its campaign and its merchant.
pub(crate) struct Target<'a> {
    pub link: LinkRef<'a>,
    pub campaign: &'a HotCampaign,
    pub merchant: &'a HotMerchant,
}

impl<'a> Target<'a> {
    fn find(snapshot: &'a Snapshot, scope: Scope, slug: &str) -> Option<Self> {
        let link = snapshot.link(scope, slug).filter(LinkRef::fits_a_header)?;
        let campaign = snapshot.campaign(link.campaign())?;
        Some(Self { link, campaign, merchant: snapshot.merchant(campaign.merchant)? })
    }
}

/// What to record and what to answer.
pub(super) struct Decision<'a> {
    /// The click of a request that found its link, and the host of its referrer.
    click: Option<(Click<'a>, Cow<'a, str>)>,
    pub reply: Reply<'a>,
}

impl<'a> Decision<'a> {
    const fn unrecorded(reply: Reply<'a>) -> Self {
        Self { click: None, reply }
    }

    /// Returns the click to record.
    #[inline]
    pub(super) fn click(&self) -> Option<Click<'_>> {
        self.click.as_ref().map(|(click, referrer_host)| Click { referrer_host, ..*click })
    }
}

/// Decides a request: finds the link, classifies the click, and signs a token if the click may
/// earn.
///
/// `judge` says what a user agent is, and gives a hash of it. `is_flood` counts a click that would
/// be billable, and returns whether it is one too many.
#[inline]
pub(super) fn decide<'a>(
    snapshot: &'a Snapshot,
    request: &LinkRequest<'a>,
    judge: impl FnOnce(&[u8]) -> (Agent, u64),
    is_flood: impl FnOnce(&Clicker) -> bool,
    now: Timestamp,
    id: ClickId,
) -> Decision<'a> {
    let Some(scope) = snapshot.scope_of(request.host) else {
        return Decision::unrecorded(Reply::Misdirected);
    };
    let Some(target) = Target::find(snapshot, scope, request.slug) else {
        return Decision::unrecorded(Reply::NotFound);
    };
    let headers = &request.headers;
    let query = Query::read(request.query, target.link.passes_click_ids());
    let availability = target.link.schedule().availability(target.campaign.schedule, now);
    let earlier =
        headers.cookie_token(snapshot, now, |claims| claims.merchant == target.merchant.id);
    let (agent, agent_hash) = judge(headers.user_agent);
    let link = target.link.id();
    // A link that has ended leads to its fallback, whatever its rules say.
    let rules = target.link.rules().filter(|_| availability != Availability::Ended);
    let (id, branch) = rules.map_or((id, None), |rules| {
        choose(rules, request, agent, earlier.as_ref(), (now, link, id))
    });
    let Some(chosen) = destination(&target.link, branch, request.rest) else {
        return Decision::unrecorded(Reply::NotFound);
    };
    let facts = facts_of(request, agent);
    let earlier_click = earlier.map(|claims| EarlierClick {
        clicked_at: claims.issued_at,
        same_link: claims.link == link,
    });
    let mut class = classify(facts, availability, earlier_click, target.campaign.dedupe, now);
    if class == Class::Billable
        && let Some(block) = request.block
        && is_flood(&Clicker { block, agent_hash, link, is_known: earlier.is_some() })
    {
        class = Class::Flood;
    }
    let click = Click {
        id,
        at: now,
        link,
        class,
        window_minutes: target.campaign.window_minutes,
        previous: earlier.map(|claims| claims.click),
        sub_id: query.sub_id,
        country: None,
        device: agent.device,
        in_app: agent.in_app,
        referrer_host: "",
        consent: if headers.refuses_tracking { Consent::Denied } else { Consent::Unknown },
        branch,
    };
    let reply = if click.class == Class::Prefetch {
        Reply::Refused
    } else if availability == Availability::Ended {
        target.link.fallback().map_or(Reply::NotFound, Reply::Fallback)
    } else {
        let token = click.class.earns().then(|| sign(&target, &click));
        let (host, https, may_keep) = (request.host, request.https, !headers.refuses_tracking);
        Reply::Redirect(Redirect { target, chosen, token, may_keep, query, host, https })
    };
    Decision { click: Some((click, headers.referrer_host())), reply }
}

/// Returns what decides the class of a request.
#[inline]
const fn facts_of(request: &LinkRequest<'_>, agent: Agent) -> shared::class::Request {
    shared::class::Request {
        head: request.head,
        prefetch: request.headers.prefetch,
        not_navigation: request.headers.not_navigation,
        visitor: agent.visitor,
    }
}

/// Returns the id of a click on a link with rules, and what chooses the click's destination. The id
/// has the bucket of the visitor's earlier click on the same link, so that they keep their share.
fn choose(
    rules: &Rules,
    request: &LinkRequest<'_>,
    agent: Agent,
    earlier: Option<&Claims>,
    (at, link, id): (Timestamp, LinkId, ClickId),
) -> (ClickId, Option<Branch>) {
    let same = earlier.filter(|claims| claims.link == link);
    let id = same.map_or(id, |claims| rules::in_bucket_of(id, claims.click));
    let visit = Visit {
        device: agent.device,
        os: agent.os,
        language: request.headers.language,
        country: None,
        at,
        query: request.query,
        bucket: rules::bucket_of(id),
    };
    (id, rules.choose(&visit))
}

/// Returns the address to which a link leads, if that is not its own destination; no answer at all
/// for what stands behind the slug of a link that leads to nothing of the kind.
#[inline]
fn destination<'a>(
    link: &LinkRef<'a>,
    branch: Option<Branch>,
    rest: &str,
) -> Option<Option<Cow<'a, str>>> {
    let chosen = branch.and_then(|branch| link.rules()?.destination(branch));
    if rest.is_empty() {
        return Some(chosen.map(Cow::Borrowed));
    }
    let joined = deep::join(chosen.unwrap_or_else(|| link.destination()), rest);
    joined.filter(|_| link.has_deep_links()).map(|joined| Some(Cow::Owned(joined)))
}

fn sign(target: &Target<'_>, click: &Click<'_>) -> [u8; TOKEN_CHARS] {
    let (key_id, key) = &target.merchant.signing;
    let claims = Claims {
        key_id: *key_id,
        kind: Kind::Click,
        consent: click.consent,
        issued_at: click.at,
        window_minutes: click.window_minutes,
        merchant: target.merchant.id,
        link: click.link,
        click: click.id,
    };
    claims.encode(key)
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use serde_json::{Value, json};
    use shared::agent::{Device, InApp, Os, Visitor};
    use shared::catalog::{Catalog, Change, Entity};
    use shared::id::{CampaignId, InfluencerId, MerchantId};
    use shared::token::{KeyRing, KeyState, MasterKey};

    use super::*;

    const NOW: Timestamp = Timestamp::from_ms(1_780_000_000_000);
    const ID: ClickId = ClickId::from_bytes([7; 16]);
    const EARLIER: ClickId = ClickId::from_bytes([8; 16]);
    const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
    const PERSON: Agent = Agent {
        visitor: Visitor::Person,
        device: Device::Mobile,
        os: Os::Ios,
        in_app: InApp::None,
    };

    fn minutes_ago(minutes: i64) -> Timestamp {
        Timestamp::from_ms(NOW.as_ms() - minutes * 60_000)
    }

    fn link(id: u64, slug: &str, more: Value) -> Entity {
        let mut link = json!({
            "id": LinkId::from_bits(id), "campaign": CampaignId::from_bits(2),
            "influencer": InfluencerId::from_bits(3), "destination": "https://shop.example/p?a=1#top",
            "slug": slug, "starts_at": null, "ends_at": null, "fallback": null, "paused": false,
            "created_at": minutes_ago(9000), "updated_at": minutes_ago(9000),
        });
        link.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        Entity::Link(serde_json::from_value(link).unwrap())
    }

    /// One shop with a link that is followed, and others that are paused, over, and over with
    /// somewhere else to go.
    fn snapshot() -> Snapshot {
        snapshot_of(snapshot_entities())
    }

    fn snapshot_entities() -> Vec<Entity> {
        let at = minutes_ago(9000);
        let merchant = json!({
            "id": MerchantId::from_bits(1), "key": "key", "name": "Shop",
            "domains": ["shop.example"], "currency": "EUR", "timezone": "UTC", "platform": null,
            "webhook_secret": null, "old_webhook_secret": null, "shop_api": null,
            "trust_pixel": false, "created_at": at, "updated_at": at,
        });
        let campaign = json!({
            "id": CampaignId::from_bits(2), "merchant": MerchantId::from_bits(1), "name": "Autumn",
            "window_days": 30, "dedupe_minutes": 30, "hold_days": 30, "starts_at": null,
            "ends_at": null, "commission": [{ "kind": "percent", "rate": "15" }],
            "precedence": ["click", "coupon"], "model": "last_click", "created_at": at,
            "updated_at": at,
        });
        let over = json!({ "ends_at": minutes_ago(1) });
        let moved = json!({ "ends_at": minutes_ago(1), "fallback": "https://shop.example/new" });
        vec![
            Entity::Merchant(serde_json::from_value(merchant).unwrap()),
            Entity::Campaign(serde_json::from_value(campaign).unwrap()),
            link(1, "anna", json!({})),
            link(2, "paused", json!({ "paused": true })),
            link(3, "over", over),
            link(4, "moved", moved),
            link(5, "ben", json!({})),
        ]
    }

    fn snapshot_of(entities: Vec<Entity>) -> Snapshot {
        let at = minutes_ago(9000);
        let mut catalog = Catalog::default();
        catalog.apply(&Change { at, entities, request: None, by: None });
        let key = MasterKey { id: 1, state: KeyState::Active, secret: [9; 32] };
        Snapshot::of(&catalog, vec![], KeyRing::new(vec![key]).unwrap())
    }

    /// The cookie of a click on the first link so many minutes ago.
    fn cookie(snapshot: &Snapshot, minutes: i64) -> String {
        let merchant = snapshot.merchant_by_key("key").unwrap();
        let claims = Claims {
            key_id: merchant.signing.0,
            kind: Kind::Click,
            consent: Consent::Unknown,
            issued_at: minutes_ago(minutes),
            window_minutes: 30 * 24 * 60,
            merchant: merchant.id,
            link: LinkId::from_bits(1),
            click: EARLIER,
        };
        let token = claims.encode(&merchant.signing.1);
        format!("other=1; __Secure-ac={}", str::from_utf8(&token).unwrap())
    }

    /// What a decision comes to, in short.
    #[derive(Debug, PartialEq)]
    enum Short {
        Redirect { class: Class, with_token: bool, previous: Option<ClickId> },
        Fallback(Class),
        NotFound(Option<Class>),
        Misdirected,
        Refused(Class),
    }

    fn short(decision: &Decision<'_>) -> Short {
        let click = decision.click();
        let class = click.as_ref().map(|click| click.class);
        match &decision.reply {
            Reply::Redirect(redirect) => Short::Redirect {
                class: class.unwrap(),
                with_token: redirect.token.is_some(),
                previous: click.unwrap().previous,
            },
            Reply::Fallback(address) => {
                assert_eq!(*address, "https://shop.example/new");
                Short::Fallback(class.unwrap())
            }
            Reply::NotFound => Short::NotFound(class),
            Reply::Misdirected => Short::Misdirected,
            Reply::Refused => Short::Refused(class.unwrap()),
        }
    }

    /// Decides a request for a slug at the shop's link host.
    fn check(slug: &str, agent: Agent, change: impl FnOnce(&mut LinkRequest<'_>), expected: Short) {
        let snapshot = snapshot();
        let headers = Headers::default();
        let host = "go.shop.example";
        let mut request = LinkRequest {
            host,
            slug,
            rest: "",
            query: "",
            headers,
            head: false,
            https: true,
            block: None,
        };
        change(&mut request);
        let decision = decide(&snapshot, &request, |_| (agent, 1), |_| true, NOW, ID);
        assert_eq!(short(&decision), expected, "{slug}");
    }

    #[test]
    fn whoever_refuses_to_be_tracked_gets_a_token_that_says_so_and_no_cookie() {
        let snapshot = snapshot();
        for (refuses_tracking, consent) in [(true, Consent::Denied), (false, Consent::Unknown)] {
            let mut headers = Headers::default();
            headers.refuses_tracking = refuses_tracking;
            let host = "go.shop.example";
            let (slug, query, block) = ("anna", "", None);
            let request = LinkRequest {
                host,
                slug,
                rest: "",
                query,
                headers,
                head: false,
                https: true,
                block,
            };
            let decision = decide(&snapshot, &request, |_| (PERSON, 1), |_| true, NOW, ID);
            let click = decision.click().unwrap();
            assert_eq!((click.class, click.consent), (Class::Billable, consent));
            let Reply::Redirect(redirect) = &decision.reply else { panic!("it is followed") };
            let claims = snapshot.verify_token(&redirect.token.unwrap(), NOW).unwrap();
            assert_eq!((claims.click, claims.consent), (ID, consent));
            assert_eq!(redirect.has_cookie(), !refuses_tracking);
            let mut location = Vec::new();
            redirect.put_location(&mut location);
            assert!(str::from_utf8(&location).unwrap().contains("?ac="), "the order is credited");
        }
    }

    fn redirect(class: Class, with_token: bool) -> Short {
        Short::Redirect { class, with_token, previous: None }
    }

    #[test]
    fn every_kind_of_request_gets_one_class_and_only_what_earns_gets_a_token() {
        let of = |visitor| Agent { visitor, ..PERSON };
        let same = |_: &mut LinkRequest<'_>| {};
        check("anna", PERSON, same, redirect(Class::Billable, true));
        check("ANNA", PERSON, same, redirect(Class::Billable, true));
        check("anna", of(Visitor::Bot), same, redirect(Class::Bot, false));
        check("anna", of(Visitor::Preview), same, redirect(Class::Preview, false));
        check("anna", PERSON, |request| request.head = true, redirect(Class::Head, false));
        let framed = |request: &mut LinkRequest<'_>| request.headers.not_navigation = true;
        check("anna", PERSON, framed, redirect(Class::NotNavigation, false));
        let ahead = |request: &mut LinkRequest<'_>| request.headers.prefetch = true;
        check("anna", PERSON, ahead, Short::Refused(Class::Prefetch));
        check("paused", PERSON, same, redirect(Class::Paused, false));
    }

    #[test]
    fn only_a_click_that_would_be_billable_can_be_a_flood_and_it_may_still_bring_a_sale() {
        let of_block = |request: &mut LinkRequest<'_>| request.block = Some(Block::of(LOOPBACK));
        check("anna", PERSON, of_block, redirect(Class::Flood, true));
        check("paused", PERSON, of_block, redirect(Class::Paused, false));
        let bot = Agent { visitor: Visitor::Bot, ..PERSON };
        check("anna", bot, of_block, redirect(Class::Bot, false));
        let unknown = |request: &mut LinkRequest<'_>| request.block = None;
        check("anna", PERSON, unknown, redirect(Class::Billable, true));
    }

    #[test]
    fn what_leads_nowhere_is_said_and_recorded_only_where_there_is_a_link() {
        let same = |_: &mut LinkRequest<'_>| {};
        check("over", PERSON, same, Short::NotFound(Some(Class::OutOfDates)));
        check("moved", PERSON, same, Short::Fallback(Class::OutOfDates));
        check("nobody", PERSON, same, Short::NotFound(None));
        let elsewhere = |request: &mut LinkRequest<'_>| request.host = "other.example";
        check("anna", PERSON, elsewhere, Short::Misdirected);
    }

    #[test]
    fn an_earlier_click_in_the_cookie_is_recorded_and_makes_a_duplicate_for_a_while() {
        let snapshot = snapshot();
        for (slug, minutes, class) in [
            ("anna", 5, Class::Duplicate),
            ("anna", 31, Class::Billable),
            ("ben", 5, Class::Billable),
        ] {
            let cookie = cookie(&snapshot, minutes);
            let mut headers = Headers::default();
            headers.take(b"cookie", cookie.as_bytes());
            let host = "go.shop.example";
            let request = LinkRequest {
                host,
                slug,
                rest: "",
                query: "",
                headers,
                head: false,
                https: true,
                block: None,
            };
            let decision = decide(&snapshot, &request, |_| (PERSON, 1), |_| false, NOW, ID);
            let expected = Short::Redirect { class, with_token: true, previous: Some(EARLIER) };
            assert_eq!(short(&decision), expected, "{slug}, {minutes} minutes ago");
        }
    }

    #[test]
    fn the_click_bears_what_the_request_says_and_the_answer_its_token() {
        let snapshot = snapshot();
        let mut headers = Headers::default();
        headers.take(b"referer", b"https://L.Instagram.com/?u=secret");
        let request = LinkRequest {
            host: "go.shop.example",
            slug: "anna",
            rest: "",
            query: "s=story-1&utm_source=insta&x=1",
            headers,
            head: false,
            https: true,
            block: None,
        };
        let decision = decide(&snapshot, &request, |_| (PERSON, 1), |_| false, NOW, ID);
        let click = decision.click().unwrap();
        assert_eq!((click.id, click.at, click.link), (ID, NOW, LinkId::from_bits(1)));
        assert_eq!((click.sub_id, click.referrer_host), (Some("story-1"), "l.instagram.com"));
        assert_eq!(click.window_minutes, 30 * 24 * 60);
        let Reply::Redirect(redirect) = &decision.reply else { panic!("it is followed") };
        let token = redirect.token.unwrap();
        let claims = snapshot.verify_token(&token, NOW).unwrap();
        assert_eq!((claims.click, claims.issued_at, claims.link), (ID, NOW, click.link));
        let (mut location, mut cookie) = (Vec::new(), Vec::new());
        redirect.put_location(&mut location);
        redirect.put_cookie(&mut cookie);
        let token = str::from_utf8(&token).unwrap();
        assert_eq!(
            String::from_utf8(location).unwrap(),
            format!("https://shop.example/p?ac={token}&a=1&utm_source=insta#top")
        );
        assert_eq!(
            String::from_utf8(cookie).unwrap(),
            format!(
                "__Secure-ac={token}; Max-Age=2592000; Path=/; Domain=shop.example; Secure; \
                 HttpOnly; SameSite=Lax"
            )
        );
    }

    /// Follows a link with rules: two rules, and a split of eight buckets and the others.
    fn follow_ruled(slug: &str, language: &str, by: Agent, known: bool) -> Click<'static> {
        let address = |name: &str| format!("https://shop.example/{name}?a=1#top");
        let more = json!({
            "updated_at": minutes_ago(8000),
            "rules": [
                { "if": { "device": ["ios"], "language": ["sv"] }, "destination": address("rule0") },
                { "if": { "query": { "ref": "bio" } }, "destination": address("rule1") },
            ],
            "split": [
                { "weight": 8, "destination": address("share0") },
                { "weight": 120, "destination": address("share1") },
            ],
        });
        let mut entities = snapshot_entities();
        entities.extend([link(1, "anna", more.clone()), link(5, "ben", more)]);
        let snapshot = snapshot_of(entities);
        let cookie = if known { cookie(&snapshot, 31) } else { String::new() };
        let mut headers = Headers::default();
        headers.take(b"cookie", cookie.as_bytes());
        headers.take(b"accept-language", language.as_bytes());
        let (slug, query) = slug.split_once('?').unwrap_or((slug, ""));
        let (host, head, https, block) = ("go.shop.example", false, true, None);
        let request = LinkRequest { host, slug, rest: "", query, headers, head, https, block };
        let decision = decide(&snapshot, &request, |_| (by, 1), |_| false, NOW, ID);
        let click = decision.click().unwrap();
        let Reply::Redirect(redirect) = &decision.reply else { panic!("it is followed") };
        let mut location = Vec::new();
        redirect.put_location(&mut location);
        let token = redirect.token.map(|token| String::from_utf8(token.to_vec()).unwrap());
        let query = token.map_or("a=1".into(), |token| format!("ac={token}&a=1"));
        let page = match click.branch {
            Some(Branch::Rule(place)) => format!("rule{place}"),
            Some(Branch::Share(place)) => format!("share{place}"),
            None => panic!("the split answers where no rule does"),
        };
        let expected = format!("https://shop.example/{page}?{query}#top");
        assert_eq!(String::from_utf8(location).unwrap(), expected);
        Click { sub_id: None, referrer_host: "", ..click }
    }

    #[test]
    fn the_first_rule_that_holds_chooses_the_destination_also_for_who_earns_nothing() {
        let android = Agent { os: Os::Android, ..PERSON };
        let bot = Agent { visitor: Visitor::Bot, ..PERSON };
        for (slug, language, by, branch) in [
            ("anna", "sv-SE,en;q=0.5", PERSON, Branch::Rule(0)),
            ("anna?ref=bio", "sv", PERSON, Branch::Rule(0)),
            ("anna?ref=bio", "en", PERSON, Branch::Rule(1)),
            ("anna", "sv", android, Branch::Share(0)),
            ("anna", "sv", bot, Branch::Rule(0)),
        ] {
            let click = follow_ruled(slug, language, by, false);
            assert_eq!((click.branch, click.id), (Some(branch), ID), "{slug} {language}");
        }
    }

    #[test]
    fn a_visitor_keeps_their_share_by_the_token_of_the_same_link() {
        let (new, again) = (Some(Branch::Share(0)), Some(Branch::Share(1)));
        let mut kept = *ID.as_bytes();
        kept[15] = 8;
        let click = follow_ruled("anna", "", PERSON, true);
        assert_eq!((click.branch, click.id), (again, ClickId::from_bytes(kept)));
        let click = follow_ruled("anna", "", PERSON, false);
        assert_eq!((click.branch, click.id), (new, ID));
        let click = follow_ruled("ben", "", PERSON, true);
        assert_eq!((click.branch, click.id), (new, ID), "it is another link's");
    }

    #[test]
    fn no_rule_chooses_where_a_link_has_ended() {
        let rule = json!({ "if": { "device": ["ios"] }, "destination": "https://shop.example/x" });
        let over = json!({ "updated_at": minutes_ago(8000), "ends_at": minutes_ago(1),
            "fallback": "https://shop.example/new", "rules": [rule] });
        let mut entities = snapshot_entities();
        entities.push(link(4, "moved", over));
        let snapshot = snapshot_of(entities);
        let (host, slug, query, headers) = ("go.shop.example", "moved", "", Headers::default());
        let (head, https, block) = (false, true, None);
        let request = LinkRequest { host, slug, rest: "", query, headers, head, https, block };
        let decision = decide(&snapshot, &request, |_| (PERSON, 1), |_| true, NOW, ID);
        assert_eq!(short(&decision), Short::Fallback(Class::OutOfDates));
        assert_eq!(decision.click().unwrap().branch, None);
    }

    #[test]
    fn a_link_leads_nowhere_when_one_of_its_rules_does_not_fit_a_header() {
        let rule =
            json!({ "if": { "device": ["android"] }, "destination": "https://a.test/\r\nX: y" });
        let mut entities = snapshot_entities();
        entities.push(link(6, "eva", json!({ "rules": [rule] })));
        let snapshot = snapshot_of(entities);
        let (host, slug, query, headers) = ("go.shop.example", "eva", "", Headers::default());
        let (head, https, block) = (false, true, None);
        let request = LinkRequest { host, slug, rest: "", query, headers, head, https, block };
        let decision = decide(&snapshot, &request, |_| (PERSON, 1), |_| false, NOW, ID);
        assert_eq!(short(&decision), Short::NotFound(None));
    }

    #[test]
    fn a_parameter_that_both_name_is_sent_once_with_the_requests_value() {
        let location = |destination: &str, query: &str, agent: Agent| {
            let mut catalog = snapshot_entities();
            catalog.push(link(6, "eva", json!({ "destination": destination })));
            let snapshot = snapshot_of(catalog);
            let (host, slug, headers) = ("go.shop.example", "eva", Headers::default());
            let (head, https, block) = (false, true, None);
            let request = LinkRequest { host, slug, rest: "", query, headers, head, https, block };
            let decision = decide(&snapshot, &request, |_| (agent, 1), |_| false, NOW, ID);
            let Reply::Redirect(redirect) = &decision.reply else { panic!("it is followed") };
            let mut location = Vec::new();
            redirect.put_location(&mut location);
            let location = String::from_utf8(location).unwrap();
            let token = redirect.token.map(|token| String::from_utf8(token.to_vec()).unwrap());
            location.replace(token.as_deref().unwrap_or("no token"), "T")
        };
        let page = "https://shop.example/p";
        for (destination, query, expected) in [
            ("", "", "?ac=T"),
            ("?", "", "?ac=T"),
            ("?a=1&", "", "?ac=T&a=1&"),
            ("?utm_source=x&a=1#top", "utm_source=y", "?ac=T&a=1&utm_source=y#top"),
            ("?utm_source=x&utm_sourced=z", "utm_source=y", "?ac=T&utm_sourced=z&utm_source=y"),
            ("?a=1", "x=2", "?ac=T&a=1"),
        ] {
            let (given, expected) = (format!("{page}{destination}"), format!("{page}{expected}"));
            assert_eq!(location(&given, query, PERSON), expected);
        }
        let bot = Agent { visitor: Visitor::Bot, ..PERSON };
        assert_eq!(location(&format!("{page}?a=1&#top"), "", bot), format!("{page}?a=1&#top"));
        assert_eq!(location(page, "utm_a=1&utm_b=2", bot), format!("{page}?utm_a=1&utm_b=2"));
    }
}
