//! Which handler answers which path: the only list of public paths.

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::{Body, Incoming};
use hyper::{Method, Request, StatusCode};
use tokio::time::timeout;

use crate::edge::answer::{self, Answer};
use crate::edge::core::Core;
use crate::edge::{collect, image, pages, redirect, request, webhook};
use crate::hooks::{self, postback::Dialect};

/// How long a body may take to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// An answer that is there, or one that waits for a body or for the disk. Redirects are there.
pub(crate) enum Answering {
    Now(Option<Answer>),
    Later(Pin<Box<dyn Future<Output = Answer>>>),
}

impl Future for Answering {
    type Output = Answer;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Answer> {
        match self.get_mut() {
            Self::Now(answer) => answer.take().map_or(Poll::Pending, Poll::Ready),
            Self::Later(answer) => answer.as_mut().poll(context),
        }
    }
}

impl From<Answer> for Answering {
    fn from(answer: Answer) -> Self {
        Self::Now(Some(answer))
    }
}

/// Answers a request on the public listener.
pub(crate) fn answer(core: &Rc<Core>, request: Request<Incoming>) -> Answering {
    let path = request.uri().path();
    if let Some(rest) = path.strip_prefix("/_ac/") {
        return own_path(core, rest.to_owned(), request);
    }
    let head = match *request.method() {
        Method::GET => false,
        Method::HEAD => true,
        _ => return answer::method_not_allowed("GET, HEAD").into(),
    };
    match path {
        "/robots.txt" => pages::robots().into(),
        "/.well-known/security.txt" => pages::security(core).into(),
        _ => match path.strip_prefix('/') {
            Some(name) => slug_path(core, &request, name, head),
            // `GET host:80`: a target that is no path.
            None => answer::not_found().into(),
        },
    }
}

/// `/{slug}`, `/{slug}+` and `/{slug}.qr`.
fn slug_path<B>(core: &Rc<Core>, request: &Request<B>, name: &str, head: bool) -> Answering {
    if let Some(slug) = name.strip_suffix('+') {
        let scope = request::host(request).and_then(|host| core.snapshot.load().scope_of(&host));
        let Some(scope) = scope else { return answer::misdirected().into() };
        later(pages::preview(Rc::clone(core), scope, slug.to_owned()))
    } else if let Some(slug) = name.strip_suffix(".qr") {
        pages::qr(core, request, slug).into()
    } else {
        redirect::answer(core, request, name, head).into()
    }
}

/// Paths under `/_ac/`.
fn own_path(core: &Rc<Core>, path: String, request: Request<Incoming>) -> Answering {
    let method = request.method().clone();
    let get = matches!(method, Method::GET | Method::HEAD);
    match path.as_str() {
        "e" => match method {
            Method::POST => later(collect::events(Rc::clone(core), request)),
            Method::OPTIONS => collect::preflight(core, &request).into(),
            _ => answer::method_not_allowed("POST, OPTIONS").into(),
        },
        "e.gif" => match method {
            Method::GET => later(image::event(Rc::clone(core), request)),
            _ => answer::method_not_allowed("GET").into(),
        },
        "robots.txt" if get => pages::robots().into(),
        name if name.starts_with("px") => {
            if get { pages::pixel(&request, name) } else { answer::method_not_allowed("GET, HEAD") }
                .into()
        }
        name if name.starts_with("pb/") => match method {
            Method::GET | Method::POST => postback(core, &name["pb/".len()..], request),
            _ => answer::method_not_allowed("GET, POST").into(),
        },
        name if name.starts_with("orders/") => match method {
            Method::POST => {
                let key = name["orders/".len()..].to_owned();
                later(webhook::receive_orders(Rc::clone(core), key, request))
            }
            _ => answer::method_not_allowed("POST").into(),
        },
        _ => match path.strip_prefix("hooks/").and_then(|rest| rest.split_once('/')) {
            Some((platform, key)) => hook(core, platform, key, request),
            None => answer::not_found().into(),
        },
    }
}

fn hook(
    core: &Rc<Core>,
    platform: &str,
    merchant_key: &str,
    request: Request<Incoming>,
) -> Answering {
    let Some(platform) = hooks::platform(platform) else { return answer::not_found().into() };
    if request.method() != Method::POST {
        return answer::method_not_allowed("POST").into();
    }
    later(webhook::receive(Rc::clone(core), platform, merchant_key.to_owned(), request))
}

/// `pb/{merchant key}` in our own form, `pb/{dialect}/{merchant key}` in a network's.
fn postback(core: &Rc<Core>, path: &str, request: Request<Incoming>) -> Answering {
    let (dialect, key) = match path.split_once('/') {
        None => (Some(Dialect::Own), path),
        Some((dialect, key)) => (Dialect::of_path(dialect), key),
    };
    let Some(dialect) = dialect else { return answer::not_found().into() };
    later(webhook::receive_postback(Rc::clone(core), dialect, key.to_owned(), request))
}

fn later(answer: impl Future<Output = Answer> + 'static) -> Answering {
    Answering::Later(Box::pin(answer))
}

/// Reads a body of at most `bytes_max`.
///
/// # Errors
/// The answer to give: too large, too slow, or broken off.
pub(crate) async fn read_body(body: Incoming, bytes_max: usize) -> Result<Bytes, Answer> {
    let too_large = || {
        answer::text(StatusCode::PAYLOAD_TOO_LARGE, format!("body: more than {bytes_max} bytes\n"))
    };
    if body.size_hint().lower() > bytes_max as u64 {
        return Err(too_large());
    }
    let collected = timeout(BODY_TIMEOUT, Limited::new(body, bytes_max).collect()).await;
    match collected {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large()),
        Ok(Err(_)) => Err(answer::text(StatusCode::BAD_REQUEST, "body: broken off\n")),
        Err(_) => Err(answer::text(StatusCode::REQUEST_TIMEOUT, "body: took too long\n")),
    }
}
