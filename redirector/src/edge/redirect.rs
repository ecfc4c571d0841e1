//! `GET /{slug}`: look up, classify, record, sign, redirect.
//!
//! SECURITY: the destination is the stored one, never one from the request. Of the request's query
//! only `utm_…` parameters are passed on, as encoded, and only with characters that a query may
//! have.

use std::cell::RefCell;

use bytes::{BufMut, Bytes, BytesMut};
use hyper::Request;
use hyper::header::{HeaderValue, SET_COOKIE};
use rand::RngExt;
use shared::class::{Availability, Class, EarlierClick, classify};
use shared::consent::Consent;
use shared::id::ClickId;
use shared::links::{LinkRef, Scope};
use shared::record::Click;
use shared::time::Timestamp;
use shared::token::{Claims, Kind, TOKEN_CHARS};

use crate::catalog::{HotCampaign, HotMerchant, Snapshot};
use crate::edge::answer::{self, Answer};
use crate::edge::core::Core;
use crate::edge::request::{self, Headers, PLAIN_COOKIE, SECURE_COOKIE};

/// Characters of a sub id.
const SUB_ID_CHARS_MAX: usize = 64;
/// Bytes of `utm_…` parameters that are passed on.
const UTM_BYTES_MAX: usize = 1024;
/// Bytes in which a core builds header values before it takes new ones.
const HEADER_BYTES: usize = 64 * 1024;

/// A link with all that hangs on it.
struct Target<'a> {
    link: LinkRef<'a>,
    campaign: &'a HotCampaign,
    merchant: &'a HotMerchant,
}

impl<'a> Target<'a> {
    fn find(snapshot: &'a Snapshot, scope: Scope, slug: &str) -> Option<Self> {
        let link = snapshot.link(scope, slug).filter(LinkRef::fits_a_header)?;
        let campaign = snapshot.campaign(link.campaign())?;
        Some(Self { link, campaign, merchant: snapshot.merchant(campaign.merchant)? })
    }
}

/// A request for a slug, as far as it is read.
pub(crate) struct LinkRequest<'a> {
    /// Lower case, without port.
    pub(crate) host: &'a str,
    pub(crate) slug: &'a str,
    pub(crate) query: &'a str,
    pub(crate) headers: Headers<'a>,
    pub(crate) head: bool,
}

/// What a request for a slug is answered with.
pub(crate) enum Reply<'a> {
    Redirect(Redirect<'a>),
    /// The link has ended; where it leads now.
    Fallback(&'a str),
    /// No such link, or one that has ended.
    NotFound,
    /// Not our host.
    Misdirected,
    /// A browser that only fetches ahead.
    Refused,
}

/// A redirect to a link's destination, and what its headers are made of.
pub(crate) struct Redirect<'a> {
    target: Target<'a>,
    token: Option<[u8; TOKEN_CHARS]>,
    query: Query<'a>,
    host: &'a str,
    https: bool,
}

/// Looks a slug up, records the click, and answers with the reply to it.
pub(crate) fn follow<R>(
    core: &Core,
    request: &LinkRequest<'_>,
    answer: impl FnOnce(Reply<'_>) -> R,
) -> R {
    let now = core.look_at_clock();
    let snapshot = core.snapshot.load();
    let Some(scope) = snapshot.scope_of(request.host) else { return answer(Reply::Misdirected) };
    let Some(target) = Target::find(&snapshot, scope, request.slug) else {
        core.counters.not_found();
        return answer(Reply::NotFound);
    };
    let headers = &request.headers;
    let query = Query::read(request.query);
    let availability = target.link.schedule().availability(target.campaign.schedule, now);
    let earlier =
        headers.cookie_token(&snapshot, now, |claims| claims.merchant == target.merchant.id);
    let click = click(
        core,
        &snapshot,
        &target,
        headers,
        &query,
        (availability, earlier, now, request.head),
    );
    let referrer_host = headers.referrer_host();
    core.gate.record(&Click { referrer_host: &referrer_host, ..click });
    if click.class == Class::Prefetch {
        return answer(Reply::Refused);
    }
    if availability == Availability::Ended {
        return answer(target.link.fallback().map_or(Reply::NotFound, Reply::Fallback));
    }
    let token = click.class.earns().then(|| sign(&target, &click));
    let https = core.is_https(headers);
    answer(Reply::Redirect(Redirect { target, token, query, host: request.host, https }))
}

/// Answers a request that hyper has read.
pub(crate) fn answer<B>(core: &Core, request: &Request<B>, slug: &str, head: bool) -> Answer {
    let Some(host) = request::host(request) else { return answer::misdirected() };
    let headers = Headers::of(request);
    let query = request.uri().query().unwrap_or_default();
    follow(core, &LinkRequest { host: &host, slug, query, headers, head }, |reply| match reply {
        Reply::Redirect(redirect) => redirect.answer(core),
        Reply::Fallback(fallback) => answer::redirect_to(fallback),
        Reply::NotFound => answer::not_found(),
        Reply::Misdirected => answer::misdirected(),
        Reply::Refused => answer::prefetch_refused(),
    })
}

/// Classifies the request and makes the click of it.
fn click<'a>(
    core: &Core,
    snapshot: &Snapshot,
    target: &Target<'_>,
    headers: &Headers<'_>,
    query: &Query<'a>,
    (availability, earlier, now, head): (Availability, Option<Claims>, Timestamp, bool),
) -> Click<'a> {
    let agent = core.agents.judge(headers.user_agent);
    let facts = shared::class::Request {
        head,
        prefetch: headers.prefetch,
        not_navigation: headers.not_navigation,
        visitor: agent.visitor,
    };
    let earlier_click = earlier.map(|claims| EarlierClick {
        clicked_at: claims.issued_at,
        same_campaign: snapshot.campaign_of(claims.link) == Some(target.link.campaign()),
    });
    Click {
        id: ClickId::from_bytes(core.random.borrow_mut().random::<u128>().to_le_bytes()),
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
    }
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

/// Builds a header value in the core's buffer, so that most values cost no allocation.
fn value(bytes: &mut BytesMut, put: impl FnOnce(&mut BytesMut)) -> Option<HeaderValue> {
    put(bytes);
    let built: Bytes = bytes.split().freeze();
    HeaderValue::from_maybe_shared(built).ok()
}

impl Redirect<'_> {
    fn answer(&self, core: &Core) -> Answer {
        let mut bytes = core.header_bytes.borrow_mut();
        bytes.reserve(self.target.link.destination().len() + UTM_BYTES_MAX + 512);
        let Some(location) = value(&mut bytes, |bytes| self.put_location(bytes)) else {
            return answer::not_found();
        };
        let mut answer = answer::redirect(location);
        let has_cookie = self.token.is_some();
        if has_cookie && let Some(cookie) = value(&mut bytes, |bytes| self.put_cookie(bytes)) {
            answer.headers_mut().insert(SET_COOKIE, cookie);
        }
        answer
    }

    /// Whether a cookie is set too: only with a token.
    pub(crate) const fn has_cookie(&self) -> bool {
        self.token.is_some()
    }

    /// `destination?…&ac=<token>&utm_…#fragment`.
    pub(crate) fn put_location(&self, bytes: &mut impl BufMut) {
        let link = self.target.link;
        let (before, fragment) = link.destination_around_fragment();
        bytes.put_slice(before);
        let mut joint = link.joint();
        if let Some(token) = &self.token {
            bytes.put_slice(joint.as_bytes());
            bytes.put_slice(b"ac=");
            bytes.put_slice(token);
            joint = "&";
        }
        if !self.query.text.is_empty() {
            for parameter in self.query.utm() {
                bytes.put_slice(joint.as_bytes());
                bytes.put_slice(parameter.as_bytes());
                joint = "&";
            }
        }
        bytes.put_slice(fragment);
    }

    /// The signed first-party cookie. `Domain` is set only where the link's host lies under the
    /// merchant's own domain.
    pub(crate) fn put_cookie(&self, bytes: &mut impl BufMut) {
        bytes.put_slice(if self.https { SECURE_COOKIE } else { PLAIN_COOKIE }.as_bytes());
        bytes.put_slice(b"=");
        bytes.put_slice(self.token.as_ref().map_or(&[][..], |token| token));
        bytes.put_slice(self.target.campaign.cookie_life.as_bytes());
        let domain = self.target.merchant.domain_of(self.host).filter(|domain| may_span(domain));
        if let Some(domain) = domain {
            bytes.put_slice(b"; Domain=");
            bytes.put_slice(domain.as_bytes());
        }
        if self.https {
            bytes.put_slice(b"; Secure");
        }
        bytes.put_slice(b"; HttpOnly; SameSite=Lax");
    }
}

/// Browsers refuse `Domain` for addresses and for names of one label.
fn may_span(domain: &str) -> bool {
    let bytes = domain.as_bytes();
    bytes.contains(&b'.') && !bytes.last().is_some_and(u8::is_ascii_digit) && !bytes.contains(&b':')
}

/// What of a request's query is used.
struct Query<'a> {
    text: &'a str,
    sub_id: Option<&'a str>,
}

impl<'a> Query<'a> {
    fn read(text: &'a str) -> Self {
        if text.is_empty() {
            return Self { text, sub_id: None };
        }
        let sub_id = text.split('&').find_map(|pair| pair.strip_prefix("s="));
        Self { text, sub_id: sub_id.filter(|sub_id| is_sub_id(sub_id)) }
    }

    /// The `utm_…` parameters as they came, as far as they are clean and few.
    fn utm(&self) -> impl Iterator<Item = &'a str> {
        let mut left = UTM_BYTES_MAX;
        let wanted = self
            .text
            .split('&')
            .filter(|pair| pair.starts_with("utm_") && pair.bytes().all(is_query_byte));
        wanted.take_while(move |pair| {
            let fits = pair.len() < left;
            left = left.saturating_sub(pair.len() + 1);
            fits
        })
    }
}

fn is_sub_id(text: &str) -> bool {
    (1..=SUB_ID_CHARS_MAX).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

/// Unreserved, percent-encoded and the sub-delimiters of RFC 3986 that mean nothing in a query.
const fn is_query_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'-' | b'.'
                | b'_'
                | b'~'
                | b'%'
                | b'='
                | b'+'
                | b'*'
                | b','
                | b':'
                | b';'
                | b'/'
                | b'!'
                | b'@'
                | b'('
                | b')'
                | b'$'
        )
}

/// A core's buffer for header values.
pub(crate) fn header_bytes() -> RefCell<BytesMut> {
    RefCell::new(BytesMut::with_capacity(HEADER_BYTES))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_clean_utm_parameters_are_passed_on() {
        let passed = |text| Query::read(text).utm().collect::<Vec<_>>();
        assert_eq!(
            passed("utm_source=insta&x=1&utm_medium=a%20b&s=1"),
            ["utm_source=insta", "utm_medium=a%20b"]
        );
        assert!(passed("utm_source=<script>&utm_x=\"").is_empty());
        assert!(passed("destination=https://evil.example&ac=x").is_empty());
        let long = format!("utm_a={}&utm_b=1", "x".repeat(UTM_BYTES_MAX));
        assert!(passed(&long).is_empty());
    }

    #[test]
    fn a_sub_id_is_short_and_plain_or_not_recorded() {
        assert_eq!(Query::read("utm_a=1&s=story-1_b").sub_id, Some("story-1_b"));
        assert_eq!(Query::read("s=a%20b").sub_id, None);
        assert_eq!(Query::read("s=").sub_id, None);
        assert_eq!(Query::read("ss=1").sub_id, None);
    }

    #[test]
    fn a_cookie_spans_only_names_that_browsers_let_it_span() {
        assert!(may_span("shop.example"));
        assert!(!may_span("localhost") && !may_span("127.0.0.1") && !may_span("::1"));
    }
}
