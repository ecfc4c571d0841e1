//! When the days of a question begin and end. Days are those of each merchant's calendar, never of
//! UTC.

use std::collections::HashMap;

use shared::catalog::Catalog;
use shared::day::Day;
use shared::id::MerchantId;
use shared::time::Timestamp;
use shared::zone::Zone;

/// When some days begin and end.
type Times = (Option<Timestamp>, Option<Timestamp>);

/// When the days of a question begin and end, for each merchant: the days are theirs.
#[derive(Debug, Default)]
pub(crate) struct Days {
    /// `None` where all days are asked for.
    of: Option<HashMap<MerchantId, Times>>,
    /// The first begin and the last end.
    pub(crate) from: Option<Timestamp>,
    pub(crate) until: Option<Timestamp>,
}

impl Days {
    pub(crate) fn of(
        (first, last): (Option<Day>, Option<Day>),
        merchants: &[MerchantId],
        catalog: &Catalog,
    ) -> Self {
        if first.is_none() && last.is_none() {
            return Self::default();
        }
        let mut of_zone: HashMap<&str, Times> = HashMap::new();
        let mut of = HashMap::new();
        for id in merchants {
            let timezone = catalog.merchants.get(id).map_or("UTC", |it| it.timezone.as_str());
            let times = of_zone.entry(timezone).or_insert_with(|| {
                let zone = Zone::named(timezone);
                let from = first.map(|day| zone.start_of(day));
                (from, last.map(|day| zone.start_of(day.later(1))))
            });
            of.insert(*id, *times);
        }
        let from = of.values().filter_map(|(from, _)| *from).min();
        let until = of.values().filter_map(|(_, until)| *until).max();
        Self { of: Some(of), from, until }
    }

    pub(crate) fn have(&self, merchant: MerchantId, at: Timestamp) -> bool {
        let Some(of) = &self.of else { return true };
        of.get(&merchant).is_some_and(|(from, until)| {
            from.is_none_or(|from| from <= at) && until.is_none_or(|until| at < until)
        })
    }
}
