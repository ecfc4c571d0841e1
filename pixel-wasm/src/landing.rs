//! The landing address: finds the click token in it, gives the address without it, and tells a new visit.
//!
//! Never judges a token: only the server knows whether it is genuine. Only what has a token's shape is taken, since
//! a shop may use a parameter of the same name for something else.

/// Shortest and longest text taken for a click token. Version 1 has 76 characters; later versions may differ.
const TOKEN_CHARS: std::ops::RangeInclusive<usize> = 40..=256;

/// A landing address taken apart.
#[derive(Debug, PartialEq, Eq)]
pub struct Landing {
    /// The click token that the link added to the address.
    pub token: Option<String>,
    /// The address without it: what the visitor sees, shares and bookmarks.
    pub url: String,
}

impl Landing {
    /// Reads an address; everything but the token stays as it is, byte for byte.
    pub fn read(href: &str) -> Self {
        let (address, fragment) = split_before(href, '#');
        let (path, query) = split_before(address, '?');
        let mut landing = Self { token: None, url: String::from(path) };
        let mut separator = '?';
        for parameter in query.split(['?', '&']).skip(1) {
            if let Some(token) = parameter.strip_prefix("ac=").filter(|text| has_token_shape(text)) {
                landing.token = Some(String::from(token));
                continue;
            }
            landing.url.push(separator);
            landing.url.push_str(parameter);
            separator = '&';
        }
        landing.url.push_str(fragment);
        landing
    }
}

/// Which token to report: the landing's before the one kept from an earlier page, else none.
pub fn pick_token(landed: Option<&str>, kept: Option<&str>) -> String {
    String::from(landed.or(kept).unwrap_or_default())
}

/// Whether a session begins: `mark` is the token of the session that this browser tab already reported.
///
/// Without a place for the mark only a landing with a token counts, or each page would begin a session.
pub fn begins_session(mark: Option<&str>, landed: Option<&str>, can_mark: bool) -> bool {
    match (mark, landed) {
        (Some(mark), Some(landed)) => mark != landed,
        (Some(_), None) => false,
        (None, Some(_)) => true,
        (None, None) => can_mark,
    }
}

fn has_token_shape(text: &str) -> bool {
    TOKEN_CHARS.contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

/// Splits at the first `mark`, which stays with the second part.
fn split_before(text: &str, mark: char) -> (&str, &str) {
    text.find(mark).and_then(|at| text.split_at_checked(at)).unwrap_or((text, ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token() -> String {
        "Ab-_".repeat(19)
    }

    fn check(href: &str, expected: Option<String>, url: &str) {
        let href = href.replace("TOKEN", &token());
        assert_eq!(Landing::read(&href), Landing { token: expected, url: url.into() }, "{href}");
    }

    #[test]
    fn the_token_is_taken_and_the_rest_kept() {
        for (href, url) in [
            ("https://shop.example/?ac=TOKEN", "https://shop.example/"),
            ("https://shop.example/?ac=TOKEN#top", "https://shop.example/#top"),
            ("https://shop.example/a?x=1&ac=TOKEN&y=%20#top", "https://shop.example/a?x=1&y=%20#top"),
            ("https://shop.example/a?ac=TOKEN&x=a?b", "https://shop.example/a?x=a&b"),
            ("https://shop.example/?ac=TOKEN&ac=TOKEN", "https://shop.example/"),
        ] {
            check(href, Some(token()), url);
        }
    }

    #[test]
    fn what_is_no_token_stays_in_the_address() {
        for href in [
            "https://shop.example/",
            "https://shop.example/?ac=1",
            "https://shop.example/?ac=",
            "https://shop.example/?mac=TOKEN",
            "https://shop.example/?q=ac=TOKEN",
            "https://shop.example/#?ac=TOKEN",
            "https://shop.example/?ac=TOKEN%20",
        ] {
            check(href, None, &href.replace("TOKEN", &token()));
        }
    }

    #[test]
    fn the_landings_token_wins_over_the_kept_one() {
        assert_eq!(pick_token(Some("new"), Some("old")), "new");
        assert_eq!(pick_token(None, Some("old")), "old");
        assert_eq!(pick_token(None, None), "");
    }

    #[test]
    fn a_session_is_told_once_per_visit_and_again_for_another_click() {
        for (mark, landed, can_mark, expected) in [
            (None, None, true, true),
            (None, Some("a"), true, true),
            (Some(""), None, true, false),
            (Some("a"), None, true, false),
            (Some("a"), Some("a"), true, false),
            (Some("a"), Some("b"), true, true),
            (Some(""), Some("a"), true, true),
            (None, None, false, false),
            (None, Some("a"), false, true),
        ] {
            assert_eq!(begins_session(mark, landed, can_mark), expected, "{mark:?} {landed:?} {can_mark}");
        }
    }
}
