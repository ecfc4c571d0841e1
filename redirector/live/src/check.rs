//! Checks of what a catalog may hold: host names, slugs, codes and destinations.
//!
//! SECURITY: visitors are sent only to destinations from the catalog, never to one from a request.
//! A destination is checked once, here.

use std::net::IpAddr;

use shared::code::{CODE_BYTES_MAX, fold_code, is_invisible, kept_code};
use url::{Host, Url};

/// Characters a slug may have, generated or given.
const SLUG_CHARS_MAX: usize = 64;
/// Characters a destination may have.
const DESTINATION_CHARS_MAX: usize = 2048;

/// Returns a host name in the spelling that is kept and compared: lower case, other scripts as
/// punycode, without a final dot, which only says that the name is complete, and without what was
/// pasted along. [`check_host`] says whether it is a host name at all.
pub fn kept_host(host: &str) -> String {
    let host = host.trim_matches(is_pasted_along);
    let ascii = match Host::parse(host) {
        Ok(Host::Domain(name)) if !host.is_ascii() => name,
        _ => host.to_lowercase(),
    };
    ascii.strip_suffix('.').map(str::to_owned).unwrap_or(ascii)
}

/// Returns whether a character around a text is none of it.
fn is_pasted_along(c: char) -> bool {
    c.is_whitespace() || is_invisible(c)
}

/// Returns whether all labels of a name have a length that DNS allows.
fn has_lengths_of_dns(name: &str) -> bool {
    name.len() <= 253 && name.split('.').all(|label| (1..=63).contains(&label.len()))
}

/// Checks a host name in the form of a `Host` header without port. An address has one spelling.
pub fn check_host(host: &str) -> Result<(), String> {
    if host.parse::<IpAddr>().is_ok_and(|address| address.to_string() == host) {
        return Ok(());
    }
    let label = |label: &str| {
        let bytes = label.as_bytes();
        bytes.iter().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'-')
            && bytes.first() != Some(&b'-')
            && bytes.last() != Some(&b'-')
    };
    // Browsers read a name that ends in a number, such as 127.1 or 0x7f.1, as an address.
    let is_name = matches!(Host::parse(host), Ok(Host::Domain(name)) if name == host);
    let fits = has_lengths_of_dns(host) && host.split('.').all(label) && is_name;
    if fits {
        Ok(())
    } else {
        Err(format!(
            "`{host}` is not a valid host name: expected e.g. shop.example, without scheme and port"
        ))
    }
}

/// Checks a domain that one merchant, or one campaign, may have for itself. Anybody can register a
/// name below a public suffix such as `co.uk` or `myshopify.com`.
pub fn check_domain(domain: &str) -> Result<(), String> {
    check_host(domain)?;
    let is_local = domain == "localhost" || domain.parse::<IpAddr>().is_ok();
    // The list has names of other scripts as people write them.
    let (written, _) = idna::domain_to_unicode(domain);
    if is_local || psl::domain_str(&written).is_some() {
        Ok(())
    } else {
        Err(format!(
            "`{domain}` is a public suffix, below which anybody can have a name: expected a \
             domain of one owner, such as shop.{domain}"
        ))
    }
}

/// Returns whether a host is or lies under a domain, compared label by label.
pub fn is_under(host: &str, domain: &str) -> bool {
    host.strip_suffix(domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
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

/// Checks a discount code and returns the spelling to keep. A code that no order can bring is
/// refused.
pub fn check_code(code: &str) -> Result<String, String> {
    let kept = kept_code(code);
    let fits = kept.len() <= CODE_BYTES_MAX
        && !kept.chars().any(|c| c.is_control() || c == '\u{fffd}')
        && !fold_code(&kept).is_empty();
    let expected = || {
        format!(
            "`{code}`: expected a discount code of 1 to {CODE_BYTES_MAX} bytes that can be read"
        )
    };
    if fits { Ok(kept) } else { Err(expected()) }
}

/// Checks a destination and returns the spelling to keep, without blanks and characters around it
/// that nobody sees: whoever pastes an address pastes them along.
pub fn check_destination(text: &str) -> Result<String, String> {
    let text = text.trim_matches(is_pasted_along);
    let refused = |why: &str| Err(format!("`{text}`: {why}"));
    if text.len() > DESTINATION_CHARS_MAX {
        return Err(format!("longer than {DESTINATION_CHARS_MAX} characters"));
    }
    if text.contains('\\') || text.chars().any(char::is_control) {
        return refused("backslashes and control characters are not allowed");
    }
    if let Some(hidden) = text.chars().find(|&c| is_invisible(c) && !may_be_meant(c)) {
        let code = u32::from(hidden);
        return refused(&format!(
            "has a character that nobody sees, U+{code:04X}; delete it, or write it as its %-code"
        ));
    }
    let Ok(url) = Url::parse(text) else {
        return refused("expected an absolute address such as https://shop.example/");
    };
    let Some(host) = url.host() else { return refused("has no host") };
    if !url.username().is_empty() || url.password().is_some() {
        return refused("user name and password are not allowed");
    }
    if let Some(spelling) = address_in_other_spelling(&host, text) {
        return Err(format!("`{text}`: is another spelling of the address {spelling}; write that"));
    }
    match (url.scheme(), is_for_testing(&host)) {
        ("https", _) | ("http", true) => {}
        ("http", false) => return refused("expected https (http is for local test hosts only)"),
        _ => return refused("expected https"),
    }
    if matches!(host, Host::Domain(name) if !has_lengths_of_dns(name)) {
        return refused("has a host name that DNS does not allow: a label has 1 to 63 characters");
    }
    if url.port() == Some(0) {
        return refused("port 0 is no port");
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

/// Returns whether an address may hold this invisible character: Persian and emoji need those that
/// join and vary.
const fn may_be_meant(c: char) -> bool {
    matches!(c, '\u{200c}' | '\u{200d}' | '\u{fe00}'..='\u{fe0f}')
}

/// Returns the host of an address that [`check_destination`] returned, as a merchant's domains are
/// written.
pub fn host_of(destination: &str) -> Option<String> {
    match Url::parse(destination).ok()?.host()? {
        Host::Domain(name) => Some(name.to_owned()),
        Host::Ipv4(address) => Some(address.to_string()),
        Host::Ipv6(address) => Some(address.to_string()),
    }
}

/// Returns the address of a host that the text spells in another way, as in `https://0x7f.1/`.
/// Whoever reads such a text does not see where it leads.
fn address_in_other_spelling(host: &Host<&str>, text: &str) -> Option<String> {
    if let Host::Domain(_) = host {
        return None;
    }
    let spelling = host.to_string();
    let (_, rest) = text.split_once("//").unwrap_or_default();
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let after = authority.strip_prefix(&spelling);
    let is_spelled = after.is_some_and(|port| port.is_empty() || port.starts_with(':'));
    (!is_spelled).then_some(spelling)
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
    matches!(host, Host::Domain(name) if name.contains('.') && !name.ends_with('.')
        && !local.iter().any(|suffix| name.ends_with(suffix)))
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
            ("https://shop.example/p\u{200b}", "https://shop.example/p"),
            ("\u{feff} https://shop.example/p\u{2060}\u{a0}\n", "https://shop.example/p"),
            (
                "https://shop.example/👩\u{200d}💻",
                "https://shop.example/%F0%9F%91%A9%E2%80%8D%F0%9F%92%BB",
            ),
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
            "https://shop.de/a\u{200b}b",
            "https://shop\u{ad}.de/",
            "https://shop.de/\u{202e}gpj.exe",
            "https://a..b/",
            "https://.shop.de/",
            "https://shop.example../",
            "https://shop.de:0/",
            "http://shop.test:0/",
            "https://printer.local./",
            "https://localhost./",
            "https://xn--bcher-kva.de./",
            &format!("https://{}.de/", "a".repeat(64)),
            &format!("https://{}de/", "abcdefgh.".repeat(32)),
            "https://shop.de/?ac=1",
            "",
        ] {
            assert!(check_destination(given).is_err(), "{given}");
        }
    }

    #[test]
    fn addresses_are_refused_in_every_spelling() {
        for given in [
            "https://127.1/",
            "https://0x7f.1/",
            "https://2130706433/",
            "https://017700000001/",
            "https://0177.0.0.1/",
            "https://127.0.0.1./",
            "https://127。0。0。1/",
            "http://127.1//127.0.0.1/",
            "https://[0:0:0:0:0:0:0:1]/",
            "https://[::ffff:127.0.0.1]/",
            "https://[::ffff:7f00:1]/",
            "https://[::]/",
            "https://[fd00::1]/",
            "https://[fe80::1]/",
            "https://[2001:db8::1]/",
            "https://0/",
            "https://0.0.0.0/",
            "https://10.1/",
            "https://172.16.0.1/",
            "https://192.168.0.1/",
            "https://169.254.169.254/",
            "https://100.64.0.1/",
            "https://93.184.216.34/",
            "https://localhost./",
            "https://shop.de./",
            "https://shop.de:443@127.0.0.1/",
            "https://printer.local/",
        ] {
            assert!(check_destination(given).is_err(), "{given}");
        }
        for given in ["http://127.0.0.1:8080/", "http://[::1]:8080/a", "http://127.0.0.2/"] {
            assert_eq!(check_destination(given).as_deref(), Ok(given), "loopback, spelled out");
        }
    }

    #[test]
    fn a_domain_has_one_owner() {
        for domain in [
            "shop.example",
            "shop.co.uk",
            "a-shop.myshopify.com",
            "xn--85x722f.xn--55qx5d.cn",
            "shop.city.kawasaki.jp",
            "shop.test",
            "shop.localhost",
            "localhost",
            "127.0.0.1",
        ] {
            assert_eq!(check_domain(domain), Ok(()));
        }
        for domain in [
            "com",
            "co.uk",
            "myshopify.com",
            "github.io",
            "xn--55qx5d.cn",
            "xn--p1ai",
            "any.kawasaki.jp",
            "example",
            "127.1",
            "0x7f.1",
            "2130706433",
            "",
        ] {
            assert!(check_domain(domain).is_err(), "{domain}");
        }
    }

    #[test]
    fn a_host_lies_under_whole_labels_only() {
        for (host, is) in [
            ("shop.example", true),
            ("www.shop.example", true),
            ("myshop.example", false),
            ("example", false),
            ("shop.example.evil.de", false),
        ] {
            assert_eq!(is_under(host, "shop.example"), is, "{host}");
        }
        for (destination, host) in
            [("https://shop.de:8443/a", "shop.de"), ("http://[::1]/", "::1"), ("x", "")]
        {
            assert_eq!(host_of(destination).unwrap_or_default(), host);
        }
    }

    #[test]
    fn a_host_is_kept_in_one_spelling() {
        for (given, kept) in [
            ("bücher.example", "xn--bcher-kva.example"),
            ("BÜCHER.example.", "xn--bcher-kva.example"),
            ("bu\u{308}cher。example", "xn--bcher-kva.example"),
            ("xn--bcher-kva.example", "xn--bcher-kva.example"),
            (" Shop.Example.\u{200b}", "shop.example"),
            ("пример.рф", "xn--e1afmkfd.xn--p1ai"),
            ("::1", "::1"),
            ("localhost.", "localhost"),
        ] {
            assert_eq!(kept_host(given), kept);
            assert_eq!(check_host(kept), Ok(()));
        }
        for given in
            ["shop.example..", "bü cher.example", "ü/x", "*.bücher.example", "１２７.1", "."]
        {
            assert!(check_host(&kept_host(given)).is_err(), "{given}");
        }
    }

    #[test]
    fn a_code_that_no_order_can_bring_is_refused() {
        for (given, kept) in [(" ANNA15 ", "ANNA15"), ("ZWSP15\u{200b}", "ZWSP15"), ("Ä&B", "Ä&B")]
        {
            assert_eq!(check_code(given).as_deref(), Ok(kept));
        }
        for given in ["", " ", "\u{200b}", "\u{ad}\u{2060}", "&nbsp;", "A\nB", "AN\u{fffd}NA"] {
            assert!(check_code(given).is_err(), "{given:?}");
        }
        assert!(check_code(&"x".repeat(129)).is_err() && check_code(&"x".repeat(128)).is_ok());
    }

    #[test]
    fn hosts_and_slugs_have_a_plain_form() {
        assert!(
            ["shop.example", "localhost", "127.0.0.1", "xn--bcher-kva.de"]
                .iter()
                .all(|h| check_host(h).is_ok())
        );
        assert!(
            ["Shop.example", "*.x.de", "shop.de:80", "https://x", "", "a..b", "-a.de", "127.1"]
                .iter()
                .all(|h| check_host(h).is_err())
        );
        assert!(["anna", "Anna_15-x"].iter().all(|s| check_slug(s).is_ok()));
        assert!(
            ["", "a/b", "ä", "a.b", "_ac", &"x".repeat(65)].iter().all(|s| check_slug(s).is_err())
        );
    }
}
