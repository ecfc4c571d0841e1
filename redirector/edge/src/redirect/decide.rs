//! The decision about a request to a link: its answer, and the click to record. Pure: the caller
//! provides the time, the click's id and the judgement of user agents.
//!
//! Rules of links and signals of click quality belong here and nowhere else.

use std::borrow::Cow;

use live::{HotCampaign, HotMerchant, Snapshot};
use shared::agent::Agent;
use shared::class::{Availability, Class, EarlierClick, classify};
use shared::consent::Consent;
use shared::id::ClickId;
use shared::links::{LinkRef, Scope};
use shared::record::Click;
use shared::time::Timestamp;
use shared::token::{Claims, Kind, TOKEN_CHARS};

use crate::redirect::query::Query;
use crate::request::Headers;

/// A request to a link: the parts that are used.
pub(crate) struct LinkRequest<'a> {
    /// Lower case, without port.
    pub host: &'a str,
    pub slug: &'a str,
    pub query: &'a str,
    pub headers: Headers<'a>,
    pub head: bool,
    /// The visitor's browser uses HTTPS, as far as the server can tell.
    pub https: bool,
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
    pub token: Option<[u8; TOKEN_CHARS]>,
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
#[inline]
pub(super) fn decide<'a>(
    snapshot: &'a Snapshot,
    request: &LinkRequest<'a>,
    judge: impl FnOnce(&[u8]) -> Agent,
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
    let query = Query::read(request.query);
    let availability = target.link.schedule().availability(target.campaign.schedule, now);
    let earlier =
        headers.cookie_token(snapshot, now, |claims| claims.merchant == target.merchant.id);
    let agent = judge(headers.user_agent);
    let facts = shared::class::Request {
        head: request.head,
        prefetch: headers.prefetch,
        not_navigation: headers.not_navigation,
        visitor: agent.visitor,
    };
    let earlier_click = earlier.map(|claims| EarlierClick {
        clicked_at: claims.issued_at,
        same_campaign: snapshot.campaign_of(claims.link) == Some(target.link.campaign()),
    });
    let click = Click {
        id,
        at: now,
        link: target.link.id(),
        class: classify(facts, availability, earlier_click, target.campaign.dedupe, now),
        window_minutes: target.campaign.window_minutes,
        previous: earlier.map(|claims| claims.click),
        sub_id: query.sub_id,
        country: None,
        device: agent.device,
        in_app: agent.in_app,
        referrer_host: "",
    };
    let reply = if click.class == Class::Prefetch {
        Reply::Refused
    } else if availability == Availability::Ended {
        target.link.fallback().map_or(Reply::NotFound, Reply::Fallback)
    } else {
        let token = click.class.earns().then(|| sign(&target, &click));
        let (host, https) = (request.host, request.https);
        Reply::Redirect(Redirect { target, token, query, host, https })
    };
    Decision { click: Some((click, headers.referrer_host())), reply }
}

fn sign(target: &Target<'_>, click: &Click<'_>) -> [u8; TOKEN_CHARS] {
    let (key_id, key) = &target.merchant.signing;
    let claims = Claims {
        key_id: *key_id,
        kind: Kind::Click,
        consent: Consent::Unknown,
        issued_at: click.at,
        window_minutes: click.window_minutes,
        merchant: target.merchant.id,
        link: click.link,
        click: click.id,
    };
    claims.encode(key)
}
