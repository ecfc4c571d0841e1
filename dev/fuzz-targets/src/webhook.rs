//! Webhooks of the platforms. Beyond no panic: none is authentic without the right code over its
//! very bytes, the same bytes give the same fact twice, and the fact may be kept (`fact::check`).
//!
//! The bytes are a line with the topic, and the body.

use http::{HeaderMap, HeaderName, HeaderValue};
use shared::order::Source;
use shared::platform::Platform;
use shared::token::{Claims, TokenError};
use shops::{Arrival, Authenticity, Reading, authenticate, read, topic_headers};

use crate::fact;
use crate::world::{self, MERCHANT, NOW, SECRET, UNKNOWN_SECRET, base64, first_line, hex, mac};

pub(crate) fn shopify(bytes: &[u8]) {
    webhook(Platform::Shopify, bytes);
}

pub(crate) fn woocommerce(bytes: &[u8]) {
    webhook(Platform::Woocommerce, bytes);
}

pub(crate) fn magento(bytes: &[u8]) {
    webhook(Platform::Magento, bytes);
}

pub(crate) fn stripe(bytes: &[u8]) {
    webhook(Platform::Stripe, bytes);
}

fn webhook(platform: Platform, bytes: &[u8]) {
    let (topic, body) = first_line(bytes);
    let unsigned = topic_headers(topic);
    check_signature(platform, &unsigned, body);
    let readings = [(); 2].map(|()| read(platform, &arrival(&unsigned, body, &[])));
    match readings {
        [Reading::Fact(one), Reading::Fact(other)] => {
            assert_eq!(one, other, "the same bytes are the same fact");
            fact::check(&one, Source::Webhook);
            assert_eq!(one.platform, platform);
        }
        [Reading::Ignored(one), Reading::Ignored(other)] => assert_eq!(one, other),
        [Reading::Asked(one), Reading::Asked(other)]
        | [Reading::Unparsed(one), Reading::Unparsed(other)] => assert_eq!(one, other),
        [one, other] => panic!("the same bytes are {one:?} and {other:?}"),
    }
}

fn check_signature(platform: Platform, unsigned: &HeaderMap, body: &[u8]) {
    let mut headers = unsigned.clone();
    let (name, code) = signature(platform, body);
    headers.insert(name, HeaderValue::from_str(&code).expect("a code is ASCII"));
    let of = |headers: &HeaderMap, body: &[u8], secrets: &[&str]| {
        authenticate(platform, &arrival(headers, body, secrets))
    };
    let sound = of(&headers, body, &["another", SECRET]);
    assert!(matches!(sound, Authenticity::Signed | Authenticity::Ping), "{sound:?}");
    let not_signed = |answer: Authenticity| assert_ne!(answer, Authenticity::Signed);
    not_signed(of(&headers, body, &[UNKNOWN_SECRET]));
    not_signed(of(&headers, body, &[]));
    not_signed(of(unsigned, body, &[SECRET]));
    not_signed(of(&headers, &[body, b" "].concat(), &[SECRET]));
    if let Some((last, rest)) = body.split_last() {
        not_signed(of(&headers, rest, &[SECRET]));
        not_signed(of(&headers, &[rest, &[last ^ 1]].concat(), &[SECRET]));
    }
}

/// Returns the header by which a platform signs a body.
fn signature(platform: Platform, body: &[u8]) -> (HeaderName, String) {
    let of_body = || base64(&mac(SECRET, body));
    let timed = || {
        let time = NOW.as_ms() / 1000;
        let message = [time.to_string().as_bytes(), b".", body].concat();
        format!("t={time},v1={}", hex(&mac(SECRET, &message)))
    };
    let (name, code) = match platform {
        Platform::Shopify => ("x-shopify-hmac-sha256", of_body()),
        Platform::Woocommerce => ("x-wc-webhook-signature", of_body()),
        Platform::Stripe => ("stripe-signature", timed()),
        Platform::Magento | Platform::Other => ("x-afterclick-signature", timed()),
    };
    (HeaderName::from_static(name), code)
}

/// Returns an arrival in this world. The token is that of the only click there is.
pub(crate) fn arrival<'a>(
    headers: &'a HeaderMap,
    body: &'a [u8],
    secrets: &'a [&'a str],
) -> Arrival<'a> {
    let token: &dyn Fn(&str) -> Result<Claims, TokenError> = &world::verify;
    Arrival { merchant: MERCHANT, headers, body, received_at: NOW, secrets, token }
}
