//! Checks of what a catalog may hold: host names, slugs, codes and destinations.
//!
//! SECURITY: visitors are sent only to destinations from the catalog, never to one from a request.
//! A destination is checked once, here.

use std::net::IpAddr;

use url::{Host, Url};

/// Characters a slug may have, generated or given.
const SLUG_CHARS_MAX: usize = 64;
/// Characters a destination may have.
const DESTINATION_CHARS_MAX: usize = 2048;

/// Checks a host name in the form of a `Host` header without port.
pub fn check_host(host: &str) -> Result<(), String> {
    if host.parse::<IpAddr>().is_ok() {
        return Ok(());
    }
    let label = |label: &str| {
        let bytes = label.as_bytes();
        (1..=63).contains(&bytes.len())
            && bytes.iter().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'-')
            && bytes.first() != Some(&b'-')
            && bytes.last() != Some(&b'-')
    };
    let fits = host.len() <= 253 && host.split('.').all(label);
    if fits {
        Ok(())
    } else {
        Err(format!(
            "`{host}` is not a valid host name: expected e.g. shop.example, without scheme and port"
        ))
    }
}

pub fn check_slug(slug: &str) -> Result<(), String> {
    let fits = (1..=SLUG_CHARS_MAX).contains(&slug.len())
        && slug.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
        && slug != "_ac";
    if fits {
        Ok(())
    } else {
        Err(format!(
            "`{slug}` is not a valid slug: expected 1 to 64 of A-Z a-z 0-9 - _, and not `_ac`"
        ))
    }
}

pub fn check_code(code: &str) -> Result<(), String> {
    let fits = !code.trim().is_empty() && code.len() <= 128 && !code.chars().any(char::is_control);
    if fits { Ok(()) } else { Err("expected a discount code of 1 to 128 characters".to_owned()) }
}

/// Checks a destination and returns the spelling to keep.
pub fn check_destination(text: &str) -> Result<String, String> {
    let refused = |why: &str| Err(format!("`{text}`: {why}"));
    if text.len() > DESTINATION_CHARS_MAX {
        return Err(format!("longer than {DESTINATION_CHARS_MAX} characters"));
    }
    if text.contains('\\') || text.chars().any(char::is_control) {
        return refused("backslashes and control characters are not allowed");
    }
    let Ok(url) = Url::parse(text) else {
        return refused("expected an absolute address such as https://shop.example/");
    };
    let Some(host) = url.host() else { return refused("has no host") };
    if !url.username().is_empty() || url.password().is_some() {
        return refused("user name and password are not allowed");
    }
    match (url.scheme(), is_for_testing(&host)) {
        ("https", _) | ("http", true) => {}
        ("http", false) => return refused("expected https (http is for local test hosts only)"),
        _ => return refused("expected https"),
    }
    if !is_for_testing(&host) && !is_public(&host) {
        return refused("expected a public host name, not an address or a local name");
    }
    if url.query_pairs().any(|(name, _)| name == "ac") {
        return refused("the query parameter `ac` is where the click token goes");
    }
    let kept = url.to_string();
    // The kept spelling must parse to the same address. Otherwise a browser could read another one.
    if Url::parse(&kept).as_ref() == Ok(&url) { Ok(kept) } else { refused("is ambiguous") }
}

/// Returns whether a host is loopback or a name that RFC 6761 reserves for tests.
fn is_for_testing(host: &Host<&str>) -> bool {
    match host {
        Host::Domain(name) => {
            *name == "localhost"
                || [".localhost", ".test", ".example"].iter().any(|suffix| name.ends_with(suffix))
        }
        Host::Ipv4(ip) => ip.is_loopback(),
        Host::Ipv6(ip) => ip.is_loopback(),
    }
}

fn is_public(host: &Host<&str>) -> bool {
    let local = [".local", ".internal", ".invalid", ".home.arpa"];
    matches!(host, Host::Domain(name) if name.contains('.') && !local.iter().any(|suffix| name.ends_with(suffix)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn destinations_are_kept_in_one_spelling() {
        for (given, kept) in [
            ("https://shop.example", "https://shop.example/"),
            ("HTTPS://Shop.Example/a b?x=ü#y", "https://shop.example/a%20b?x=%C3%BC#y"),
            ("https://bücher.de/", "https://xn--bcher-kva.de/"),
            ("http://shop.localhost:8090/p?a=1", "http://shop.localhost:8090/p?a=1"),
            ("http://127.0.0.1:9/", "http://127.0.0.1:9/"),
        ] {
            assert_eq!(check_destination(given).as_deref(), Ok(kept));
        }
    }

    #[test]
    fn destinations_that_could_lead_astray_are_refused() {
        for given in [
            "/relative",
            "javascript:alert(1)",
            "data:text/html,x",
            "ftp://shop.de/",
            "http://shop.de/",
            "https://user@shop.de/",
            "https://shop.de@evil.de/",
            "https:\\\\evil.de",
            "https://10.0.0.1/",
            "https://[fe80::1]/",
            "https://intranet/",
            "https://printer.local/",
            "https://shop.de/\r\nX: y",
            "https://shop.de/?ac=1",
            "",
        ] {
            assert!(check_destination(given).is_err(), "{given}");
        }
    }

    #[test]
    fn hosts_and_slugs_have_a_plain_form() {
        assert!(
            ["shop.example", "localhost", "127.0.0.1", "xn--bcher-kva.de"]
                .iter()
                .all(|h| check_host(h).is_ok())
        );
        assert!(
            ["Shop.example", "*.x.de", "shop.de:80", "https://x", "", "a..b", "-a.de"]
                .iter()
                .all(|h| check_host(h).is_err())
        );
        assert!(["anna", "Anna_15-x"].iter().all(|s| check_slug(s).is_ok()));
        assert!(
            ["", "a/b", "ä", "a.b", "_ac", &"x".repeat(65)].iter().all(|s| check_slug(s).is_err())
        );
    }
}
