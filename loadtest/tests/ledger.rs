//! What the ledger books is what exact fractions say is due, and the oracle would notice if it were
//! not.

#![expect(clippy::unwrap_used, reason = "a test ends where something it needs is missing")]

use loadtest::{LedgerPlan, LedgerReport, Plant, compare_ledgers};

fn compared(operations: u64, plant: Option<Plant>) -> LedgerReport {
    let report =
        compare_ledgers(LedgerPlan { operations, seed: 20_261_126, plant }, |_| ()).unwrap();
    println!("{report:?}");
    report
}

#[test]
fn thirty_thousand_operations_in_forty_currencies_are_booked_to_the_cent() {
    let report = compared(30_000, None);
    assert!(report.operations >= 30_000 && report.currencies == 40, "{report:?}");
    assert_eq!((report.differences, report.unbalanced.len()), (0, 0), "{report:?}");
}

#[test]
fn a_lost_refund_one_counted_twice_and_a_cent_too_much_are_caught() {
    for plant in [Plant::LoseRefund, Plant::CountTwice, Plant::OneOff] {
        let report = compared(20_000, Some(plant));
        assert!(report.differences > 0 && !report.unbalanced.is_empty(), "{plant:?}: {report:?}");
    }
}
