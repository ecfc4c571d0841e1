//! The server API. Beyond no panic: the same bytes give the same facts, none of the many orders that
//! a call may have is left out silently, and every fact may be kept.

use http::HeaderMap;
use shared::order::Source;
use shared::platform::Platform;
use shared::record::Record;
use shops::{lead, plain};

use crate::fact;
use crate::webhook::arrival;

pub(crate) fn server_api(bytes: &[u8]) {
    leads(bytes);
    let Ok(orders) = plain::orders(bytes) else { return };
    assert!((1..=plain::ORDERS_MAX).contains(&orders.len()), "{} orders", orders.len());
    let headers = HeaderMap::new();
    for order in &orders {
        let arrival = arrival(&headers, bytes, &[]);
        let read = || plain::read(&arrival, Platform::Other, order);
        let one = read();
        assert_eq!(one, read(), "the same bytes are the same fact");
        if let Ok(fact) = one {
            fact::check(&fact, Source::Postback);
            assert!(shared::event::is_order_id(&fact.order_id), "`{}`", fact.order_id);
        }
    }
}

/// Leads come by the same door.
fn leads(bytes: &[u8]) {
    let headers = HeaderMap::new();
    let arrival = arrival(&headers, bytes, &[]);
    let Ok(leads) = lead::leads(bytes) else { return };
    assert!((1..=lead::LEADS_MAX).contains(&leads.len()), "{} leads", leads.len());
    for (place, entry) in leads.iter().enumerate() {
        let one = lead::read(&arrival, place, entry);
        assert_eq!(one, lead::read(&arrival, place, entry), "the same bytes are the same fact");
        if let Ok(fact) = one {
            assert!(shared::event::is_order_id(&fact.lead_id), "`{}`", fact.lead_id);
            assert!(fact.occurred_at <= fact.received_at);
            let record = Record::Lead(Box::new(fact));
            assert_eq!(Record::decode(&record.encode()), Ok(record.clone()));
        }
    }
}
