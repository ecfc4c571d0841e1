//! What stands behind the slug of a link with deep links. Beyond no panic: host, query and fragment
//! stay the destination's, and the path goes on below it however often it is decoded.

use url::Url;

/// A destination with every part that a rest could try to take over.
const OWN: &str = "https://shop.example:8443/de/shop?color=red#top";

pub(crate) fn deep_link(bytes: &[u8]) {
    let Ok(rest) = str::from_utf8(bytes) else { return };
    let Some(joined) = edge::fuzz::deep_link(OWN, rest) else { return };
    assert_eq!(joined, format!("https://shop.example:8443/de/shop/{rest}?color=red#top"));
    let (own, read) = (Url::parse(OWN).expect("an address"), Url::parse(&joined).expect("one"));
    assert_eq!(
        (read.origin(), read.query(), read.fragment()),
        (own.origin(), own.query(), own.fragment())
    );
    // A shop may decode before it reads the dots, and more than once.
    let mut decoded = rest.to_owned();
    for _ in 0..3 {
        for segment in decoded.trim_end_matches('/').split('/') {
            let name = segment.split(';').next().unwrap_or_default();
            assert!(!name.trim_matches('.').is_empty(), "`{segment}` climbs");
        }
        assert!(!decoded.contains(['\\', '?', '#']) && !decoded.chars().any(char::is_control));
        decoded = percent_encoding::percent_decode_str(&decoded).decode_utf8_lossy().into_owned();
    }
}
