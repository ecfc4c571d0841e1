//! What a request says, read once from its headers.
//!
//! The peer may have written anything: this file verifies click tokens, and nothing else.

use std::borrow::Cow;

use hyper::header::{HOST, HeaderMap, HeaderValue};
use hyper::{Request, Version};
use live::Snapshot;
use shared::time::Timestamp;
use shared::token::Claims;

/// The cookie's name over HTTPS.
pub(crate) const SECURE_COOKIE: &str = "__Secure-ac";
/// The cookie's name over plain HTTP on loopback.
pub(crate) const PLAIN_COOKIE: &str = "ac";

/// Marks a request that came over an encrypted connection.
#[derive(Clone, Copy)]
pub(crate) struct OverTls;

/// The headers of a request to a link.
#[derive(Default)]
pub(crate) struct Headers<'a> {
    pub user_agent: &'a [u8],
    pub referer: &'a [u8],
    /// `Accept-Language`, as it came.
    pub language: &'a [u8],
    /// `Sec-Purpose` and its older names say that nobody has clicked yet.
    pub prefetch: bool,
    /// `Sec-Fetch-Dest` or `-Mode` says that no page is being opened.
    pub not_navigation: bool,
    /// `Sec-GPC` says that the visitor refuses to be tracked (Global Privacy Control).
    pub refuses_tracking: bool,
    /// The connection is encrypted.
    pub over_tls: bool,
    /// `X-Forwarded-Proto` or `Forwarded` says that the visitor's own connection is encrypted.
    pub forwarded_https: bool,
    /// A proxy has said something about the visitor's connection.
    pub forwarded: bool,
    /// The last `X-Forwarded-For`.
    pub forwarded_for: Option<&'a [u8]>,
    cookie: Option<&'a [u8]>,
    /// Further `Cookie` headers, as HTTP/2 may have them.
    more_cookies: Vec<&'a [u8]>,
}

impl<'a> Headers<'a> {
    /// Reads a request to a link.
    pub(crate) fn of<B>(request: &'a Request<B>) -> Self {
        let over_tls = request.extensions().get::<OverTls>().is_some();
        Self { over_tls, ..Self::read(request.headers()) }
    }

    /// Reads all headers that matter, in one pass.
    pub(crate) fn read(headers: &'a HeaderMap) -> Self {
        let mut read = Self::default();
        for (name, value) in headers {
            read.take(name.as_str().as_bytes(), value.as_bytes());
        }
        read
    }

    /// Reads one header. Length and last letter tell nearly all names apart, so that most cost no
    /// comparison.
    pub(crate) fn take(&mut self, name: &[u8], value: &'a [u8]) {
        let is = |known: &[u8]| name.eq_ignore_ascii_case(known);
        match (name.len(), name.last().map_or(0, |last| last | 0x20)) {
            (5, b'z') if is(b"x-moz") => self.prefetch |= says_prefetch(value),
            (6, b'e') if is(b"cookie") => match self.cookie {
                None => self.cookie = Some(value),
                Some(_) => self.more_cookies.push(value),
            },
            (7, b'c') if is(b"sec-gpc") => self.refuses_tracking = value == b"1",
            (7, b'r') if is(b"referer") => self.referer = value,
            (7, b'e') if is(b"purpose") => self.prefetch |= says_prefetch(value),
            (9, b'e') if is(b"x-purpose") => self.prefetch |= says_prefetch(value),
            (10, b't') if is(b"user-agent") => self.user_agent = value,
            (11, b'e') if is(b"sec-purpose") => self.prefetch |= says_prefetch(value),
            (14, b't') if is(b"sec-fetch-dest") => self.not_navigation |= value != b"document",
            (14, b'e') if is(b"sec-fetch-mode") => self.not_navigation |= value != b"navigate",
            (9, b'd') if is(b"forwarded") => {
                self.forwarded = true;
                self.forwarded_https |= forwarded_for_https(value);
            }
            // Nearly every request has it, so its usual spellings are compared as they stand.
            (15, b'e')
                if matches!(name, b"Accept-Language" | b"accept-language")
                    || is(b"accept-language") =>
            {
                self.language = value;
            }
            (15, b'r') if is(b"x-forwarded-for") => self.forwarded_for = Some(value),
            (17, b'o') if is(b"x-forwarded-proto") => {
                self.forwarded = true;
                self.forwarded_https |= first_is_https(value);
            }
            _ => {}
        }
    }

    /// Returns the host that the visitor came from, in lower case. Never returns the path, which
    /// may name a person.
    pub(crate) fn referrer_host(&self) -> Cow<'a, str> {
        let scheme_end = self.referer.iter().position(|byte| *byte == b':');
        let rest =
            scheme_end.and_then(|end| self.referer[end..].strip_prefix(b"://")).unwrap_or_default();
        let (mut length, mut has_capitals) = (0, false);
        for byte in rest {
            match byte {
                b'a'..=b'z' | b'0'..=b'9' | b'.' | b'-' => {}
                b'A'..=b'Z' => has_capitals = true,
                b'/' | b'?' | b'#' | b':' => break,
                _ => return Cow::Borrowed(""),
            }
            length += 1;
        }
        let host =
            if length > 253 { "" } else { str::from_utf8(&rest[..length]).unwrap_or_default() };
        if has_capitals { Cow::Owned(host.to_ascii_lowercase()) } else { Cow::Borrowed(host) }
    }

    /// Returns the latest valid token in the cookies that `wanted` accepts.
    ///
    /// A subdomain can plant a second cookie of the same name, so every cookie is read.
    pub(crate) fn cookie_token(
        &self,
        snapshot: &Snapshot,
        now: Timestamp,
        wanted: impl Fn(&Claims) -> bool,
    ) -> Option<Claims> {
        let headers = self.cookie.iter().chain(&self.more_cookies);
        let tokens =
            headers.flat_map(|header| header.split(|byte| *byte == b';')).filter_map(our_cookie);
        let claims = tokens.filter_map(|token| snapshot.verify_token(token, now).ok());
        claims.filter(wanted).max_by_key(|claims| claims.issued_at)
    }
}

/// Returns the value of a cookie if it is ours, without the quotes that some clients add. Other
/// cookies may hold any bytes.
fn our_cookie(pair: &[u8]) -> Option<&[u8]> {
    let pair = pair.trim_ascii();
    let value = [SECURE_COOKIE, PLAIN_COOKIE]
        .iter()
        .find_map(|name| pair.strip_prefix(name.as_bytes())?.strip_prefix(b"="))?;
    Some(value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\"")).unwrap_or(value))
}

/// Returns whether the first proxy of a list, which the visitor spoke to, was asked over HTTPS.
fn first_is_https(list: &[u8]) -> bool {
    let first = list.split(|byte| *byte == b',').next().unwrap_or_default();
    first.trim_ascii().eq_ignore_ascii_case(b"https")
}

/// Returns the same of a `Forwarded` header (RFC 7239), whose parameters may be in quotes.
fn forwarded_for_https(list: &[u8]) -> bool {
    let first = list.split(|byte| *byte == b',').next().unwrap_or_default();
    first.split(|byte| *byte == b';').any(|parameter| {
        let mut parts = parameter.splitn(2, |byte| *byte == b'=').map(<[u8]>::trim_ascii);
        parts.next().is_some_and(|name| name.eq_ignore_ascii_case(b"proto"))
            && parts.next().is_some_and(|value| {
                [&b"https"[..], b"\"https\""].iter().any(|https| value.eq_ignore_ascii_case(https))
            })
    })
}

/// Returns whether a value is `prefetch`, `prefetch;prerender` or `preview`, in upper or lower
/// case.
fn says_prefetch(value: &[u8]) -> bool {
    let word = value.split(|b| matches!(b, b';' | b',')).next().unwrap_or_default().trim_ascii();
    [&b"prefetch"[..], b"prerender", b"preview"]
        .iter()
        .any(|known| word.eq_ignore_ascii_case(known))
}

/// Returns the host that a request is for, in lower case and without port. Returns `None` when the
/// request names no host, several hosts, or an invalid one.
pub(crate) fn host<B>(request: &Request<B>) -> Option<Cow<'_, str>> {
    let mut named = request.headers().get_all(HOST).iter();
    let header = named.next().and_then(|host| host.to_str().ok());
    if named.next().is_some() {
        return None;
    }
    let target = request.uri().authority().map(hyper::http::uri::Authority::as_str);
    match (header, target) {
        // SECURITY: attackers poison caches with a request line for one host and a `Host` header
        // for another.
        (Some(header), Some(target)) if !header.eq_ignore_ascii_case(target) => None,
        (Some(name), _) | (None, Some(name)) => plain_host(without_port(name)),
        (None, None) => None,
    }
}

/// Returns whether a request names hosts as RFC 9112 wants it: `Host` once, which only HTTP/1.0 and
/// HTTP/2 may leave out, and with a valid name.
pub(crate) fn names_hosts_validly<B>(request: &Request<B>) -> bool {
    let mut named = request.headers().get_all(HOST).iter();
    let is_valid = |host: &HeaderValue| {
        host.to_str().is_ok_and(|host| plain_host(without_port(host)).is_some())
    };
    match named.next() {
        None => request.version() != Version::HTTP_11,
        Some(host) => named.next().is_none() && is_valid(host),
    }
}

/// Returns a host name in lower case, or `None` if it is invalid. Borrows a name that is in lower
/// case already.
pub(crate) fn plain_host(host: &str) -> Option<Cow<'_, str>> {
    // A final dot only says that the name is complete.
    let host = host.strip_suffix('.').filter(|host| !host.is_empty()).unwrap_or(host);
    let is_plain =
        |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'-' | b':');
    if host.bytes().all(is_plain) {
        return Some(Cow::Borrowed(host));
    }
    let lower = host.to_ascii_lowercase();
    lower.bytes().all(is_plain).then_some(Cow::Owned(lower))
}

/// Returns `shop.example:8080` or `[::1]:8080` without the port.
pub(crate) fn without_port(host: &str) -> &str {
    if let Some(rest) = host.strip_prefix('[') {
        return rest.split(']').next().unwrap_or_default();
    }
    let end = host.bytes().position(|byte| byte == b':').unwrap_or(host.len());
    &host[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&'static str, &'static str)]) -> (bool, bool, String) {
        let mut map = HeaderMap::new();
        for (name, value) in pairs {
            map.append(*name, HeaderValue::from_static(value));
        }
        let headers = Headers::read(&map);
        (headers.prefetch, headers.not_navigation, headers.referrer_host().into_owned())
    }

    #[test]
    fn purposes_of_every_browser_are_a_prefetch() {
        for (name, value) in [
            ("sec-purpose", "prefetch"),
            ("sec-purpose", "prefetch;prerender"),
            ("purpose", "prefetch"),
            ("x-moz", "prefetch"),
            ("x-purpose", "preview"),
        ] {
            assert!(read(&[(name, value)]).0, "{name}: {value}");
        }
        assert!(!read(&[("sec-purpose", "something")]).0);
    }

    #[test]
    fn only_the_value_1_is_the_privacy_signal() {
        let refuses = |value: &'static str| {
            let mut map = HeaderMap::new();
            map.append("sec-gpc", HeaderValue::from_static(value));
            Headers::read(&map).refuses_tracking
        };
        assert!(refuses("1"));
        assert!(!refuses("0") && !refuses("") && !refuses("11") && !refuses("true"));
        assert!(!Headers::read(&HeaderMap::new()).refuses_tracking);
    }

    #[test]
    fn only_opening_a_page_is_a_navigation() {
        assert!(!read(&[("sec-fetch-dest", "document"), ("sec-fetch-mode", "navigate")]).1);
        for dest in ["iframe", "image", "script", "empty"] {
            assert!(read(&[("sec-fetch-dest", dest)]).1, "{dest}");
        }
        assert!(read(&[("sec-fetch-mode", "no-cors")]).1);
        assert!(!read(&[]).1, "old browsers say nothing");
    }

    #[test]
    fn the_visitors_own_connection_counts() {
        let is_https = |name: &'static str, value: &'static str| {
            let mut map = HeaderMap::new();
            map.append(name, HeaderValue::from_static(value));
            Headers::read(&map).forwarded_https
        };
        for value in ["https", "HTTPS", "https, http", " https ,http"] {
            assert!(is_https("x-forwarded-proto", value), "{value}");
        }
        for value in ["proto=https", "for=192.0.2.1;Proto=\"https\";by=x, proto=http"] {
            assert!(is_https("forwarded", value), "{value}");
        }
        for (name, value) in [
            ("x-forwarded-proto", "http, https"),
            ("x-forwarded-proto", "httpsx"),
            ("forwarded", "for=https"),
            ("forwarded", "proto=http, proto=https"),
        ] {
            assert!(!is_https(name, value), "{name}: {value}");
        }
    }

    #[test]
    fn other_cookies_hide_none_of_ours() {
        let of = |pair: &'static [u8]| our_cookie(pair);
        assert_eq!(of(b" ac=abc"), Some(&b"abc"[..]));
        assert_eq!(of(b"__Secure-ac=\"abc\" "), Some(&b"abc"[..]));
        assert_eq!(of(b"ac=\"abc"), Some(&b"\"abc"[..]));
        assert_eq!(of(b"acx=abc"), None);
        assert_eq!(of(b"name=J\xfcrgen"), None);
        assert_eq!(of(b"ac"), None);
    }

    #[test]
    fn a_referrer_is_cut_to_its_host() {
        assert_eq!(read(&[("referer", "https://L.Instagram.com/?u=secret")]).2, "l.instagram.com");
        assert_eq!(read(&[("referer", "android-app://com.app/")]).2, "com.app");
        assert_eq!(read(&[("referer", "nonsense")]).2, "");
        assert_eq!(read(&[("referer", "https://a b/")]).2, "");
    }

    #[test]
    fn a_host_is_named_once_and_consistently() {
        let request = |hosts: &[&'static str], target: &'static str| {
            let mut request = Request::builder().uri(target);
            for host in hosts {
                request = request.header("host", *host);
            }
            let request = request.body(()).unwrap();
            host(&request).map(Cow::into_owned)
        };
        assert_eq!(request(&["go.shop.example:8080"], "/anna").as_deref(), Some("go.shop.example"));
        assert_eq!(request(&["GO.Shop.Example"], "/anna").as_deref(), Some("go.shop.example"));
        assert_eq!(
            request(&["go.shop.example.:8080"], "/anna").as_deref(),
            Some("go.shop.example")
        );
        assert_eq!(request(&["."], "/anna").as_deref(), Some("."));
        assert_eq!(request(&["evil@shop.example"], "/anna"), None);
        assert_eq!(request(&["<b>.shop.example"], "/anna"), None);
        assert_eq!(request(&["[::1]:80"], "/anna").as_deref(), Some("::1"));
        assert_eq!(request(&["a.example", "b.example"], "/anna"), None);
        assert_eq!(request(&["a.example"], "http://b.example/anna"), None);
        assert_eq!(request(&["a.example"], "http://a.example/anna").as_deref(), Some("a.example"));
        assert_eq!(request(&[], "/anna"), None);
    }

    #[test]
    fn hosts_are_named_as_the_protocol_wants_it() {
        let is_valid = |version: Version, hosts: &[&'static str]| {
            let mut request = Request::builder().uri("/anna").version(version);
            for host in hosts {
                request = request.header("host", *host);
            }
            names_hosts_validly(&request.body(()).unwrap())
        };
        for version in [Version::HTTP_10, Version::HTTP_11, Version::HTTP_2] {
            assert!(is_valid(version, &["go.shop.example:8080"]), "{version:?}");
            assert!(is_valid(version, &["GO.Shop.Example."]), "{version:?}");
            assert!(is_valid(version, &["[::1]:80"]) && is_valid(version, &["nobody.example"]));
            assert!(!is_valid(version, &["a.example", "b.example"]), "{version:?}");
            assert!(!is_valid(version, &["a.example", "a.example"]), "{version:?}");
            assert!(!is_valid(version, &["evil@shop.example"]), "{version:?}");
            assert_eq!(is_valid(version, &[]), version != Version::HTTP_11, "{version:?}");
        }
    }
}
