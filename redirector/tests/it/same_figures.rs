//! The same figures on every screen: after each part of a random history, over restarts and replays,
//! live balances, the report's balances and the statements' carried amounts are equal, to the cent.

use std::collections::{BTreeMap, BTreeSet};

use harness::Product;
use hyper::Method;
use serde_json::{Value, json};

use crate::support::{Stage, launch, text, today, woo_order};

/// The amounts that both balances have.
const AMOUNTS: [&str; 8] =
    ["pending", "held", "approved", "in_payout", "paid", "payable", "below_minimum", "below_zero"];

/// A generator of numbers that any run repeats.
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }

    fn one<'a>(&mut self, of: &'a [String]) -> Option<&'a String> {
        let at = self.below(of.len().max(1) as u64);
        of.get(usize::try_from(at).unwrap())
    }
}

/// A shop with campaigns that pay in every way, and influencers who earn.
struct Trial {
    stage: Stage,
    chance: Chance,
    influencers: Vec<String>,
    campaigns: Vec<String>,
    codes: Vec<String>,
    holds: Vec<String>,
    orders: u64,
}

impl Trial {
    async fn set(seed: u64) -> Self {
        let stage = Stage::set().await;
        let mut trial = Self {
            influencers: vec![stage.influencer.clone()],
            stage,
            chance: Chance(seed),
            campaigns: vec![],
            codes: vec![],
            holds: vec![],
            orders: 0,
        };
        for name in ["Ben", "Cleo"] {
            let payout = json!({ "method": "bank", "iban": "DE02120300000000202051" });
            let made = json!({ "name": name, "payout": payout });
            let made = trial.stage.product.create("influencers", &made).await.unwrap();
            trial.influencers.push(text(&made["id"]));
        }
        let percent = json!({ "kind": "percent", "rate": "15", "base": "net_goods" });
        let volume = json!([percent, { "kind": "volume", "orders": 3, "rate": "5" }]);
        for (hold, commission, more) in [
            (0, percent.clone(), json!({})),
            (0, volume, json!({ "caps": { "commission_per_influencer_month": "12.00" } })),
            (30, percent, json!({})),
        ] {
            let mut campaign = json!({
                "merchant": trial.stage.merchant, "name": "Trial", "hold_days": hold, "minimum_payout": "10.00",
                "commission": commission,
            });
            campaign.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            let made = trial.stage.product.create("campaigns", &campaign).await.unwrap();
            let campaign = text(&made["id"]);
            for influencer in trial.influencers.clone() {
                let code = format!("CODE{}", trial.codes.len());
                let coupon =
                    json!({ "campaign": campaign, "influencer": influencer, "code": code });
                trial.stage.product.create("coupons", &coupon).await.unwrap();
                trial.codes.push(code);
            }
            trial.campaigns.push(campaign);
        }
        trial
    }

    async fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        let (path, body) = (format!("/api/v1/{path}"), body.to_string());
        let answer =
            self.stage.product.ask(Method::POST, &path, "application/json", body).await.unwrap();
        assert!(answer.status < 500, "{path}: {}", answer.body);
        (answer.status, serde_json::from_str(&answer.body).unwrap_or_default())
    }

    async fn order(&mut self, is_new: bool) {
        self.orders += u64::from(is_new || self.orders == 0);
        let id = 1 + if is_new { self.orders - 1 } else { self.chance.below(self.orders) };
        // An order keeps its code, whatever becomes of it.
        let at = usize::try_from(id).unwrap() * 7 % self.codes.len();
        let code = self.codes[at].clone();
        let status = ["processing", "completed", "cancelled", "refunded", "on-hold", "processing"];
        let status = status[usize::try_from(self.chance.below(6)).unwrap()];
        let seconds = 10 + self.orders * 60 + self.chance.below(50);
        let changed = format!(
            "2026-11-01T{:02}:{:02}:{:02}",
            seconds / 3600,
            seconds / 60 % 60,
            seconds % 60
        );
        let changes = json!({
            "coupon_lines": [{ "id": 1, "code": code, "discount": "0" }],
            "status": status, "date_modified_gmt": changed,
        });
        let answer = self.stage.webhook("order.updated", &woo_order(id, changes, &[])).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
    }

    async fn step(&mut self) {
        let influencer = self.chance.one(&self.influencers).unwrap().clone();
        match self.chance.below(10) {
            0..=3 => self.order(true).await,
            4 => self.order(false).await,
            5 => {
                let campaign = self.chance.one(&self.campaigns).cloned();
                let amount = format!("{}.{:02}", self.chance.below(40), 1 + self.chance.below(99));
                let kind = ["bonus", "fixed_fee", "correction"];
                let kind = kind[usize::try_from(self.chance.below(3)).unwrap()];
                let sign = if kind == "correction" { "-" } else { "" };
                let booking = json!({
                    "influencer": influencer, "campaign": campaign, "kind": kind,
                    "amount": format!("{sign}{amount}"), "note": "trial",
                });
                assert_eq!(self.post("bookings", &booking).await.0, 201, "{booking}");
            }
            6 => {
                let hold = json!({ "influencer": influencer, "reason": "trial" });
                self.holds.push(text(&self.post("holds", &hold).await.1["id"]));
            }
            7 => {
                if let Some(hold) = self.holds.pop() {
                    self.post(&format!("holds/{hold}/release"), &json!({})).await;
                }
            }
            8 => self.close().await,
            _ => self.mark().await,
        }
    }

    async fn close(&self) {
        let closing = json!({ "merchant": self.stage.merchant, "closed_on": today() });
        assert!(self.post("payouts", &closing).await.0 < 300);
    }

    async fn mark(&mut self) {
        let payouts = self.stage.product.read("/api/v1/payouts").await.unwrap();
        let ids = payouts["items"].as_array().unwrap().iter().map(|item| text(&item["id"]));
        let Some(id) = self.chance.one(&ids.collect::<Vec<_>>()).cloned() else { return };
        let influencer = self.chance.one(&self.influencers).unwrap().clone();
        let (path, body) = match self.chance.below(4) {
            0 => ("undo", json!({ "influencers": [influencer], "reason": "trial" })),
            1 => ("cancel", json!({})),
            _ => ("paid", json!({ "has_left": true })),
        };
        self.post(&format!("payouts/{id}/{path}"), &body).await;
    }

    /// Compares what the screens say, and returns the names of amounts that are not zero.
    async fn compare(&self) -> BTreeSet<String> {
        let live = live(&self.stage.product).await;
        let reported = reported(&self.stage.product).await;
        assert_eq!(live, reported);
        for ((influencer, _), amounts) in &live {
            let carried = carried_out(&self.stage.product, influencer).await;
            let owed = cents(&amounts["approved"]) - cents(&amounts["paid"]);
            assert_eq!(carried, owed, "{influencer}: {amounts:?}");
        }
        let amounts = live.into_values().flatten();
        amounts.filter(|(_, amount)| cents(amount) != 0).map(|(name, _)| name).collect()
    }
}

/// Amounts by influencer and currency.
type Figures = BTreeMap<(String, String), BTreeMap<String, String>>;

async fn live(product: &Product) -> Figures {
    figures(&product.read("/api/v1/balances").await.unwrap()["items"])
}

async fn reported(product: &Product) -> Figures {
    let printed = product.report(&["balances", "--format", "json"]).await.unwrap();
    let report: Value = serde_json::from_str(&printed).unwrap();
    figures(rows(&report))
}

/// Returns the rows of a report in JSON.
fn rows(report: &Value) -> &Value {
    if report.is_array() { report } else { &report["accounts"] }
}

fn figures(items: &Value) -> Figures {
    let items = items.as_array().unwrap_or_else(|| panic!("no list: {items}")).iter();
    let amounts = |item: &Value| {
        let amount = |name: &str| {
            let value = item.get(name).or_else(|| item.get(format!("{name}_minor")));
            (name.to_owned(), value.map(text_of).unwrap_or_default())
        };
        AMOUNTS.iter().map(|name| amount(name)).collect()
    };
    let key = |item: &Value| {
        let id = item.get("influencer_id").or_else(|| item.get("influencer"));
        (text(id.unwrap()), text(&item["currency"]))
    };
    items.map(|item| (key(item), amounts(item))).collect()
}

fn text_of(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn cents(amount: &str) -> i64 {
    amount.replace('.', "").parse().unwrap_or_else(|_| panic!("no amount: {amount}"))
}

/// Returns what the statement of an influencer says is carried out today.
async fn carried_out(product: &Product, influencer: &str) -> i64 {
    let today = today();
    let arguments = [
        "statement",
        "--influencer",
        influencer,
        "--from",
        "2026-01-01",
        "--to",
        &today,
        "--format",
        "json",
    ];
    let printed = product.report(&arguments).await.unwrap();
    let statement: Value = serde_json::from_str(&printed).unwrap();
    let totals = statement["totals"].as_array().unwrap_or_else(|| panic!("{statement}"));
    totals.iter().map(|total| cents(&text_of(&total["carried_out"]))).sum()
}

#[tokio::test]
async fn every_screen_says_the_same_at_every_moment() {
    let mut seen = BTreeSet::new();
    for seed in [1, 7] {
        let mut trial = Trial::set(seed).await;
        for _ in 0..4 {
            for _ in 0..12 {
                trial.step().await;
            }
            seen.extend(trial.compare().await);
        }
        // A crash, and a hot state that is built anew, change nothing.
        let before = live(&trial.stage.product).await;
        let Stage { product, folder, .. } = trial.stage;
        product.kill().await.unwrap();
        std::fs::remove_dir_all(folder.path().join("data/state")).unwrap();
        let product = launch(&folder).start().await.unwrap();
        assert_eq!(live(&product).await, before);
        assert_eq!(reported(&product).await, before);
        product.stop().await.unwrap();
    }
    assert_eq!(seen.len(), AMOUNTS.len(), "every amount was there at some moment: {seen:?}");
}
