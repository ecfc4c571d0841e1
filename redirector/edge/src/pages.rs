//! Small pages and files: where a link leads, robots.txt, security.txt, the pixel's files.

use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use hyper::header::{
    ACCEPT_ENCODING, ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL, CONTENT_ENCODING, HeaderName,
    HeaderValue, VARY,
};
use hyper::{Request, StatusCode};
use live::clock;
use shared::catalog::Catalog;
use shared::links::Scope;
use shared::time::Span;
use tokio::time::sleep;

use crate::answer::{self, Answer};
use crate::context::WorkerContext;

/// The pixel's files with their pre-compressed forms, by name.
const PIXEL: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/pixel_files.rs"));

/// How long to wait before the next try to read a catalog that is being changed.
const CATALOG_PAUSE: Duration = Duration::from_millis(1);

/// `GET /{slug}+`: where the link leads and for whom. No redirect, no click.
pub(crate) async fn preview(worker: Rc<WorkerContext>, scope: Scope, slug: String) -> Answer {
    loop {
        // Never block on a catalog that is being changed: this thread must answer redirects
        // meanwhile.
        match worker.live.try_read() {
            Some(catalog) => return preview_page(&catalog, scope, &slug),
            None => sleep(CATALOG_PAUSE).await,
        }
    }
}

fn preview_page(catalog: &Catalog, scope: Scope, slug: &str) -> Answer {
    let Some(link) = catalog.links.by_slug(scope, slug) else { return answer::not_found() };
    let influencer = catalog
        .influencers
        .get(&link.influencer())
        .map_or("", |influencer| influencer.name.as_str());
    let merchant = catalog
        .campaign_and_merchant(link.campaign())
        .map_or("", |(_, merchant)| merchant.name.as_str());
    let more: String = link
        .rules()
        .iter()
        .flat_map(|rules| rules.destinations())
        .map(|destination| {
            format!("<p>or, for some visitors, to<br><code>{}</code></p>", escape(destination))
        })
        .collect();
    let text = format!(
        "<p>A recommendation by <b>{}</b> for <b>{}</b>. It is a paid link: {} may earn a commission.</p>\
         <p>It leads to<br><code>{}</code></p>{more}",
        escape(influencer),
        escape(merchant),
        escape(influencer),
        escape(link.destination()),
    );
    answer::page("Where this link leads", &text)
}

/// `GET /robots.txt`: crawlers may read nothing.
pub(crate) fn robots() -> Answer {
    answer::text(StatusCode::OK, "User-agent: *\nDisallow: /\n")
}

/// `GET /.well-known/security.txt` (RFC 9116), where a contact is configured.
pub(crate) fn security(worker: &WorkerContext) -> Answer {
    let Some(contact) = &worker.security_contact else { return answer::not_found() };
    let expires = clock::now().plus(Span::days(180));
    answer::text(
        StatusCode::OK,
        format!("Contact: {contact}\nExpires: {expires}\nPreferred-Languages: en\n"),
    )
}

/// `GET /_ac/px.js`, `/_ac/px-<hash>.wasm` and the pixel's other files, in the best compression
/// that the browser accepts.
pub(crate) fn pixel<B>(request: &Request<B>, name: &str) -> Answer {
    let accepted = request
        .headers()
        .get(ACCEPT_ENCODING)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    // The compressed forms are no files of their own: they go out under the name of what they hold.
    if !name.ends_with(".js") && !name.ends_with(".wasm") {
        return answer::not_found();
    }
    let codings = [("br", ".br"), ("gzip", ".gz"), ("", "")];
    let forms =
        codings.into_iter().filter(|(coding, _)| coding.is_empty() || accepts(accepted, coding));
    let found = forms.into_iter().find_map(|(coding, suffix)| Some((coding, file(name, suffix)?)));
    let Some((coding, body)) = found else {
        let missing = PIXEL.is_empty() && name == "px.js";
        return if missing { built_without_pixel() } else { answer::not_found() };
    };
    let content_type =
        if name.ends_with(".wasm") { "application/wasm" } else { "text/javascript; charset=utf-8" };
    // People write the names of some files into pages, so browsers must ask for these again. Files
    // that are named by their hash never change.
    let has_fixed_name = matches!(name, "px.js" | "px-shopify.js");
    let caching =
        if has_fixed_name { "public, max-age=300" } else { "public, max-age=31536000, immutable" };
    let mut answer = answer::with_body(Bytes::from_static(body), content_type);
    let headers = answer.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static(caching));
    headers.insert(VARY, HeaderValue::from_static("accept-encoding"));
    // The script runs on the shop's origin and fetches the core from ours.
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    let policy = HeaderName::from_static("cross-origin-resource-policy");
    headers.insert(policy, HeaderValue::from_static("cross-origin"));
    if !coding.is_empty() {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static(coding));
    }
    answer
}

/// Returns whether an `Accept-Encoding` header accepts a coding by its name, in any case and with a
/// weight above zero (RFC 9110, 12.5.3).
fn accepts(accepted: &str, coding: &str) -> bool {
    accepted.split(',').any(|item| {
        let mut parts = item.split(';').map(str::trim);
        let is_named = parts.next().is_some_and(|name| name.eq_ignore_ascii_case(coding));
        let weight = parts.find_map(|part| {
            let (name, value) = part.split_once('=')?;
            name.trim().eq_ignore_ascii_case("q").then(|| value.trim().parse::<f32>())
        });
        is_named && weight.is_none_or(|weight| weight.is_ok_and(|weight| weight > 0.0))
    })
}

fn file(name: &str, suffix: &str) -> Option<&'static [u8]> {
    let wanted = |entry: &str| entry.strip_suffix(suffix) == Some(name);
    PIXEL.iter().find(|(entry, _)| wanted(entry)).map(|(_, bytes)| *bytes)
}

fn built_without_pixel() -> Answer {
    answer::text(
        StatusCode::SERVICE_UNAVAILABLE,
        "this afterclick was built without the pixel: run `cargo xtask pixel`, then build again\n",
    )
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_coding_is_accepted_in_any_case_unless_its_weight_is_zero() {
        for accepted in ["br", "BR", "gzip, br", "br ; q=0.5", "br;Q=1", "gzip;q=0,br;q=0.001"] {
            assert!(accepts(accepted, "br"), "{accepted}");
        }
        for accepted in ["", "gzip", "br;q=0", "br; q=0.000", "brotli", "br;q=x", "*"] {
            assert!(!accepts(accepted, "br"), "{accepted}");
        }
    }
}
