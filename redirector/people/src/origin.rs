//! Whether a request that a browser signed in comes from a page of ours.
//!
//! SECURITY: a browser adds the sign-in to requests of any page. So a request that changes something
//! counts only when the browser says that a page of ours made it: by `Sec-Fetch-Site`, and by
//! `Origin` where a browser is too old for that. A page below our own domain is not ours either:
//! shops may have names there.

/// What a request says of where it came from.
#[derive(Debug, Clone, Copy, Default)]
pub struct Asked<'a> {
    /// It changes nothing: GET or HEAD.
    pub is_safe: bool,
    pub sec_fetch_site: Option<&'a str>,
    pub origin: Option<&'a str>,
    /// Our own host, as the request names it.
    pub host: Option<&'a str>,
}

/// Returns whether a signed-in browser's request counts.
pub fn is_ours(asked: Asked<'_>) -> bool {
    if asked.is_safe {
        return true;
    }
    match (asked.sec_fetch_site, asked.origin) {
        (Some(site), _) => matches!(site, "same-origin" | "none"),
        (None, Some(origin)) => {
            let of_origin = origin.split_once("://").map(|(_, host)| host);
            of_origin.is_some() && of_origin == asked.host
        }
        // No browser that sends a sign-in leaves out both; a program has a token.
        (None, None) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_pages_of_ours_change_something() {
        for (site, origin, expected) in [
            (Some("same-origin"), None, true),
            (Some("none"), None, true),
            (Some("same-site"), None, false),
            (Some("cross-site"), None, false),
            (Some("cross-site"), Some("https://app.example"), false),
            (Some("Same-Origin"), None, false),
            (None, Some("https://app.example"), true),
            (None, Some("http://app.example"), true),
            (None, Some("https://app.example.evil.example"), false),
            (None, Some("https://evil.example"), false),
            (None, Some("null"), false),
            (None, Some(""), false),
            (None, None, false),
        ] {
            let asked =
                Asked { is_safe: false, sec_fetch_site: site, origin, host: Some("app.example") };
            assert_eq!(is_ours(asked), expected, "{site:?} {origin:?}");
            assert!(is_ours(Asked { is_safe: true, ..asked }));
        }
        let unnamed = Asked { origin: Some("null"), ..Asked::default() };
        assert!(!is_ours(unnamed), "no host is nobody's");
    }
}
