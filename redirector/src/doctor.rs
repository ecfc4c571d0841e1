//! `afterclick doctor`: looks at a running set-up from outside, as a browser on a shop's page would
//! meet it.
//!
//! Sends no event and makes no click: it reads the pixel's files, asks the collector for a refusal,
//! and asks a link by HEAD, which is counted as class `head`.

use std::fmt::Write as _;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};
use ureq::Agent;
use url::Url;

use crate::outbound::{self, Policy, header};

const TIMEOUT: Duration = Duration::from_secs(10);
const FILE_BYTES_MAX: u64 = 1 << 20;

/// What was found, line by line.
#[derive(Default)]
struct Findings {
    text: String,
    failures: usize,
}

impl Findings {
    /// Notes a check: what is so, or what to do.
    fn check(&mut self, is_good: bool, good: &str, bad: &str) {
        self.failures += usize::from(!is_good);
        let (word, what) = if is_good { ("ok    ", good) } else { ("FAILED", bad) };
        // Writing to a String cannot fail, here and below.
        _ = writeln!(self.text, "{word} {what}");
    }
}

/// A file as it came.
struct File {
    status: u16,
    content_type: String,
    caching: String,
    allowed: String,
    bytes: Vec<u8>,
}

/// Checks the set-up at an address, an origin or a link, and returns what to print and whether all
/// is well.
///
/// # Errors
/// When the address is invalid, or nothing answers there.
pub(crate) fn examine(address: &str) -> Result<(String, bool)> {
    let url = Url::parse(address).with_context(|| {
        format!("--url: `{address}` is no address such as https://go.shop.example")
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
         With subresource integrity (the files that it loads are pinned by it; to be changed with each version of afterclick):\n\n  \
         integrity=\"{integrity}\" crossorigin=\"anonymous\"\n"
    );
    Ok((findings.text, findings.failures == 0))
}

/// The pixel's loader, and every file that it names by its hash.
fn pixel(agent: &Agent, origin: &str, findings: &mut Findings) -> Result<Vec<u8>> {
    let loader = get(agent, &format!("{origin}/_ac/px.js"))?;
    if loader.status != 200 {
        bail!("{origin}/_ac/px.js answers {}: is this a link host of afterclick?", loader.status);
    }
    findings.check(
        loader.content_type.starts_with("text/javascript"),
        "px.js is a script",
        "px.js comes with another content type: what stands in front of afterclick?",
    );
    findings.check(
        loader.caching.contains("max-age=300"),
        "px.js is asked for again after five minutes",
        "px.js comes with another Cache-Control: new versions would not arrive",
    );
    let mut named = names(&loader.bytes);
    findings.check(
        named.len() == 2,
        "px.js names the shell and the core",
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

/// Paths of the pixel's files in a script, each with the integrity that stands behind it.
fn names(script: &[u8]) -> Vec<(String, String)> {
    let text = String::from_utf8_lossy(script);
    let texts: Vec<_> = text.split('"').collect();
    let pairs = texts.iter().enumerate().filter(|(_, text)| text.starts_with("/_ac/px-"));
    let integrity = |at: usize| texts.iter().skip(at).find(|text| text.starts_with("sha256-"));
    pairs
        .filter_map(|(at, path)| Some(((*path).to_owned(), (*integrity(at)?).to_owned())))
        .collect()
}

/// A body that is none must be refused: so the collector is there, and nothing was recorded.
fn collector(agent: &Agent, origin: &str, findings: &mut Findings) -> Result<()> {
    let answer = agent.post(format!("{origin}/_ac/e")).send("doctor").context("the collector")?;
    findings.check(
        answer.status() == 400 && header(&answer, "set-cookie").is_empty(),
        "the collector answers, and sets no cookie",
        "POST /_ac/e does not reach the collector: what stands in front of afterclick?",
    );
    Ok(())
}

fn link(agent: &Agent, url: &Url, findings: &mut Findings) -> Result<()> {
    let answer = agent.head(url.as_str()).call().context("the link")?;
    findings.check(
        answer.status() == 302 && header(&answer, "cache-control").contains("no-store"),
        "the link redirects, and nothing keeps the answer",
        &format!(
            "the link answers {}: no such link here, or a cache stands in front",
            answer.status()
        ),
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
