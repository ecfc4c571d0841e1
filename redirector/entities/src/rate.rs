//! Exchange rates. They never change: what was converted with one may have been paid.

use serde_json::Value;
use shared::rates::ExchangeRate;
use shared::time::Timestamp;

use crate::builder::EntityBuilder;
use crate::fields::{Fields, parsed, shaped, text};

impl EntityBuilder<'_> {
    pub(crate) fn rate(&self, fields: &mut Fields) -> Option<ExchangeRate> {
        let day = fields.required("date", day);
        let from = fields.required("from", parsed);
        let to = fields.required("to", parsed);
        let rate = fields.required("rate", shaped);
        let source = fields.required("source", text(200));
        let created_at = self.now;
        let rate = ExchangeRate {
            day: day?,
            from: from?,
            to: to?,
            rate: rate?,
            source: source?,
            created_at,
        };
        if let Err(error) = rate.check() {
            fields.fault("rate", error.to_string());
        }
        match self.catalog.rates.get(rate.from, rate.to, rate.day) {
            Some(held) if held.rate != rate.rate => {
                fields.fault(
                    "rate",
                    format!("is {} already (source: {}) and never changes", held.rate, held.source),
                );
            }
            _ => {}
        }
        Some(rate)
    }
}

/// Reads a day such as `2026-11-25`, as days since 1970.
fn day(value: &Value) -> Result<i64, String> {
    let text = value.as_str().unwrap_or_default();
    let midnight: Result<Timestamp, _> = format!("{text}T00:00:00Z").parse();
    midnight
        .map(Timestamp::utc_day)
        .map_err(|_| format!("`{text}`: expected a day such as 2026-11-25"))
}
