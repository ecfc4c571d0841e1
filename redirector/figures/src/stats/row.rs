//! The figures of one group: what is counted for it, and how answers show it. It adds numbers up and
//! decides nothing.

use std::collections::BTreeMap;

use hot_state::{CounterKey, Metric};
use serde_json::{Map, Value};
use shared::class::Class;
use shared::money::{Currency, Money};

/// The figures of one group.
#[derive(Default)]
pub(super) struct Row {
    clicks: [i64; Class::ALL.len()],
    sessions: i64,
    /// Those of the sessions that a code opened.
    sessions_by_code: i64,
    leads: i64,
    orders: i64,
    held: i64,
    revenue: BTreeMap<Currency, i64>,
    commission: BTreeMap<Currency, i64>,
}

impl Row {
    pub(super) fn add(&mut self, key: &CounterKey, amount: i64) {
        if key.metric == Metric::Sessions && key.link.is_none() {
            self.sessions_by_code = self.sessions_by_code.saturating_add(amount);
        }
        let figure = match key.metric {
            Metric::Clicks(class) => &mut self.clicks[class as usize],
            Metric::Sessions => &mut self.sessions,
            Metric::Leads => &mut self.leads,
            Metric::Orders => &mut self.orders,
            Metric::Held => &mut self.held,
            Metric::Revenue(currency) => self.revenue.entry(currency).or_default(),
            Metric::Commission(currency) => self.commission.entry(currency).or_default(),
        };
        // Others may write to the store that keeps the counts.
        *figure = figure.saturating_add(amount);
    }

    /// Shows the figures.
    pub(super) fn show(&self) -> Map<String, Value> {
        let mut clicks = Map::new();
        clicks.insert(
            "raw".to_owned(),
            self.clicks.iter().fold(0i64, |sum, n| sum.saturating_add(*n)).into(),
        );
        for class in Class::ALL {
            clicks.insert(class.as_str().to_owned(), self.clicks[class as usize].into());
        }
        let amounts = |amounts: &BTreeMap<Currency, i64>| -> Value {
            let text = |(&currency, &minor): (&Currency, &i64)| {
                (currency.to_string(), Value::from(Money { minor, currency }.to_string()))
            };
            amounts.iter().map(text).collect::<Map<_, _>>().into()
        };
        let mut row = Map::new();
        row.insert("clicks".to_owned(), clicks.into());
        row.insert("sessions".to_owned(), self.sessions.into());
        row.insert("sessions_by_code".to_owned(), self.sessions_by_code.into());
        row.insert("leads".to_owned(), self.leads.into());
        row.insert("orders".to_owned(), self.orders.into());
        row.insert("orders_held".to_owned(), self.held.into());
        row.insert("revenue".to_owned(), amounts(&self.revenue));
        row.insert("commission".to_owned(), amounts(&self.commission));
        row
    }
}
