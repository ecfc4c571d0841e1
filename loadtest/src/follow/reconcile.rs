//! Compares three sources: what followers sent and were answered, what the journal has, and what
//! the figures say.
//!
//! It never trusts the product's counters: they are one of the three sources that must agree.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use anyhow::{Context, Result};
use harness::Product;
use hyper::Method;
use serde_json::Value;
use shared::class::Class;
use shared::event::EventName;
use shared::id::{ClickId, LinkId};
use shared::order::Source;
use shared::record::Record;

use crate::follow::cast::Kind;
use crate::follow::load::{Fate, Sent};
use crate::follow::stage::{
    SERVER_COMMISSION, SERVER_GOODS, Stage, Verdict, WEBHOOK_COMMISSION, WEBHOOK_GOODS,
};

/// How many differences of each kind are shown.
const SAMPLE: usize = 5;

/// One condition that must hold, and whether it does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// The condition.
    pub what: String,
    /// The number that must be.
    pub expected: i64,
    /// The number that is.
    pub found: i64,
    /// The number of differences.
    pub differences: u64,
    /// Descriptions of some differences.
    pub sample: Vec<String>,
}

impl Check {
    fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), expected: 0, found: 0, differences: 0, sample: Vec::new() }
    }

    /// Checks one condition.
    pub(crate) fn that(what: &str, is_so: bool, difference: String) -> Self {
        let mut check = Self::new(what);
        check.expect(is_so, || difference);
        check
    }

    /// Checks that two numbers are equal.
    fn same(what: impl Into<String>, expected: i64, found: i64) -> Self {
        let differences = expected.abs_diff(found);
        Self { expected, found, differences, ..Self::new(what) }
    }

    /// Adds one more case, which must hold.
    fn expect(&mut self, is_so: bool, difference: impl FnOnce() -> String) {
        self.expected += 1;
        self.found += i64::from(is_so);
        if !is_so {
            self.differ(difference());
        }
    }

    fn differ(&mut self, difference: String) {
        self.differences += 1;
        if self.sample.len() < SAMPLE {
            self.sample.push(difference);
        }
    }
}

/// Clicks of one class in all three sources.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClassRow {
    /// The class.
    pub class: Class,
    /// Clicks that were answered and must have the class.
    pub answered: i64,
    /// Clicks that must have the class if they were recorded, but got no whole answer.
    pub unanswered: i64,
    /// Clicks of the class in the journal.
    pub journal: i64,
    /// Clicks of the class in the figures.
    pub figures: i64,
}

/// The result of the comparison.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reconciliation {
    /// All checks.
    pub checks: Vec<Check>,
    /// The clicks of each class.
    pub classes: Vec<ClassRow>,
}

impl Reconciliation {
    /// Returns the number of all differences.
    pub fn differences(&self) -> u64 {
        self.checks.iter().map(|check| check.differences).sum()
    }
}

/// A click as the journal has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Recorded {
    pub(crate) id: ClickId,
    pub(crate) class: Class,
    pub(crate) link: LinkId,
}

/// The content of the journal, by the numbers of requests.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Written {
    /// Clicks by the number of their request; clicks without a number stand under `None`.
    pub(crate) clicks: HashMap<Option<u32>, Vec<Recorded>>,
    /// The number of records of a session by its click. Each click of the load has at most one
    /// session.
    pub(crate) sessions: HashMap<Option<ClickId>, u32>,
    /// The number of facts of each order, by order id and source. The order id is the number of the
    /// click that led to it.
    pub(crate) orders: HashMap<(String, Source), u32>,
}

/// The figures of the admin API.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Figures {
    pub(crate) raw: i64,
    pub(crate) classes: BTreeMap<&'static str, i64>,
    pub(crate) sessions: i64,
    pub(crate) orders: i64,
    pub(crate) revenue: i64,
    pub(crate) commission: i64,
    /// Orders that were read one by one: the order id, its click, and the click that was credited.
    pub(crate) credited: Vec<(String, ClickId, String)>,
}

impl Written {
    /// Reads the journal.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(crate) fn read(journal_dir: &Path) -> Result<Self> {
        let mut written = Self::default();
        for stream in journal::streams(journal_dir)? {
            let mut reader = journal::Reader::open(journal_dir, &stream, 0)?;
            while let Some(record) = reader.next()? {
                let decoded = Record::decode(record.payload);
                written.add(&decoded.with_context(|| format!("{stream}, record {}", record.seq))?);
            }
        }
        Ok(written)
    }

    fn add(&mut self, record: &Record<'_>) {
        match record {
            Record::Click(click) => {
                let number = click.sub_id.and_then(|text| text.strip_prefix('f')?.parse().ok());
                let recorded = Recorded { id: click.id, class: click.class, link: click.link };
                self.clicks.entry(number).or_default().push(recorded);
            }
            Record::Event(event) if event.name == EventName::Session => {
                *self.sessions.entry(event.touch.map(|touch| touch.click)).or_default() += 1;
            }
            Record::Order(fact) => {
                *self.orders.entry((fact.order_id.clone(), fact.source)).or_default() += 1;
            }
            Record::Event(_) | Record::Catalog(_) | Record::Unparsed(_) | Record::Lead(_) => {}
        }
    }

    fn of_class(&self, class: Class) -> i64 {
        let count = self.clicks.values().flatten().filter(|click| click.class == class).count();
        i64::try_from(count).unwrap_or(i64::MAX)
    }
}

impl Figures {
    /// Reads the figures from the admin API. The projector must have caught up before.
    ///
    /// # Errors
    /// When it does not answer.
    pub(crate) async fn read(product: &Product, stage: &Stage, sent: &[Sent]) -> Result<Self> {
        let stats = product.read("/api/v1/stats?by=campaign").await?;
        let mut figures = Self::default();
        for row in stats["rows"].as_array().context("no rows")? {
            figures.add(row)?;
        }
        let orders = sent.iter().filter(|sent| sent.kind.source().is_some_and(Source::confirms));
        let promised =
            orders.filter(|order| matches!(order.fate, Fate::Answered(Verdict::Good(_))));
        let promised: Vec<_> = promised.filter_map(|order| order.about).collect();
        for (click, number) in promised.iter().step_by((promised.len() / 20).max(1)) {
            let path = format!("/api/v1/orders/{}/{number}", stage.merchant);
            let answer = product.ask(Method::GET, &path, "application/json", "").await?;
            let order: Value = serde_json::from_str(&answer.body).unwrap_or_default();
            let mut candidates = order["decision"]["candidates"].as_array().into_iter().flatten();
            let credited = candidates.find(|candidate| candidate["verdict"] == "credited");
            let credited = credited.and_then(|candidate| candidate["click"].as_str());
            let credited =
                credited.map_or_else(|| answer.body.chars().take(200).collect(), str::to_owned);
            figures.credited.push((number.to_string(), *click, credited));
        }
        Ok(figures)
    }

    fn add(&mut self, row: &Value) -> Result<()> {
        let count = |value: &Value| value.as_i64().unwrap_or_default();
        self.raw += count(&row["clicks"]["raw"]);
        for class in Class::ALL {
            *self.classes.entry(class.as_str()).or_default() +=
                count(&row["clicks"][class.as_str()]);
        }
        self.sessions += count(&row["sessions"]);
        self.orders += count(&row["orders"]);
        self.revenue += cents(&row["revenue"]["EUR"])?;
        self.commission += cents(&row["commission"]["EUR"])?;
        Ok(())
    }
}

/// Reads an amount in euros as cents: `12.30` is 1230.
fn cents(amount: &Value) -> Result<i64> {
    let Some(text) = amount.as_str() else { return Ok(0) };
    text.replace('.', "").parse().with_context(|| format!("an amount in euros: {text}"))
}

/// Compares all three sources.
pub(crate) fn reconcile(
    sent: &[Sent],
    link_id: impl Fn(usize) -> LinkId,
    written: &Written,
    figures: &Figures,
) -> Reconciliation {
    let mut checks = vec![as_documented(sent)];
    checks.extend(clicks(sent, link_id, written));
    checks.push(sessions(sent, written));
    checks.extend(
        [Kind::Claim, Kind::Webhook, Kind::ServerOrder].map(|kind| orders(kind, sent, written)),
    );
    checks.extend(figures_against(written, figures));
    Reconciliation { checks, classes: classes(sent, written, figures) }
}

fn as_documented(sent: &[Sent]) -> Check {
    let mut check = Check::new("answers are as documented, tokens verify");
    for (number, sent) in sent.iter().enumerate() {
        let Fate::Answered(verdict) = sent.fate else { continue };
        let is_good = matches!(verdict, Verdict::Good(_) | Verdict::Later);
        check.expect(is_good, || format!("request {number} ({}): {verdict:?}", sent.kind.name()));
    }
    check
}

fn clicks(sent: &[Sent], link_id: impl Fn(usize) -> LinkId, written: &Written) -> Vec<Check> {
    let mut once = Check::new("answered clicks stand in the journal, once");
    let mut class = Check::new("recorded clicks have the class that is due to them");
    let mut same = Check::new("promised tokens name the recorded click and link");
    let mut none = Check::new("refused and unsent clicks are not recorded");
    let mut maybe = Check::new("clicks without answer are recorded once or not");
    for (number, sent) in sent.iter().enumerate() {
        let Some(expected) = sent.kind.class() else { continue };
        let number = u32::try_from(number).unwrap_or(u32::MAX);
        let recorded = written.clicks.get(&Some(number)).map_or(&[][..], Vec::as_slice);
        let named = || format!("click {number} ({})", sent.kind.name());
        let times = || format!("{} stands there {} times", named(), recorded.len());
        match sent.fate {
            Fate::Answered(Verdict::Later) | Fate::Unsent => {
                none.expect(recorded.is_empty(), times);
            }
            Fate::Unanswered => maybe.expect(recorded.len() <= 1, times),
            Fate::Answered(_) => once.expect(recorded.len() == 1, times),
        }
        for recorded in recorded {
            class.expect(recorded.class == expected, || {
                format!(
                    "{} is {} instead of {}",
                    named(),
                    recorded.class.as_str(),
                    expected.as_str()
                )
            });
        }
        if let (Fate::Answered(Verdict::Good(Some(click))), Some(first)) =
            (sent.fate, recorded.first())
        {
            let is_same = first.id == click && first.link == link_id(usize::from(sent.link));
            same.expect(is_same, || {
                format!("{} was promised {click} and is {}", named(), first.id)
            });
        }
    }
    vec![once, same, class, none, maybe, nobodys(sent, written)]
}

/// Checks that every click in the journal was sent by a request of the load.
fn nobodys(sent: &[Sent], written: &Written) -> Check {
    let mut check = Check::new("every click in the journal was sent by somebody");
    for (number, recorded) in &written.clicks {
        let sender = number.and_then(|number| sent.get(number as usize));
        let is_sent = sender.is_some_and(|sent| sent.kind.class().is_some());
        for click in recorded {
            check.expect(is_sent, || format!("click {} under number {number:?}", click.id));
        }
    }
    check
}

fn sessions(sent: &[Sent], written: &Written) -> Check {
    let mut check = Check::new("sessions answered 204 stand in the journal, once");
    let sessions = sent.iter().enumerate().filter(|(_, sent)| sent.kind == Kind::Session);
    for (number, sent) in sessions {
        let times = written.sessions.get(&sent.about.map(|(click, _)| click)).copied();
        expect_times(&mut check, sent, times.unwrap_or_default(), || format!("session {number}"));
    }
    check
}

fn orders(kind: Kind, sent: &[Sent], written: &Written) -> Check {
    let what = match kind {
        Kind::Claim => "purchases of the pixel answered 204",
        Kind::Webhook => "orders by webhook answered 200",
        _ => "orders by the server API answered 200",
    };
    let mut check = Check::new(format!("{what} stand in the journal, once"));
    for sent in sent.iter().filter(|sent| sent.kind == kind) {
        let (Some((_, number)), Some(source)) = (sent.about, kind.source()) else { continue };
        let times = written.orders.get(&(number.to_string(), source)).copied().unwrap_or_default();
        expect_times(&mut check, sent, times, || format!("order {number} by {}", kind.name()));
    }
    check
}

/// Adds one case: a request that was answered must be recorded once, one that was refused or not
/// sent never, and one without an answer at most once.
fn expect_times(check: &mut Check, sent: &Sent, times: u32, named: impl Fn() -> String) {
    let text = || format!("{} stands there {times} times ({:?})", named(), sent.fate);
    match sent.fate {
        Fate::Answered(Verdict::Good(_)) => check.expect(times == 1, text),
        Fate::Answered(_) | Fate::Unsent if times > 0 => check.differ(text()),
        Fate::Unanswered if times > 1 => check.differ(text()),
        Fate::Answered(_) | Fate::Unsent | Fate::Unanswered => {}
    }
}

fn figures_against(written: &Written, figures: &Figures) -> Vec<Check> {
    let count = |source: Source| {
        let orders = written.orders.keys().filter(|(_, of)| *of == source).count();
        i64::try_from(orders).unwrap_or(i64::MAX)
    };
    let (webhooks, calls) = (count(Source::Webhook), count(Source::Postback));
    let raw = Class::ALL.iter().map(|&class| written.of_class(class)).sum();
    let reasons: i64 = figures.classes.values().sum();
    let mut checks: Vec<_> = Class::ALL
        .iter()
        .map(|&class| {
            let found = figures.classes.get(class.as_str()).copied().unwrap_or_default();
            Check::same(
                format!("figures: {} clicks", class.as_str()),
                written.of_class(class),
                found,
            )
        })
        .filter(|check| check.expected != 0 || check.found != 0)
        .collect();
    let sessions = i64::try_from(written.sessions.len()).unwrap_or(i64::MAX);
    checks.extend([
        Check::same("figures: raw clicks", raw, figures.raw),
        Check::same("figures: raw = billable + Σ reasons", reasons, figures.raw),
        Check::same("figures: sessions", sessions, figures.sessions),
        Check::same("figures: orders", webhooks + calls, figures.orders),
        Check::same(
            "figures: revenue in cents",
            webhooks * WEBHOOK_GOODS + calls * SERVER_GOODS,
            figures.revenue,
        ),
        Check::same(
            "figures: commission in cents",
            webhooks * WEBHOOK_COMMISSION + calls * SERVER_COMMISSION,
            figures.commission,
        ),
    ]);
    let mut credited = Check::new("orders asked for one by one credit the click of their token");
    for (order, click, found) in &figures.credited {
        credited
            .expect(*found == click.to_string(), || format!("order {order}: {click}, not {found}"));
    }
    checks.push(credited);
    checks
}

fn classes(sent: &[Sent], written: &Written, figures: &Figures) -> Vec<ClassRow> {
    let count = |class: Class, is: fn(Fate) -> bool| {
        let count =
            sent.iter().filter(|sent| sent.kind.class() == Some(class) && is(sent.fate)).count();
        i64::try_from(count).unwrap_or(i64::MAX)
    };
    let answered = |fate| matches!(fate, Fate::Answered(verdict) if verdict != Verdict::Later);
    let rows = Class::ALL.map(|class| ClassRow {
        class,
        answered: count(class, answered),
        unanswered: count(class, |fate| fate == Fate::Unanswered),
        journal: written.of_class(class),
        figures: figures.classes.get(class.as_str()).copied().unwrap_or_default(),
    });
    let is_empty = |row: &ClassRow| row.answered + row.unanswered + row.journal + row.figures == 0;
    rows.into_iter().filter(|row| !is_empty(row)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn click_id(number: u32) -> ClickId {
        let mut bytes = [0; 16];
        bytes[12..].copy_from_slice(&number.to_be_bytes());
        ClickId::from_bytes(bytes)
    }

    fn link_id(number: usize) -> LinkId {
        LinkId::from_bits(number as u64 + 100)
    }

    /// A load without a difference: five persons, a robot, a session and an order of the first
    /// person, one refused click, and one click without an answer.
    fn honest() -> (Vec<Sent>, Written, Figures) {
        let click = |kind: Kind, fate: Fate| Sent { kind, link: 3, fate, about: None };
        let told = |kind: Kind| Sent {
            kind,
            link: 0,
            fate: Fate::Answered(Verdict::Good(None)),
            about: Some((click_id(0), 0)),
        };
        let mut sent: Vec<Sent> = (0..5)
            .map(|number| {
                click(Kind::Person, Fate::Answered(Verdict::Good(Some(click_id(number)))))
            })
            .collect();
        sent.push(click(Kind::Bot, Fate::Answered(Verdict::Good(None))));
        sent.extend([told(Kind::Session), told(Kind::Webhook), told(Kind::Claim)]);
        sent.push(click(Kind::Person, Fate::Answered(Verdict::Later)));
        sent.push(click(Kind::Person, Fate::Unanswered));
        let mut written = Written::default();
        for number in (0..6).chain([10]) {
            let class = if number == 5 { Class::Bot } else { Class::Billable };
            let recorded = Recorded { id: click_id(number), class, link: link_id(3) };
            written.clicks.insert(Some(number), vec![recorded]);
        }
        written.sessions.insert(Some(click_id(0)), 1);
        written.orders.insert(("0".to_owned(), Source::Webhook), 1);
        written.orders.insert(("0".to_owned(), Source::Pixel), 1);
        let figures = Figures {
            raw: 7,
            classes: [("billable", 6), ("bot", 1)].into(),
            sessions: 1,
            orders: 1,
            revenue: 1800,
            commission: 270,
            credited: vec![("0".to_owned(), click_id(0), click_id(0).to_string())],
        };
        (sent, written, figures)
    }

    fn differing(sent: &[Sent], written: &Written, figures: &Figures) -> Vec<String> {
        let checks = reconcile(sent, link_id, written, figures).checks;
        checks.into_iter().filter(|check| check.differences > 0).map(|check| check.what).collect()
    }

    #[test]
    fn what_agrees_has_no_difference() {
        let (sent, written, figures) = honest();
        let reconciliation = reconcile(&sent, link_id, &written, &figures);
        assert_eq!(reconciliation.differences(), 0, "{reconciliation:#?}");
        let billable = &reconciliation.classes[0];
        assert_eq!(
            (billable.answered, billable.unanswered, billable.journal, billable.figures),
            (5, 1, 6, 6)
        );
    }

    /// Plants one error, and expects that the checks with these names find it.
    fn check(plant: impl Fn(&mut Vec<Sent>, &mut Written, &mut Figures), seen_by: &[&str]) {
        let (mut sent, mut written, mut figures) = honest();
        plant(&mut sent, &mut written, &mut figures);
        let seen = differing(&sent, &written, &figures);
        for name in seen_by {
            assert!(
                seen.iter().any(|what| what.contains(name)),
                "`{name}` did not see it: {seen:?}"
            );
        }
        assert!(!seen.is_empty());
    }

    #[test]
    fn losses_are_seen() {
        check(
            |_, written, _| _ = written.clicks.remove(&Some(2)),
            &["answered clicks", "figures: raw clicks"],
        );
        check(
            |_, written, _| _ = written.sessions.remove(&Some(click_id(0))),
            &["sessions answered", "figures: sessions"],
        );
        let webhook = ("0".to_owned(), Source::Webhook);
        check(
            |_, written, _| _ = written.orders.remove(&webhook),
            &["by webhook", "figures: orders", "revenue"],
        );
        check(
            |_, written, _| _ = written.orders.remove(&("0".to_owned(), Source::Pixel)),
            &["of the pixel"],
        );
    }

    #[test]
    fn doubles_are_seen() {
        let double = |written: &mut Written, number: u32| {
            let clicks = written.clicks.entry(Some(number)).or_default();
            clicks.extend_from_slice(&clicks.clone());
        };
        check(|_, written, _| double(written, 1), &["answered clicks"]);
        check(|_, written, _| double(written, 10), &["without answer"]);
        check(
            |_, written, _| _ = written.sessions.insert(Some(click_id(0)), 2),
            &["sessions answered"],
        );
        let webhook = ("0".to_owned(), Source::Webhook);
        check(|_, written, _| _ = written.orders.insert(webhook.clone(), 2), &["by webhook"]);
    }

    #[test]
    fn what_nobody_sent_or_what_was_refused_is_seen() {
        let stray = Recorded { id: click_id(77), class: Class::Billable, link: link_id(3) };
        check(|_, written, _| _ = written.clicks.insert(None, vec![stray]), &["sent by somebody"]);
        check(
            |_, written, _| _ = written.clicks.insert(Some(9), vec![stray]),
            &["refused and unsent"],
        );
        check(
            |_, written, _| _ = written.clicks.insert(Some(6), vec![stray]),
            &["sent by somebody"],
        );
    }

    #[test]
    fn wrong_classes_tokens_and_answers_are_seen() {
        let change = |written: &mut Written, with: fn(&mut Recorded)| {
            written
                .clicks
                .values_mut()
                .flatten()
                .filter(|click| click.id == click_id(1))
                .for_each(with);
        };
        check(
            |_, written, _| change(written, |click| click.class = Class::Bot),
            &["class that is due", "bot"],
        );
        check(
            |_, written, _| change(written, |click| click.link = link_id(4)),
            &["name the recorded click"],
        );
        check(
            |_, written, _| change(written, |click| click.id = click_id(50)),
            &["name the recorded click"],
        );
        for verdict in [Verdict::Token, Verdict::StrayToken, Verdict::Status(404)] {
            check(|sent, _, _| sent[1].fate = Fate::Answered(verdict), &["as documented"]);
        }
    }

    #[test]
    fn wrong_figures_are_seen() {
        check(|_, _, figures| figures.raw += 1, &["raw clicks", "raw ="]);
        check(|_, _, figures| _ = figures.classes.insert("bot", 2), &["bot clicks", "raw ="]);
        check(|_, _, figures| figures.sessions = 0, &["figures: sessions"]);
        check(|_, _, figures| figures.orders = 2, &["figures: orders"]);
        check(|_, _, figures| figures.revenue += 1, &["revenue"]);
        check(|_, _, figures| figures.commission -= 1, &["commission"]);
        check(|_, _, figures| figures.credited[0].2 = "nobody".to_owned(), &["credit the click"]);
    }

    #[test]
    fn only_some_differences_are_shown_and_all_are_counted() {
        let (sent, mut written, figures) = honest();
        written.clicks.clear();
        let checks = reconcile(&sent, link_id, &written, &figures).checks;
        let once = checks.iter().find(|check| check.what.contains("answered clicks")).unwrap();
        assert_eq!((once.differences, once.sample.len(), once.found), (6, 5, 0));
    }
}
