//! The parts of a request's query that are used: a sub id, `utm_…` parameters, and, where the link
//! says so, the click ids of advertising platforms.
//!
//! Nothing else is passed on, and what is passed on is spelled anew: no byte of a request can end a
//! header, begin a fragment or name a destination.

use bytes::BufMut;

/// Characters of a sub id.
const SUB_ID_CHARS_MAX: usize = 64;
/// Bytes of parameters that are passed on.
pub(super) const PASSED_BYTES_MAX: usize = 1024;
/// The names under which advertising platforms send their click ids: Meta, Google, Microsoft,
/// TikTok, X, LinkedIn, Pinterest, Snapchat, Reddit, Yandex.
const CLICK_IDS: [&str; 13] = [
    "fbclid",
    "gclid",
    "gbraid",
    "wbraid",
    "dclid",
    "msclkid",
    "ttclid",
    "twclid",
    "li_fat_id",
    "epik",
    "sccid",
    "rdt_cid",
    "yclid",
];

/// The parts of a request's query that are used.
pub(crate) struct Query<'a> {
    pub text: &'a str,
    pub sub_id: Option<&'a str>,
    /// Whether click ids are passed on besides `utm_…` parameters.
    pub passes_click_ids: bool,
}

impl<'a> Query<'a> {
    pub(crate) fn read(text: &'a str, passes_click_ids: bool) -> Self {
        if text.is_empty() {
            return Self { text, sub_id: None, passes_click_ids };
        }
        let sub_id = pairs(text).find_map(|pair| pair.strip_prefix("s="));
        Self { text, sub_id: sub_id.filter(|sub_id| is_sub_id(sub_id)), passes_click_ids }
    }

    /// Returns the parameters that are passed on, as they came. Stops after `PASSED_BYTES_MAX`
    /// bytes.
    pub(crate) fn passed(&self) -> impl Iterator<Item = Parameter<'a>> {
        let mut left = PASSED_BYTES_MAX;
        let passes_click_ids = self.passes_click_ids;
        let is_passed = move |pair: &&str| {
            pair.starts_with("utm_") || (passes_click_ids && is_click_id(name_of(pair.as_bytes())))
        };
        pairs(self.text).filter(is_passed).map(Parameter).take_while(move |parameter| {
            let fits = parameter.spelled_bytes() < left;
            left = left.saturating_sub(parameter.spelled_bytes() + 1);
            fits
        })
    }

    /// Returns whether it passes on a parameter of the same name as `pair`.
    pub(crate) fn names(&self, pair: &[u8]) -> bool {
        self.passed().any(|Parameter(own)| name_of(own.as_bytes()) == name_of(pair))
    }
}

fn name_of(pair: &[u8]) -> &[u8] {
    &pair[..pair.iter().position(|byte| *byte == b'=').unwrap_or(pair.len())]
}

fn is_click_id(name: &[u8]) -> bool {
    CLICK_IDS.iter().any(|known| name.eq_ignore_ascii_case(known.as_bytes()))
}

/// Splits a query into its pairs. A `?` before a name that is read begins another pair, as people
/// append queries to links that have one; any other is a part of its value. In a link that was copied
/// from HTML, `&` is `&amp;`.
fn pairs(text: &str) -> impl Iterator<Item = &str> {
    let begins_pair = |rest: &str| {
        rest.starts_with("utm_") || rest.starts_with("s=") || is_click_id(name_of(rest.as_bytes()))
    };
    let mut left = Some(text);
    std::iter::from_fn(move || {
        let text = left?;
        let is_end = |&(at, byte): &(usize, u8)| {
            byte == b'&' || (byte == b'?' && begins_pair(&text[at + 1..]))
        };
        let end = text.bytes().enumerate().find(is_end).map(|(at, _)| at);
        left = end.map(|end| &text[end + 1..]);
        let pair = &text[..end.unwrap_or(text.len())];
        Some(pair.strip_prefix("amp;").unwrap_or(pair))
    })
}

/// A parameter of a query, as it came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Parameter<'a>(&'a str);

impl Parameter<'_> {
    /// Returns the number of bytes that [`put`](Self::put) writes.
    fn spelled_bytes(self) -> usize {
        (0..self.0.len()).map(|at| if self.stands_at(at) { 1 } else { 3 }).sum()
    }

    /// Returns whether the byte at a place may stand in a query as it is. A percent sign may only
    /// where it begins an encoding.
    fn stands_at(self, at: usize) -> bool {
        match &self.0.as_bytes()[at..] {
            [b'%', high, low, ..] => high.is_ascii_hexdigit() && low.is_ascii_hexdigit(),
            [b'%', ..] => false,
            [byte, ..] => is_query_byte(*byte),
            [] => false,
        }
    }

    /// Writes it. A byte that may not stand in a query is percent-encoded.
    pub(crate) fn put(self, bytes: &mut impl BufMut) {
        const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
        for (at, byte) in self.0.bytes().enumerate() {
            if self.stands_at(at) {
                bytes.put_u8(byte);
            } else {
                let digit = |half: u8| DIGITS[usize::from(half)];
                bytes.put_slice(&[b'%', digit(byte >> 4), digit(byte & 15)]);
            }
        }
    }
}

fn is_sub_id(text: &str) -> bool {
    (1..=SUB_ID_CHARS_MAX).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

/// Returns whether a byte is unreserved, or a delimiter of RFC 3986 that has no meaning in a query.
const fn is_query_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'-' | b'.'
                | b'_'
                | b'~'
                | b'='
                | b'+'
                | b'*'
                | b','
                | b':'
                | b';'
                | b'/'
                | b'!'
                | b'@'
                | b'('
                | b')'
                | b'$'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passed(text: &str) -> Vec<String> {
        let spelled = |parameter: Parameter<'_>| {
            let mut bytes = Vec::new();
            parameter.put(&mut bytes);
            assert_eq!(bytes.len(), parameter.spelled_bytes());
            String::from_utf8(bytes).unwrap()
        };
        Query::read(text, false).passed().map(spelled).collect()
    }

    #[test]
    fn utm_parameters_are_passed_on_and_nothing_else() {
        assert_eq!(
            passed("utm_source=insta&x=1&utm_medium=a%20b&s=1"),
            ["utm_source=insta", "utm_medium=a%20b"]
        );
        assert!(passed("destination=https://evil.example&ac=x").is_empty());
        let long = format!("utm_a={}&utm_b=1", "x".repeat(PASSED_BYTES_MAX));
        assert!(passed(&long).is_empty());
        let long = format!("utm_a={}&utm_b=1", "|".repeat(PASSED_BYTES_MAX / 3));
        assert!(passed(&long).is_empty(), "the spelled bytes count");
    }

    #[test]
    fn what_may_not_stand_in_a_query_is_encoded() {
        for (given, spelled) in [
            ("utm_campaign=DE|AT", "utm_campaign=DE%7CAT"),
            ("utm_x=20%", "utm_x=20%25"),
            ("utm_x=100%25%2", "utm_x=100%25%252"),
            ("utm_x=%zz%c3%A9", "utm_x=%25zz%c3%A9"),
            ("utm_x=[{a}]", "utm_x=%5B%7Ba%7D%5D"),
            ("utm_x='^`", "utm_x=%27%5E%60"),
            ("utm_x=<script>\"#", "utm_x=%3Cscript%3E%22%23"),
            ("utm_x=é", "utm_x=%C3%A9"),
            ("utm_x=a\r\nb", "utm_x=a%0D%0Ab"),
        ] {
            assert_eq!(passed(given), [spelled]);
        }
    }

    #[test]
    fn pairs_are_found_behind_what_people_write_between_them() {
        assert_eq!(passed("utm_a=1&amp;utm_b=2"), ["utm_a=1", "utm_b=2"]);
        assert_eq!(passed("s=story?utm_source=ig"), ["utm_source=ig"]);
        assert_eq!(
            passed("utm_source=a?b&utm_medium=c?x=1?"),
            ["utm_source=a%3Fb", "utm_medium=c%3Fx=1%3F"]
        );
        assert_eq!(Query::read("s=story?utm_source=ig", false).sub_id, Some("story"));
        assert!(
            Query::read("utm_a=1", false).names(b"utm_a=2")
                && Query::read("utm_a", false).names(b"utm_a")
        );
        assert!(
            !Query::read("utm_a=1", false).names(b"utm_ab=2")
                && !Query::read("x=1", false).names(b"x=1")
        );
    }

    #[test]
    fn click_ids_are_passed_on_where_the_link_says_so() {
        let text = "fbclid=IwAR0|x&utm_source=ig&GCLID=a&ScCid=b&gclidx=c&ttclid&x=fbclid";
        let passed = |says_so| -> Vec<_> {
            Query::read(text, says_so).passed().map(|Parameter(pair)| pair).collect()
        };
        assert_eq!(passed(false), ["utm_source=ig"]);
        assert_eq!(
            passed(true),
            ["fbclid=IwAR0|x", "utm_source=ig", "GCLID=a", "ScCid=b", "ttclid"]
        );
        assert!(Query::read("gclid=1", true).names(b"gclid=2"), "the request's is sent, once");
        assert!(!Query::read("gclid=1", false).names(b"gclid=2"));
    }

    #[test]
    fn a_sub_id_is_short_and_plain_or_not_recorded() {
        assert_eq!(Query::read("utm_a=1&s=story-1_b", false).sub_id, Some("story-1_b"));
        assert_eq!(Query::read("s=a%20b", false).sub_id, None);
        assert_eq!(Query::read("s=", false).sub_id, None);
        assert_eq!(Query::read("ss=1", false).sub_id, None);
    }
}
