//! The body of one event, in the types that the server reads it with.
//!
//! One event a body: a kept event must go out with the token and the consent of its own time, not of a later page.

use shared::event::{Batch, Consent, Event, EventName, Order, URL_CHARS_MAX};

use crate::text::first_chars;

/// Bytes of a body. `fetch` with `keepalive` has 64 KiB for all requests under way, and the storage is shared with
/// the shop, so one event takes a fraction.
pub const BODY_BYTES_MAX: usize = 16 * 1024;

/// What is the same for every event of a page view.
#[derive(Debug)]
pub struct Visit {
    /// The merchant's public key.
    pub merchant_key: String,
    /// The click token as far as the page knows it.
    pub token: String,
    /// What the visitor allowed.
    pub consent: Consent,
    /// The page's address, without the token.
    pub url: String,
    /// Where the visitor came from.
    pub referrer: String,
}

/// Writes the body of one event.
///
/// An order whose lines are too long goes out without them: its id and amounts are what counts.
pub fn write(visit: &Visit, name: EventName, event_id: &str, now_ms: i64, order: Option<Order>) -> String {
    let event = Event {
        id: event_id.into(),
        name,
        ts: now_ms,
        url: first_chars(&visit.url, URL_CHARS_MAX).into(),
        referrer: first_chars(&visit.referrer, URL_CHARS_MAX).into(),
        order,
    };
    let mut batch = Batch {
        version: 1,
        merchant_key: visit.merchant_key.clone(),
        token: visit.token.clone(),
        consent: visit.consent,
        events: vec![event],
    };
    let body = batch.encode();
    if body.len() <= BODY_BYTES_MAX {
        return body;
    }
    for order in batch.events.iter_mut().filter_map(|event| event.order.as_mut()) {
        order.items.clear();
    }
    batch.encode()
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared::event::Item;

    const ID: &str = "0193a0c4-8f9e-7d3a-9b1c-2f4e6a8c0d1e";

    fn visit(url: &str) -> Visit {
        Visit {
            merchant_key: "k1".into(),
            token: "token".into(),
            consent: Consent::Granted,
            url: url.into(),
            referrer: "https://social.example/".into(),
        }
    }

    fn order(lines: usize) -> Order {
        let item = Item { name: Some("x".repeat(100)), price: "1.00".parse().ok(), ..Item::default() };
        Order {
            id: "1001".into(),
            value: "5.00".parse().ok(),
            currency: "EUR".parse().ok(),
            items: vec![item; lines],
            ..Order::default()
        }
    }

    #[test]
    fn the_server_reads_what_the_page_said() {
        let body = write(&visit("https://shop.example/"), EventName::Purchase, ID, 7, Some(order(2)));
        let batch = Batch::decode(body.as_bytes()).expect("the server reads it");
        let event = &batch.events[0];
        assert_eq!((batch.token.as_str(), batch.consent, event.ts), ("token", Consent::Granted, 7));
        assert_eq!(event.order, Some(order(2)).map(|o| Order { items: with_sku(o.items), ..o }));
    }

    /// Lines go out with an empty article number where the page gave none.
    fn with_sku(items: Vec<Item>) -> Vec<Item> {
        items.into_iter().map(|item| Item { sku: Some(String::new()), ..item }).collect()
    }

    #[test]
    fn an_order_of_many_lines_goes_out_without_them() {
        let body = write(&visit("https://shop.example/"), EventName::Purchase, ID, 7, Some(order(500)));
        assert!(body.len() <= BODY_BYTES_MAX);
        let batch = Batch::decode(body.as_bytes()).expect("the server reads it");
        assert_eq!(batch.events[0].order, Some(order(0)));
    }

    #[test]
    fn long_addresses_are_cut_at_a_character() {
        let body = write(&visit(&"é".repeat(5000)), EventName::Page, ID, 7, None);
        let batch = Batch::decode(body.as_bytes()).expect("the server reads it");
        assert_eq!(batch.events[0].url.chars().count(), URL_CHARS_MAX);
    }
}
