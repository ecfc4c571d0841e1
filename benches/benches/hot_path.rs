//! What a click costs in its pure parts: token, classification, record, journal append, and an order's fold.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use journal::{Options, StreamName, Writer};
use shared::agent::{Agents, Device, InApp, Visitor};
use shared::class::{Availability, Class, Request, classify};
use shared::event::Consent;
use shared::id::{ClickId, LinkId, MerchantId};
use shared::record::{Click, encode_click};
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
    }
}

fn token(c: &mut Criterion) {
    let key = TokenKey::derive(&[7; 32], MerchantId::from_bits(1));
    let text = claims().encode(&key);
    c.bench_function("token/sign", |b| b.iter(|| black_box(claims()).encode(&key)));
    c.bench_function("token/verify", |b| b.iter(|| Claims::verify(black_box(&text), NOW, |_, _| Ok(key))));
}

fn classification(c: &mut Criterion) {
    let agents = Agents::new().expect("the vendored list compiles");
    let request = Request { head: false, prefetch: false, not_navigation: false, visitor: Visitor::Person };
    c.bench_function("classify/request", |b| {
        b.iter(|| classify(black_box(request), Availability::Live, None, Span::minutes(30), NOW));
    });
    c.bench_function("classify/user agent, not cached", |b| b.iter(|| agents.judge(black_box(BROWSER))));
}

fn journal_append(c: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let stream = StreamName::new("bench").expect("a stream name");
    let (mut writer, _) = Writer::open(folder.path(), &stream, 0, Options::default()).expect("a new stream");
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

criterion_group! {
    name = hot_path;
    config = Criterion::default().sample_size(50);
    targets = token, classification, journal_append
}
criterion_main!(hot_path);
