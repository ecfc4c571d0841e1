//! What the books say of repeated, late and contradicting steps.

#![expect(clippy::unwrap_used, reason = "a test ends where something it needs is missing")]

use std::sync::Arc;

use accounts::books::{Books, LineState};
use accounts::close::{Candidate, close};
use accounts::refusal::{Refusal, cancellable, payable, undoable};
use accounts::{Account, AsOf, Balance, Entry, HeldTime, Ledger};
use shared::day::Day;
use shared::id::{FactId, InfluencerId, MerchantId, PayoutId};
use shared::payout::{Batch, Line, PayoutStep, Step, WhyNot};
use shared::time::Timestamp;

const ANNA: InfluencerId = InfluencerId::from_bits(1);
const BO: InfluencerId = InfluencerId::from_bits(2);

fn id(number: u64) -> PayoutId {
    PayoutId::from_bits(number)
}

fn day(text: &str) -> Day {
    text.parse().unwrap()
}

fn step(number: u64, at: &str, step: Step) -> Arc<PayoutStep> {
    let at: Timestamp = at.parse().unwrap();
    let (merchant, author) = (MerchantId::from_bits(9), "ops".to_owned());
    let day = shared::zone::Zone::UTC.date(at);
    Arc::new(PayoutStep { id: id(number), merchant, at, day, author, step })
}

fn made(number: u64, at: &str, batch: u32) -> Arc<PayoutStep> {
    let line = |influencer| Line { influencer, amount_minor: 1_000, payee: "p".into() };
    let lines = vec![line(ANNA), line(BO)];
    let (currency, closed_on) = ("EUR".parse().unwrap(), day("2026-11-30"));
    let batch = Batch { currency, number: batch, closed_on, lines, left_out: vec![] };
    step(number, at, Step::Made(batch))
}

fn paid(number: u64, at: &str, batch: u64, influencers: &[InfluencerId]) -> Arc<PayoutStep> {
    let influencers = influencers.to_vec();
    let (on, reference) = (day("2026-12-02"), "R".to_owned());
    step(number, at, Step::Paid { batch: id(batch), influencers, on, reference })
}

fn undone(number: u64, at: &str, batch: u64) -> Arc<PayoutStep> {
    let reason = "came back".to_owned();
    step(number, at, Step::Undone { batch: id(batch), influencers: vec![ANNA], reason })
}

fn state(books: &Books, batch: u64, of: InfluencerId) -> LineState {
    books.get(id(batch)).unwrap().lines[&of].state()
}

#[test]
fn of_two_batches_with_one_number_the_first_stands() {
    let (first, second) = (made(7, "2026-12-01T09:00:00Z", 1), made(3, "2026-12-01T09:00:01Z", 1));
    let books = Books::of(&[second, first]);
    assert_eq!(state(&books, 7, ANNA), LineState::Open);
    assert_eq!(state(&books, 3, ANNA), LineState::Superseded);
    assert_eq!(payable(&books, id(3), &[]), Err(Refusal::Superseded(id(3), id(7))));
    assert_eq!(payable(&books, id(7), &[]), Ok(vec![ANNA, BO]));
    assert_eq!(books.next_number(MerchantId::from_bits(9), "EUR".parse().unwrap()), 2);
}

#[test]
fn a_payment_that_two_nodes_tell_of_is_one() {
    let close = made(1, "2026-12-01T09:00:00Z", 1);
    let (one, other) = (
        paid(2, "2026-12-02T09:00:00Z", 1, &[ANNA]),
        paid(3, "2026-12-02T09:00:00Z", 1, &[ANNA, BO]),
    );
    let books = Books::of(&[other, close, one]);
    let anna = &books.get(id(1)).unwrap().lines[&ANNA];
    assert_eq!(anna.payment.as_ref().map(|payment| payment.step), Some(id(2)));
    assert_eq!(state(&books, 1, BO), LineState::Paid);
    assert_eq!(payable(&books, id(1), &[ANNA]), Ok(vec![]), "again is done already");
}

#[test]
fn what_is_undone_is_open_again_and_may_be_paid_again() {
    let mut steps = vec![
        made(1, "2026-12-01T09:00:00Z", 1),
        paid(2, "2026-12-02T09:00:00Z", 1, &[ANNA]),
        undone(3, "2026-12-03T09:00:00Z", 1),
    ];
    assert_eq!(state(&Books::of(&steps), 1, ANNA), LineState::Open);
    steps.push(paid(4, "2026-12-04T09:00:00Z", 1, &[ANNA]));
    let books = Books::of(&steps);
    assert_eq!(state(&books, 1, ANNA), LineState::Paid);
    assert_eq!(undoable(&books, id(1), &[BO]), Err(Refusal::NotPaid(id(1), BO)));
    assert_eq!(cancellable(&books, id(1)), Err(Refusal::IsPaid(id(1), ANNA)));
}

#[test]
fn what_was_paid_stays_paid_when_another_node_cancelled() {
    let cancel = step(2, "2026-12-02T08:00:00Z", Step::Cancelled { batch: id(1) });
    let pay = paid(3, "2026-12-02T09:00:00Z", 1, &[ANNA]);
    let books = Books::of(&[made(1, "2026-12-01T09:00:00Z", 1), cancel, pay]);
    assert_eq!(
        (state(&books, 1, ANNA), state(&books, 1, BO)),
        (LineState::Paid, LineState::Cancelled)
    );
    assert_eq!(payable(&books, id(1), &[]), Err(Refusal::Cancelled(id(1))));
}

#[test]
fn a_payment_of_a_batch_that_nobody_told_of_is_named() {
    let books = Books::of(&[paid(2, "2026-12-02T09:00:00Z", 1, &[ANNA])]);
    assert_eq!(books.unexplained, [id(2)]);
    assert_eq!(payable(&books, id(1), &[]), Err(Refusal::Unknown(id(1))));
    let stranger = InfluencerId::from_bits(5);
    let books = Books::of(&[made(1, "2026-12-01T09:00:00Z", 1)]);
    assert_eq!(payable(&books, id(1), &[stranger]), Err(Refusal::NoLine(id(1), stranger)));
}

#[test]
fn a_hold_comes_too_late_for_what_a_payout_contains() {
    let (merchant, currency) = (MerchantId::from_bits(9), "EUR".parse().unwrap());
    let account = Account { merchant, influencer: ANNA, currency };
    let entry = |number: u8, at: &str, amount_minor| Entry {
        id: FactId::from_bytes([number; 16]),
        account,
        campaign: None,
        amount_minor,
        booked_at: at.parse().unwrap(),
        due_on: Some(day("2026-11-20")),
        held: vec![HeldTime { from: "2026-12-01T10:00:00Z".parse().unwrap(), until: None }],
    };
    let entries = [entry(1, "2026-11-20T09:00:00Z", 1_000), entry(2, "2026-12-01T11:00:00Z", 300)];
    let books = Books::of(&[made(1, "2026-12-01T09:00:00Z", 1)]);
    let ledger = Ledger::of(entries, books);
    let now = AsOf::known(day("2026-12-05"));
    let balance = ledger.balance(account, now).unwrap();
    assert_eq!((balance.approved_minor, balance.held_minor), (1_000, 300));
    assert_eq!(balance.open_minor(account), Ok(0), "not a debt of 1,000");
}

/// A node whose clock was an hour ahead made the batch, and its clock was set right since.
#[test]
fn a_step_from_the_future_counts_for_whoever_closes_now() {
    let (merchant, currency) = (MerchantId::from_bits(9), "EUR".parse().unwrap());
    let account = Account { merchant, influencer: ANNA, currency };
    let entry = Entry {
        id: FactId::from_bytes([1; 16]),
        account,
        campaign: None,
        amount_minor: 1_000,
        booked_at: "2026-11-20T09:00:00Z".parse().unwrap(),
        due_on: Some(day("2026-11-20")),
        held: vec![],
    };
    let ledger = Ledger::of([entry], Books::of(&[made(1, "2199-01-01T09:00:00Z", 1)]));
    let balance = ledger.balance(account, AsOf::known(day("2026-12-01"))).unwrap();
    assert_eq!((balance.in_payout_minor, balance.open_minor(account)), (1_000, Ok(0)));
}

#[test]
fn a_moment_knows_what_was_recorded_before_it() {
    let (merchant, currency) = (MerchantId::from_bits(9), "EUR".parse().unwrap());
    let account = Account { merchant, influencer: ANNA, currency };
    let midnight: Timestamp = "2026-12-02T00:00:00Z".parse().unwrap();
    let entry = Entry {
        id: FactId::from_bytes([1; 16]),
        account,
        campaign: None,
        amount_minor: 5_000,
        booked_at: midnight,
        due_on: Some(day("2026-12-01")),
        held: vec![],
    };
    let steps = [made(1, "2026-12-01T09:00:00Z", 1), paid(2, "2026-12-02T00:00:00Z", 1, &[ANNA])];
    let ledger = Ledger::of([entry], Books::of(&steps));
    let end = |text| AsOf::end_of(day(text), &shared::zone::Zone::UTC);
    let first = ledger.balance(account, end("2026-12-01")).unwrap();
    assert_eq!((first.approved_minor, first.in_payout_minor, first.paid_minor), (0, 1_000, 0));
    let second = ledger.balance(account, end("2026-12-02")).unwrap();
    assert_eq!(
        (second.approved_minor, second.in_payout_minor, second.paid_minor),
        (5_000, 0, 1_000)
    );
}

#[test]
fn a_close_says_of_everybody_why_they_are_not_paid() {
    let (merchant, currency) = (MerchantId::from_bits(9), "EUR".parse().unwrap());
    let candidate = |bits, approved_minor, held_minor, payee: Option<&str>| Candidate {
        account: Account { merchant, influencer: InfluencerId::from_bits(bits), currency },
        balance: Balance { approved_minor, held_minor, ..Balance::default() },
        minimum_minor: 2_000,
        payee: payee.map(str::to_owned),
    };
    let candidates = vec![
        candidate(6, 0, 0, Some("p")),
        candidate(5, 2_000, 700, None),
        candidate(4, -1, 0, Some("p")),
        candidate(3, 1_999, 0, Some("p")),
        candidate(2, 2_000, 700, Some("p")),
        candidate(2, 2_000, 700, Some("p")),
    ];
    let batch = close(candidates, (currency, 3, day("2026-11-30"))).unwrap();
    let lines: Vec<_> = batch.lines.iter().map(|l| (l.influencer.bits(), l.amount_minor)).collect();
    assert_eq!(lines, [(2, 2_000)], "once, though named twice");
    let left: Vec<_> =
        batch.left_out.iter().map(|l| (l.influencer.bits(), l.amount_minor, l.why)).collect();
    let expected = [
        (2, 700, WhyNot::Held),
        (3, 1_999, WhyNot::BelowMinimum),
        (4, -1, WhyNot::BelowZero),
        (5, 2_000, WhyNot::NoAccount),
        (5, 700, WhyNot::Held),
    ];
    assert_eq!(left, expected);
    assert_eq!((batch.sum_minor(), batch.number), (Some(2_000), 3));
}
