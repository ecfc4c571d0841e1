//! The whole loop as a follower, a shop and an agency see it. It is checked against figures that
//! are computed separately.
//!
//! Nothing is simulated: a real browser follows a real link, the shop's server signs its webhooks,
//! and the statement is made from the product's own journal.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use harness::Row;
use serde_json::Value;
use tokio::time::Instant;

use crate::browser::{Browser, Engine};
use crate::figures::{Checks, Expected, commission_due};
use crate::money::Cents;
use crate::scene::{ANNA, BEN, BENS_CODE, SHOP_DOMAIN, Scene};
use crate::shop::Order;

/// How long the product may take to show what it has recorded.
const PATIENCE: Duration = Duration::from_secs(10);

/// The result of a walk.
pub struct Outcome {
    /// All checks, passed and failed.
    pub checks: Checks,
    /// The statement's rows.
    pub statement: Vec<Row>,
}

/// Walks the loop once.
///
/// # Errors
/// When a step cannot be taken at all. A wrong figure is not an error but a failed check.
pub async fn walk(scene: &Scene, engine: Engine, screenshots: Option<&Path>) -> Result<Outcome> {
    let mut walk =
        Walk { scene, engine, checks: Checks::default(), screenshots: screenshots.map(Into::into) };
    let period = month();
    let follower = Browser::start_engine(engine).await?;
    let first = walk.follow_and_buy(&follower).await.context("a follower of Anna's link")?;
    let second = walk.buy_with_code().await.context("a customer with Ben's code")?;
    let third = walk.buy_and_cancel(&follower).await.context("an order that is cancelled")?;
    let fourth =
        walk.buy_and_refund(&follower).await.context("an order that is partly refunded")?;
    follower.close().await?;
    let statement = scene.product.statement(&scene.campaign, &period).await?;
    let annas: Vec<Order> = walk.shop_orders(&[first, third, fourth])?;
    let bens: Vec<Order> = walk.shop_orders(&[second])?;
    println!("the statement");
    Expected::of(ANNA, 1, 1, &annas).compare(&statement, &mut walk.checks);
    Expected::of(BEN, 0, 0, &bens).compare(&statement, &mut walk.checks);
    Ok(Outcome { checks: walk.checks, statement })
}

struct Walk<'a> {
    scene: &'a Scene,
    engine: Engine,
    checks: Checks,
    screenshots: Option<PathBuf>,
}

impl Walk<'_> {
    async fn follow_and_buy(&mut self, follower: &Browser) -> Result<u32> {
        println!("a follower clicks {}", self.scene.anna.url);
        follower.open(&self.scene.anna.url).await?;
        let address = follower.address().await?;
        self.checks
            .holds("the click lands on the shop", address.starts_with(self.scene.shop.address()));
        follower
            .wait_until("return !location.search.includes('ac=')")
            .await
            .context("the pixel leaves the token in the address bar")?;
        self.check_cookie(follower).await?;
        self.picture(follower, "landing").await?;
        self.expect_clicks_and_sessions().await?;
        let order = self.buy(follower, "lamp", None).await?;
        self.picture(follower, "thank-you").await?;
        self.expect_order(order, Stage::Claimed, "the pixel's purchase is a claim").await?;
        follower.reload().await?;
        // The core replaces the queue once it has run the page's calls.
        follower.wait_until("return !!afterclick.q && !Array.isArray(afterclick.q)").await?;
        self.scene.shop.confirm(order).await?;
        self.expect_order(order, Stage::Confirmed, "the shop's webhook confirms it").await?;
        self.expect_one_claim(order).await?;
        Ok(order)
    }

    async fn buy_with_code(&mut self) -> Result<u32> {
        println!("a customer types the code {BENS_CODE}");
        // Somebody who never clicked a link: a browser with an empty profile and no token.
        let customer = Browser::start_engine(self.engine).await?;
        customer.open(self.scene.shop.address()).await?;
        let order = self.buy(&customer, "lamp", Some(BENS_CODE)).await?;
        self.checks.equal(
            "the order has no click token",
            self.scene.shop.order(order)?.token,
            None,
        );
        self.scene.shop.confirm(order).await?;
        self.expect_order(order, Stage::Confirmed, "the order with the code is confirmed").await?;
        customer.close().await?;
        Ok(order)
    }

    async fn buy_and_cancel(&mut self, follower: &Browser) -> Result<u32> {
        println!("the follower buys a mug and calls it off");
        let order = self.buy(follower, "mug", None).await?;
        self.scene.shop.confirm(order).await?;
        self.expect_order(order, Stage::Confirmed, "the mug is confirmed").await?;
        self.scene.shop.cancel(order).await?;
        self.expect_order(order, Stage::Cancelled, "the mug is cancelled").await?;
        Ok(order)
    }

    async fn buy_and_refund(&mut self, follower: &Browser) -> Result<u32> {
        println!("the follower buys a throw and gets a quarter back");
        let order = self.buy(follower, "throw", None).await?;
        self.scene.shop.confirm(order).await?;
        self.expect_order(order, Stage::Confirmed, "the throw is confirmed").await?;
        let quarter = self.scene.shop.order(order)?.sums.total().share(1, 4);
        self.scene.shop.refund(order, quarter).await?;
        self.expect_order(order, Stage::Refunded, "a quarter of the throw is refunded").await?;
        Ok(order)
    }

    /// Buys an article: product page, cart, checkout. Returns the order's id from the thank-you
    /// page.
    async fn buy(&self, browser: &Browser, sku: &str, code: Option<&str>) -> Result<u32> {
        browser.open(&format!("{}product/{sku}", self.scene.shop.address())).await?;
        browser.click("#add-to-cart").await?;
        if let Some(code) = code {
            browser.type_into("#coupon", code).await?;
            browser.click("#apply-coupon").await?;
            browser
                .wait_until("return document.body.innerText.includes('Discount included')")
                .await?;
        }
        browser.click("#buy").await?;
        let number = browser.text("#order-id").await?;
        number.parse().with_context(|| format!("`{number}` is not an order number"))
    }

    async fn check_cookie(&mut self, follower: &Browser) -> Result<()> {
        match follower.cookie("ac").await? {
            None => self.checks.fail("the redirect sets the cookie `ac`: there is none"),
            Some(cookie) => {
                self.checks.equal("the cookie's domain", cookie.domain.as_str(), SHOP_DOMAIN);
                self.checks.holds("scripts cannot read the cookie", cookie.http_only);
                self.checks.equal("the cookie's token has 76 characters", cookie.value.len(), 76);
            }
        }
        Ok(())
    }

    async fn expect_clicks_and_sessions(&mut self) -> Result<()> {
        let link = self.scene.anna.link.clone();
        let read = async || {
            let stats = self.scene.product.read("/api/v1/stats?by=link").await?;
            let row = row_naming(&stats, &link).cloned().unwrap_or_default();
            let clicks = [&row["clicks"]["billable"], &row["clicks_billable"]]
                .into_iter()
                .find_map(Value::as_u64);
            Ok((clicks.unwrap_or(0), row["sessions"].as_u64().unwrap_or(0)))
        };
        let found = until(read, |&(clicks, sessions)| clicks >= 1 && sessions >= 1).await?;
        self.checks.equal("billable clicks and sessions of Anna's link", found, (1, 1));
        Ok(())
    }

    /// Waits until an order has reached a stage in the product, then compares the commission that
    /// is booked for it.
    async fn expect_order(&mut self, order: u32, stage: Stage, what: &str) -> Result<()> {
        let path = format!("/api/v1/orders/{}/{order}", self.scene.merchant);
        // An order is unknown until its first fact has been projected.
        let read = async || Ok(self.scene.product.read(&path).await.unwrap_or_default());
        let found = until(read, |answer| stage.is_reached(answer)).await?;
        if !stage.is_reached(&found) {
            self.checks
                .fail(&format!("{what}: expected {stage:?}, found {} at {path}", found["order"]));
            return Ok(());
        }
        let due = match stage {
            // A claim alone earns nothing.
            Stage::Claimed => Cents(0),
            _ => commission_due(&self.scene.shop.order(order)?),
        };
        self.checks.equal(
            &format!("{what}; commission"),
            booked(&found)?.to_string(),
            due.to_string(),
        );
        Ok(())
    }

    /// Checks that the reloaded thank-you page did not report its order again, and that it proved to
    /// be the buyer's.
    async fn expect_one_claim(&mut self, order: u32) -> Result<()> {
        let answer = self
            .scene
            .product
            .read(&format!("/api/v1/orders/{}/{order}", self.scene.merchant))
            .await?;
        let by = |source: &str| -> Vec<&Value> {
            let facts = answer["facts"].as_array().into_iter().flatten();
            facts.filter(|fact| fact["source"] == source).collect()
        };
        let (page, shop) = (by("pixel"), by("webhook"));
        self.checks.equal("the reloaded page has reported once", page.len(), 1);
        // Both hold a hash of the key in the thank-you page's address.
        let proofs = |facts: &[&Value]| facts.first().map(|fact| fact["proofs"].clone());
        let is_proven =
            proofs(&page) == proofs(&shop) && page.iter().all(|f| f["proofs"].is_array());
        self.checks.holds("the page proves that it knows the order", is_proven);
        Ok(())
    }

    fn shop_orders(&self, ids: &[u32]) -> Result<Vec<Order>> {
        ids.iter().map(|&id| self.scene.shop.order(id)).collect()
    }

    async fn picture(&self, browser: &Browser, name: &str) -> Result<()> {
        let Some(folder) = &self.screenshots else { return Ok(()) };
        std::fs::create_dir_all(folder)
            .with_context(|| format!("cannot make {}", folder.display()))?;
        browser.screenshot(&folder.join(format!("{name}.png"))).await
    }
}

/// Reads until the value is as wanted, or until `PATIENCE` has passed. Returns the last value.
async fn until<T>(read: impl AsyncFn() -> Result<T>, is_wanted: impl Fn(&T) -> bool) -> Result<T> {
    let end = Instant::now() + PATIENCE;
    loop {
        let value = read().await?;
        if is_wanted(&value) || Instant::now() > end {
            return Ok(value);
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Returns the first object anywhere in an answer that has this id among its values.
fn row_naming<'a>(answer: &'a Value, id: &str) -> Option<&'a Value> {
    match answer {
        Value::Array(rows) => rows.iter().find_map(|row| row_naming(row, id)),
        Value::Object(fields) if fields.values().any(|value| value == id) => Some(answer),
        Value::Object(fields) => fields.values().find_map(|value| row_naming(value, id)),
        _ => None,
    }
}

/// How far an order has come.
#[derive(Debug, Clone, Copy)]
enum Stage {
    /// Reported by the pixel alone.
    Claimed,
    /// Reported by the shop's server.
    Confirmed,
    /// Cancelled by the shop.
    Cancelled,
    /// Refunded in part.
    Refunded,
}

impl Stage {
    fn is_reached(self, answer: &Value) -> bool {
        let order = &answer["order"];
        match self {
            Self::Claimed => order["confirmed"] == false,
            Self::Confirmed => order["confirmed"] == true,
            Self::Cancelled => order["status"] == "void",
            Self::Refunded => order["refunded"].as_str().is_some_and(|amount| amount != "0.00"),
        }
    }
}

/// Returns the sum of all bookings of an order.
fn booked(answer: &Value) -> Result<Cents> {
    let bookings = answer["commission"]
        .as_array()
        .with_context(|| format!("no commission history in {answer}"))?;
    bookings
        .iter()
        .map(|booking| Cents::parse(booking["amount"].as_str().unwrap_or_default()))
        .sum()
}

/// Returns the current month in UTC, as statements name it.
fn month() -> String {
    jiff::Timestamp::now().strftime("%Y-%m").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn rows_are_found_wherever_the_answer_puts_them() {
        let row = json!({ "link": "lnk_1", "sessions": 2 });
        for answer in [
            json!([row]),
            json!({ "items": [{ "link": "lnk_0" }, row] }),
            json!({ "by": "link", "rows": [row] }),
        ] {
            assert_eq!(row_naming(&answer, "lnk_1"), Some(&row));
        }
    }

    #[test]
    fn a_stage_is_read_from_the_order_and_bookings_are_added_up() {
        let answer = json!({
            "order": { "confirmed": true, "status": "void", "refunded": "0.00" },
            "commission": [{ "amount": "3.68" }, { "amount": "-3.68" }, { "amount": "0.05" }],
        });
        assert!(Stage::Confirmed.is_reached(&answer) && Stage::Cancelled.is_reached(&answer));
        assert!(!Stage::Claimed.is_reached(&answer) && !Stage::Refunded.is_reached(&answer));
        assert!(!Stage::Claimed.is_reached(&Value::Null), "an order nobody knows is at no stage");
        assert_eq!(booked(&answer).ok(), Some(Cents(5)));
        assert!(booked(&Value::Null).is_err());
    }
}
