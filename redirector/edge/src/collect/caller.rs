//! Whose page an event comes from, and who may read the answer.

use hyper::HeaderMap;
use hyper::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue, ORIGIN, VARY,
};
use live::Snapshot;

use crate::answer::Answer;
use crate::request;

/// The origin of a request. It decides whether a page may read the answer, and with which
/// credentials.
pub(crate) enum Caller {
    /// No `Origin`: a server, or a page of our own origin.
    SameOrigin,
    /// `Origin: null`: a sandboxed pixel.
    Opaque,
    /// A page of a merchant's shop.
    Shop(HeaderValue),
    /// A page of an unknown site.
    Foreign,
}

impl Caller {
    pub(crate) fn of(headers: &HeaderMap, snapshot: &Snapshot) -> Self {
        let Some(origin) = headers.get(ORIGIN) else { return Self::SameOrigin };
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

    /// Finds the caller of an image's request, which names no origin but only the page around the
    /// image.
    pub(crate) fn of_image(headers: &HeaderMap, snapshot: &Snapshot) -> Self {
        let host = request::Headers::read(headers).referrer_host();
        if host.is_empty() || snapshot.is_merchant_host(&host) {
            Self::SameOrigin
        } else {
            Self::Foreign
        }
    }

    /// Adds the headers that let the page read the answer.
    pub(crate) fn allow(&self, mut answer: Answer) -> Answer {
        let headers = answer.headers_mut();
        headers.insert(VARY, HeaderValue::from_static("origin"));
        match self {
            Self::SameOrigin | Self::Foreign => {}
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
