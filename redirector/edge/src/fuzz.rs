//! Doors for `dev/fuzz-targets`, and for nobody else: what the readers of requests make of bytes.
//!
//! Nothing here reads anything by itself; it only shows what the rest of the crate reads.

use hyper::{HeaderMap, Method, Request};
use live::Snapshot;
use shared::time::Timestamp;
use shared::token::Claims;

use crate::redirect::{self, LinkRequest};
use crate::request::{self, Headers};
use crate::{image, quick};

/// What a request to a link says, as it is decided by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    pub host: String,
    pub slug: String,
    pub query: String,
    pub user_agent: Vec<u8>,
    pub referrer_host: String,
    pub prefetch: bool,
    pub not_navigation: bool,
    pub forwarded_https: bool,
    pub token: Option<Claims>,
}

/// What the quick path sees in bytes.
#[derive(Debug, PartialEq, Eq)]
pub enum Front {
    /// A plain request to a link, and its length.
    Plain(Box<Head>, usize),
    Partial,
    Other,
}

/// Reads the first request as the quick path does.
pub fn front(bytes: &[u8], snapshot: &Snapshot, now: Timestamp) -> Front {
    match quick::front(bytes) {
        quick::Front::Plain(request, length) => {
            Front::Plain(Box::new(Head::of(&request, snapshot, now)), length)
        }
        quick::Front::Partial => Front::Partial,
        quick::Front::Other => Front::Other,
    }
}

/// Returns what a request that hyper has read says; `None` if it is no `GET` of a link.
pub fn head<B>(request: &Request<B>, snapshot: &Snapshot, now: Timestamp) -> Option<Head> {
    let slug = request.uri().path().strip_prefix('/')?;
    if request.method() != Method::GET {
        return None;
    }
    let (host, headers) = (request::host(request)?, Headers::of(request));
    let query = request.uri().query().unwrap_or_default();
    let (head, https, block) = (false, false, None);
    let request = LinkRequest { host: &host, slug, rest: "", query, headers, head, https, block };
    Some(Head::of(&request, snapshot, now))
}

/// Returns the token that a `Cookie` header brings.
pub fn cookie_token(header: &[u8], snapshot: &Snapshot, now: Timestamp) -> Option<Claims> {
    let mut headers = Headers::default();
    headers.take(b"cookie", header);
    headers.cookie_token(snapshot, now, |_| true)
}

/// Returns where a link with deep links leads with this behind its slug.
pub fn deep_link(destination: &str, rest: &str) -> Option<String> {
    redirect::join(destination, rest)
}

/// Returns the event body that an image's address stands for.
pub fn image_body(query: &str, random: u128) -> String {
    image::body(query, &HeaderMap::new(), random).to_string()
}

impl Head {
    fn of(request: &LinkRequest<'_>, snapshot: &Snapshot, now: Timestamp) -> Self {
        let headers = &request.headers;
        Self {
            host: request.host.to_owned(),
            slug: request.slug.to_owned(),
            query: request.query.to_owned(),
            user_agent: headers.user_agent.to_vec(),
            referrer_host: headers.referrer_host().into_owned(),
            prefetch: headers.prefetch,
            not_navigation: headers.not_navigation,
            forwarded_https: headers.forwarded_https,
            token: headers.cookie_token(snapshot, now, |_| true),
        }
    }
}
