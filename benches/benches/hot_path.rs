//! Measures the pure parts of a click, an event and an order: token, classification, record,
//! journal append, event decode, and an order's fold.

use std::hint::black_box;

use agents::Agents;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use journal::{Options, StreamName, Writer};
use settlement::history::Newness;
use settlement::ledger::settle;
use shared::agent::{Device, InApp, Visitor};
use shared::catalog::Catalog;
use shared::class::{Availability, Class, Request, classify};
use shared::consent::Consent;
use shared::event::Batch;
use shared::id::{ClickId, FactId, LinkId, MerchantId};
use shared::order::{FactKind, Line, OrderFact, Refund, RefundList, Source, Status, Touch, fold};
use shared::platform::Platform;
use shared::record::{Click, Record, encode_click};
use shared::time::{Span, Timestamp};
use shared::token::{Claims, Kind, TokenKey};

const NOW: Timestamp = Timestamp::from_ms(1_763_800_000_000);
const BROWSER: &str = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) \
    Mobile/15E148 Instagram 357.0.0.25.100 (iPhone15,2; iOS 18_1; de_DE; de; scale=3.00; 1179x2556; 650000000)";

fn claims() -> Claims {
    Claims {
        key_id: 1,
        kind: Kind::Click,
        consent: Consent::Unknown,
        issued_at: NOW,
        window_minutes: 43_200,
        merchant: MerchantId::from_bits(1),
        link: LinkId::from_bits(2),
        click: ClickId::from_bytes([3; 16]),
    }
}

fn click() -> Click<'static> {
    Click {
        id: ClickId::from_bytes([3; 16]),
        at: NOW,
        link: LinkId::from_bits(0x1234_5678_9abc_def0),
        class: Class::Billable,
        window_minutes: 43_200,
        previous: None,
        sub_id: None,
        country: None,
        device: Device::Mobile,
        in_app: InApp::Instagram,
        referrer_host: "l.instagram.com",
        consent: Consent::Unknown,
        branch: None,
    }
}

fn token(c: &mut Criterion) {
    let key = TokenKey::derive(&[7; 32], MerchantId::from_bits(1));
    let text = claims().encode(&key);
    c.bench_function("token/sign", |b| b.iter(|| black_box(claims()).encode(&key)));
    c.bench_function("token/verify", |b| {
        b.iter(|| Claims::verify(black_box(&text), NOW, |_, _| Ok(key)));
    });
}

fn classification(c: &mut Criterion) {
    let agents = Agents::new().expect("the vendored list compiles");
    let request =
        Request { head: false, prefetch: false, not_navigation: false, visitor: Visitor::Person };
    c.bench_function("classify/request", |b| {
        b.iter(|| classify(black_box(request), Availability::Live, None, Span::minutes(30), NOW));
    });
    c.bench_function("classify/user agent, not cached", |b| {
        b.iter(|| agents.judge(black_box(BROWSER)));
    });
}

fn journal_append(c: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let stream = StreamName::new("bench").expect("a stream name");
    let (mut writer, _) =
        Writer::open(folder.path(), &stream, 0, Options::default()).expect("a new stream");
    let mut group = c.benchmark_group("journal");
    group.throughput(Throughput::Elements(6));
    group.bench_function("six clicks, one commit", |b| {
        b.iter(|| {
            for _ in 0..6 {
                writer.append_with(|buffer| encode_click(&click(), buffer)).expect("appends");
            }
            writer.commit(0).expect("commits")
        });
    });
    group.finish();
}

/// A session, a page view and a purchase, as the pixel of a thank-you page sends them together.
const EVENTS: &str = r#"{"v":1,"k":"m_0123456789abcdefghijkl","t":"AQEAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA","c":"granted","e":[
{"id":"0190a000-0000-7000-8000-000000000001","n":"session","ts":1763800000000,"u":"https://shop.example/product/1234"},
{"id":"0190a000-0000-7000-8000-000000000002","n":"page","ts":1763800060000,"u":"https://shop.example/product/1234"},
{"id":"0190a000-0000-7000-8000-000000000003","n":"purchase","ts":1763800120000,"u":"https://shop.example/thanks","o":
{"id":"1001","value":"129.90","currency":"EUR","tax":"20.74","shipping":"4.90","coupon":"ANNA15","items":[{"sku":"S-1","qty":1,"price":"99.90"},{"sku":"S-2","qty":2,"price":"15.00"}]}}]}"#;

fn decode(c: &mut Criterion) {
    Batch::decode(EVENTS.as_bytes()).expect("what the pixel sends can be decoded");
    c.bench_function("event/decode a purchase with two earlier events", |b| {
        b.iter(|| Batch::decode(black_box(EVENTS.as_bytes())));
    });
    let mut record = Vec::new();
    encode_click(&click(), &mut record);
    c.bench_function("record/decode a click", |b| {
        b.iter(|| Record::decode(black_box(&record)).is_ok());
    });
}

/// The facts of a typical order: paid with three lines, then refunded in part.
fn order_facts() -> Vec<OrderFact> {
    let line = |number: i64| Line {
        id: number.to_string(),
        sku: Some(format!("SKU-{number}")),
        product: Some(number.to_string()),
        category: None,
        goods_minor: 4330,
    };
    let fact = |number: u8, minutes: i64| {
        let received_at = NOW.plus(Span::minutes(minutes));
        let name = (Platform::Woocommerce, "1001".to_owned());
        let blank = OrderFact::blank(
            FactId::from_bytes([number; 16]),
            MerchantId::from_bits(1),
            name,
            Source::Webhook,
            received_at,
        );
        OrderFact {
            ordered_at: Some(NOW.plus(Span::minutes(60))),
            status: Some(Status::Paid),
            currency: "EUR".parse().ok(),
            goods_minor: Some(12_990),
            total_minor: Some(13_990),
            lines: (1..=3).map(line).collect(),
            refund_list: RefundList::Whole,
            touches: vec![Touch::from(&claims())],
            ..blank
        }
    };
    let refund = Refund::new("r1".to_owned(), 6995, None);
    vec![fact(1, 60), OrderFact { kind: FactKind::Refund, refunds: vec![refund], ..fact(2, 600) }]
}

fn order_fold(c: &mut Criterion) {
    let facts = order_facts();
    c.bench_function("order/fold of two facts", |b| b.iter(|| fold(black_box(&facts))));
    let catalog = Catalog::default();
    c.bench_function("order/fold, decision and ledger of two facts", |b| {
        b.iter(|| settle(black_box(&facts), &catalog, &|_| None, &Newness::default()));
    });
}

criterion_group! {
    name = hot_path;
    config = Criterion::default().sample_size(50);
    targets = token, classification, journal_append, decode, order_fold
}
criterion_main!(hot_path);
