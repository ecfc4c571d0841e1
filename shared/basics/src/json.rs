//! JSON texts as senders really make them, repaired so that a strict parser reads them. It never
//! looks at what a text says, and never changes a text that is right.

use std::borrow::Cow;

/// Returns a JSON text without what keeps a strict parser from reading it:
///
/// - bytes that are no UTF-8, and escaped halves of a surrogate pair (`\ud83d`), as they stand in a
///   text that was cut inside an emoji: each becomes U+FFFD;
/// - byte order marks outside of strings.
///
/// SECURITY: signatures and the ids of facts are made of the bytes as they were sent, never of
/// this. The number of strings, and everything outside of them, stays the same.
pub fn repaired(text: &[u8]) -> Cow<'_, [u8]> {
    let valid = String::from_utf8_lossy(text);
    match (without_faults(valid.as_bytes()), valid) {
        (Some(repaired), _) => Cow::Owned(repaired),
        (None, Cow::Owned(valid)) => Cow::Owned(valid.into_bytes()),
        (None, Cow::Borrowed(_)) => Cow::Borrowed(text),
    }
}

/// The byte order mark, as UTF-8.
const MARK: &[u8] = "\u{feff}".as_bytes();
/// U+FFFD, escaped like the half that it replaces.
const REPLACEMENT: &[u8] = br"\ufffd";

/// Returns the text without marks and halves; `None` when it has none.
fn without_faults(text: &[u8]) -> Option<Vec<u8>> {
    let (mut repaired, mut copied) = (None, 0);
    let (mut at, mut in_string) = (0, false);
    while let Some(&byte) = text.get(at) {
        let (length, instead): (usize, Option<&[u8]>) = match byte {
            b'"' => {
                in_string = !in_string;
                (1, None)
            }
            b'\\' if in_string => escape(&text[at..]),
            _ if !in_string && text[at..].starts_with(MARK) => (MARK.len(), Some(b"")),
            _ => (1, None),
        };
        if let Some(instead) = instead {
            let out = repaired.get_or_insert_with(|| Vec::with_capacity(text.len()));
            out.extend_from_slice(&text[copied..at]);
            out.extend_from_slice(instead);
            copied = at + length;
        }
        at += length;
    }
    let mut repaired = repaired?;
    repaired.extend_from_slice(&text[copied..]);
    Some(repaired)
}

/// Returns the length of the escape with which a text begins, and what must stand instead of it.
fn escape(text: &[u8]) -> (usize, Option<&'static [u8]>) {
    match unit(text) {
        None => (2, None),
        Some(0xd800..=0xdbff) => match text.get(6..).and_then(unit) {
            Some(0xdc00..=0xdfff) => (12, None),
            _ => (6, Some(REPLACEMENT)),
        },
        Some(0xdc00..=0xdfff) => (6, Some(REPLACEMENT)),
        Some(_) => (6, None),
    }
}

/// Returns the UTF-16 unit of an escape such as `\ud83d`.
fn unit(text: &[u8]) -> Option<u16> {
    let digits = text.strip_prefix(br"\u")?.get(..4)?;
    let is_hex = digits.iter().all(u8::is_ascii_hexdigit);
    u16::from_str_radix(str::from_utf8(digits).ok()?, 16).ok().filter(|_| is_hex)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn check(text: &[u8], expected: &Value) {
        let repaired = repaired(text);
        let read: Value = serde_json::from_slice(&repaired)
            .unwrap_or_else(|error| panic!("{}: {error}", String::from_utf8_lossy(&repaired)));
        assert_eq!(&read, expected, "{}", String::from_utf8_lossy(text));
    }

    #[test]
    fn what_was_cut_or_marked_is_read() {
        check(b"\xef\xbb\xbf{\"a\":1}", &json!({ "a": 1 }));
        check(b"\xef\xbb\xbf\xef\xbb\xbf[\xef\xbb\xbf1,\xef\xbb\xbf2]\xef\xbb\xbf", &json!([1, 2]));
        check(br#"["x\ud83d"]"#, &json!(["x\u{fffd}"]));
        check(br#"["\ude00x","\uD83D\ud83d\uDE00"]"#, &json!(["\u{fffd}x", "\u{fffd}😀"]));
        check(br#"["\ud83d\n","\ud83d\u0041"]"#, &json!(["\u{fffd}\n", "\u{fffd}A"]));
        check(br#"{"\udc00":1}"#, &json!({ "\u{fffd}": 1 }));
        check(b"[\"\xf0\x9f\x98\"]", &json!(["\u{fffd}"]));
        // A surrogate as bytes, as some languages write it.
        check(b"[\"\xed\xa0\xbd\"]", &json!(["\u{fffd}\u{fffd}\u{fffd}"]));
    }

    #[test]
    fn what_is_right_stays_as_it_is() {
        for text in [
            r#"{"a":"\ud83d\ude00 😀 \\ud83d \" \u00e9","b":[]}"#,
            "[\"a\u{feff}b\"]",
            r#"["\\"]"#,
            "",
            "\"",
            "\"\\",
            r#""\u12"#,
        ] {
            assert!(matches!(repaired(text.as_bytes()), Cow::Borrowed(_)), "{text}");
        }
    }

    proptest! {
        /// Whatever comes, repairing it twice is repairing it once, and what a strict parser reads
        /// without help it reads in the same way afterwards.
        #[test]
        fn repairing_changes_nothing_that_can_be_read(
            text in prop_oneof![
                prop::collection::vec(any::<u8>(), 0..64),
                r#"[{\["\\ud8cef0-2,:\u{feff} ]{0,40}"#.prop_map(String::into_bytes),
            ],
        ) {
            let once = repaired(&text).into_owned();
            prop_assert_eq!(&*repaired(&once), &*once);
            if let Ok(read) = serde_json::from_slice::<Value>(&text) {
                prop_assert_eq!(serde_json::from_slice::<Value>(&once).ok(), Some(read));
            }
        }
    }
}
