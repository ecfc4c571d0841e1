//! Orders that the shop's page carries with the shop's own MAC: the browser brings them, and cannot
//! change them.
//!
//! The MAC is the hex HMAC-SHA256, with the merchant's secret, of the order's `currency`, `id`,
//! `shipping`, `tax` and `value`, as many as there are, sorted by name, each `name=value`
//! percent-encoded (RFC 3986), joined by `&`. Only what is signed counts: not the lines, the codes
//! or whose first order it is.

use std::fmt::Write;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use shared::event::Order;

use crate::hooks::postback::from_hex;

/// Whether the order's MAC fits it, by any of the secrets; `None` when it has none. In constant
/// time.
pub(crate) fn is_signed(secrets: &[&str], order: &Order) -> Option<bool> {
    let signature = order.sig.as_deref()?;
    let Some(signature) = from_hex(signature) else { return Some(false) };
    let text = canonical(order);
    Some(secrets.iter().any(|secret| {
        let mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes());
        mac.is_ok_and(|mac| mac.chain_update(text.as_bytes()).verify_slice(&signature).is_ok())
    }))
}

/// What the shop signs.
fn canonical(order: &Order) -> String {
    let amount = |amount: Option<shared::money::Decimal>| amount.map(|amount| amount.to_string());
    let fields = [
        ("currency", order.currency.map(|currency| currency.to_string())),
        ("id", Some(order.id.clone())),
        ("shipping", amount(order.shipping)),
        ("tax", amount(order.tax)),
        ("value", amount(order.value)),
    ];
    let pairs =
        fields.into_iter().filter_map(|(name, value)| Some(format!("{name}={}", encoded(&value?))));
    pairs.collect::<Vec<_>>().join("&")
}

fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order() -> Order {
        Order {
            id: "#1001 ä".into(),
            value: "129.90".parse().ok(),
            currency: "EUR".parse().ok(),
            tax: "20.74".parse().ok(),
            ..Order::default()
        }
    }

    #[test]
    fn what_is_signed_is_spelled_in_one_way() {
        assert_eq!(canonical(&order()), "currency=EUR&id=%231001%20%C3%A4&tax=20.74&value=129.90");
    }

    #[test]
    fn only_the_shops_own_signature_over_these_amounts_fits() {
        let mac =
            Hmac::<Sha256>::new_from_slice(b"secret").unwrap().chain_update(canonical(&order()));
        let sig: String =
            mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        let signed = Order { sig: Some(sig), ..order() };
        assert_eq!(is_signed(&["other", "secret"], &signed), Some(true));
        assert_eq!(is_signed(&["other"], &signed), Some(false));
        for tampered in [
            Order { value: "1129.90".parse().ok(), ..signed.clone() },
            Order { id: "1002".into(), ..signed.clone() },
            Order { currency: "USD".parse().ok(), ..signed.clone() },
            Order { tax: None, ..signed.clone() },
            Order { shipping: "0".parse().ok(), ..signed.clone() },
        ] {
            assert_eq!(is_signed(&["secret"], &tampered), Some(false), "{tampered:?}");
        }
        assert_eq!(is_signed(&["secret"], &order()), None);
        assert_eq!(
            is_signed(&["secret"], &Order { sig: Some("zz".into()), ..order() }),
            Some(false)
        );
    }
}
