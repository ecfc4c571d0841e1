//! Measures what an order costs that is reported very often: 1,000 to 100,000 times, each time the
//! same, or each time with another amount. Ten times the reports must take about ten times as long.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use settlement::history::Newness;
use settlement::ledger::settle;
use shared::catalog::Catalog;
use shared::id::{FactId, MerchantId};
use shared::order::{OrderFact, RefundList, Source, Status, by_order, repetitions};
use shared::platform::Platform;
use shared::time::{Span, Timestamp};

/// The product's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const COUNTS: [u32; 3] = [1_000, 10_000, 100_000];

/// Makes report number `n` of one order. Amounts that change differ in each report.
fn report(n: u32, changes: bool) -> OrderFact {
    let ordered_at = Timestamp::from_ms(1_763_800_000_000);
    let blank = OrderFact::blank(
        FactId::of_content(&[&n.to_be_bytes()]),
        MerchantId::from_bits(1),
        (Platform::Woocommerce, "1001".to_owned()),
        Source::Webhook,
        ordered_at.plus(Span::seconds(i64::from(n))),
    );
    OrderFact {
        ordered_at: Some(ordered_at),
        status: Some(Status::Paid),
        currency: "EUR".parse().ok(),
        goods_minor: Some(12_990 + if changes { i64::from(n) } else { 0 }),
        total_minor: Some(200_000),
        refund_list: RefundList::Whole,
        ..blank
    }
}

fn reports(c: &mut Criterion) {
    // A smoke run only shows that the bench works, so the smallest size is enough.
    let counts =
        if std::env::args().any(|argument| argument == "--test") { &COUNTS[..1] } else { &COUNTS };
    let catalog = Catalog::default();
    for (what, changes) in [("the same", false), ("another amount", true)] {
        let mut group = c.benchmark_group(format!("reports/{what}"));
        for &count in counts {
            let facts: Vec<OrderFact> = (0..count).map(|n| report(n, changes)).collect();
            group.throughput(Throughput::Elements(count.into())).sample_size(10);
            group.bench_function(BenchmarkId::new("find and settle", count), |b| {
                b.iter(|| {
                    assert_eq!(by_order(black_box(&facts)).len(), 1);
                    settle(black_box(&facts), &catalog, &|_| None, &Newness::default())
                });
            });
            group.bench_function(BenchmarkId::new("find repetitions", count), |b| {
                b.iter(|| repetitions(black_box(&facts)));
            });
        }
    }
}

criterion_group!(benches, reports);
criterion_main!(benches);
