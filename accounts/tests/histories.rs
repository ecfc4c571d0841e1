//! Random histories of bookings, holds, closes, payments, undoings and repetitions, against an oracle
//! that only adds up what it was told.
//!
//! `AFTERCLICK_TEST_OPERATIONS` sets how many operations are tried; by default 100,000.

#![expect(clippy::unwrap_used, reason = "a test ends where something it needs is missing")]

use std::collections::BTreeMap;
use std::sync::Arc;

use accounts::books::LineState;
use accounts::close::{Candidate, close};
use accounts::period::movement;
use accounts::{Account, AsOf, Balance, Books, Entry, HeldTime, Ledger, refusal};
use shared::day::Day;
use shared::id::{FactId, InfluencerId, MerchantId, PayoutId};
use shared::money::Currency;
use shared::payout::{PayoutStep, Step};
use shared::time::{Span, Timestamp};
use shared::zone::Zone;

const INFLUENCERS: u64 = 4;
const MINIMUM: i64 = 2_000;

/// A generator of numbers that any run repeats.
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }
}

struct World {
    chance: Chance,
    now: Timestamp,
    entries: Vec<Entry>,
    steps: Vec<Arc<PayoutStep>>,
    /// What left the bank, as somebody would count who looks at nothing else.
    bank: BTreeMap<InfluencerId, i128>,
    /// What every past day came to.
    past: Vec<(AsOf, InfluencerId, Balance)>,
}

fn merchant() -> MerchantId {
    MerchantId::from_bits(1)
}

fn eur() -> Currency {
    "EUR".parse().unwrap()
}

fn account(influencer: InfluencerId) -> Account {
    Account { merchant: merchant(), influencer, currency: eur() }
}

impl World {
    fn new(seed: u64) -> Self {
        let now = "2026-11-01T08:00:00Z".parse().unwrap();
        let (entries, steps) = (vec![], vec![]);
        let (bank, past) = (BTreeMap::new(), vec![]);
        Self { chance: Chance(seed), now, entries, steps, bank, past }
    }

    fn today(&self) -> Day {
        Zone::UTC.date(self.now)
    }

    fn influencer(&mut self) -> InfluencerId {
        InfluencerId::from_bits(1 + self.chance.below(INFLUENCERS))
    }

    fn ledger(&self) -> Ledger {
        Ledger::of(self.entries.iter().cloned(), Books::of(&self.steps))
    }

    fn balance(&self, influencer: InfluencerId) -> Balance {
        let as_of = AsOf::known(self.today());
        self.ledger().balance(account(influencer), as_of).unwrap()
    }

    fn book(&mut self) {
        let influencer = self.influencer();
        let amount = i64::try_from(self.chance.below(5_000)).unwrap() + 1;
        let due_on = match self.chance.below(4) {
            0 => None,
            _ => Some(self.today().later(u32::try_from(self.chance.below(20)).unwrap())),
        };
        self.put(influencer, amount, due_on);
    }

    fn put(&mut self, influencer: InfluencerId, amount_minor: i64, due_on: Option<Day>) {
        let id = FactId::of_content(&[b"entry", &self.entries.len().to_be_bytes()]);
        // Who is held now is held with all that comes.
        let held = self.entries.iter().rev().find(|e| e.account.influencer == influencer);
        let held = held.map_or_else(Vec::new, |entry| entry.held.clone());
        let (account, booked_at) = (account(influencer), self.now);
        let campaign = None;
        self.entries.push(Entry { id, account, campaign, amount_minor, booked_at, due_on, held });
    }

    /// Takes back a part of an earlier amount.
    fn refund(&mut self) {
        if self.entries.is_empty() {
            return;
        }
        let at = self.chance.below(self.entries.len() as u64);
        let entry = self.entries[usize::try_from(at).unwrap()].clone();
        let part = 1 + self.chance.below(entry.amount_minor.unsigned_abs());
        let due_on = entry.due_on.map(|due_on| due_on.max(self.today()));
        self.put(entry.account.influencer, -i64::try_from(part).unwrap(), due_on);
    }

    fn hold(&mut self) {
        let (influencer, now) = (self.influencer(), self.now);
        for entry in self.entries.iter_mut().filter(|e| e.account.influencer == influencer) {
            match entry.held.iter_mut().find(|held| held.until.is_none()) {
                Some(held) => held.until = Some(now),
                None => entry.held.push(HeldTime { from: now, until: None }),
            }
        }
    }

    fn record(&mut self, step: Step) {
        let id = PayoutId::from_bits(1 + self.steps.len() as u64);
        let (day, author) = (self.today(), String::new());
        let step = PayoutStep { id, merchant: merchant(), at: self.now, day, author, step };
        self.steps.push(Arc::new(step));
    }

    /// Closes a day, and checks what the close froze.
    fn close(&mut self) {
        let back = u32::try_from(self.chance.below(10)).unwrap();
        let closed_on = (0..back).fold(self.today(), |day, _| day.before());
        let as_of = AsOf::known(closed_on);
        let ledger = self.ledger();
        let candidate = |account: Account| Candidate {
            account,
            balance: ledger.balance(account, as_of).unwrap(),
            minimum_minor: MINIMUM,
            payee: (account.influencer.bits() != 4).then(|| "payee".to_owned()),
        };
        let number = ledger.books().next_number(merchant(), eur());
        let candidates = ledger.accounts().map(candidate).collect();
        let batch = close(candidates, (eur(), number, closed_on)).unwrap();
        for line in &batch.lines {
            assert!(line.amount_minor >= MINIMUM && line.influencer.bits() != 4, "{line:?}");
        }
        let lines = batch.lines.clone();
        self.record(Step::Made(batch));
        let ledger = self.ledger();
        for line in lines {
            let account = account(line.influencer);
            let after = ledger.balance(account, as_of).unwrap();
            assert_eq!(after.open_minor(account), Ok(0), "a line pays all that is open: {line:?}");
        }
    }

    fn batch(&mut self) -> Option<PayoutId> {
        let batches = self.steps.iter().filter(|step| matches!(step.step, Step::Made(_)));
        let batches: Vec<PayoutId> = batches.map(|step| step.id).collect();
        let at = self.chance.below(batches.len().max(1) as u64);
        batches.get(usize::try_from(at).unwrap()).copied()
    }

    fn pay(&mut self) {
        let Some(batch) = self.batch() else { return };
        let books = Books::of(&self.steps);
        let one: Vec<_> = match self.chance.below(3) {
            0 => books.get(batch).unwrap().lines.keys().take(1).copied().collect(),
            _ => vec![],
        };
        let Ok(influencers) = refusal::payable(&books, batch, &one) else { return };
        if influencers.is_empty() {
            return;
        }
        for influencer in &influencers {
            let line = &books.get(batch).unwrap().lines[influencer];
            assert_eq!(line.state(), LineState::Open);
            *self.bank.entry(*influencer).or_default() += i128::from(line.amount_minor);
        }
        let (on, reference) = (self.today(), String::new());
        self.record(Step::Paid { batch, influencers, on, reference });
    }

    fn undo(&mut self) {
        let Some(batch) = self.batch() else { return };
        let books = Books::of(&self.steps);
        let Ok(influencers) = refusal::undoable(&books, batch, &[]) else { return };
        for influencer in &influencers {
            let line = &books.get(batch).unwrap().lines[influencer];
            *self.bank.entry(*influencer).or_default() -= i128::from(line.amount_minor);
        }
        self.record(Step::Undone { batch, influencers, reason: "came back".into() });
    }

    fn cancel(&mut self) {
        let Some(batch) = self.batch() else { return };
        if refusal::cancellable(&Books::of(&self.steps), batch).is_ok() {
            self.record(Step::Cancelled { batch });
        }
    }

    /// Lets another node tell again what is known, in another order.
    fn repeat(&mut self) {
        let at = self.chance.below(self.steps.len().max(1) as u64);
        let Some(step) = self.steps.get(usize::try_from(at).unwrap()).cloned() else { return };
        let mut told = self.steps.clone();
        told.insert(0, step);
        let by = self.chance.below(told.len() as u64);
        told.rotate_left(usize::try_from(by).unwrap());
        assert_eq!(Books::of(&told), Books::of(&self.steps), "the order of steps means nothing");
    }

    fn pass(&mut self) {
        let end = AsOf::end_of(self.today(), &Zone::UTC);
        let ledger = self.ledger();
        for bits in 1..=INFLUENCERS {
            let influencer = InfluencerId::from_bits(bits);
            let balance = ledger.balance(account(influencer), end).unwrap();
            self.past.push((end, influencer, balance));
        }
        let days = 1 + i64::try_from(self.chance.below(9)).unwrap();
        self.now = self.now.plus(Span::days(days));
    }

    fn step(&mut self) {
        self.now = self.now.plus(Span::seconds(1));
        match self.chance.below(12) {
            0..=3 => self.book(),
            4 => self.refund(),
            5 => self.hold(),
            6 => self.close(),
            7 => self.pay(),
            8 => self.undo(),
            9 => self.cancel(),
            10 => self.repeat(),
            _ => self.pass(),
        }
    }

    fn check(&self) {
        for bits in 1..=INFLUENCERS {
            let influencer = InfluencerId::from_bits(bits);
            let balance = self.balance(influencer);
            let paid = self.bank.get(&influencer).copied().unwrap_or(0);
            assert_eq!(i128::from(balance.paid_minor), paid, "the bank says so: {influencer}");
            let booked = self.entries.iter().filter(|e| e.account.influencer == influencer);
            let booked: i64 = booked.map(|entry| entry.amount_minor).sum();
            let sum = balance.pending_minor + balance.held_minor + balance.approved_minor;
            assert_eq!(sum, booked, "every amount stands in one place: {balance:?}");
            let open = balance.open(account(influencer), MINIMUM).unwrap();
            let parts = open.payable_minor + open.below_minimum_minor + open.below_zero_minor;
            assert_eq!(parts, balance.open_minor(account(influencer)).unwrap());
        }
    }

    /// A past day comes out the same whatever happened later, and days add up to periods.
    fn check_past(&self) {
        let ledger = self.ledger();
        for (as_of, influencer, balance) in &self.past {
            let again = ledger.balance(account(*influencer), *as_of).unwrap();
            assert_eq!(again, *balance, "{influencer} on {}", as_of.day);
        }
        for pair in self.past.windows(2).filter(|pair| pair[0].0.day <= pair[1].0.day) {
            let (from, to, of) = (pair[0].0, pair[1].0, account(pair[0].1));
            let moved = movement(&ledger, of, from, to).unwrap();
            assert_eq!(
                moved.carried_in_minor + moved.new_minor - moved.paid_minor,
                moved.carried_out_minor
            );
        }
    }
}

/// The sum of what may be paid is paid: after a last close without a minimum nothing is left.
fn settle_up(world: &mut World) {
    world.now = world.now.plus(Span::days(400));
    let as_of = AsOf::known(world.today());
    let ledger = world.ledger();
    let candidate = |account: Account| Candidate {
        account,
        balance: ledger.balance(account, as_of).unwrap(),
        minimum_minor: 0,
        payee: Some("payee".into()),
    };
    let number = ledger.books().next_number(merchant(), eur());
    let candidates = ledger.accounts().map(candidate).collect();
    let batch = close(candidates, (eur(), number, world.today())).unwrap();
    world.record(Step::Made(batch));
    for bits in 1..=INFLUENCERS {
        let of = account(InfluencerId::from_bits(bits));
        let open = world.balance(of.influencer).open(of, 0).unwrap();
        assert_eq!(open.payable_minor, 0, "nothing is left to pay: {of:?}");
    }
}

#[test]
fn nobody_is_paid_twice_and_no_past_day_changes() {
    let operations = std::env::var("AFTERCLICK_TEST_OPERATIONS");
    let operations: u64 = operations.map_or(100_000, |count| count.parse().unwrap());
    let each = 100;
    for seed in 0..operations / each {
        let mut world = World::new(seed);
        for _ in 0..each {
            world.step();
        }
        world.check();
        world.check_past();
        settle_up(&mut world);
        world.check();
    }
}
