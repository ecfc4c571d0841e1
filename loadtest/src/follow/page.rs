//! The report as one HTML page with plots and tables. The page never loads anything and runs no
//! script.

#![expect(clippy::float_arithmetic, reason = "rates, no money")]

use std::fmt::Write as _;

use crate::follow::capacity::Limit;
use crate::follow::measure::{End, Phase, Second};
use crate::follow::plot::{Line, Moment, bars, escape, latency_over_time, nines, number_over_time};
use crate::follow::report::FollowReport;
use crate::follow::text::{PERCENTILES, count, short};

const STYLE: &str = "\
:root{color-scheme:light dark;--ink:#1c2024;--dim:#60646c;--rule:#d9dce1;--fine:#eef0f2;--back:#fff;--bad:#c62a2f;\
--l0:#3e63dd;--l1:#d6409f;--l2:#2b9a66;--l3:#e2711d;--l4:#7c66dc;--l5:#0090a8}\
@media(prefers-color-scheme:dark){:root{--ink:#edeef0;--dim:#a8adb5;--rule:#3a3f45;--fine:#26292d;--back:#151718;--bad:#ff6369;\
--l0:#8aa5ff;--l1:#ff8bcb;--l2:#5cd69b;--l3:#ffa057;--l4:#b6a6ff;--l5:#4ccce6}}\
body{font:15px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--back);max-width:1060px;margin:2rem auto;padding:0 1rem}\
h1{font-size:1.5rem;margin:0}h2{font-size:1.1rem;margin:2.2rem 0 .4rem}p{margin:.3rem 0;color:var(--dim)}\
.table{overflow-x:auto}table{border-collapse:collapse;font-variant-numeric:tabular-nums;font-size:13px}\
th,td{padding:.25rem .8em .25rem 0;text-align:right;border-bottom:1px solid var(--rule);white-space:nowrap}\
th:first-child,td:first-child{text-align:left}th{font-weight:600;color:var(--dim)}\
svg{width:100%;height:auto;display:block;font:12px system-ui,sans-serif}text{fill:var(--dim)}\
.middle{text-anchor:middle}.end{text-anchor:end}.grid{stroke:var(--rule)}.fine{stroke:var(--fine)}\
.mark{stroke:var(--dim);stroke-dasharray:3 3}.name{font-size:11px}.bar{fill:var(--l0)}\
.line{fill:none;stroke-width:1.8;stroke-linejoin:round}\
.l0{stroke:var(--l0)}.l1{stroke:var(--l1)}.l2{stroke:var(--l2)}.l3{stroke:var(--l3)}.l4{stroke:var(--l4)}.l5{stroke:var(--l5)}\
.bad{color:var(--bad)}";

impl FollowReport {
    /// Returns the report as one HTML page that needs no other file.
    pub fn page(&self) -> String {
        render(self)
    }
}

/// Renders the page. Writing into a `String` does not fail.
fn render(report: &FollowReport) -> String {
    let mut page = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <title>afterclick under load</title><style>{STYLE}</style><h1>afterclick under load</h1><p>{}</p>",
        escape(&report.setting)
    );
    page += &verdict(report);
    page += &phases(report);
    page += &latencies(report);
    page += &times(report);
    page += &capacity(report);
    page += &classes(report);
    page + &checks(report) + "</html>\n"
}

fn verdict(report: &FollowReport) -> String {
    let requests: u64 = report.phases.iter().map(Phase::total).sum();
    match report.reconciliation.differences() {
        0 => format!(
            "<p><b>{} requests, no difference</b> between what was answered, the journal and the figures.</p>",
            count(requests)
        ),
        differences => format!(
            "<p class=\"bad\"><b>{} requests, {} differences</b>: see below.</p>",
            count(requests),
            count(differences)
        ),
    }
}

fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let cells = |tag: &str, cells: &mut dyn Iterator<Item = &str>| {
        let cells = cells
            .fold(String::new(), |text, cell| format!("{text}<{tag}>{}</{tag}>", escape(cell)));
        format!("<tr>{cells}</tr>")
    };
    let mut text =
        format!("<div class=\"table\"><table>{}", cells("th", &mut head.iter().copied()));
    for row in rows {
        text += &cells("td", &mut row.iter().map(String::as_str));
    }
    text + "</table></div>"
}

fn phases(report: &FollowReport) -> String {
    let head = ["", "planned/s", "good/s", "answered", "refused", "closed", "given up", "not sent"];
    let head: Vec<_> =
        head.into_iter().chain(PERCENTILES.map(|(name, _)| name)).chain(["own lag p99"]).collect();
    let rows = report.phases.iter().map(|phase| {
        let ended = |end| phase.ended(end, true);
        let not_sent = ended(End::NotConnected) + ended(End::Unsent);
        let mut row = vec![
            phase.name.clone(),
            format!("{:.0}", phase.rate),
            format!("{:.0}", phase.goodput()),
        ];
        row.extend(
            [
                ended(End::Answered),
                ended(End::Refused),
                ended(End::Closed),
                ended(End::GivenUp),
                not_sent,
            ]
            .map(count),
        );
        row.extend(PERCENTILES.map(|(_, percent)| short(phase.clicks.at(percent))));
        row.push(short(phase.lag_p99()));
        row
    });
    table(&head, &rows.collect::<Vec<_>>())
}

fn latencies(report: &FollowReport) -> String {
    let mut lines: Vec<_> =
        report.phases.iter().map(|phase| (phase.name.clone(), &phase.clicks)).collect();
    if lines.is_empty() {
        return String::new();
    }
    // The lag of this program itself, shown beside what it measured.
    if let [phase] = report.phases.as_slice() {
        lines.push(("own lag, contained in it".to_owned(), &phase.lag));
    }
    let title = "Latency of clicks, from the planned moment to the whole answer";
    format!("<h2>{title}</h2>{}", nines(title, &lines))
}

fn times(report: &FollowReport) -> String {
    if report.seconds.is_empty() {
        return String::new();
    }
    let moments = report
        .marks
        .iter()
        .map(|mark| Moment { at: mark.at.as_secs_f64(), what: mark.what.clone() });
    let begun = report.phases.first().map_or(0.0, |phase| phase.begun.as_secs_f64());
    let moments: Vec<_> =
        moments.map(|moment| Moment { at: moment.at - begun, ..moment }).collect();
    let line = |name: &str, of: &dyn Fn(&Second) -> f64| Line {
        name: name.to_owned(),
        points: report
            .seconds
            .iter()
            .map(|second| (second.at.as_secs_f64() - begun, of(second)))
            .collect(),
    };
    let latency = [
        line("p50", &|second| second.p50.as_secs_f64()),
        line("p99", &|second| second.p99.as_secs_f64()),
        line("slowest", &|second| second.max.as_secs_f64()),
    ];
    let throughput = [
        line("sent", &|second| second.sent as f64),
        line("answered", &|second| second.answered as f64),
        line("refused", &|second| second.refused as f64),
        line("failed or unsent", &|second| second.failed as f64),
        line("in flight", &|second| second.in_flight as f64),
    ];
    let (title, other) = ("Latency of clicks, second by second", "Requests of all kinds a second");
    format!(
        "<h2>{title}</h2>{}<h2>{other}</h2>{}",
        latency_over_time(title, &latency, &moments),
        number_over_time(other, &throughput, &moments)
    )
}

fn capacity(report: &FollowReport) -> String {
    let Some(capacity) = &report.capacity else { return String::new() };
    let limit = capacity.limit.map_or("no limit was found", Limit::name);
    let rows = capacity.steps.iter().map(|step| {
        let verdict = step.limit.map_or("taken", Limit::name).to_owned();
        vec![
            format!("{:.0}", step.rate),
            format!("{:.0}", step.answered),
            short(step.p99),
            short(step.lag_p99),
            verdict,
        ]
    });
    let head = ["clicks/s", "answered/s", "p99", "own lag p99", "verdict"];
    format!(
        "<h2>Capacity</h2><p>{:.0} clicks a second; beyond that, {limit}.</p>{}",
        capacity.rate,
        table(&head, &rows.collect::<Vec<_>>())
    )
}

fn classes(report: &FollowReport) -> String {
    let rows = report.reconciliation.classes.iter();
    let rows = rows
        .map(|row| (row.class.as_str().to_owned(), row.journal.unsigned_abs()))
        .collect::<Vec<_>>();
    let title = "Clicks by class, as the journal has them";
    format!("<h2>{title}</h2><p>Each decade takes the same room.</p>{}", bars(title, &rows))
}

fn checks(report: &FollowReport) -> String {
    let mut text = "<h2>Reconciliation</h2>".to_owned();
    let rows = report.reconciliation.checks.iter().map(|check| {
        let numbers =
            [check.expected.to_string(), check.found.to_string(), check.differences.to_string()];
        std::iter::once(check.what.clone()).chain(numbers).collect()
    });
    text += &table(
        &["what must be so", "expected", "found", "differences"],
        &rows.collect::<Vec<Vec<_>>>(),
    );
    for check in report.reconciliation.checks.iter().filter(|check| check.differences > 0) {
        _ = write!(
            text,
            "<p class=\"bad\">{}: {}</p>",
            escape(&check.what),
            escape(&check.sample.join("; "))
        );
    }
    text
}
