//! Payouts and balances of a [`World`], as a server would record and compute them.

use accounts::close::{Candidate, close};
use accounts::{Account, AsOf, Ledger};
use bookings::Owed;
use reporting::{Form, OnDay, Whose};
use shared::booking::{BookingKind, ManualBooking};
use shared::catalog::{Change, Entity};
use shared::day::Day;
use shared::id::{BookingId, InfluencerId, PayoutId};
use shared::payout::{Batch, PayoutStep, Step};
use shared::time::{Span, Timestamp};
use shared::zone::Zone;

use super::{SHOP, World, at};
use shared::record::Record;

pub(crate) fn berlin() -> Zone {
    Zone::named("Europe/Berlin")
}

pub(crate) fn day(text: &str) -> Day {
    text.parse().unwrap()
}

pub(crate) fn euros(influencer: InfluencerId) -> Account {
    Account { merchant: SHOP, influencer, currency: "EUR".parse().unwrap() }
}

/// Rows of a table as CSV has them, by the names of the columns.
pub(crate) type Rows = Vec<std::collections::BTreeMap<String, String>>;

pub(crate) fn rows(csv: &str) -> Rows {
    let mut reader = csv::Reader::from_reader(csv.as_bytes());
    reader.deserialize().map(|row| row.unwrap()).collect()
}

impl World {
    pub(crate) fn change(&mut self, at: Timestamp, entity: Entity) {
        let entities = vec![entity];
        self.record(&Record::Catalog(Change { at, entities, request: None, by: None }));
    }

    pub(crate) fn ledger(&self) -> Ledger {
        let dataset = self.dataset();
        Owed::of(&dataset).unwrap().into_ledger(&dataset.catalog)
    }

    /// Closes the days up to one of them at a moment, as a server does; returns the batch.
    pub(crate) fn close_books(&mut self, number: u64, closed_on: &str, when: &str) -> Batch {
        let dataset = self.dataset();
        let owed = Owed::of(&dataset).unwrap();
        let minimums = owed.minimums(&dataset.catalog);
        let ledger = owed.into_ledger(&dataset.catalog);
        let candidate = |account: Account| Candidate {
            account,
            balance: ledger
                .balance(account, AsOf { day: day(closed_on), until: at(when).plus(Span::ms(1)) })
                .unwrap(),
            minimum_minor: minimums.get(&account).copied().unwrap_or(0),
            payee: Some("payee".to_owned()),
        };
        let candidates = ledger.accounts().map(candidate).collect();
        let of = ("EUR".parse().unwrap(), u32::try_from(number).unwrap(), day(closed_on));
        let batch = close(candidates, of).unwrap();
        if !batch.lines.is_empty() {
            self.step(PayoutId::from_bits(number), when, Step::Made(batch.clone()));
        }
        batch
    }

    /// Books an amount by hand.
    pub(crate) fn book(
        &mut self,
        number: u64,
        influencer: InfluencerId,
        kind: BookingKind,
        amount_minor: i64,
        when: &str,
    ) {
        let booking = ManualBooking {
            id: BookingId::from_bits(number),
            merchant: SHOP,
            campaign: None,
            influencer,
            kind,
            amount_minor,
            currency: "EUR".parse().unwrap(),
            note: "three <b>reels</b>".into(),
            author: "ops".into(),
            booked_on: berlin().date(at(when)),
            created_at: at(when),
        };
        self.change(at(when), Entity::Booking(booking));
    }

    /// Marks every line of a batch as paid.
    pub(crate) fn mark_paid(&mut self, batch: u64, influencers: &[InfluencerId], when: &str) {
        let step = Step::Paid {
            batch: PayoutId::from_bits(batch),
            influencers: influencers.to_vec(),
            on: berlin().date(at(when)),
            reference: format!("SEPA {batch}"),
        };
        self.step(PayoutId::from_bits(1_000 + batch), when, step);
    }

    pub(crate) fn step(&mut self, id: PayoutId, when: &str, step: Step) {
        let (at, author) = (at(when), "ops".to_owned());
        let day = berlin().date(at);
        self.change(at, Entity::Payout(PayoutStep { id, merchant: SHOP, at, day, author, step }));
    }

    /// The statement of an influencer's account, and its lines.
    pub(crate) fn account_statement(
        &self,
        influencer: InfluencerId,
        (from, to): (&str, &str),
        as_of: &str,
    ) -> (Rows, Rows) {
        let whose = Whose { influencer: Some(influencer), merchant: None };
        let period = reporting::Period::days(from.parse().unwrap(), to.parse().unwrap()).unwrap();
        let on = OnDay::Day(day(as_of));
        let statement =
            reporting::AccountStatement::of(&self.dataset(), whose, period, on).unwrap();
        (rows(&statement.write(Form::Csv, false)), rows(&statement.lines_csv()))
    }
}
