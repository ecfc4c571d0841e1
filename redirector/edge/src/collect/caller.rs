//! Whose page an event comes from, and who may read the answer.

use hyper::HeaderMap;
use hyper::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS,
    HeaderValue, ORIGIN, RETRY_AFTER, VARY,
};
use live::Snapshot;

use crate::answer::Answer;
use crate::request;

/// The origin of a request. It decides whether a page may read the answer, and with which
/// credentials.
pub(crate) enum Caller {
    /// No `Origin`, and the browser says otherwise that the page is ours or a shop's.
    SameOrigin,
    /// `Origin: null`: a sandboxed pixel.
    Opaque,
    /// A page of a merchant's shop.
    Shop(HeaderValue),
    /// A page of an unknown site.
    Foreign,
    /// Nothing tells of a page: a program, and no pixel.
    Nobody,
}

impl Caller {
    pub(crate) fn of(headers: &HeaderMap, snapshot: &Snapshot) -> Self {
        let Some(origin) = headers.get(ORIGIN) else {
            return Self::without_origin(headers, snapshot);
        };
        let text = origin.to_str().unwrap_or_default();
        if text == "null" {
            return Self::Opaque;
        }
        let host =
            text.split_once("://").map_or("", |(_, authority)| request::without_port(authority));
        if request::plain_host(host).is_some_and(|host| snapshot.is_merchant_host(&host)) {
            Self::Shop(origin.clone())
        } else {
            Self::Foreign
        }
    }

    /// Finds the caller of a request that names no origin, such as an image's: by the page that
    /// `Referer` names, or else by what the browser says of the page's site. Neither proves
    /// anything; both keep programs out that do not even pretend.
    fn without_origin(headers: &HeaderMap, snapshot: &Snapshot) -> Self {
        let host = request::Headers::read(headers).referrer_host();
        let site = headers.get("sec-fetch-site").map(HeaderValue::as_bytes);
        match site {
            _ if snapshot.is_merchant_host(&host) => Self::SameOrigin,
            _ if !host.is_empty() && site != Some(b"same-origin") => Self::Foreign,
            Some(b"same-origin" | b"same-site") => Self::SameOrigin,
            _ => Self::Nobody,
        }
    }

    /// Adds the headers that let the page read the answer.
    pub(crate) fn allow(&self, mut answer: Answer) -> Answer {
        let headers = answer.headers_mut();
        headers.insert(VARY, HeaderValue::from_static("origin"));
        // A page of another origin sees no header that is not named.
        if headers.contains_key(RETRY_AFTER) {
            headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("retry-after"));
        }
        match self {
            Self::SameOrigin | Self::Foreign | Self::Nobody => {}
            Self::Opaque => {
                headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("null"));
            }
            Self::Shop(origin) => {
                headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
                headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
            }
        }
        answer
    }
}
