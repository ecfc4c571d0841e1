//! What stands behind a slug: `/{slug}/rest/of/path` leads below the link's destination, where the
//! link allows it.
//!
//! SECURITY: whoever writes the address writes the rest. It may only go on with the destination's
//! path: host, path before it, query and fragment stay as the link has them. Whatever a browser, a
//! proxy or a shop could read in two ways is refused, so nothing climbs out of that path.

use url::Url;

/// The most bytes of a rest.
const REST_BYTES_MAX: usize = 1024;

/// Returns the destination with the rest behind its path, or `None` for a rest that is no plain
/// path.
pub(crate) fn join(destination: &str, rest: &str) -> Option<String> {
    if rest.len() > REST_BYTES_MAX || !is_plain_path(rest) {
        return None;
    }
    let own = Url::parse(destination).ok()?;
    let path = format!("{}/{rest}", own.path().trim_end_matches('/'));
    let mut joined = own.clone();
    joined.set_path(&path);
    // What is sent must be read as it was joined: `url` reads addresses as browsers do.
    let read = Url::parse(joined.as_str()).ok()?;
    let is_kept = read.path() == path
        && read.origin() == own.origin()
        && (read.username(), read.password()) == (own.username(), own.password())
        && (read.query(), read.fragment()) == (own.query(), own.fragment());
    is_kept.then(|| read.into())
}

/// Returns whether a text is segments of a path that mean the same to everybody. Only the last one
/// may be empty.
fn is_plain_path(rest: &str) -> bool {
    let (segments, last) = rest.rsplit_once('/').unwrap_or(("", rest));
    let before = segments.split('/').filter(|_| !segments.is_empty());
    let is_folder = last.is_empty() && !segments.is_empty();
    before.clone().all(is_plain_segment)
        && (is_folder || is_plain_segment(last))
        && !rest.starts_with('/')
}

/// Returns whether a segment is not empty, no way upwards, and has no byte that is something else
/// once it is decoded.
fn is_plain_segment(segment: &str) -> bool {
    // Some servers cut parameters off before they read the dots: `..;x`.
    let name = segment.split(';').next().unwrap_or_default();
    !name.trim_matches('.').is_empty()
        && decoded(segment).is_some_and(|bytes| str::from_utf8(&bytes).is_ok_and(is_visible))
}

fn is_visible(text: &str) -> bool {
    !text.chars().any(char::is_control)
}

/// Returns the bytes of a segment; `None` if one of them may not stand there, or is encoded though
/// it separates or climbs.
fn decoded(segment: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(segment.len());
    let mut left = segment.as_bytes();
    while let Some((&first, rest)) = left.split_first() {
        left = rest;
        if first == b'%' {
            let (digits, rest) = left.split_at_checked(2)?;
            let byte = u8::from_str_radix(str::from_utf8(digits).ok()?, 16).ok()?;
            let is_hex = digits.iter().all(u8::is_ascii_hexdigit);
            if !is_hex || matches!(byte, b'/' | b'\\' | b'.' | b'%' | b'?' | b'#' | b';') {
                return None;
            }
            bytes.push(byte);
            left = rest;
        } else if first.is_ascii_alphanumeric() || b"-._~!$&()*+,;=:@".contains(&first) {
            bytes.push(first);
        } else {
            return None;
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: &str = "https://shop.example/de/?color=red#top";

    #[test]
    fn the_rest_goes_on_with_the_destinations_path() {
        for (destination, rest, joined) in [
            (OWN, "shoes", "https://shop.example/de/shoes?color=red#top"),
            (OWN, "shoes/42/", "https://shop.example/de/shoes/42/?color=red#top"),
            ("https://shop.example/de", "a/b", "https://shop.example/de/a/b"),
            ("https://shop.example/", "a", "https://shop.example/a"),
            ("https://shop.example:8443/", "a", "https://shop.example:8443/a"),
            (OWN, "a..b/v1.2", "https://shop.example/de/a..b/v1.2?color=red#top"),
            (OWN, "gr%C3%BCn%20x", "https://shop.example/de/gr%C3%BCn%20x?color=red#top"),
            (OWN, "a;b=1/@x:y", "https://shop.example/de/a;b=1/@x:y?color=red#top"),
        ] {
            assert_eq!(join(destination, rest).as_deref(), Some(joined), "{rest}");
        }
    }

    #[test]
    fn nothing_climbs_out_of_the_destinations_path() {
        let long = "a".repeat(REST_BYTES_MAX + 1);
        for rest in [
            "",
            "/",
            "//",
            "//evil.example",
            "/evil.example/",
            "a//b",
            "a//",
            "..",
            ".",
            "../x",
            "a/..",
            "a/../..",
            "a/./b",
            "...",
            "....",
            "%2e%2e",
            "%2E%2E/x",
            ".%2e/x",
            "%2e./x",
            "a/%2e%2e/b",
            "%252e%252e/x",
            "%25%32%65",
            "..;/x",
            "..;a=b/x",
            ".;/x",
            "%2e%2e;/x",
            "..%3B/x",
            "..%2fx",
            "..%2Fx",
            "a%2f..",
            "a%2fb",
            "..%5cx",
            "a%5cb",
            "..\\x",
            "\\evil",
            "a\\b",
            "a%00",
            "a%0d%0aX:y",
            "a%0A",
            "a%7f",
            "a\r\nX: y",
            "a\tb",
            " a",
            "a b",
            "a%",
            "a%2",
            "a%zz",
            "a%+1",
            "%c0%ae%c0%ae/x",
            "%c0%afx",
            "%ff",
            "%ef%bc%8f%80",
            "%E2%80",
            "a?x=1",
            "a#x",
            "a%3fac=1",
            "a%3Fac=1",
            "a%23x",
            "?ac=forged",
            "#",
            "ü",
            "a\u{200b}",
            "a%C2%85",
            "<script>",
            "\"",
            "a'b",
            "a|b",
            "a^b",
            "a`b",
            "{a}",
            "[a]",
            &long,
        ] {
            assert_eq!(join(OWN, rest), None, "{rest:?}");
        }
    }
}
