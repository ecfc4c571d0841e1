//! Writes a redirect's headers into any buffer.

use bytes::{BufMut, Bytes, BytesMut};
use hyper::header::{HeaderValue, SET_COOKIE};
use shared::links::parts_of;

use crate::answer::{self, Answer};
use crate::redirect::decide::Redirect;
use crate::redirect::query::PASSED_BYTES_MAX;
use crate::request::{PLAIN_COOKIE, SECURE_COOKIE};

impl Redirect<'_> {
    /// Returns the answer for hyper. Header values are built in `bytes`, so that most cost no
    /// allocation.
    pub(crate) fn answer(&self, bytes: &mut BytesMut) -> Answer {
        let destination = self.chosen.as_deref().unwrap_or_else(|| self.target.link.destination());
        bytes.reserve(destination.len() + PASSED_BYTES_MAX + 512);
        let Some(location) = value(bytes, |bytes| self.put_location(bytes)) else {
            return answer::not_found();
        };
        let mut answer = answer::redirect(location);
        if self.has_cookie()
            && let Some(cookie) = value(bytes, |bytes| self.put_cookie(bytes))
        {
            answer.headers_mut().insert(SET_COOKIE, cookie);
        }
        answer
    }

    /// Returns whether the redirect sets a cookie: only with a token that the browser may keep.
    pub(crate) const fn has_cookie(&self) -> bool {
        self.token.is_some() && self.may_keep
    }

    /// Writes `destination?ac=<token>&…&utm_…#fragment`. The token stands first, since shops cut
    /// long queries. A parameter that both the link and the request name is sent once, with the
    /// request's value.
    pub(crate) fn put_location(&self, bytes: &mut impl BufMut) {
        let link = self.target.link;
        if self.token.is_none() && self.query.text.is_empty() {
            let own = || link.destination_as_bytes();
            return bytes.put_slice(self.chosen.as_deref().map_or_else(own, str::as_bytes));
        }
        let (page, query, fragment) = match &self.chosen {
            None => link.destination_parts(),
            Some(chosen) => parts_of(chosen.as_bytes()),
        };
        bytes.put_slice(page);
        let mut joint = "?";
        if let Some(token) = &self.token {
            bytes.put_slice(b"?ac=");
            bytes.put_slice(token);
            joint = "&";
        }
        if self.query.text.is_empty() {
            if !query.is_empty() {
                bytes.put_slice(joint.as_bytes());
                bytes.put_slice(query);
            }
        } else {
            self.put_both_queries(joint, query, bytes);
        }
        bytes.put_slice(fragment);
    }

    /// Writes the destination's parameters, without those that the request names, and then the
    /// request's.
    fn put_both_queries(&self, mut joint: &'static str, query: &[u8], bytes: &mut impl BufMut) {
        let pairs = query.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty());
        for pair in pairs.filter(|pair| !self.query.names(pair)) {
            bytes.put_slice(joint.as_bytes());
            bytes.put_slice(pair);
            joint = "&";
        }
        for parameter in self.query.passed() {
            bytes.put_slice(joint.as_bytes());
            parameter.put(bytes);
            joint = "&";
        }
    }

    /// Writes the signed first-party cookie. `Domain` is set only if the link's host lies under the
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

/// Returns whether `Domain` may name this domain. Browsers refuse addresses and names of one label.
fn may_span(domain: &str) -> bool {
    let bytes = domain.as_bytes();
    bytes.contains(&b'.') && !bytes.last().is_some_and(u8::is_ascii_digit) && !bytes.contains(&b':')
}

/// Builds a header value in the worker's buffer, so that most values cost no allocation.
fn value(bytes: &mut BytesMut, put: impl FnOnce(&mut BytesMut)) -> Option<HeaderValue> {
    put(bytes);
    let built: Bytes = bytes.split().freeze();
    HeaderValue::from_maybe_shared(built).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_spans_only_names_that_browsers_let_it_span() {
        assert!(may_span("shop.example"));
        assert!(!may_span("localhost") && !may_span("127.0.0.1") && !may_span("::1"));
    }
}
