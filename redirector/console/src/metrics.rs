//! `GET /metrics`: what the process counted, in Prometheus' text format. Each metric stands in one
//! list, with its type and what it counts; `docs/run/operate.md` has the same names.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use shared::platform::Platform;

use crate::context::Console;
use crate::health::lost_by_stream;

/// The type and the meaning of a metric.
struct Metric {
    name: &'static str,
    kind: &'static str,
    help: &'static str,
}

const fn counter(name: &'static str, help: &'static str) -> Metric {
    Metric { name, kind: "counter", help }
}

const fn gauge(name: &'static str, help: &'static str) -> Metric {
    Metric { name, kind: "gauge", help }
}

/// Every metric there is.
const METRICS: [Metric; 29] = [
    counter("afterclick_acme_orders_failed_total", "Certificates that could not be ordered."),
    counter("afterclick_acme_orders_total", "Certificates that were issued by ACME."),
    counter(
        "afterclick_admin_foreign_hosts_total",
        "Requests to the admin listener that named a host that is not ours.",
    ),
    counter(
        "afterclick_admin_refused_requests_total",
        "Requests to the API that were answered 429 after many wrong tokens.",
    ),
    counter("afterclick_admin_wrong_tokens_total", "Access tokens that nobody has."),
    counter(
        "afterclick_bodies_refused_total",
        "Requests that were answered 503 because a worker held too many bodies.",
    ),
    counter("afterclick_clicks_total", "Requests to live links, by class."),
    counter("afterclick_clicks_unrecorded_total", "Clicks that were not recorded."),
    counter(
        "afterclick_connections_refused_by_address_total",
        "Connections and proxied requests refused because their address had too many.",
    ),
    counter(
        "afterclick_connections_refused_total",
        "Public connections that were closed because a worker had too many.",
    ),
    counter("afterclick_connections_total", "Public connections that were accepted."),
    counter("afterclick_deliveries_refused_total", "Deliveries that were refused, by reason."),
    counter(
        "afterclick_exchange_refused_total",
        "Changes of the catalog in Redis that no node with our keys made.",
    ),
    gauge(
        "afterclick_hot_state_behind_records",
        "Records of this process's streams that are not projected yet.",
    ),
    counter("afterclick_hot_state_foreign_total", "Values in Redis that none of our nodes wrote."),
    gauge("afterclick_hot_state_up_to_date", "1 when every record is projected, else 0."),
    counter("afterclick_journal_failed_commits_total", "Commits of clicks that failed."),
    gauge("afterclick_journal_lost_records", "Records that repairs gave up, ever."),
    gauge("afterclick_journal_poisoned_streams", "Streams that no longer record."),
    counter("afterclick_not_found_total", "Requests for unknown slugs."),
    counter("afterclick_projected_records_total", "Records that the projector has taken in."),
    counter("afterclick_reconcile_failures_total", "Runs of reconciliation that failed."),
    counter("afterclick_reconcile_found_total", "Facts that reconciliation found."),
    counter("afterclick_reconcile_runs_total", "Runs of reconciliation."),
    counter(
        "afterclick_reports_refused_total",
        "Webhooks, postbacks and server calls that were answered 401.",
    ),
    gauge(
        "afterclick_tls_certificate_expires_timestamp_seconds",
        "When a certificate ends, in seconds since 1970.",
    ),
    counter("afterclick_tls_handshakes_failed_total", "TLS handshakes that failed."),
    counter("afterclick_tls_handshakes_total", "TLS handshakes that were answered."),
    counter(
        "afterclick_unreadable_amounts_total",
        "Amounts of orders that could not be read, by platform.",
    ),
];

/// The name and the value of a label. Some values come from files.
type Label = (&'static str, Cow<'static, str>);

/// Values by metric and label, in the order in which they are shown.
#[derive(Default)]
struct Values(BTreeMap<(&'static str, Option<Label>), u64>);

impl Values {
    fn add(&mut self, name: &'static str, value: u64) {
        *self.0.entry((name, None)).or_default() += value;
    }

    fn add_labelled(&mut self, name: &'static str, label: Label, value: u64) {
        *self.0.entry((name, Some(label))).or_default() += value;
    }

    /// Returns the text that Prometheus reads. A metric without a value is not named.
    fn to_text(&self) -> String {
        let (mut text, mut described) = (String::new(), "");
        // Writing to a String cannot fail.
        for ((name, label), value) in &self.0 {
            if *name != described {
                described = name;
                if let Some(Metric { name, kind, help }) = METRICS.iter().find(|m| m.name == *name)
                {
                    _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
                }
            }
            _ = match label {
                Some((label, said)) => {
                    writeln!(text, "{name}{{{label}=\"{}\"}} {value}", escaped(said))
                }
                None => writeln!(text, "{name} {value}"),
            };
        }
        text
    }
}

/// Returns a label's value as the text format spells it.
fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

/// `GET /metrics`.
pub(crate) async fn metrics(State(console): State<Arc<Console>>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], values(&console).to_text())
}

fn values(console: &Console) -> Values {
    let mut values = Values::default();
    for worker in &console.counters {
        worker.each(|name, label, value| match label {
            Some((label, said)) => values.add_labelled(name, (label, said.into()), value),
            None => values.add(name, value),
        });
    }
    for platform in Platform::ALL {
        let label = ("platform", platform.as_str().into());
        let count = console.lag.unreadable_total(platform);
        values.add_labelled("afterclick_unreadable_amounts_total", label, count);
    }
    let poisoned = console.journals.iter().filter(|health| health.is_poisoned()).count();
    for (name, value) in [
        ("afterclick_admin_foreign_hosts_total", console.hosts.foreign_total()),
        ("afterclick_admin_refused_requests_total", console.guesses.refused_total()),
        ("afterclick_admin_wrong_tokens_total", console.guesses.wrong_total()),
        ("afterclick_exchange_refused_total", console.exchange.refused_total()),
        ("afterclick_hot_state_behind_records", console.records_behind()),
        ("afterclick_hot_state_foreign_total", console.lag.foreign.load(Relaxed)),
        ("afterclick_hot_state_up_to_date", console.is_up_to_date().into()),
        ("afterclick_journal_lost_records", lost_by_stream(console).values().sum()),
        ("afterclick_journal_poisoned_streams", u64::try_from(poisoned).unwrap_or(u64::MAX)),
        ("afterclick_projected_records_total", console.lag.projected.load(Relaxed)),
    ] {
        values.add(name, value);
    }
    for of_shop in console.reconciliations.all().values() {
        values.add("afterclick_reconcile_runs_total", of_shop.runs);
        values.add("afterclick_reconcile_failures_total", of_shop.failures);
        values.add("afterclick_reconcile_found_total", of_shop.found);
    }
    if let Some(certificates) = &console.certificates {
        values.add("afterclick_acme_orders_total", certificates.issued());
        values.add("afterclick_acme_orders_failed_total", certificates.failed());
        for (name, expires) in certificates.expiries() {
            let seconds = u64::try_from(expires.as_ms() / 1000).unwrap_or(0);
            let label = ("name", name.into());
            let metric = "afterclick_tls_certificate_expires_timestamp_seconds";
            // Two certificates may have the same first name; the one that ends first is shown.
            let shown = values.0.entry((metric, Some(label))).or_insert(seconds);
            *shown = seconds.min(*shown);
        }
    }
    values
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use live::status::Counters;

    use super::*;

    fn names() -> BTreeSet<&'static str> {
        METRICS.iter().map(|metric| metric.name).collect()
    }

    #[test]
    fn the_documentation_has_every_metric_and_no_other() {
        let documented = include_str!("../../../docs/run/operate.md")
            .lines()
            .filter(|line| line.starts_with("| `afterclick_"))
            .filter_map(|line| line.split('|').nth(1))
            .flat_map(|cell| cell.split('`').filter(|part| part.starts_with("afterclick_")))
            .filter_map(|name| name.split('{').next());
        assert_eq!(documented.collect::<BTreeSet<_>>(), names());
        assert_eq!(names().len(), METRICS.len(), "each is described once");
    }

    #[test]
    fn whatever_workers_count_is_described() {
        Counters::default().each(|name, _, _| assert!(names().contains(name), "{name}"));
    }

    #[test]
    fn each_metric_is_described_once_before_its_values_and_labels_are_escaped() {
        let mut values = Values::default();
        values.add_labelled("afterclick_clicks_total", ("class", "bot".into()), 2);
        values.add("afterclick_not_found_total", 1);
        values.add("afterclick_not_found_total", 2);
        values.add_labelled("afterclick_clicks_total", ("class", "a\\b\"c\nd".into()), 3);
        assert_eq!(
            values.to_text(),
            "# HELP afterclick_clicks_total Requests to live links, by class.\n\
             # TYPE afterclick_clicks_total counter\n\
             afterclick_clicks_total{class=\"a\\\\b\\\"c\\nd\"} 3\n\
             afterclick_clicks_total{class=\"bot\"} 2\n\
             # HELP afterclick_not_found_total Requests for unknown slugs.\n\
             # TYPE afterclick_not_found_total counter\n\
             afterclick_not_found_total 3\n"
        );
    }
}
