//! What must hold for every fact, whichever channel it came by.

use shared::money::AMOUNT_MAX;
use shared::order::{OrderFact, Source};
use shared::record::Record;

use crate::world::{self, MERCHANT, NOW};

/// Panics unless a fact may be kept: it is our merchant's and of this channel, has a name, its
/// amounts lie within bounds, its clicks came with valid tokens, and the journal gives it back as it
/// is.
pub(crate) fn check(fact: &OrderFact, source: Source) {
    assert_eq!((fact.merchant, fact.source, fact.received_at), (MERCHANT, source, NOW));
    assert!(
        (1..=128).contains(&fact.order_id.len()),
        "an order id of {} bytes",
        fact.order_id.len()
    );
    let amounts = [fact.goods_minor, fact.tax_minor, fact.shipping_minor, fact.total_minor];
    let of_refunds = fact.refunds.iter().flat_map(|refund| {
        let lines = refund.lines.iter().map(|line| Some(line.goods_minor));
        [Some(refund.total_minor), refund.goods_minor].into_iter().chain(lines)
    });
    let failed = fact.failed_refunds.iter().map(|refund| Some(refund.total_minor));
    for amount in amounts.into_iter().chain(of_refunds).chain(failed).flatten() {
        assert!((0..=AMOUNT_MAX).contains(&amount), "an amount of {amount}");
    }
    for line in &fact.lines {
        assert!((-AMOUNT_MAX..=AMOUNT_MAX).contains(&line.goods_minor), "{}", line.goods_minor);
    }
    for touch in &fact.touches {
        assert_eq!(touch.click, world::claims().click, "a click without a valid token");
    }
    let record = Record::Order(Box::new(fact.clone()));
    assert_eq!(Record::decode(&record.encode()), Ok(record), "the journal changes the fact");
}
