//! What the measuring programs share: a catalog to measure with, made over the product's own API.

use std::io::{Read, Write};
use std::net::TcpStream;

use anyhow::{Context, Result};
use serde_json::{Value, json};

/// One request (method, path, content type) to a port of loopback, on a connection of its own; the body of the answer.
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
/// When the API refuses it, with its words.
pub fn create(admin: u16, token: &str, resource: &str, body: &Value) -> Result<String> {
    let request = ("POST", &*format!("/api/v1/{resource}"), "application/json");
    let answer = ask(admin, token, request, &body.to_string())?;
    let answer: Value = serde_json::from_str(&answer).context(answer)?;
    Ok(answer["id"].as_str().with_context(|| format!("{resource}: {answer}"))?.to_owned())
}

/// Creates a shop at `shop.test` with a campaign, and an influencer; returns the ids of campaign and influencer.
///
/// # Errors
/// When the API refuses one of them.
pub fn campaign(admin: u16, token: &str) -> Result<(String, String)> {
    let merchant = json!({ "name": "Shop", "domains": ["shop.test"], "currency": "EUR", "timezone": "UTC" });
    let merchant = create(admin, token, "merchants", &merchant)?;
    let influencer = create(admin, token, "influencers", &json!({ "name": "Anna" }))?;
    let commission = json!({ "kind": "percent", "rate": "15", "base": "net_goods" });
    let campaign = json!({ "merchant": merchant, "name": "Autumn", "commission": commission });
    Ok((create(admin, token, "campaigns", &campaign)?, influencer))
}
