//! Which handler answers which path: the only list of public paths.

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use hyper::body::Incoming;
use hyper::{Method, Request};
use shops::postback::Dialect;

use crate::answer::{self, Answer};
use crate::context::WorkerContext;
use crate::webhook::Listed;
use crate::{collect, image, pages, qr, redirect, request, webhook};

/// An answer that is ready, or one that waits for a body or for the disk. Redirects are always
/// ready.
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

/// Returns whether pages' scripts see the answers of a path: pixel, collector and image.
pub(crate) fn is_for_scripts(path: &str) -> bool {
    let own = path.strip_prefix("/_ac/").unwrap_or_default();
    matches!(own, "e" | "e.gif" | "e.png") || own.starts_with("px")
}

/// Answers a request on the public listener.
pub(crate) fn answer(worker: &Rc<WorkerContext>, request: Request<Incoming>) -> Answering {
    let path = request.uri().path();
    if let Some(rest) = path.strip_prefix("/_ac/") {
        return own_path(worker, rest.to_owned(), request);
    }
    let head = match *request.method() {
        Method::GET => false,
        Method::HEAD => true,
        _ => return answer::method_not_allowed("GET, HEAD").into(),
    };
    match path {
        "/robots.txt" => pages::robots().into(),
        "/.well-known/security.txt" => pages::security(worker).into(),
        _ => match path.strip_prefix('/') {
            Some(name) => slug_path(worker, &request, name, head),
            // `GET host:80`: the target is not a path.
            None => answer::not_found().into(),
        },
    }
}

/// `/{slug}`, `/{slug}/rest/of/path`, `/{slug}+`, `/{slug}.qr` and `/{slug}.qr.png`.
fn slug_path<B>(
    worker: &Rc<WorkerContext>,
    request: &Request<B>,
    name: &str,
    head: bool,
) -> Answering {
    if let Some(slug) = name.strip_suffix('+') {
        let scope = request::host(request).and_then(|host| worker.snapshot.load().scope_of(&host));
        let Some(scope) = scope else { return answer::misdirected().into() };
        later(pages::preview(Rc::clone(worker), scope, slug.to_owned()))
    } else if let Some(slug) = name.strip_suffix(".qr") {
        qr::svg(worker, request, slug).into()
    } else if let Some(slug) = name.strip_suffix(".qr.png") {
        qr::png(worker, request, slug).into()
    } else {
        redirect::answer(worker, request, name, head).into()
    }
}

/// Paths under `/_ac/`.
fn own_path(worker: &Rc<WorkerContext>, path: String, request: Request<Incoming>) -> Answering {
    let method = request.method().clone();
    let get = matches!(method, Method::GET | Method::HEAD);
    match path.as_str() {
        "e" => match method {
            Method::POST => later(collect::events(Rc::clone(worker), request)),
            Method::OPTIONS => collect::preflight(worker, &request).into(),
            _ => answer::method_not_allowed("POST, OPTIONS").into(),
        },
        // The first name is on a list of blockers.
        "e.gif" | "e.png" => match method {
            Method::GET => later(image::event(Rc::clone(worker), request)),
            Method::HEAD => image::head().into(),
            _ => answer::method_not_allowed("GET, HEAD").into(),
        },
        "robots.txt" if get => pages::robots().into(),
        name if name.starts_with("px") => {
            if get { pages::pixel(&request, name) } else { answer::method_not_allowed("GET, HEAD") }
                .into()
        }
        name if name.starts_with("pb/") => match method {
            Method::GET | Method::POST => postback(worker, &name["pb/".len()..], request),
            _ => answer::method_not_allowed("GET, POST").into(),
        },
        _ => match path.split_once('/') {
            Some(("orders", key)) => server_api(worker, Listed::Orders, key, request),
            Some(("leads", key)) => server_api(worker, Listed::Leads, key, request),
            Some(("hooks", rest)) => match rest.split_once('/') {
                Some((platform, key)) => hook(worker, platform, key, request),
                None => answer::not_found().into(),
            },
            _ => answer::not_found().into(),
        },
    }
}

/// `orders/{merchant key}` and `leads/{merchant key}`.
fn server_api(
    worker: &Rc<WorkerContext>,
    listed: Listed,
    merchant_key: &str,
    request: Request<Incoming>,
) -> Answering {
    if request.method() != Method::POST {
        return answer::method_not_allowed("POST").into();
    }
    later(webhook::receive_listed(Rc::clone(worker), listed, merchant_key.to_owned(), request))
}

fn hook(
    worker: &Rc<WorkerContext>,
    platform: &str,
    merchant_key: &str,
    request: Request<Incoming>,
) -> Answering {
    let Some(platform) = shops::platform(platform) else { return answer::not_found().into() };
    if request.method() != Method::POST {
        return answer::method_not_allowed("POST").into();
    }
    later(webhook::receive(Rc::clone(worker), platform, merchant_key.to_owned(), request))
}

/// `pb/{merchant key}` in our own form, `pb/{dialect}/{merchant key}` in a network's.
fn postback(worker: &Rc<WorkerContext>, path: &str, request: Request<Incoming>) -> Answering {
    let (dialect, key) = match path.split_once('/') {
        None => (Some(Dialect::Own), path),
        Some((dialect, key)) => (Dialect::of_path(dialect), key),
    };
    let Some(dialect) = dialect else { return answer::not_found().into() };
    later(webhook::receive_postback(Rc::clone(worker), dialect, key.to_owned(), request))
}

fn later(answer: impl Future<Output = Answer> + 'static) -> Answering {
    Answering::Later(Box::pin(answer))
}
