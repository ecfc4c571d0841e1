//! The figures that the walk expects, and the record of its checks.
//!
//! Expected figures are computed here from the shop's own orders, in cents, by the rules in
//! `docs/api` and `docs/accounts`. Nothing is taken from the product, or the product would be
//! checked against itself.

use std::fmt::Debug;

use crate::money::Cents;
use crate::shop::{Order, Status};
use harness::Row;

/// The campaign's commission in percent.
pub const RATE_PERCENT: i64 = 15;

/// The checks of a walk. Each is printed when it is made.
#[derive(Debug, Default)]
pub struct Checks {
    passed: usize,
    failed: Vec<String>,
}

impl Checks {
    /// Compares two values and prints one line.
    pub fn equal<T: PartialEq + Debug>(&mut self, what: &str, found: T, expected: T) {
        if found == expected {
            self.passed += 1;
            println!("  ✓ {what}: {found:?}");
        } else {
            self.fail(&format!("{what}: expected {expected:?}, found {found:?}"));
        }
    }

    /// Prints one line for a condition that must hold.
    pub fn holds(&mut self, what: &str, is_so: bool) {
        if is_so {
            self.passed += 1;
            println!("  ✓ {what}");
        } else {
            self.fail(what);
        }
    }

    /// Records a failure that has no value to compare.
    pub fn fail(&mut self, what: &str) {
        println!("  ✗ {what}");
        self.failed.push(what.to_owned());
    }

    /// Returns the failed checks; empty if all passed.
    pub fn failed(&self) -> &[String] {
        &self.failed
    }

    /// Returns how many checks passed.
    pub const fn passed(&self) -> usize {
        self.passed
    }
}

/// The row that the statement must have for an influencer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected {
    /// The influencer's name.
    pub influencer: &'static str,
    /// Billable clicks.
    pub clicks: u32,
    /// Sessions that began with a click.
    pub sessions: u32,
    /// Credited orders, including the cancelled ones.
    pub orders: usize,
    /// Cancelled orders.
    pub cancelled: usize,
    /// Goods of the orders that are not cancelled, less refunds.
    pub goods: Cents,
    /// Commission that is still due after all reversals.
    pub due: Cents,
    /// Reversed commission; a negative amount or zero.
    pub reversed: Cents,
}

impl Expected {
    /// Computes the expected row from the shop's orders.
    pub fn of(influencer: &'static str, clicks: u32, sessions: u32, orders: &[Order]) -> Self {
        let accrued: Cents = orders.iter().map(|order| commission(order.sums.goods)).sum();
        let due: Cents = orders.iter().map(commission_due).sum();
        let cancelled = orders.iter().filter(|order| order.status == Status::Cancelled).count();
        let goods = orders.iter().map(goods_kept).sum();
        Self {
            influencer,
            clicks,
            sessions,
            orders: orders.len(),
            cancelled,
            goods,
            due,
            reversed: due - accrued,
        }
    }

    /// Compares the expected row with the row of the statement.
    pub fn compare(&self, rows: &[Row], checks: &mut Checks) {
        let Some(row) = rows
            .iter()
            .find(|row| row.get("influencer").is_some_and(|name| name == self.influencer))
        else {
            return checks.fail(&format!("the statement has no row for {}", self.influencer));
        };
        let number = |column: &str, expected: String, checks: &mut Checks| {
            let found = row.get(column).cloned().unwrap_or_else(|| "no such column".into());
            checks.equal(&format!("{} {column}", self.influencer), found, expected);
        };
        number("clicks_billable", self.clicks.to_string(), checks);
        number("sessions", self.sessions.to_string(), checks);
        number("orders", self.orders.to_string(), checks);
        number("orders_cancelled", self.cancelled.to_string(), checks);
        number("goods", self.goods.to_string(), checks);
        number("commission_pending", self.due.to_string(), checks);
        number("commission_approved", Cents(0).to_string(), checks);
        number("commission_reversed", self.reversed.to_string(), checks);
        // Nothing is payable before the campaign's hold time is over.
        number("payable", Cents(0).to_string(), checks);
        number("currency", "EUR".into(), checks);
    }
}

fn commission(goods: Cents) -> Cents {
    goods.share(RATE_PERCENT, 100)
}

/// Returns the goods that the customer keeps. A refund without lines takes back its share of the
/// total.
fn goods_kept(order: &Order) -> Cents {
    if order.status == Status::Cancelled {
        return Cents(0);
    }
    let total = order.sums.total();
    order.sums.goods.share((total - order.refunded()).0, total.0)
}

/// Returns the commission that is due for an order as it stands. A refund without lines takes back
/// its share of the total. The result is rounded once.
pub fn commission_due(order: &Order) -> Cents {
    if order.status == Status::Cancelled {
        return Cents(0);
    }
    let total = order.sums.total();
    let left = total - order.refunded();
    Cents(order.sums.goods.0 * left.0).share(RATE_PERCENT, 100 * total.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shop::Cart;
    use jiff::Timestamp;

    fn order(sku: &str) -> Order {
        let mut cart = Cart::default();
        cart.add(sku);
        Order::place(1001, &cart, Timestamp::UNIX_EPOCH)
    }

    #[test]
    fn fifteen_percent_of_129_90_is_19_49() {
        assert_eq!(commission_due(&order("lamp")), Cents(1949));
    }

    #[test]
    fn cancelled_and_refunded_orders_are_taken_back() {
        let mut cancelled = order("mug");
        cancelled.status = Status::Cancelled;
        let mut refunded = order("throw");
        refunded.refunds.push(Cents(2078));
        let expected = Expected::of("Anna", 1, 1, &[order("lamp"), cancelled, refunded]);
        // 19.49 + 0 + 15 % of 64.95 × (83.12 − 20.78) / 83.12 = 7.31;
        // taken back: 3.68 and 9.74 − 7.31.
        assert_eq!((expected.due, expected.reversed), (Cents(1949 + 731), Cents(-368 - 243)));
        assert_eq!(
            (expected.orders, expected.cancelled, expected.goods),
            (3, 1, Cents(12990 + 4871))
        );
    }
}
