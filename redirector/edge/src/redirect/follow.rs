//! The effects around the decision: takes the time and random bits, records the click, counts and
//! answers. Never decides anything itself.

use hyper::Request;
use live::lenient;
use rand::RngExt;
use shared::id::ClickId;

use crate::answer::{self, Answer};
use crate::context::WorkerContext;
use crate::flood::Clicker;
use crate::redirect::decide::{LinkRequest, Reply, decide};
use crate::request::{self, Headers};
use crate::visitor::Peer;

/// Decides a request to a link, records the click, and answers.
pub(crate) fn follow<R>(
    worker: &WorkerContext,
    request: &LinkRequest<'_>,
    answer: impl FnOnce(Reply<'_>) -> R,
) -> R {
    let now = worker.read_clock();
    let snapshot = worker.snapshot.load();
    let id = ClickId::from_bytes(worker.random.borrow_mut().random::<u128>().to_le_bytes());
    let judge = |user_agent: &[u8]| worker.agents.judge(user_agent);
    let is_flood = |clicker: &Clicker| worker.flood.borrow_mut().is_flood(clicker, now);
    let decision = decide(&snapshot, request, judge, is_flood, now, id);
    match (decision.click(), &decision.reply) {
        (Some(click), _) => worker.gate.record(&click),
        (None, Reply::NotFound) => worker.counters.not_found(),
        (None, _) => {}
    }
    answer(decision.reply)
}

/// Answers a request that hyper has read.
pub(crate) fn answer<B>(
    worker: &WorkerContext,
    request: &Request<B>,
    slug: &str,
    head: bool,
) -> Answer {
    let Some(host) = request::host(request) else { return answer::misdirected() };
    let headers = Headers::of(request);
    let query = request.uri().query().unwrap_or_default();
    let https = worker.is_https(&headers);
    let peer = request.extensions().get::<Peer>();
    let block = peer.and_then(|peer| peer.visitor(&headers, &worker.trusted_proxies));
    let exact = LinkRequest { host: &host, slug, rest: "", query, headers, head, https, block };
    let meant = lenient::meant(slug, query).filter(|_| !is_known(worker, &host, slug));
    let request = match (&meant, slug.split_once('/')) {
        (Some(meant), _) => LinkRequest { slug: &meant.slug, query: &meant.query, ..exact },
        // A slug has no `/`, so this path means no other link.
        (None, Some((slug, rest))) => LinkRequest { slug, rest, ..exact },
        (None, None) => exact,
    };
    follow(worker, &request, |reply| match reply {
        Reply::Redirect(redirect) => redirect.answer(&mut worker.header_bytes.borrow_mut()),
        Reply::Fallback(fallback) => answer::redirect_to(fallback),
        Reply::NotFound => answer::not_found(),
        Reply::Misdirected => answer::misdirected(),
        Reply::Refused => answer::prefetch_refused(),
    })
}

/// Returns whether a host has this slug, exactly as it is spelled.
fn is_known(worker: &WorkerContext, host: &str, slug: &str) -> bool {
    let snapshot = worker.snapshot.load();
    snapshot.scope_of(host).is_some_and(|scope| snapshot.link(scope, slug).is_some())
}
