//! A small client of the product's API: it creates the catalog that is measured, and reads
//! counters.

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::ops::Range;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

/// Sends one request (method, path, content type) to a port of loopback, on a connection of its
/// own. Returns the body of the answer, whatever its status.
///
/// # Errors
/// When nothing answers there.
pub fn ask(
    port: u16,
    token: &str,
    (method, path, content_type): (&str, &str, &str),
    body: &str,
) -> Result<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {token}\r\nconnection: close\r\n\
         content-type: {content_type}\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer.split_once("\r\n\r\n").map_or(answer.clone(), |(_, body)| body.to_owned()))
}

/// Creates an entity by the API and returns its id.
///
/// # Errors
/// When the API refuses it. The error holds its answer.
pub fn create(admin: u16, token: &str, resource: &str, body: &Value) -> Result<String> {
    let request = ("POST", &*format!("/api/v1/{resource}"), "application/json");
    let answer = ask(admin, token, request, &body.to_string())?;
    let answer: Value = serde_json::from_str(&answer).context(answer)?;
    Ok(answer["id"].as_str().with_context(|| format!("{resource}: {answer}"))?.to_owned())
}

/// Creates a merchant at `shop.test` with a campaign, and an influencer. Returns the ids of
/// campaign and influencer.
///
/// # Errors
/// When the API refuses one of them.
pub fn campaign(admin: u16, token: &str) -> Result<(String, String)> {
    let merchant =
        json!({ "name": "Shop", "domains": ["shop.test"], "currency": "EUR", "timezone": "UTC" });
    let merchant = create(admin, token, "merchants", &merchant)?;
    let influencer = create(admin, token, "influencers", &json!({ "name": "Anna" }))?;
    let commission = json!({ "kind": "percent", "rate": "15", "base": "net_goods" });
    let campaign = json!({ "merchant": merchant, "name": "Autumn", "commission": commission });
    Ok((create(admin, token, "campaigns", &campaign)?, influencer))
}

/// Imports the links `l{n}` → `https://shop.test/product/{n}?utm_campaign=autumn` for these
/// numbers. Returns how many bytes the slugs and destinations have together.
///
/// # Errors
/// When the API refuses them.
pub fn import_links(
    admin: u16,
    token: &str,
    owner: &(String, String),
    links: Range<usize>,
) -> Result<usize> {
    let (campaign, influencer) = owner;
    let mut csv = String::from("campaign,influencer,destination,slug\n");
    let (count, mut text) = (links.len(), 0);
    for link in links {
        let (slug, to) = link_of(link);
        text += slug.len() + to.len();
        _ = writeln!(csv, "{campaign},{influencer},{to},{slug}");
    }
    let answer = ask(admin, token, ("POST", "/api/v1/links/import", "text/csv"), &csv)?;
    ensure!(answer.contains(&count.to_string()), "import: {answer}");
    Ok(text)
}

/// Returns the slug and the destination of a link.
pub fn link_of(link: usize) -> (String, String) {
    (format!("l{link}"), format!("https://shop.test/product/{link}?utm_campaign=autumn"))
}

/// Returns a counter or gauge of the product, summed over its labels.
///
/// # Errors
/// When the product does not answer.
pub fn metric(admin: u16, token: &str, name: &str) -> Result<u64> {
    let metrics = ask(admin, token, ("GET", "/metrics", "text/plain"), "")?;
    let values = metrics.lines().filter(|line| line.starts_with(name));
    Ok(values.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum())
}
