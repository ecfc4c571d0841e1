//! The quick path: plain requests to links, answered from the bytes that arrived.
//!
//! Nearly every request is `GET /{slug}` over HTTP/1.1 on a connection that stays open. Such
//! requests are read with the same parser that hyper uses, and their answers are written in one
//! piece: no map of headers, no future, no allocation.
//!
//! Any other request (another method, another version, a body, a path of our own, an unusual byte)
//! goes to hyper, with everything that is not answered yet, and the connection stays with hyper.
//! This file must never refuse a request: only hyper decides about unusual ones. A query that hyper
//! would refuse, though people write such links, is spelled anew first.

use std::future::poll_fn;
use std::mem::MaybeUninit;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use httparse::Status;
use hyper::body::Body;
use tokio::time::{Instant, sleep_until};

use crate::answer::{self, Answer};
use crate::context::WorkerContext;
use crate::encrypted::{self, Encrypted};
use crate::redirect::{self, LinkRequest, Reply};
use crate::request::Headers;
use crate::stream::{GatedStream, Step};
use crate::visitor::Peer;

/// Headers that a plain request may have; browsers send about twenty.
const HEADERS_MAX: usize = 48;

const FOUND: &[u8] = b"HTTP/1.1 302 Found\r\nlocation: ";
const AFTER_LOCATION: &[u8] =
    b"\r\ncache-control: private, no-store\r\nreferrer-policy: strict-origin-when-cross-origin\r\n\
    x-robots-tag: noindex\r\ncontent-length: 0\r\ndate: ";

/// What the bytes that arrived begin with.
#[expect(
    clippy::large_enum_variant,
    reason = "it lives for one call, and a box would cost every redirect an allocation"
)]
pub(crate) enum Front<'a> {
    /// A plain request to a link, and its length.
    Plain(LinkRequest<'a>, usize),
    /// Only the beginning of a request.
    Partial,
    /// Anything else.
    Other,
}

/// Serves a connection as long as its requests are plain. Returns the connection if hyper must
/// continue with it, and `None` if it is closed. `is_draining` returns whether the server is
/// stopping.
pub(crate) async fn serve(
    worker: &WorkerContext,
    mut stream: GatedStream,
    encrypted: Option<&Encrypted>,
    head_timeout: Duration,
    is_draining: impl Fn(&Context<'_>) -> bool,
) -> Option<GatedStream> {
    let mut deadline = pin!(sleep_until(Instant::now() + head_timeout));
    // Whether anything was answered since the deadline was set. This is cheaper than reading the
    // clock each time.
    let mut was_busy = false;
    let peer = Peer::of(&stream, &worker.trusted_proxies);
    let is_for_hyper = poll_fn(|context| {
        loop {
            if ready!(stream.poll_room(context)).is_err() {
                return Poll::Ready(false);
            }
            if is_draining(context) {
                // Hyper answers a request that has begun, announces that it is the last, and
                // closes.
                return Poll::Ready(stream.has_unread());
            }
            let from = (peer, encrypted);
            let answered =
                stream.poll_answer(context, |bytes, out| answer_all(worker, from, bytes, out));
            match answered {
                Poll::Ready(Ok(Step::Answered)) => was_busy = true,
                // SECURITY: an incomplete request must not extend the deadline. Otherwise a peer
                // could hold a connection open by sending one byte from time to time.
                Poll::Ready(Ok(Step::Partial)) => {}
                Poll::Ready(Ok(Step::HandOn)) => return Poll::Ready(true),
                Poll::Ready(Ok(Step::Ended) | Err(_)) => return Poll::Ready(false),
                Poll::Pending => {
                    ready!(deadline.as_mut().poll(context));
                    if !std::mem::take(&mut was_busy) {
                        return Poll::Ready(false);
                    }
                    deadline.as_mut().reset(Instant::now() + head_timeout);
                }
            }
        }
    })
    .await;
    if is_for_hyper {
        stream.respell(respelled);
        return Some(stream);
    }
    // Send all answers before the connection is closed.
    _ = poll_fn(|context| stream.poll_end(context)).await;
    None
}

/// Answers every complete request. Returns how many bytes these requests had.
fn answer_all(
    worker: &WorkerContext,
    (peer, encrypted): (Peer, Option<&Encrypted>),
    bytes: &[u8],
    out: &mut Vec<u8>,
) -> (usize, Step) {
    let mut done = 0;
    while let Some(left @ [_, ..]) = bytes.get(done..) {
        match front(left) {
            Front::Plain(mut request, length) => {
                answer_one(worker, (peer, encrypted), &mut request, out);
                done += length;
            }
            Front::Partial => break,
            Front::Other => {
                let head = head_of(left);
                let Some(spelled) = respelled(head) else { return (done, Step::HandOn) };
                match front(&spelled) {
                    Front::Plain(mut request, length) => {
                        answer_one(worker, (peer, encrypted), &mut request, out);
                        done += length - (spelled.len() - head.len());
                    }
                    Front::Partial => break,
                    Front::Other => return (done, Step::HandOn),
                }
            }
        }
    }
    (done, Step::Answered)
}

#[inline]
fn answer_one(
    worker: &WorkerContext,
    (peer, encrypted): (Peer, Option<&Encrypted>),
    request: &mut LinkRequest<'_>,
    out: &mut Vec<u8>,
) {
    request.headers.over_tls = encrypted.is_some();
    request.https = worker.is_https(&request.headers);
    request.block = peer.visitor(&request.headers, &worker.trusted_proxies);
    if encrypted.is_some_and(|encrypted| !encrypted.is_for(request.host)) {
        worker.read_clock();
        put_answer(worker, answer::misconnected(), false, out);
    } else {
        let is_pinned =
            encrypted.is_some() && encrypted::may_pin(&worker.snapshot.load(), request.host);
        redirect::follow(worker, request, |reply| put(worker, &reply, is_pinned, out));
    }
}

/// Returns what bytes begin with.
pub(crate) fn front(bytes: &[u8]) -> Front<'_> {
    let mut headers = [const { MaybeUninit::uninit() }; HEADERS_MAX];
    let mut request = httparse::Request::new(&mut []);
    let length = match request.parse_with_uninit_headers(bytes, &mut headers) {
        Ok(Status::Complete(length)) => length,
        Ok(Status::Partial) => return Front::Partial,
        Err(_) => return Front::Other,
    };
    link_request(&request).map_or(Front::Other, |request| Front::Plain(request, length))
}

/// Returns the head of the first request, with the empty line, or all bytes if it has not ended.
fn head_of(bytes: &[u8]) -> &[u8] {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n");
    end.map_or(bytes, |end| &bytes[..end + 4])
}

/// Returns the bytes with the first request's query percent-encoded where a client left out what
/// hyper demands: quotes, angle brackets, and bytes above ASCII in any encoding. `None` where there
/// is nothing to do. Only a link's query is touched: what is signed stays as it came.
fn respelled(bytes: &[u8]) -> Option<Vec<u8>> {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let needs_spelling = |byte: u8| !byte.is_ascii() || matches!(byte, b'"' | b'<' | b'>');
    let line = bytes.split(|byte| *byte == b'\n').next()?;
    let mut words = line.split(|byte| *byte == b' ');
    let (method, target, _version) = (words.next()?, words.next()?, words.next()?);
    if !matches!(method, b"GET" | b"HEAD") || target.starts_with(b"/_ac/") {
        return None;
    }
    let query = target.iter().position(|byte| *byte == b'?')?;
    if !target[query..].iter().copied().any(needs_spelling) {
        return None;
    }
    let begins = method.len() + 1 + query;
    let ends = method.len() + 1 + target.len();
    let mut spelled = bytes[..begins].to_vec();
    for &byte in &bytes[begins..ends] {
        if needs_spelling(byte) {
            let digit = |half: u8| DIGITS[usize::from(half)];
            spelled.extend([b'%', digit(byte >> 4), digit(byte & 15)]);
        } else {
            spelled.push(byte);
        }
    }
    spelled.extend_from_slice(&bytes[ends..]);
    Some(spelled)
}

/// Returns the request to a link, or `None` if it is not a plain one.
fn link_request<'a>(request: &httparse::Request<'_, 'a>) -> Option<LinkRequest<'a>> {
    let (Some("GET"), Some(1), Some(path)) = (request.method, request.version, request.path) else {
        return None;
    };
    let path = path.strip_prefix('/')?;
    let (slug, query) = match path.bytes().position(|byte| byte == b'?') {
        Some(end) => (&path[..end], &path[end + 1..]),
        None => (path, ""),
    };
    if !is_plain_slug(slug) || !query.bytes().all(is_plain_query_byte) {
        return None;
    }
    let (mut headers, mut named) = (Headers::default(), None);
    for header in &*request.headers {
        let name = header.name.as_bytes();
        let is = |known: &[u8]| name.eq_ignore_ascii_case(known);
        match (name.len(), name.last().map_or(0, |last| last | 0x20)) {
            (4, b't') if is(b"host") => {
                if named.replace(header.value).is_some() {
                    return None;
                }
            }
            (10, b'n') if is(b"connection") => {
                if !header.value.eq_ignore_ascii_case(b"keep-alive") {
                    return None;
                }
            }
            (6, b't') if is(b"expect") => return None,
            (7, b'e') if is(b"upgrade") => return None,
            (14, b'h') if is(b"content-length") => return None,
            (17, b'g') if is(b"transfer-encoding") => return None,
            _ => headers.take(name, header.value),
        }
    }
    let host = plain_host_name(named?)?;
    Some(LinkRequest {
        host,
        slug,
        rest: "",
        query,
        headers,
        head: false,
        https: false,
        block: None,
    })
}

/// Returns the host without its port. Returns `None` unless the host is in the form in which hosts
/// are looked up: in lower case, and a name or an IPv4 address.
fn plain_host_name(named: &[u8]) -> Option<&str> {
    let is_plain = |byte: &u8| {
        byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'-')
    };
    let end = named.iter().position(|byte| !is_plain(byte)).unwrap_or(named.len());
    let is_port = |rest: &[u8]| {
        rest.is_empty() || rest[0] == b':' && rest[1..].iter().all(u8::is_ascii_digit)
    };
    if is_port(&named[end..]) && !named[..end].ends_with(b".") {
        str::from_utf8(&named[..end]).ok()
    } else {
        None
    }
}

/// Returns whether a name has nothing to decode and is not a path of our own.
fn is_plain_slug(slug: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    !slug.is_empty() && slug.bytes().all(is_plain)
}

const fn is_plain_query_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'-' | b'.'
                | b'_'
                | b'~'
                | b'%'
                | b'='
                | b'&'
                | b'+'
                | b'*'
                | b','
                | b':'
                | b';'
                | b'/'
                | b'!'
        )
}

fn put(worker: &WorkerContext, reply: &Reply<'_>, is_pinned: bool, out: &mut Vec<u8>) {
    match reply {
        Reply::Redirect(redirect) => {
            out.extend_from_slice(FOUND);
            redirect.put_location(out);
            if redirect.has_cookie() {
                out.extend_from_slice(b"\r\nset-cookie: ");
                redirect.put_cookie(out);
            }
            put_pin(is_pinned, out);
            out.extend_from_slice(AFTER_LOCATION);
            worker.put_date(out);
            out.extend_from_slice(b"\r\n\r\n");
        }
        Reply::Fallback(fallback) => {
            put_answer(worker, answer::redirect_to(fallback), is_pinned, out);
        }
        Reply::NotFound => put_answer(worker, answer::not_found(), is_pinned, out),
        Reply::Misdirected => put_answer(worker, answer::misdirected(), is_pinned, out),
        Reply::Refused => put_answer(worker, answer::prefetch_refused(), is_pinned, out),
    }
}

fn put_pin(is_pinned: bool, out: &mut Vec<u8>) {
    if is_pinned {
        out.extend_from_slice(b"\r\nstrict-transport-security: ");
        out.extend_from_slice(answer::PINNED.as_bytes());
    }
}

/// Writes one of the answers that are too rare for code of their own.
fn put_answer(worker: &WorkerContext, answer: Answer, is_pinned: bool, out: &mut Vec<u8>) {
    let (head, mut body) = answer.into_parts();
    out.extend_from_slice(b"HTTP/1.1 ");
    out.extend_from_slice(head.status.as_str().as_bytes());
    out.extend_from_slice(b" ");
    out.extend_from_slice(head.status.canonical_reason().unwrap_or_default().as_bytes());
    for (name, value) in &head.headers {
        out.extend_from_slice(b"\r\n");
        out.extend_from_slice(name.as_str().as_bytes());
        out.extend_from_slice(b": ");
        out.extend_from_slice(value.as_bytes());
    }
    put_pin(is_pinned, out);
    // All our bodies are complete in memory.
    let frame = Pin::new(&mut body).poll_frame(&mut Context::from_waker(Waker::noop()));
    let data = match frame {
        Poll::Ready(Some(Ok(frame))) => frame.into_data().unwrap_or_default(),
        _ => bytes::Bytes::new(),
    };
    out.extend_from_slice(format!("\r\ncontent-length: {}\r\ndate: ", data.len()).as_bytes());
    worker.put_date(out);
    out.extend_from_slice(b"\r\n\r\n");
    out.extend_from_slice(&data);
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: &str = "GET /anna?s=1 HTTP/1.1\r\nHost: go.shop.example:8080\r\nUser-Agent: x\r\nConnection: Keep-Alive\r\n\r\n";

    #[test]
    fn a_plain_request_is_read_whole() {
        let two = format!("{PLAIN}{PLAIN}");
        let Front::Plain(request, length) = front(two.as_bytes()) else { panic!("it is plain") };
        assert_eq!((request.host, request.slug, request.query), ("go.shop.example", "anna", "s=1"));
        assert_eq!((request.headers.user_agent, length), (&b"x"[..], PLAIN.len()));
    }

    #[test]
    fn every_cut_of_a_plain_request_waits_for_the_rest() {
        for cut in 1..PLAIN.len() {
            assert!(matches!(front(&PLAIN.as_bytes()[..cut]), Front::Partial), "{cut}");
        }
    }

    #[test]
    fn whatever_is_unusual_is_handed_on() {
        for (from, to) in [
            ("GET", "HEAD"),
            ("GET", "POST"),
            ("GET", "get"),
            ("HTTP/1.1", "HTTP/1.0"),
            ("HTTP/1.1", "HTTP/2.0"),
            ("/anna", "/"),
            ("/anna", "/_ac/px.js"),
            ("/anna", "/anna+"),
            ("/anna", "/anna.qr"),
            ("/anna", "/robots.txt"),
            ("/anna", "/an%6Ea"),
            ("/anna", "http://go.shop.example/anna"),
            ("?s=1", "?s=\""),
            ("?s=1", "?s=\u{e9}"),
            ("Host:", "Hos:"),
            ("go.shop.example:8080", "GO.shop.example"),
            ("go.shop.example:8080", "go.shop.example."),
            ("go.shop.example:8080", "a@go.shop.example"),
            ("User-Agent: x", "Host: other.example"),
            ("User-Agent: x", "Content-Length: 0"),
            ("User-Agent: x", "Content-Length: 5"),
            ("User-Agent: x", "Transfer-Encoding: chunked"),
            ("User-Agent: x", "Expect: 100-continue"),
            ("User-Agent: x", "Upgrade: h2c"),
            ("Keep-Alive", "close"),
            ("Keep-Alive", "keep-alive, Upgrade"),
            ("User-Agent: x", "User Agent: x"),
            ("User-Agent: x", "User-Agent : x"),
            ("User-Agent: x", "User-Agent: \u{1}"),
        ] {
            let request = PLAIN.replace(from, to);
            assert_ne!(request, PLAIN);
            assert!(matches!(front(request.as_bytes()), Front::Other), "{request}");
        }
        let many = "X-A: b\r\n".repeat(HEADERS_MAX);
        assert!(matches!(
            front(PLAIN.replace("User-Agent", &format!("{many}User-Agent")).as_bytes()),
            Front::Other
        ));
    }

    #[test]
    fn a_query_that_hyper_would_refuse_is_spelled_anew() {
        let of = |line: &[u8]| {
            let bytes =
                [line, b" HTTP/1.1\r\nHost: go.shop.example\r\nX: \"\xe9\r\n\r\nGET /x"].concat();
            let spelled = respelled(&bytes)?;
            let end = spelled.windows(5).position(|five| five == b" HTTP")?;
            let grown = spelled.len() - bytes.len();
            assert_eq!(spelled[end..], bytes[end - grown..], "the rest stays as it came");
            Some(String::from_utf8(spelled[..end].to_vec()).unwrap())
        };
        for (given, spelled) in [
            (&b"GET /anna?utm_x=\"a\""[..], "GET /anna?utm_x=%22a%22"),
            (b"GET /anna?utm_x=J\xfcrgen", "GET /anna?utm_x=J%FCrgen"),
            ("GET /anna?utm_x=é".as_bytes(), "GET /anna?utm_x=%C3%A9"),
            (b"HEAD /anna/?a=<b>&c=%22|", "HEAD /anna/?a=%3Cb%3E&c=%22|"),
        ] {
            assert_eq!(of(given).as_deref(), Some(spelled));
        }
        for given in [
            &b"GET /anna?utm_x=%22"[..],
            b"GET /anna\"",
            b"GET /_ac/pb/key?a=\"",
            b"POST /anna?a=\"",
            b"GET  /anna?a=\"",
        ] {
            assert_eq!(of(given), None, "{given:?}");
        }
        assert_eq!(respelled(b"GET /anna?a=\""), None, "the line may go on");
        let quoted = PLAIN.replace("?s=1", "?s=\"");
        let spelled = respelled(quoted.as_bytes()).unwrap();
        assert!(matches!(front(&spelled), Front::Plain(LinkRequest { query: "s=%22", .. }, _)));
    }
}
