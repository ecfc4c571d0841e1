//! `afterclick doctor`: checks a running installation from outside, as a browser on a shop's page
//! sees it.
//!
//! It records no event and no billable click: it reads the pixel's files, sends the collector a
//! text that must be refused, and asks a link by HEAD, which is counted as class `head`.

use std::fmt::Write as _;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use console::{Remarks, remarks};
use sha2::{Digest, Sha256};
use shared::catalog::Catalog;
use ureq::Agent;
use url::Url;

use crate::outbound::{self, Policy, header};

const TIMEOUT: Duration = Duration::from_secs(10);
const FILE_BYTES_MAX: u64 = 1 << 20;

/// The findings, line by line.
#[derive(Default)]
struct Findings {
    text: String,
    failures: usize,
}

impl Findings {
    /// Notes the result of a check: what is right, or what to do.
    fn check(&mut self, is_good: bool, good: &str, bad: &str) {
        self.failures += usize::from(!is_good);
        let (word, what) = if is_good { ("ok    ", good) } else { ("FAILED", bad) };
        // Writing to a String cannot fail, here and below.
        _ = writeln!(self.text, "{word} {what}");
    }
}

/// A file as it was received.
struct File {
    status: u16,
    content_type: String,
    caching: String,
    allowed: String,
    bytes: Vec<u8>,
}

/// Checks an installation at the address of a link host or of a link. Returns what to print, and
/// whether all is well.
///
/// # Errors
/// When the address is invalid, or nothing answers there.
pub(crate) fn examine(address: &str) -> Result<(String, bool)> {
    let url = Url::parse(address).with_context(|| {
        format!(
            "--url: `{address}` is invalid; expected an address such as https://go.shop.example"
        )
    })?;
    let origin = url.origin().ascii_serialization();
    let agent = outbound::client(Policy { timeout: TIMEOUT, ..Policy::default() });
    let mut findings = Findings::default();
    let is_local = url.host_str().is_some_and(|host| {
        host.ends_with("localhost") || host.starts_with("127.") || host == "[::1]"
    });
    findings.check(
        url.scheme() == "https" || is_local,
        "cookies can be Secure: HTTPS, or this machine",
        "without HTTPS no browser keeps the cookie: put a certificate in front",
    );
    let loader = pixel(&agent, &origin, &mut findings)?;
    collector(&agent, &origin, &mut findings)?;
    if url.path() != "/" {
        link(&agent, &url, &mut findings)?;
    }
    let integrity = integrity(&loader);
    _ = write!(
        findings.text,
        "\nOn every page of the shop:\n\n  \
         <script>window.afterclick = window.afterclick || function () {{ (afterclick.q = afterclick.q || []).push(arguments) }}</script>\n  \
         <script async src=\"{origin}/_ac/px.js\" data-key=\"<merchant key>\"></script>\n\n\
         Content-Security-Policy:\n\n  \
         script-src {origin} 'wasm-unsafe-eval'; connect-src {origin}; img-src {origin}\n\n\
         With subresource integrity (it also pins the files that the script loads; change it with each version of afterclick):\n\n  \
         integrity=\"{integrity}\" crossorigin=\"anonymous\"\n"
    );
    Ok((findings.text, findings.failures == 0))
}

/// Says of each campaign which of its rules cannot count in its shop, and which count by something
/// else than the shop's word. Nothing is wrong with these: the server API may bring what a shop
/// does not say.
pub(crate) fn rules(catalog: &Catalog) -> String {
    let mut text = String::new();
    let mut campaigns: Vec<_> = catalog.campaigns.values().collect();
    campaigns.sort_by_key(|campaign| campaign.id);
    for campaign in campaigns {
        let merchant = catalog.merchants.get(&campaign.merchant);
        let Remarks { warnings, notes } =
            remarks(campaign, merchant.and_then(|merchant| merchant.platform));
        let warnings = warnings.iter().map(|said| ("warns ", said));
        for (word, said) in warnings.chain(notes.iter().map(|said| ("note  ", said))) {
            _ = writeln!(text, "{word} campaign {} ({}): {said}", campaign.id, campaign.name);
        }
    }
    if text.is_empty() { text } else { format!("\nRules of campaigns:\n\n{text}") }
}

/// Checks the pixel's loader and every file that it names by its hash. Returns the loader.
fn pixel(agent: &Agent, origin: &str, findings: &mut Findings) -> Result<Vec<u8>> {
    let loader = get(agent, &format!("{origin}/_ac/px.js"))?;
    if loader.status != 200 {
        bail!("{origin}/_ac/px.js answers {}: is this a link host of afterclick?", loader.status);
    }
    findings.check(
        loader.content_type.starts_with("text/javascript"),
        "px.js is a script",
        "px.js comes with another content type: check the proxy in front of afterclick",
    );
    findings.check(
        loader.caching.contains("max-age=300"),
        "browsers ask for px.js again after five minutes",
        "px.js comes with another Cache-Control: new versions would not arrive",
    );
    let mut named = names(&loader.bytes);
    findings.check(
        named.len() == 2,
        "px.js names the core in both its forms",
        "px.js does not name its two files",
    );
    let mut done = 0;
    while let Some((path, expected)) = named.get(done).cloned() {
        let file = get(agent, &format!("{origin}{path}"))?;
        let kind = if path.ends_with(".wasm") { "application/wasm" } else { "text/javascript" };
        let is_good = file.status == 200
            && file.content_type.starts_with(kind)
            && file.caching.contains("immutable")
            && file.allowed == "*"
            && integrity(&file.bytes) == expected;
        let good = format!("{path} fits {expected}");
        let bad = format!(
            "{path}: expected 200, {kind}, immutable, open to every origin and {expected}; found {}, {}, {}, {:?} and {}",
            file.status,
            file.content_type,
            file.caching,
            file.allowed,
            integrity(&file.bytes)
        );
        findings.check(is_good, &good, &bad);
        named.extend(names(&file.bytes));
        done += 1;
    }
    Ok(loader.bytes)
}

/// Returns the paths of the pixel's files in a script, each with the integrity hash behind it.
fn names(script: &[u8]) -> Vec<(String, String)> {
    let text = String::from_utf8_lossy(script);
    let texts: Vec<_> = text.split('"').collect();
    let pairs = texts.iter().enumerate().filter(|(_, text)| text.starts_with("/_ac/px-"));
    let integrity = |at: usize| texts.iter().skip(at).find(|text| text.starts_with("sha256-"));
    pairs
        .filter_map(|(at, path)| Some(((*path).to_owned(), (*integrity(at)?).to_owned())))
        .collect()
}

/// Sends a text that is no event, which the collector must refuse. The refusal shows that the
/// collector is reachable, and nothing is recorded.
fn collector(agent: &Agent, origin: &str, findings: &mut Findings) -> Result<()> {
    let answer = agent.post(format!("{origin}/_ac/e")).send("doctor").context("the collector")?;
    findings.check(
        answer.status() == 400 && header(&answer, "set-cookie").is_empty(),
        "the collector answers, and sets no cookie",
        "POST /_ac/e does not reach the collector: check the proxy in front of afterclick",
    );
    Ok(())
}

fn link(agent: &Agent, url: &Url, findings: &mut Findings) -> Result<()> {
    let answer = agent.head(url.as_str()).call().context("the link")?;
    findings.check(
        answer.status() == 302 && header(&answer, "cache-control").contains("no-store"),
        "the link redirects, and nothing keeps the answer",
        &format!("the link answers {}: no such link here, or a cache is in front", answer.status()),
    );
    Ok(())
}

fn get(agent: &Agent, url: &str) -> Result<File> {
    let mut answer = agent
        .get(url)
        .header("accept-encoding", "identity")
        .call()
        .with_context(|| url.to_owned())?;
    let bytes = outbound::body(&mut answer, FILE_BYTES_MAX).with_context(|| url.to_owned())?;
    Ok(File {
        status: answer.status().as_u16(),
        content_type: header(&answer, "content-type"),
        caching: header(&answer, "cache-control"),
        allowed: header(&answer, "access-control-allow-origin"),
        bytes,
    })
}

fn integrity(bytes: &[u8]) -> String {
    format!("sha256-{}", STANDARD.encode(Sha256::digest(bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_with_their_hashes() {
        let script =
            br#"fetch(o+"/_ac/px-1.wasm",{integrity:"sha256-a="}),l("/_ac/px-2.js","sha256-b=",[x,"y"])"#;
        let expected = [("/_ac/px-1.wasm", "sha256-a="), ("/_ac/px-2.js", "sha256-b=")];
        assert_eq!(names(script), expected.map(|(path, hash)| (path.to_owned(), hash.to_owned())));
        assert!(names(b"load()").is_empty());
    }
}
