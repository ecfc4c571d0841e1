//! Checks the ledger against an oracle: the product's own code books random orders, and a program
//! in another language computes the same amounts from the written rules, with exact fractions.
//!
//! The oracle never sees our types or facts. It gets a plain description of what happened, and of
//! what was booked.

use std::collections::BTreeMap;
use std::io::{BufWriter, Write};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, ensure};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use serde::Deserialize;
use serde_json::{Value, json};
use settlement::history::Newness;
use settlement::ledger::settle;
use shared::catalog::{Catalog, Change, Entity};
use shared::id::{CampaignId, CouponId, FactId, InfluencerId, MerchantId};
use shared::money::{Currency, Money};
use shared::order::{FactKind, Line, OrderFact, Refund, RefundList, RefundedLine, Source, Status};
use shared::platform::Platform;
use shared::time::{Span, Timestamp};

const ORACLE: &str = include_str!("../oracle/ledger.py");
/// Forty currencies; all numbers of decimals (0, 2 and 3) occur.
const CURRENCIES: [&str; 40] = [
    "AED", "ARS", "AUD", "BGN", "BRL", "CAD", "CHF", "CNY", "COP", "CZK", "DKK", "EGP", "EUR",
    "GBP", "HKD", "HUF", "ILS", "INR", "MXN", "MYR", "NOK", "NZD", "PLN", "SEK", "TRY", "USD",
    "ZAR", "CLP", "ISK", "JPY", "KRW", "PYG", "UGX", "VND", "BHD", "IQD", "JOD", "KWD", "OMR",
    "TND",
];
const BEGIN: Timestamp = Timestamp::from_ms(1_763_800_000_000);
const MERCHANT: MerchantId = MerchantId::from_bits(1);
const CAMPAIGN: CampaignId = CampaignId::from_bits(2);
const ANNA: InfluencerId = InfluencerId::from_bits(3);
const COUPON: CouponId = CouponId::from_bits(4);
const CODE: &str = "ANNA15";

/// A fault to plant between the operations and the ledger. The oracle must find it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plant {
    /// Facts with a refund never arrive.
    LoseRefund,
    /// Every refund arrives twice, under another id, and counts twice.
    CountTwice,
    /// In one order of a thousand, one amount is wrong by a minor unit.
    OneOff,
}

impl std::str::FromStr for Plant {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "lose-refund" => Ok(Self::LoseRefund),
            "count-twice" => Ok(Self::CountTwice),
            "one-off" => Ok(Self::OneOff),
            _ => Err("expected lose-refund, count-twice or one-off".to_owned()),
        }
    }
}

/// The settings of a comparison.
#[derive(Debug, Clone, Copy)]
pub struct LedgerPlan {
    /// Operations in all, at least.
    pub operations: u64,
    /// The same seed makes the same orders.
    pub seed: u64,
    /// A fault to plant.
    pub plant: Option<Plant>,
}

/// The result, as the oracle reports it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct LedgerReport {
    /// Operations compared.
    pub operations: u64,
    /// Orders they were on.
    pub orders: u64,
    /// Currencies in which something was booked.
    pub currencies: usize,
    /// Operations after which another amount was booked than was due.
    pub differences: u64,
    /// Currencies whose sums differ.
    pub unbalanced: Vec<String>,
    /// A description of the first difference.
    pub first: Option<String>,
}

/// Books random orders and lets the oracle compare the bookings.
///
/// # Errors
/// When `python3` (or the program in `AFTERCLICK_TEST_PYTHON`) is missing or fails.
pub fn compare_ledgers(plan: LedgerPlan, on_order: impl Fn(u64)) -> Result<LedgerReport> {
    let mut oracle = oracle()?;
    let mut rng = StdRng::seed_from_u64(plan.seed);
    let mut out = BufWriter::new(oracle.stdin.take().context("no pipe to the oracle")?);
    let mut operations = 0;
    while operations < plan.operations {
        let life = Life::random(&mut rng);
        let count = life.operations.len() as u64;
        serde_json::to_writer(&mut out, &life.booked(plan.plant, &mut rng)?)?;
        out.write_all(b"\n")?;
        operations += count;
        on_order(count);
    }
    out.flush()?;
    drop(out);
    let output = oracle.wait_with_output()?;
    ensure!(output.status.success(), "the oracle ended with {}", output.status);
    serde_json::from_slice(&output.stdout).context("the oracle's answer")
}

fn oracle() -> Result<Child> {
    let python = std::env::var("AFTERCLICK_TEST_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let mut command = Command::new(&python);
    command.args(["-c", ORACLE]).stdin(Stdio::piped()).stdout(Stdio::piped());
    command.spawn().with_context(|| format!("{python}: the oracle needs Python 3.10 or newer"))
}

/// The terms of a campaign, to be written for the oracle and for the product.
struct Pay {
    pays_in: Currency,
    percent: Vec<(String, Option<String>)>,
    per_sale: Option<Money>,
    at_most: Option<Money>,
}

/// A snapshot of an order.
#[derive(Clone)]
struct Snapshot {
    lines: Vec<(String, i64)>,
    total_minor: i64,
    refunds: BTreeMap<String, Refund>,
}

/// One thing that happens to an order.
enum Operation {
    /// The shop reports the whole order.
    Snapshot(Snapshot),
    /// The shop reports only a refund.
    Refund(Refund),
    /// The order becomes void.
    Cancel,
    /// The first fact arrives again.
    Repeat,
    /// A fact that is older than the first one arrives late.
    Stale(Snapshot),
    /// An exchange rate becomes known.
    Rate(String),
}

/// An order with everything that happens to it.
struct Life {
    pay: Pay,
    currency: Currency,
    operations: Vec<Operation>,
}

impl Life {
    fn random(rng: &mut StdRng) -> Self {
        let currency = any_currency(rng);
        let pays_in = if rng.random_bool(0.4) { any_currency(rng) } else { currency };
        let pay = Pay::random(rng, pays_in);
        let mut snapshot = Snapshot::random(rng);
        let mut operations = vec![Operation::Snapshot(snapshot.clone())];
        let mut needs_rate = currency != pays_in;
        for number in 0..rng.random_range(2..10) {
            operations.push(match rng.random_range(0..10) {
                0..=2 => {
                    let refund = snapshot.refund(rng, number);
                    snapshot.refunds.insert(refund.id.clone(), refund.clone());
                    Operation::Refund(refund)
                }
                3 | 4 => {
                    let refund = snapshot.refund(rng, number);
                    snapshot.refunds.insert(refund.id.clone(), refund);
                    Operation::Snapshot(snapshot.clone())
                }
                5 => {
                    snapshot.refunds.pop_first();
                    Operation::Snapshot(snapshot.clone())
                }
                6 => {
                    let refunds = snapshot.refunds;
                    snapshot = Snapshot { refunds, ..Snapshot::random(rng) };
                    Operation::Snapshot(snapshot.clone())
                }
                7 => Operation::Cancel,
                8 if needs_rate => {
                    needs_rate = false;
                    Operation::Rate(any_decimal(rng, 1..5_000_000, 4))
                }
                8 => Operation::Repeat,
                _ => Operation::Stale(Snapshot::random(rng)),
            });
        }
        Self { pay, currency, operations }
    }

    /// Returns what the oracle reads: what happened, and what the product booked after each
    /// operation.
    fn booked(&self, plant: Option<Plant>, rng: &mut StdRng) -> Result<Value> {
        let facts = self.facts(plant);
        let settled = settle(&facts, &self.catalog()?, &|_| None, &Newness::default())
            .context("an order without facts")?;
        let mut booked = vec![BTreeMap::<String, i64>::new(); self.operations.len()];
        for booking in &settled.bookings {
            let minutes = booking.booked_at.since(BEGIN).as_ms() / 60_000;
            let after = usize::try_from(minutes)?;
            *booked[after].entry(booking.account.currency.to_string()).or_default() +=
                booking.amount_minor;
        }
        if plant == Some(Plant::OneOff) && rng.random_bool(0.001) {
            booked
                .iter_mut()
                .flat_map(BTreeMap::values_mut)
                .take(1)
                .for_each(|amount| *amount += 1);
        }
        let operations: Vec<_> =
            self.operations.iter().map(|operation| self.operation_for_oracle(operation)).collect();
        let terms = self.pay.for_oracle(self.currency);
        Ok(json!({ "terms": terms, "operations": operations, "booked": booked }))
    }

    fn operation_for_oracle(&self, operation: &Operation) -> Value {
        let money = |minor| Money { minor, currency: self.currency }.to_string();
        let refund = |refund: &Refund| {
            let line = refund.lines.first().map(|line| line.line.as_str());
            json!({ "total": money(refund.total_minor), "goods": refund.goods_minor.map(money), "line": line })
        };
        match operation {
            Operation::Snapshot(snapshot) => {
                let lines: Vec<_> = snapshot
                    .lines
                    .iter()
                    .map(|(product, minor)| json!([product, money(*minor)]))
                    .collect();
                let refunds: BTreeMap<_, _> =
                    snapshot.refunds.iter().map(|(id, given)| (id, refund(given))).collect();
                let total = money(snapshot.total_minor);
                json!({ "op": "snapshot", "lines": lines, "total": total, "refunds": refunds })
            }
            Operation::Refund(given) => {
                json!({ "op": "refund", "refunds": { &given.id: refund(given) } })
            }
            Operation::Cancel => json!({ "op": "cancel" }),
            Operation::Repeat => json!({ "op": "repeat" }),
            Operation::Stale(_) => json!({ "op": "stale" }),
            Operation::Rate(rate) => json!({ "op": "rate", "rate": rate }),
        }
    }

    /// Returns the facts that reach the product, one a minute.
    fn facts(&self, plant: Option<Plant>) -> Vec<OrderFact> {
        let mut facts: Vec<OrderFact> = Vec::new();
        for (number, operation) in self.operations.iter().enumerate() {
            let at = BEGIN.plus(Span::minutes(number as i64));
            let fact = match operation {
                Operation::Snapshot(snapshot) => self.snapshot(number, at, snapshot),
                Operation::Stale(snapshot) => {
                    let occurred_at = BEGIN.plus(Span::minutes(-1 - number as i64));
                    OrderFact { occurred_at, ..self.snapshot(number, at, snapshot) }
                }
                Operation::Refund(refund) => OrderFact {
                    kind: FactKind::Refund,
                    partial: true,
                    refunds: vec![refund.clone()],
                    ..blank(number, at)
                },
                Operation::Cancel => OrderFact {
                    kind: FactKind::Cancel,
                    partial: true,
                    status: Some(Status::Void),
                    ..blank(number, at)
                },
                Operation::Repeat => OrderFact { received_at: at, ..facts[0].clone() },
                Operation::Rate(_) => continue,
            };
            facts.push(fact);
        }
        let is_refund = |fact: &OrderFact| fact.kind == FactKind::Refund;
        match plant {
            Some(Plant::LoseRefund) => facts.retain(|fact| !is_refund(fact)),
            Some(Plant::CountTwice) => {
                let mut again: Vec<_> =
                    facts.iter().filter(|fact| is_refund(fact)).cloned().collect();
                for fact in &mut again {
                    fact.id = FactId::of_content(&[fact.id.as_bytes()]);
                    fact.refunds.iter_mut().for_each(|refund| refund.id.push_str("-again"));
                }
                facts.extend(again);
            }
            Some(Plant::OneOff) | None => {}
        }
        facts
    }

    fn snapshot(&self, number: usize, at: Timestamp, snapshot: &Snapshot) -> OrderFact {
        let line = |(product, goods_minor): &(String, i64)| Line {
            id: product.clone(),
            sku: Some(product.clone()),
            product: None,
            category: None,
            goods_minor: *goods_minor,
        };
        OrderFact {
            ordered_at: Some(BEGIN),
            status: Some(Status::Paid),
            currency: Some(self.currency),
            goods_minor: Some(snapshot.lines.iter().map(|(_, minor)| minor).sum()),
            total_minor: Some(snapshot.total_minor),
            lines: snapshot.lines.iter().map(line).collect(),
            refunds: snapshot.refunds.values().cloned().collect(),
            refund_list: RefundList::Whole,
            coupons: vec![CODE.to_owned()],
            ..blank(number, at)
        }
    }

    fn catalog(&self) -> Result<Catalog> {
        let times = |mut entity: Value| {
            (entity["created_at"], entity["updated_at"]) = (json!(BEGIN), json!(BEGIN));
            entity
        };
        let merchant = json!({
            "id": MERCHANT, "key": "key", "name": "Shop", "domains": [], "currency": self.pay.pays_in,
            "timezone": "UTC", "platform": null, "webhook_secret": null, "trust_pixel": false,
        });
        let campaign = json!({
            "id": CAMPAIGN, "merchant": MERCHANT, "name": "Any", "window_days": 30, "dedupe_minutes": 30,
            "hold_days": 30, "starts_at": null, "ends_at": null, "commission": self.pay.rules(),
            "caps": self.pay.caps(), "precedence": ["coupon"], "model": "last_click",
        });
        let influencer = json!({ "id": ANNA, "name": "Anna", "email": null, "payout": null });
        let coupon = json!({
            "id": COUPON, "campaign": CAMPAIGN, "influencer": ANNA, "code": CODE, "starts_at": null, "ends_at": null,
        });
        let mut entities = vec![
            Entity::Merchant(serde_json::from_value(times(merchant))?),
            Entity::Campaign(serde_json::from_value(times(campaign))?),
            Entity::Influencer(serde_json::from_value(times(influencer))?),
            Entity::Coupon(serde_json::from_value(times(coupon))?),
        ];
        for (number, operation) in self.operations.iter().enumerate() {
            if let Operation::Rate(rate) = operation {
                entities.push(Entity::Rate(serde_json::from_value(json!({
                    "day": BEGIN.utc_day(), "from": self.currency, "to": self.pay.pays_in, "rate": rate,
                    "source": "random", "created_at": BEGIN.plus(Span::minutes(number as i64)),
                }))?));
            }
        }
        let mut catalog = Catalog::default();
        catalog.apply(&Change { at: BEGIN, entities, request: None, by: None });
        Ok(catalog)
    }
}

fn blank(number: usize, at: Timestamp) -> OrderFact {
    let id = FactId::of_content(&[&number.to_le_bytes()]);
    OrderFact::blank(id, MERCHANT, (Platform::Woocommerce, "1001".into()), Source::Webhook, at)
}

impl Pay {
    fn random(rng: &mut StdRng, pays_in: Currency) -> Self {
        let mut percent = Vec::new();
        if rng.random_bool(0.9) {
            if rng.random_bool(0.4) {
                percent.push((any_decimal(rng, 0..1_000_000, 4), Some("P0".to_owned())));
            }
            if rng.random_bool(0.9) {
                percent.push((any_decimal(rng, 0..1_000_000, 4), None));
            }
        }
        let mut money = |odds, most| {
            rng.random_bool(odds)
                .then(|| Money { minor: rng.random_range(0..most), currency: pays_in })
        };
        let per_sale = money(if percent.is_empty() { 1.0 } else { 0.3 }, 5_000);
        let at_most = money(0.1, 100_000);
        Self { pays_in, percent, per_sale, at_most }
    }

    fn for_oracle(&self, currency: Currency) -> Value {
        let rule = |(rate, product): &(String, Option<String>)| json!({ "rate": rate, "product": product });
        let percent: Vec<_> = self.percent.iter().map(rule).collect();
        let text = |money: Option<Money>| money.map(|money| money.to_string());
        json!({
            "currency": currency, "pays_in": self.pays_in, "percent": percent, "per_sale": text(self.per_sale),
            "at_most": text(self.at_most),
        })
    }

    fn rules(&self) -> Value {
        let percent = self.percent.iter().map(|(rate, product)| match product {
            Some(product) => {
                json!({ "kind": "percent", "rate": rate, "when": { "product": [product] } })
            }
            None => json!({ "kind": "percent", "rate": rate }),
        });
        let per_sale =
            self.per_sale.map(|money| json!({ "kind": "per_sale", "amount": money.to_string() }));
        percent.chain(per_sale).collect()
    }

    fn caps(&self) -> Value {
        json!({ "commission_per_order": self.at_most.map(|money| money.to_string()) })
    }
}

impl Snapshot {
    fn random(rng: &mut StdRng) -> Self {
        let amount = |rng: &mut StdRng| match rng.random_range(0..10) {
            0 => 0,
            1..=7 => rng.random_range(1..50_000),
            _ => rng.random_range(1..10_000_000_000),
        };
        let lines: Vec<_> =
            (0..rng.random_range(1..5)).map(|line| (format!("P{line}"), amount(rng))).collect();
        let goods: i64 = lines.iter().map(|(_, minor)| minor).sum();
        let extra = if rng.random_bool(0.5) { 0 } else { rng.random_range(0..5_000) };
        Self { lines, total_minor: goods + extra, refunds: BTreeMap::new() }
    }

    /// Makes a refund: of a line, of shipping, or of any amount, which may be more than was paid.
    fn refund(&self, rng: &mut StdRng, number: u32) -> Refund {
        let id = format!("r{number}");
        if rng.random_bool(0.5) {
            let total_minor = rng.random_range(0..=self.total_minor + self.total_minor / 10);
            return Refund::new(id, total_minor, None);
        }
        if rng.random_bool(0.2) {
            return Refund::new(id, rng.random_range(1..1_000), Some(0));
        }
        let (product, worth) = &self.lines[rng.random_range(0..self.lines.len())];
        let goods_minor = rng.random_range(0..=*worth);
        let lines = vec![RefundedLine { line: product.clone(), goods_minor }];
        Refund { lines, ..Refund::new(id, goods_minor, Some(goods_minor)) }
    }
}

fn any_currency(rng: &mut StdRng) -> Currency {
    let code = CURRENCIES.choose(rng).copied().unwrap_or("EUR");
    code.parse().unwrap_or_else(|_| unreachable!("{code} is a currency"))
}

/// Returns a random number as text, with `scale` decimals: `12.3456`.
fn any_decimal(rng: &mut StdRng, units: std::ops::Range<u64>, scale: u32) -> String {
    let (units, one) = (rng.random_range(units), 10u64.pow(scale));
    format!("{}.{:0width$}", units / one, units % one, width = scale as usize)
}
