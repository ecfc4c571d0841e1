//! Measures what a link costs in catalogs of ten thousand to ten million links: a look-up, a
//! change, and memory.
//!
//! Look-ups go to random links, so that in large catalogs the processor's cache does not help. A
//! change costs what it costs in `live::catalog::Live`: the edge holds a clone, so every part that
//! is touched is copied first.

use std::fs;
use std::hint::black_box;
use std::time::Instant;

use criterion::{Criterion, criterion_group, criterion_main};
use shared::id::{CampaignId, InfluencerId, LinkId, MerchantId};
use shared::links::{Link, Links, Scope};
use shared::time::Timestamp;

/// The product's allocator, so that memory is measured as the product uses it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const MERCHANT: MerchantId = MerchantId::from_bits(77);
const SIZES: [u64; 4] = [10_000, 100_000, 1_000_000, 10_000_000];
/// The number of links that are looked up in turn.
const ASKED: u64 = 1 << 16;

/// Turns a number into one that looks like a random id.
const fn scattered(number: u64) -> u64 {
    number.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29).wrapping_mul(0xbf58_476d_1ce4_e5b9)
}

fn link(number: u64) -> Link {
    let at = Timestamp::from_ms(1_763_800_000_000);
    Link {
        id: LinkId::from_bits(scattered(number)),
        campaign: CampaignId::from_bits(scattered(number / 1000)),
        influencer: InfluencerId::from_bits(scattered(number % 1000)),
        destination: format!("https://shop.test/product/{number}?utm_campaign=autumn"),
        slug: format!("k{number}"),
        starts_at: None,
        ends_at: None,
        fallback: None,
        paused: false,
        pass_click_ids: false,
        deep_links: false,
        rules: vec![],
        split: vec![],
        created_at: at,
        updated_at: at,
    }
}

/// Returns the memory of this process in bytes, as the kernel counts it.
fn resident_bytes() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok())
        .map_or(0, |kb: u64| kb * 1024)
}

fn build(count: u64) -> Links {
    let (before, begun) = (resident_bytes(), Instant::now());
    let mut links = Links::default();
    let mut text_bytes = 0;
    for number in 0..count {
        let link = link(number);
        text_bytes += (link.slug.len() + link.destination.len()) as u64;
        links.put(&link, Some(MERCHANT));
    }
    let took = begun.elapsed();
    // Memory that the previous catalog frees late makes this figure too small. From a million links
    // on, the error does not show.
    let (text, all) = (text_bytes / count, resident_bytes().saturating_sub(before) / count);
    let beyond = all.saturating_sub(text);
    println!(
        "{count} links: {all} bytes each, {text} of text and {beyond} beyond it; built in {took:.1?}"
    );
    links
}

fn lookup(c: &mut Criterion) {
    // A smoke run only shows that the bench works, so the smallest size is enough.
    let sizes =
        if std::env::args().any(|argument| argument == "--test") { &SIZES[..1] } else { &SIZES };
    for &count in sizes {
        let mut links = build(count);
        let asked: Vec<Link> = (0..ASKED).map(|n| link(scattered(n) % count)).collect();
        let mut turn = asked.iter().cycle();
        let mut next = || turn.next().expect("a cycle has no end");
        let scope = Scope::Merchant(MERCHANT);
        c.bench_function(&format!("links/by_slug/{count}"), |b| {
            b.iter(|| {
                links
                    .by_slug(black_box(scope), &next().slug)
                    .map(|link| link.destination_parts().0.len())
            });
        });
        c.bench_function(&format!("links/by_id/{count}"), |b| {
            b.iter(|| links.get(black_box(next().id)).map(|link| link.campaign()));
        });
        c.bench_function(&format!("links/change_one/{count}"), |b| {
            let mut edge = links.clone();
            b.iter(|| {
                links.put(next(), Some(MERCHANT));
                edge = links.clone();
            });
            assert_eq!(edge.len(), links.len());
        });
    }
}

criterion_group!(benches, lookup);
criterion_main!(benches);
