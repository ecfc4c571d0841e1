//! The second look at a path whose exact slug is unknown: what people, mailers and messengers add
//! to a link when they copy it. It never makes one slug of another: only what no slug may hold is
//! taken away.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

/// A slug as it was meant, and the query that was glued to it.
#[derive(Debug, PartialEq, Eq)]
pub struct Meant {
    /// The slug.
    pub slug: String,
    /// The query, with what was glued to the slug in front.
    pub query: String,
}

/// Reads a path, without its first slash, once more: percent-decoded, cut at a first `&` or `?`,
/// and without what no slug may hold at its ends. Returns `None` when that changes nothing.
pub fn meant(path: &str, query: &str) -> Option<Meant> {
    let decoded: Cow<'_, str> = percent_decode_str(path).decode_utf8().ok()?;
    let (name, glued) = match decoded.find(['&', '?']) {
        Some(at) => (&decoded[..at], &decoded[at + 1..]),
        None => (&*decoded, ""),
    };
    let slug = name.trim_matches(|c: char| !is_of_slug(c));
    if slug.is_empty() || slug == path || !slug.chars().all(is_of_slug) {
        return None;
    }
    let joint = if glued.is_empty() || query.is_empty() { "" } else { "&" };
    Some(Meant { slug: slug.to_owned(), query: format!("{glued}{joint}{query}") })
}

/// Returns whether a slug may hold a character.
const fn is_of_slug(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '-' | '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_copying_adds_to_a_link_is_taken_away() {
        for path in [
            "anna/",
            "/anna",
            "//anna//",
            "anna.",
            "anna,",
            "anna)",
            "(anna)",
            "anna!",
            "anna%20",
            "%20anna",
            "anna%E2%80%8B",
            "anna\u{200b}",
            "%61nna",
            "anna%2B",
            "anna+",
            "anna%22",
            "anna>",
            "anna*",
            "anna…",
            "anna%0A",
        ] {
            let found = meant(path, "s=1");
            assert_eq!(found, Some(Meant { slug: "anna".into(), query: "s=1".into() }), "{path}");
        }
        let glued = meant("anna&utm_source=x", "");
        assert_eq!(glued, Some(Meant { slug: "anna".into(), query: "utm_source=x".into() }));
        let both = meant("anna%3Futm_source=x", "s=1");
        assert_eq!(both, Some(Meant { slug: "anna".into(), query: "utm_source=x&s=1".into() }));
    }

    #[test]
    fn another_name_stays_another_name() {
        for path in
            ["anna", "an na", "anna/b", "a.b", "an%2Fna", "", "/", "%", "%FF", "..", "a%00b"]
        {
            assert_eq!(meant(path, ""), None, "{path}");
        }
    }
}
