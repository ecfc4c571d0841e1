//! Signed postbacks: one report about an order as URL parameters, from a shop or a tracking system.
//!
//! `click_id` (the click token), `txid` (the shop's order id), `amount`, `currency`, `status`, `event`, `ts`, `sig`.
//! `sig` is the hex HMAC-SHA256, with the merchant's secret, of the other parameters sorted by name and joined by `&`,
//! percent-encoded as they were sent. Without `txid` there is one order a click. The same order with a new status is a
//! transition; the same postback twice is one fact.

use std::borrow::Cow;
use std::collections::BTreeMap;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use shared::catalog::Platform;
use shared::commission::AMOUNT_MAX;
use shared::event::is_order_id;
use shared::id::FactId;
use shared::money::{Currency, Decimal};
use shared::order::{FactKind, OrderFact, Source, Status, Touch, normal_order_id};
use shared::time::Timestamp;
use url::form_urlencoded;

use crate::hooks::Context;

/// What a template leaves behind when nobody filled it in.
const PLACEHOLDERS: [&str; 4] = ["{", "}", "REPLACE", "OPTIONAL"];

/// Whether `sig` fits the other parameters, by any of the secrets. In constant time.
pub(crate) fn is_signed(secrets: &[&str], parameters: &str) -> bool {
    let pairs = || parameters.split('&').filter(|pair| !pair.is_empty());
    let Some(signature) = pairs().find_map(|pair| pair.strip_prefix("sig=")).and_then(from_hex) else {
        return false;
    };
    let mut signed: Vec<_> = pairs().filter(|pair| !pair.starts_with("sig=")).collect();
    signed.sort_by_key(|pair| pair.split('=').next());
    let signed = signed.join("&");
    secrets.iter().any(|secret| {
        let mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes());
        mac.is_ok_and(|mac| mac.chain_update(signed.as_bytes()).verify_slice(&signature).is_ok())
    })
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes().chunks(2);
    digits
        .map(|pair| u8::from_str_radix(str::from_utf8(pair).ok().filter(|p| p.len() == 2)?, 16).ok())
        .collect()
}

/// Reads a signed postback.
///
/// # Errors
/// Names the parameter that is missing or wrong, with its value.
pub(crate) fn read(context: &Context<'_>, platform: Platform, parameters: &str) -> Result<OrderFact, String> {
    let fields = Fields(form_urlencoded::parse(parameters.as_bytes()).collect());
    fields.check_filled_in()?;
    if !matches!(fields.text("event").unwrap_or("purchase"), "purchase" | "sale") {
        return Err("event: only `purchase` and `sale` are understood".to_owned());
    }
    let touch = fields.text("click_id").map(|token| touch(context, token)).transpose()?;
    let order_id = match (fields.text("txid"), &touch) {
        (Some(txid), _) if is_order_id(txid) => normal_order_id(txid),
        (Some(txid), _) => return Err(format!("txid: `{txid}` is no order id")),
        (None, Some(touch)) => format!("click:{}", touch.click),
        (None, None) => return Err("txid: is required where there is no click_id".to_owned()),
    };
    let (status, kind) = fields.status()?;
    let (amount_minor, currency) = fields.amount()?;
    let occurred_at = fields.time()?.map_or(context.received_at, |stated| stated.min(context.received_at));
    let merchant = context.merchant.bits().to_be_bytes();
    let id = FactId::of_content(&[b"postback", &merchant, &fields.canonical()]);
    let blank =
        OrderFact::blank(id, context.merchant, (platform, order_id), Source::Postback, context.received_at);
    Ok(OrderFact {
        kind,
        occurred_at,
        status: Some(status),
        currency,
        goods_minor: amount_minor,
        total_minor: amount_minor,
        // A postback that only moves the status says nothing of the amounts that were reported before.
        partial: amount_minor.is_none(),
        touches: touch.into_iter().collect(),
        ..blank
    })
}

fn touch(context: &Context<'_>, token: &str) -> Result<Touch, String> {
    match (context.token)(token) {
        Ok(claims) if claims.merchant == context.merchant => Ok(Touch::from(&claims)),
        Ok(_) => Err("click_id: the token is another merchant's".to_owned()),
        Err(error) => Err(format!("click_id: {error}")),
    }
}

/// Parameters by name, decoded; of several with one name the last counts.
struct Fields<'a>(BTreeMap<Cow<'a, str>, Cow<'a, str>>);

impl Fields<'_> {
    fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(|value| value.trim()).filter(|value| !value.is_empty())
    }

    fn check_filled_in(&self) -> Result<(), String> {
        let unfilled = self.0.iter().find(|(_, value)| PLACEHOLDERS.iter().any(|mark| value.contains(mark)));
        unfilled.map_or(Ok(()), |(name, value)| Err(format!("{name}: `{value}` was never filled in")))
    }

    fn status(&self) -> Result<(Status, FactKind), String> {
        match self.text("status").unwrap_or("approved") {
            "approved" | "paid" | "completed" | "sale" => Ok((Status::Paid, FactKind::Order)),
            "pending" | "on_hold" => Ok((Status::Unpaid, FactKind::Order)),
            "rejected" | "cancelled" | "refunded" | "void" => Ok((Status::Void, FactKind::Cancel)),
            other => Err(format!("status: `{other}` is not known; send approved, pending or rejected")),
        }
    }

    fn amount(&self) -> Result<(Option<i64>, Option<Currency>), String> {
        let Some(text) = self.text("amount") else { return Ok((None, None)) };
        let amount: Decimal = text.parse().map_err(|error| format!("amount: {error}"))?;
        let currency = self.text("currency").ok_or("currency: is required with an amount")?;
        let currency: Currency = currency.parse().map_err(|error| format!("currency: {error}"))?;
        match amount.to_minor(currency) {
            Ok(minor @ 0..=AMOUNT_MAX) => Ok((Some(minor), Some(currency))),
            _ => Err(format!("amount: `{text}` is no amount of an order")),
        }
    }

    /// `ts`, in seconds since 1970.
    fn time(&self) -> Result<Option<Timestamp>, String> {
        let Some(text) = self.text("ts") else { return Ok(None) };
        let seconds: i64 =
            text.parse().map_err(|_| format!("ts: `{text}` is no number of seconds since 1970"))?;
        Ok(Some(Timestamp::from_ms(seconds.saturating_mul(1000))))
    }

    /// What was reported, without how it was signed.
    fn canonical(&self) -> Vec<u8> {
        let mut canonical = form_urlencoded::Serializer::new(String::new());
        canonical.extend_pairs(self.0.iter().filter(|(name, _)| *name != "sig"));
        canonical.finish().into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared::id::MerchantId;
    use shared::token::TokenError;

    fn signed(parameters: &str) -> String {
        let mac = Hmac::<Sha256>::new_from_slice(b"secret").unwrap().chain_update(parameters);
        let hex: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        format!("{parameters}&sig={hex}")
    }

    fn read_one(parameters: &str) -> Result<OrderFact, String> {
        let context = Context {
            merchant: MerchantId::from_bits(1),
            received_at: Timestamp::from_ms(1_763_800_000_000),
            token: &|_| Err(TokenError::Tag),
        };
        read(&context, Platform::Other, parameters)
    }

    #[test]
    fn the_signature_covers_the_parameters_by_name_as_they_were_sent() {
        let sent = signed("amount=12%2E50&currency=EUR&txid=A%201");
        assert!(is_signed(&["other", "secret"], &sent));
        let reordered = sent.replace("amount=12%2E50&currency=EUR&", "currency=EUR&amount=12%2E50&");
        assert!(is_signed(&["secret"], &reordered), "the order of parameters does not matter");
        for forged in [
            sent.replace("12%2E50", "99"),
            sent.replace("%2E", "."),
            sent.replace("sig=", "sig=00"),
            "txid=1".into(),
        ] {
            assert!(!is_signed(&["secret"], &forged), "{forged}");
        }
        assert!(!is_signed(&[], &sent));
    }

    #[test]
    fn mistakes_are_named_with_their_value() {
        for (parameters, named) in [
            ("amount=1&currency=EUR", "txid: is required"),
            ("txid={order_id}", "txid: `{order_id}` was never filled in"),
            ("txid=%7Border%7D", "was never filled in"),
            ("txid=null", "txid: `null`"),
            ("txid=1&amount=12,50&currency=EUR", "amount: `12,50`"),
            ("txid=1&amount=12.50", "currency: is required"),
            ("txid=1&amount=-1&currency=EUR", "amount: `-1`"),
            ("txid=1&status=maybe", "status: `maybe`"),
            ("txid=1&event=lead", "event"),
            ("txid=1&ts=yesterday", "ts: `yesterday`"),
            ("txid=1&click_id=abc", "click_id: token"),
        ] {
            let error = read_one(parameters).unwrap_err();
            assert!(error.contains(named), "{error} should name {named}");
        }
    }

    #[test]
    fn a_postback_is_a_fact_and_the_same_postback_the_same_fact() {
        let fact = read_one("txid=%231001&amount=129.90&currency=eur&status=pending&sig=1").unwrap();
        assert_eq!(
            (fact.order_id.as_str(), fact.goods_minor, fact.status),
            ("1001", Some(12990), Some(Status::Unpaid))
        );
        let again = read_one("currency=eur&amount=129.90&txid=%231001&status=pending&sig=2").unwrap();
        assert_eq!(again.id, fact.id);
        assert!(read_one("txid=1001&status=rejected").unwrap().partial, "moves the status and nothing else");
    }
}
