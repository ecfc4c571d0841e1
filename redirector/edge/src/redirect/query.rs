//! The parts of a request's query that are used: a sub id and `utm_…` parameters.

/// Characters of a sub id.
const SUB_ID_CHARS_MAX: usize = 64;
/// Bytes of `utm_…` parameters that are passed on.
pub(super) const UTM_BYTES_MAX: usize = 1024;

/// The parts of a request's query that are used.
pub(crate) struct Query<'a> {
    pub text: &'a str,
    pub sub_id: Option<&'a str>,
}

impl<'a> Query<'a> {
    pub(crate) fn read(text: &'a str) -> Self {
        if text.is_empty() {
            return Self { text, sub_id: None };
        }
        let sub_id = text.split('&').find_map(|pair| pair.strip_prefix("s="));
        Self { text, sub_id: sub_id.filter(|sub_id| is_sub_id(sub_id)) }
    }

    /// Returns the `utm_…` parameters as they came. Leaves out those with unexpected characters,
    /// and stops after `UTM_BYTES_MAX` bytes.
    pub(crate) fn utm(&self) -> impl Iterator<Item = &'a str> {
        let mut left = UTM_BYTES_MAX;
        let wanted = self
            .text
            .split('&')
            .filter(|pair| pair.starts_with("utm_") && pair.bytes().all(is_query_byte));
        wanted.take_while(move |pair| {
            let fits = pair.len() < left;
            left = left.saturating_sub(pair.len() + 1);
            fits
        })
    }
}

fn is_sub_id(text: &str) -> bool {
    (1..=SUB_ID_CHARS_MAX).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

/// Returns whether a byte is unreserved, part of a percent-encoding, or a delimiter of RFC 3986
/// that has no meaning in a query.
const fn is_query_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'-' | b'.'
                | b'_'
                | b'~'
                | b'%'
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

    #[test]
    fn only_clean_utm_parameters_are_passed_on() {
        let passed = |text| Query::read(text).utm().collect::<Vec<_>>();
        assert_eq!(
            passed("utm_source=insta&x=1&utm_medium=a%20b&s=1"),
            ["utm_source=insta", "utm_medium=a%20b"]
        );
        assert!(passed("utm_source=<script>&utm_x=\"").is_empty());
        assert!(passed("destination=https://evil.example&ac=x").is_empty());
        let long = format!("utm_a={}&utm_b=1", "x".repeat(UTM_BYTES_MAX));
        assert!(passed(&long).is_empty());
    }

    #[test]
    fn a_sub_id_is_short_and_plain_or_not_recorded() {
        assert_eq!(Query::read("utm_a=1&s=story-1_b").sub_id, Some("story-1_b"));
        assert_eq!(Query::read("s=a%20b").sub_id, None);
        assert_eq!(Query::read("s=").sub_id, None);
        assert_eq!(Query::read("ss=1").sub_id, None);
    }
}
