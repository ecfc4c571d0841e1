//! The report as text, with tables that are readable in a terminal and in a Markdown file.

#![expect(clippy::float_arithmetic, reason = "rates and shares of a processor's time, no money")]

use std::fmt::Write as _;
use std::time::Duration;

use crate::follow::capacity::{Capacity, Limit};
use crate::follow::cast::Kind;
use crate::follow::measure::{End, OfKind, Phase, Times};
use crate::follow::reconcile::Reconciliation;
use crate::follow::report::FollowReport;

/// The percentiles of every table.
pub(crate) const PERCENTILES: [(&str, f64); 5] =
    [("p50", 50.0), ("p90", 90.0), ("p99", 99.0), ("p99.9", 99.9), ("max", 100.0)];

impl FollowReport {
    /// Returns the report as text.
    pub fn text(&self) -> String {
        render(self)
    }
}

/// Renders the text. Writing into a `String` does not fail.
fn render(report: &FollowReport) -> String {
    let mut text = format!("{}\n", report.setting);
    if let Some(capacity) = &report.capacity {
        text += &of_capacity(capacity);
    }
    if report.phases.len() > 1 {
        text += &side_by_side(&report.phases);
    }
    for phase in &report.phases {
        text += &of_phase(phase);
    }
    if report.not_yet_due > 0 {
        _ = writeln!(
            text,
            "\n{} sessions, orders and repeats were due after a part had ended, and were not sent",
            count(report.not_yet_due as u64)
        );
    }
    text + &of_reconciliation(&report.reconciliation)
}

fn of_capacity(capacity: &Capacity) -> String {
    let mut text =
        "\n### capacity\n\n| clicks/s | answered/s | p99 | own lag p99 | |\n|---:|---:|---:|---:|---|\n"
            .to_owned();
    for step in &capacity.steps {
        let verdict = step.limit.map_or("taken", Limit::name);
        _ = writeln!(
            text,
            "| {:.0} | {:.0} | {} | {} | {verdict} |",
            step.rate,
            step.answered,
            short(step.p99),
            short(step.lag_p99)
        );
    }
    let limit = capacity.limit.map_or("no limit was found", Limit::name);
    _ = writeln!(text, "\ncapacity: {:.0} clicks a second; beyond that, {limit}", capacity.rate);
    text
}

/// Compares the parts of a load with the first part.
fn side_by_side(phases: &[Phase]) -> String {
    let mut text = "\n### side by side\n\n".to_owned();
    let numbers = ["planned/s", "good/s", "of the first", "refused", "failed", "unsent"];
    text += &head(
        &["clicks"],
        &numbers,
        &[&PERCENTILES.map(|(name, _)| name)[..], &["own lag p99"]].concat(),
    );
    let first = phases.first().map_or(0.0, Phase::goodput).max(1e-9);
    for phase in phases {
        let failed = [End::Closed, End::GivenUp, End::NotConnected]
            .map(|end| phase.ended(end, true))
            .iter()
            .sum();
        _ = write!(
            text,
            "| {} | {:.0} | {:.0} | {:.0} % | {} | {} | {} |",
            phase.name,
            phase.rate,
            phase.goodput(),
            phase.goodput() / first * 100.0,
            count(phase.ended(End::Refused, true)),
            count(failed),
            count(phase.ended(End::Unsent, true))
        );
        for (_, percent) in PERCENTILES {
            _ = write!(text, " {} |", short(phase.clicks.at(percent)));
        }
        _ = writeln!(text, " {} |", short(phase.lag_p99()));
    }
    text
}

fn of_phase(phase: &Phase) -> String {
    let seconds = phase.lasted.as_secs_f64().max(1e-9);
    let total = phase.total();
    let mut text = format!(
        "\n### {}\n\n{:.1} s at {:.0} clicks/s: {} requests ({:.0}/s), goodput {:.0} clicks/s answered within a second\n\n",
        phase.name,
        phase.lasted.as_secs_f64(),
        phase.rate,
        count(total),
        total as f64 / seconds,
        phase.goodput()
    );
    text += &head(&["", "requests"], &End::ALL.map(End::name), &PERCENTILES.map(|(name, _)| name));
    let clicks = sum(phase);
    let rows = Kind::ALL.iter().zip(&phase.kinds).map(|(kind, of_kind)| (kind.name(), of_kind));
    for (name, of_kind) in [("**all clicks**", &clicks)].into_iter().chain(rows) {
        if of_kind.total() > 0 {
            text += &row(name, of_kind);
        }
    }
    if phase.refusals.count() > 0 {
        _ = writeln!(text, "\nrefusals took {}", line(&phase.refusals));
    }
    _ = writeln!(
        text,
        "\nown lag (from the planned moment until this program took the request up): {}; {} requests a millisecond or \
         more late; {} found every connection in use",
        line(&phase.lag),
        count(phase.late),
        count(phase.waited)
    );
    if let Some((server, own)) = phase.busy {
        _ = writeln!(
            text,
            "processor: server {:.0} %, followers {:.0} % of a core",
            server * 100.0,
            own * 100.0
        );
    }
    text
}

/// Returns the first lines of a table: the first column has names, the others have numbers.
fn head(first: &[&str], then: &[&str], last: &[&str]) -> String {
    let names = [first, then, last].concat();
    format!("| {} |\n|---|{}\n", names.join(" | "), "---:|".repeat(names.len() - 1))
}

/// Returns all clicks together, as if they were one kind.
fn sum(phase: &Phase) -> OfKind {
    let ends = End::ALL.map(|end| phase.ended(end, true));
    OfKind { ends, times: phase.clicks.clone() }
}

fn row(name: &str, of_kind: &OfKind) -> String {
    let mut text = format!("| {name} | {} |", count(of_kind.total()));
    for end in End::ALL {
        text += &format!(" {} |", count(of_kind.ended(end)));
    }
    for (_, percent) in PERCENTILES {
        text += &format!(" {} |", short(of_kind.times.at(percent)));
    }
    text + "\n"
}

fn line(times: &Times) -> String {
    let parts = PERCENTILES.map(|(name, percent)| format!("{name} {}", short(times.at(percent))));
    parts.join(", ")
}

fn of_reconciliation(reconciliation: &Reconciliation) -> String {
    let mut text = "\n### reconciliation\n\n| class | answered | no answer | journal | figures |\n|---|---:|---:|---:|---:|\n".to_owned();
    for row in &reconciliation.classes {
        let name = row.class.as_str();
        _ = writeln!(
            text,
            "| {name} | {} | {} | {} | {} |",
            row.answered, row.unanswered, row.journal, row.figures
        );
    }
    text += "\n| | expected | found | differences |\n|---|---:|---:|---:|\n";
    for check in &reconciliation.checks {
        _ = writeln!(
            text,
            "| {} | {} | {} | {} |",
            check.what, check.expected, check.found, check.differences
        );
    }
    for check in reconciliation.checks.iter().filter(|check| check.differences > 0) {
        _ = writeln!(text, "\nDIFFERENCE: {}: {}", check.what, check.differences);
        for sample in &check.sample {
            _ = writeln!(text, "  {sample}");
        }
    }
    if reconciliation.differences() == 0 {
        text += "\nno difference\n";
    }
    text
}

/// Writes a time with three digits.
pub(crate) fn short(time: Duration) -> String {
    let us = time.as_secs_f64() * 1e6;
    match us {
        us if us < 1000.0 => format!("{us:.0} µs"),
        us if us < 10_000.0 => format!("{:.2} ms", us / 1e3),
        us if us < 100_000.0 => format!("{:.1} ms", us / 1e3),
        us if us < 1e6 => format!("{:.0} ms", us / 1e3),
        us => format!("{:.2} s", us / 1e6),
    }
}

/// Writes a number with commas between the thousands.
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_times_are_short() {
        assert_eq!(
            ["7", "1,234", "1,234,567"],
            [7, 1234, 1_234_567].map(count).each_ref().map(String::as_str)
        );
        let times =
            [50, 1500, 25_400, 730_000, 2_500_000].map(|us| short(Duration::from_micros(us)));
        assert_eq!(times, ["50 µs", "1.50 ms", "25.4 ms", "730 ms", "2.50 s"]);
    }
}
