//! Pixel events, as a body and as an image's address. Beyond no panic: what is accepted has 1 to 50
//! events, every purchase an order with a usable id, and no order is signed without the secret. An
//! address always gives the same event.

use shared::event::{Batch, EVENTS_MAX, EventName, is_order_id};
use shops::signed_order;

use crate::world::UNKNOWN_SECRET;

pub(crate) fn event(bytes: &[u8]) {
    let read = Batch::decode(bytes);
    assert_eq!(read, Batch::decode(bytes));
    let Ok(batch) = read else { return };
    assert!((1..=EVENTS_MAX).contains(&batch.events.len()), "{} events", batch.events.len());
    for event in &batch.events {
        let Some(order) = &event.order else {
            assert_ne!(event.name, EventName::Purchase, "a purchase needs its order");
            continue;
        };
        if event.name == EventName::Purchase {
            assert!(is_order_id(&order.id), "`{}`", order.id);
            // What is found on a page is kept as it was found, only the page's own call is held to it.
            let is_found = order.source.is_some();
            let has_currency = order.value.is_none() || order.currency.is_some();
            assert!(is_found || has_currency, "an amount of no currency");
        }
        let signed = signed_order::is_signed(&[UNKNOWN_SECRET], order);
        assert_ne!(signed, Some(true), "no code fits a secret by chance");
        assert_eq!(signed.is_some(), order.sig.is_some());
    }
}

pub(crate) fn image(bytes: &[u8]) {
    let Ok(query) = str::from_utf8(bytes) else { return };
    let body = edge::fuzz::image_body(query, 7);
    let batch = Batch::decode(body.as_bytes());
    if let Ok(batch) = &batch {
        assert_eq!(batch.events.len(), 1, "an image is one event");
    }
    // A reload of the page counts once: the id follows from the order. The time is the clock's.
    let other = Batch::decode(edge::fuzz::image_body(query, 8).as_bytes());
    if let (Ok(one), Ok(other)) = (batch, other) {
        let (one, other) = (&one.events[0], &other.events[0]);
        if one.order.as_ref().is_some_and(|order| !order.id.is_empty()) {
            assert_eq!(one.id, other.id);
        }
        event(body.as_bytes());
    }
}
