//! `afterclick demo`: its figures are those that it planned, statements say the same, and nothing
//! is left of it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Stdio;

use harness::{default_bin_dir, http, product};
use hyper::Method;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::support::{now_ms, until};

/// A running demo, and what it said.
struct Demo {
    child: Child,
    admin: std::net::SocketAddr,
    said: String,
    /// Where it has its own folder.
    folder: TempDir,
}

impl Demo {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new(default_bin_dir().unwrap().join("afterclick"));
        command
            .args(["demo", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"])
            .env_clear()
            .env("TMPDIR", folder.path())
            .env("AFTERCLICK_LOG", "error");
        let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true).spawn();
        let mut child = child.unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut said = String::new();
        while !said.contains("data folder") {
            said.push_str(&lines.next_line().await.unwrap().expect("it ended"));
            said.push('\n');
        }
        let ready: Value = serde_json::from_str(said.lines().next().unwrap()).unwrap();
        let admin = ready["admin"].as_str().unwrap().parse().unwrap();
        Self { child, admin, said, folder }
    }

    /// Returns what stands on the line that begins with this.
    fn line(&self, begins: &str) -> &str {
        let line = self.said.lines().find_map(|line| line.strip_prefix(begins));
        line.unwrap_or_else(|| panic!("no {begins} in {}", self.said)).trim()
    }

    async fn get(&self, path: &str) -> Value {
        let authorization = format!("Bearer {}", self.line("access token"));
        let headers = [("authorization", authorization.as_str())];
        let answer = http::send(self.admin, Method::GET, path, &headers, "").await.unwrap();
        assert_eq!(answer.status, 200, "{}", answer.body);
        serde_json::from_str(&answer.body).unwrap()
    }
}

/// Reads the amount of a row, in cents; none is zero.
fn cents(amount: &Value) -> i64 {
    amount.as_str().map_or(0, |text| text.replace('.', "").parse().unwrap())
}

#[tokio::test]
async fn a_demo_shows_what_it_planned_and_leaves_nothing() {
    let mut demo = Demo::start().await;
    let is_level =
        async || demo.get("/api/v1/stats?by=influencer").await["up_to_date"] == Value::Bool(true);
    until("figures are up to date", is_level).await;
    let stats = demo.get("/api/v1/stats?by=influencer").await;
    let rows = stats["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 12);
    let sum = |of: &dyn Fn(&Value) -> i64| rows.iter().map(of).sum::<i64>();
    let (clicks, billable) = (
        sum(&|row| row["clicks"]["raw"].as_i64().unwrap()),
        sum(&|row| row["clicks"]["billable"].as_i64().unwrap()),
    );
    let sessions = sum(&|row| row["sessions"].as_i64().unwrap());
    let revenue = sum(&|row| cents(&row["revenue"]["EUR"]));
    let commission = sum(&|row| cents(&row["commission"]["EUR"]));
    let amount = |cents: i64| format!("{}.{:02} EUR", cents / 100, cents % 100);
    let planned = demo.line("three weeks");
    for shown in [
        format!("{clicks} clicks ({billable} billable), {sessions} sessions, "),
        format!("revenue {}, commission {}", amount(revenue), amount(commission)),
    ] {
        assert!(planned.contains(&shown), "planned: {planned}; shown: {shown}");
    }

    let campaigns = demo.get("/api/v1/campaigns").await;
    let campaign = campaigns["items"][0]["id"].as_str().unwrap();
    let data = PathBuf::from(demo.line("data folder"));
    assert!(data.starts_with(demo.folder.path()), "{}", data.display());
    let today = jiff::Timestamp::from_millisecond(now_ms()).unwrap().strftime("%F").to_string();
    let days = ["--from", "2020-01-01", "--to", &today, "--format", "csv"];
    let statement = [&["statement", "--campaign", campaign], &days[..]].concat();
    let bin_dir = default_bin_dir().unwrap();
    let statement =
        product::run(&bin_dir, "afterclick-report", &data, "--data", &statement).await.unwrap();
    let mut reader = csv::Reader::from_reader(statement.as_bytes());
    let stated: Vec<BTreeMap<String, String>> = reader.deserialize().map(Result::unwrap).collect();
    for row in rows {
        let of = stated.iter().find(|of| of["influencer_id"] == row["influencer"]).unwrap();
        assert_eq!(of["clicks_billable"], row["clicks"]["billable"].to_string(), "{row}");
        assert_eq!(of["sessions"], row["sessions"].to_string(), "{row}");
        let amount = |column: &str| cents(&Value::from(of[column].as_str()));
        assert_eq!(
            amount("commission_pending") + amount("commission_approved"),
            cents(&row["commission"]["EUR"]),
            "{of:?} {row}"
        );
    }

    let pid = demo.child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?)).unwrap();
    kill_process(pid, Signal::INT).unwrap();
    assert!(demo.child.wait().await.unwrap().success());
    assert_eq!(std::fs::read_dir(demo.folder.path()).unwrap().count(), 0, "it left something");
}
