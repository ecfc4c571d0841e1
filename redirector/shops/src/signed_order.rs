//! Orders that a shop's page contains together with the shop's own MAC. The browser sends them, but
//! cannot change them.
//!
//! The MAC is the hex HMAC-SHA256, with the merchant's secret, of the order's `currency`, `id`,
//! `shipping`, `tax` and `value`: those that are present, sorted by name, each as `name=value`
//! percent-encoded (RFC 3986), joined by `&`. Only signed fields count: not the lines, the codes or
//! `new_customer`.

use std::fmt::Write;

use shared::event::Order;

use crate::hex::from_hex;
use crate::mac;

/// Returns whether the order's MAC fits it, by any of the secrets; `None` when it has none.
pub fn is_signed(secrets: &[&str], order: &Order) -> Option<bool> {
    let signature = order.sig.as_deref()?;
    let Some(code) = from_hex(signature) else { return Some(false) };
    Some(mac::is_valid(secrets, &[canonical(order).as_bytes()], &code))
}

/// Returns the text that the shop signs.
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
        let code = mac::code("secret", &[canonical(&order()).as_bytes()]).unwrap();
        let sig = crate::hex::to_hex(&code);
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
