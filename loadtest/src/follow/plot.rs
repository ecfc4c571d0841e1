//! Draws plots as SVG text: latency by percentile, lines over time, and bars. A plot never contains
//! a script; its colours come from the page.
//!
//! Labels never overlap: axes have few round values, and a label that would touch its neighbour is
//! left out.

#![expect(clippy::float_arithmetic, reason = "pixels")]

use std::fmt::Write as _;
use std::time::Duration;

use crate::follow::measure::Times;
use crate::follow::text::short;

/// The size of a plot and of its margins, in pixels.
const WIDTH: f64 = 860.0;
const HEIGHT: f64 = 300.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 20.0;
const TOP: f64 = 22.0;
const BOTTOM: f64 = 42.0;
/// About the width of a letter of an axis, in pixels.
const LETTER: f64 = 6.6;

/// A line of a plot: its name, and its points from left to right.
pub(crate) struct Line {
    pub(crate) name: String,
    pub(crate) points: Vec<(f64, f64)>,
}

/// A moment that is marked in a plot.
pub(crate) struct Moment {
    pub(crate) at: f64,
    pub(crate) what: String,
}

/// An axis between two values; it may be logarithmic.
#[derive(Clone, Copy)]
struct Axis {
    from: f64,
    to: f64,
    is_log: bool,
    begin: f64,
    end: f64,
}

impl Axis {
    fn place(self, value: f64) -> f64 {
        let scale = |value: f64| if self.is_log { value.max(self.from).log10() } else { value };
        let (from, to) = (scale(self.from), scale(self.to));
        self.begin
            + (scale(value.min(self.to)) - from) / (to - from).max(1e-12) * (self.end - self.begin)
    }

    /// Returns the round values of the axis.
    fn steps(self) -> Vec<f64> {
        if self.is_log {
            let decades = (-9..7).map(|power| 10f64.powi(power));
            return decades
                .filter(|value| *value >= self.from * 0.999 && *value <= self.to * 1.001)
                .collect();
        }
        let rough = (self.to - self.from) / 6.0;
        let magnitude = 10f64.powf(rough.max(1e-9).log10().floor());
        let round = [1.0, 2.0, 5.0, 10.0].map(|factor| factor * magnitude);
        let step = round.into_iter().find(|step| *step >= rough).unwrap_or(magnitude * 10.0);
        let first = (self.from / step).ceil() * step;
        let values = std::iter::successors(Some(first), |value| Some(value + step));
        values.take_while(|value| *value <= self.to + step / 1e6).collect()
    }
}

/// Plots latency by percentile, on an axis where each additional nine takes the same space.
pub(crate) fn nines(title: &str, lines: &[(String, &Times)]) -> String {
    let lines: Vec<_> = lines.iter().filter(|(_, times)| times.count() > 0).collect();
    let nines = lines.iter().map(|(_, times)| nines_of(times.count())).fold(1.0, f64::max);
    let highest = lines.iter().map(|(_, times)| seconds(times.max())).fold(0.001, f64::max);
    let lowest = lines.iter().map(|(_, times)| seconds(times.at(1.0))).fold(0.001, f64::min);
    let x = Axis { from: 0.0, to: nines, is_log: false, begin: LEFT, end: WIDTH - RIGHT };
    let y = log_axis(lowest, highest);
    let mut plot = begin(title);
    plot += &latency_grid(y);
    for (number, name) in
        ["0 %", "90 %", "99 %", "99.9 %", "99.99 %", "99.999 %", "99.9999 %"].iter().enumerate()
    {
        let nine = f64::from(u32::try_from(number).unwrap_or_default());
        if nine <= nines {
            plot += &upright(x.place(nine), name);
        }
    }
    // The median lies between 0 and 90 %. Without a label nobody would find it.
    plot += &upright(x.place(0.301), "50 %");
    let lines = lines.iter().map(|(name, times)| {
        let last = nines_of(times.count());
        let nines = (0..=200u32).map(|step| f64::from(step) / 200.0 * last);
        let point = |nine: f64| {
            (x.place(nine), y.place(seconds(times.at(100.0 - 100.0 / 10f64.powf(nine)))))
        };
        Line { name: name.clone(), points: nines.map(point).collect() }
    });
    plot += &draw(&lines.collect::<Vec<_>>());
    plot + "</svg>"
}

/// Returns how many nines of a percentile so many measurements can show.
fn nines_of(count: u64) -> f64 {
    (count as f64).log10().clamp(1.0, 6.0)
}

/// Plots latencies over time, with the marked moments.
pub(crate) fn latency_over_time(title: &str, lines: &[Line], moments: &[Moment]) -> String {
    let values = || {
        lines.iter().flat_map(|line| &line.points).map(|point| point.1).filter(|value| *value > 0.0)
    };
    let y = log_axis(values().fold(0.001, f64::min), values().fold(0.001, f64::max));
    over_time(title, lines, moments, y, &latency_grid(y))
}

/// Plots numbers over time, with the marked moments.
pub(crate) fn number_over_time(title: &str, lines: &[Line], moments: &[Moment]) -> String {
    let highest =
        lines.iter().flat_map(|line| &line.points).map(|point| point.1).fold(1.0, f64::max);
    let y = Axis { from: 0.0, to: highest * 1.1, is_log: false, begin: HEIGHT - BOTTOM, end: TOP };
    let grid = y
        .steps()
        .into_iter()
        .map(|value| level(y.place(value), &thousands(value)))
        .collect::<String>();
    over_time(title, lines, moments, y, &grid)
}

fn over_time(title: &str, lines: &[Line], moments: &[Moment], y: Axis, grid: &str) -> String {
    let ends = lines.iter().flat_map(|line| &line.points).map(|point| point.0);
    let x = Axis {
        from: 0.0,
        to: ends.fold(1.0, f64::max),
        is_log: false,
        begin: LEFT,
        end: WIDTH - RIGHT,
    };
    let mut plot = begin(title);
    plot += grid;
    for value in x.steps() {
        plot += &upright(x.place(value), &format!("{value} s"));
    }
    plot += &marks(x, moments);
    let place = |line: &Line| Line {
        name: line.name.clone(),
        points: line.points.iter().map(|&(at, value)| (x.place(at), y.place(value))).collect(),
    };
    plot += &draw(&lines.iter().map(place).collect::<Vec<_>>());
    plot + "</svg>"
}

/// Draws a vertical line for each moment, with its name above. A name that would touch the last one
/// is left out.
fn marks(x: Axis, moments: &[Moment]) -> String {
    let mut text = String::new();
    let mut free_from = 0.0;
    for moment in moments {
        let at = x.place(moment.at);
        _ = write!(
            text,
            r#"<line class="mark" x1="{at:.1}" x2="{at:.1}" y1="{TOP}" y2="{:.1}"/>"#,
            HEIGHT - BOTTOM
        );
        let width = width(&moment.what);
        let begin = at.min(WIDTH - width - 2.0);
        if begin >= free_from {
            free_from = begin + width + 10.0;
            _ = write!(
                text,
                r#"<text class="name" x="{begin:.1}" y="{:.1}">{}</text>"#,
                TOP - 8.0,
                escape(&moment.what)
            );
        }
    }
    text
}

/// Draws bars from left to right, one per row, with names and numbers.
pub(crate) fn bars(title: &str, rows: &[(String, u64)]) -> String {
    let (row, left, right) = (24.0, 190.0, 90.0);
    let height = row * rows.len() as f64 + 8.0;
    // The scale is logarithmic: on a linear one the rare classes would be invisible beside the
    // common one.
    let highest = rows.iter().map(|row| row.1).max().unwrap_or(1) as f64;
    let x =
        Axis { from: 0.8, to: highest.max(10.0), is_log: true, begin: left, end: WIDTH - right };
    let mut plot = format!(
        r#"<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{}">"#,
        escape(title)
    );
    for (number, (name, count)) in rows.iter().enumerate() {
        let y = row * number as f64 + 4.0;
        let end = if *count == 0 { left } else { x.place(*count as f64) };
        _ = write!(
            plot,
            r#"<text class="end" x="{:.1}" y="{:.1}">{}</text><rect class="bar" x="{left}" y="{y:.1}" width="{:.1}" height="16"/><text x="{:.1}" y="{:.1}">{}</text>"#,
            left - 8.0,
            y + 12.5,
            escape(name),
            end - left,
            end + 6.0,
            y + 12.5,
            super::text::count(*count)
        );
    }
    plot + "</svg>"
}

fn begin(title: &str) -> String {
    format!(r#"<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{}">"#, escape(title))
}

/// Makes a logarithmic axis of whole decades that contains both values.
fn log_axis(lowest: f64, highest: f64) -> Axis {
    let from = 10f64.powf(lowest.max(1e-6).log10().floor());
    let to = 10f64.powf(highest.log10().ceil()).max(from * 10.0);
    Axis { from, to, is_log: true, begin: HEIGHT - BOTTOM, end: TOP }
}

/// Draws a line at each decade, and lines without a label at twice and five times its value.
fn latency_grid(y: Axis) -> String {
    let mut grid = String::new();
    for value in y.steps() {
        grid += &level(
            y.place(value),
            &short(Duration::from_secs_f64(value)).replace(".00", "").replace(".0", ""),
        );
        for between in
            [2.0, 5.0].map(|factor| factor * value).into_iter().filter(|between| *between < y.to)
        {
            grid += &level(y.place(between), "");
        }
    }
    grid
}

fn level(y: f64, name: &str) -> String {
    let class = if name.is_empty() { "fine" } else { "grid" };
    format!(
        r#"<line class="{class}" x1="{LEFT}" x2="{:.1}" y1="{y:.1}" y2="{y:.1}"/><text class="end" x="{:.1}" y="{:.1}">{name}</text>"#,
        WIDTH - RIGHT,
        LEFT - 8.0,
        y + 4.0
    )
}

fn upright(x: f64, name: &str) -> String {
    let (bottom, below) = (HEIGHT - BOTTOM, HEIGHT - BOTTOM + 18.0);
    format!(
        r#"<line class="grid" x1="{x:.1}" x2="{x:.1}" y1="{TOP}" y2="{bottom:.1}"/><text class="middle" x="{x:.1}" y="{below:.1}">{name}</text>"#
    )
}

/// Draws the lines, and their names at the bottom.
fn draw(lines: &[Line]) -> String {
    let mut text = String::new();
    let mut at = LEFT;
    for (number, line) in lines.iter().enumerate() {
        let class = format!("line l{}", number % 6);
        let points: Vec<_> = line.points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        _ = write!(text, r#"<polyline class="{class}" points="{}"/>"#, points.join(" "));
        let (y, end) = (HEIGHT - 8.0, at + 18.0);
        _ = write!(
            text,
            r#"<line class="{class}" x1="{at:.1}" x2="{end:.1}" y1="{:.1}" y2="{:.1}"/><text x="{:.1}" y="{y:.1}">{}</text>"#,
            y - 4.0,
            y - 4.0,
            end + 5.0,
            escape(&line.name)
        );
        at = end + 5.0 + width(&line.name) + 20.0;
    }
    text
}

fn width(text: &str) -> f64 {
    text.chars().count() as f64 * LETTER
}

fn thousands(value: f64) -> String {
    if value >= 10_000.0 { format!("{}k", value / 1000.0) } else { format!("{value}") }
}

fn seconds(time: Duration) -> f64 {
    time.as_secs_f64()
}

/// Escapes a text for HTML and SVG.
pub(crate) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_axis_has_few_round_values_and_places_its_ends_at_its_ends() {
        let linear = Axis { from: 0.0, to: 47.0, is_log: false, begin: 10.0, end: 110.0 };
        assert_eq!(linear.steps(), [0.0, 10.0, 20.0, 30.0, 40.0]);
        let log = log_axis(0.000_2, 0.03);
        assert_eq!(log.steps().len(), 4, "100 µs to 100 ms");
        for axis in [linear, log] {
            assert!((axis.place(axis.from) - axis.begin).abs() < 1e-9);
            assert!((axis.place(axis.to) - axis.end).abs() < 1e-9);
        }
    }

    #[test]
    fn names_of_moments_do_not_lie_on_each_other() {
        let moment = |at: f64| Moment { at, what: "a post".to_owned() };
        let x = Axis { from: 0.0, to: 100.0, is_log: false, begin: LEFT, end: WIDTH - RIGHT };
        let text = marks(x, &[moment(10.0), moment(10.5), moment(60.0)]);
        assert_eq!((text.matches("<line").count(), text.matches("<text").count()), (3, 2));
    }

    #[test]
    fn what_was_measured_is_drawn_and_names_are_escaped() {
        let mut times = Times::default();
        (1..=10_000).for_each(|us| times.add(Duration::from_micros(us)));
        let plot = nines(
            "a & b",
            &[("before <it>".to_owned(), &times), ("nothing".to_owned(), &Times::default())],
        );
        assert!(
            plot.contains("a &amp; b")
                && plot.contains("before &lt;it&gt;")
                && plot.contains("99.99 %")
        );
        assert!(
            !plot.contains("99.999 %") && !plot.contains("NaN") && !plot.contains("nothing"),
            "{plot}"
        );
        assert!(!bars("classes", &[("none".to_owned(), 0)]).contains("NaN"));
    }
}
