//! Webhooks as WooCommerce sends them: the body of `order.updated`, built from the documented
//! sample, and its signature.
//!
//! The peculiarities of the real platform are kept: amounts are texts with the shop's number of
//! decimals, refunds are a list of negative totals, and a refund never lowers `total`.

use anyhow::{Context, Result};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use sha2::Sha256;

use crate::shop::Order;

/// The documented sample from which every body is made.
const SAMPLE: &str = include_str!("../fixtures/woocommerce/docs_v3_order_created_processing.json");

/// Returns the body of the webhook for an order as it stands.
///
/// # Errors
/// When the sample is not a JSON object.
pub fn body(order: &Order, now: Timestamp) -> Result<Vec<u8>> {
    let mut body: Map<String, Value> =
        serde_json::from_str(SAMPLE).context("the WooCommerce sample is not an object")?;
    let sums = &order.sums;
    for (field, value) in [
        ("id", json!(order.id)),
        ("number", json!(order.id.to_string())),
        ("order_key", json!(order.key)),
        ("status", json!(order.status.as_str())),
        ("created_via", json!("checkout")),
        ("currency", json!("EUR")),
        ("payment_method", json!("stripe")),
        ("payment_method_title", json!("Card")),
        ("discount_total", json!(sums.discount.to_string())),
        ("shipping_total", json!(sums.shipping.to_string())),
        ("cart_tax", json!(sums.tax.to_string())),
        ("total_tax", json!(sums.tax.to_string())),
        ("total", json!(sums.total().to_string())),
        ("line_items", lines(order)),
        ("tax_lines", json!([])),
        ("coupon_lines", coupons(order)),
        ("refunds", refunds(order)),
    ] {
        body.insert(field.into(), value);
    }
    put_dates(&mut body, order.placed_at, now);
    put_shipping(&mut body, order);
    put_token(&mut body, order);
    Ok(serde_json::to_vec(&body)?)
}

/// Returns the `X-WC-Webhook-Signature` of a body: the base64 of its HMAC-SHA256.
///
/// # Errors
/// Never: any secret is a valid key.
pub fn signature(secret: &str, body: &[u8]) -> Result<String> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes())
        .context("the webhook secret is not a valid key")?;
    mac.update(body);
    Ok(STANDARD.encode(mac.finalize().into_bytes()))
}

fn lines(order: &Order) -> Value {
    let line = |line: &crate::shop::OrderLine| {
        json!({
            "id": 300 + line.article.number, "name": line.article.name, "product_id": line.article.number,
            "variation_id": 0, "quantity": line.quantity, "tax_class": "", "sku": line.article.sku,
            "subtotal": line.subtotal.to_string(), "subtotal_tax": "0.00",
            "total": line.total.to_string(), "total_tax": "0.00",
            "taxes": [], "meta_data": [], "price": line.article.price.to_string(),
        })
    };
    order.lines.iter().map(line).collect()
}

fn coupons(order: &Order) -> Value {
    let coupon = |code| json!({ "id": 901, "code": code, "discount": order.sums.discount.to_string(), "discount_tax": "0.00", "meta_data": [] });
    order.coupon.iter().map(coupon).collect()
}

fn refunds(order: &Order) -> Value {
    let refund = |(index, amount): (usize, &crate::money::Cents)| json!({ "id": 5000 + index, "reason": "", "total": (-*amount).to_string() });
    order.refunds.iter().enumerate().map(refund).collect()
}

fn put_dates(body: &mut Map<String, Value>, placed_at: Timestamp, now: Timestamp) {
    // WooCommerce writes times without a zone. The shop's clock runs in UTC, so local time and GMT
    // are equal.
    for (field, time) in
        [("date_created", placed_at), ("date_modified", now), ("date_paid", placed_at)]
    {
        let text = time.strftime("%Y-%m-%dT%H:%M:%S").to_string();
        body.insert(format!("{field}_gmt"), json!(text));
        body.insert(field.into(), json!(text));
    }
}

fn put_shipping(body: &mut Map<String, Value>, order: &Order) {
    if let Some(line) = body.get_mut("shipping_lines").and_then(|lines| lines.get_mut(0)) {
        line["total"] = json!(order.sums.shipping.to_string());
    }
}

/// Adds the click token to the order, under a name that WooCommerce hides from customers.
fn put_token(body: &mut Map<String, Value>, order: &Order) {
    let meta = body.get_mut("meta_data").and_then(Value::as_array_mut);
    if let (Some(meta), Some(token)) = (meta, &order.token) {
        meta.push(json!({ "id": 13107, "key": "_ac", "value": token }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::money::Cents;
    use crate::scene::BENS_CODE;
    use crate::shop::{Cart, Status};

    fn order() -> Order {
        let mut cart = Cart::default();
        cart.token = Some("token".into());
        cart.apply(BENS_CODE);
        cart.add("lamp");
        Order::place(1001, &cart, Timestamp::UNIX_EPOCH)
    }

    #[test]
    fn the_signature_is_woocommerces() {
        let signature = signature("secret", br#"{"id":727,"status":"processing"}"#).expect("a key");
        assert_eq!(signature, "rsMzXfVlGyLHsLI+ivFKWGMblB6ofKyPNkCA3bBGRzY=");
    }

    #[test]
    fn an_order_is_reported_with_code_token_and_net_lines() {
        let body: Value =
            serde_json::from_slice(&body(&order(), Timestamp::UNIX_EPOCH).expect("a body"))
                .expect("JSON");
        assert_eq!(body["line_items"][0]["subtotal"], "129.90");
        assert_eq!(body["line_items"][0]["total"], "116.91");
        assert_eq!(body["coupon_lines"][0]["code"], "BEN10");
        assert_eq!(body["meta_data"][1], json!({ "id": 13107, "key": "_ac", "value": "token" }));
        assert_eq!(body["date_created_gmt"], "1970-01-01T00:00:00");
        assert_eq!(
            (&body["status"], &body["id"], &body["number"]),
            (&json!("processing"), &json!(1001), &json!("1001"))
        );
    }

    #[test]
    fn refunds_are_negative_and_the_total_stays() {
        let mut order = order();
        let total = order.sums.total().to_string();
        order.refunds.push(Cents(2078));
        order.status = Status::Cancelled;
        let body: Value =
            serde_json::from_slice(&body(&order, Timestamp::UNIX_EPOCH).expect("a body"))
                .expect("JSON");
        assert_eq!(
            (&body["refunds"][0]["total"], &body["total"]),
            (&json!("-20.78"), &json!(total))
        );
        assert_eq!(body["status"], "cancelled");
    }
}
