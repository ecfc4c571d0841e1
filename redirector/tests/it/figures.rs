//! Figures and metrics: which day something counts for, and what monitoring reads.

use harness::http;
use hyper::Method;
use serde_json::json;

use crate::support::{BROWSER, Stage, now_ms, text};

/// Two zones whose dates are never the same: one of them always differs from the date in UTC.
const ZONES: [(&str, i64); 2] = [("Pacific/Kiritimati", 14), ("Etc/GMT+12", -12)];

#[tokio::test]
async fn days_are_those_of_each_merchants_calendar() {
    let stage = Stage::set().await;
    let mut links = Vec::new();
    for (number, (timezone, hours)) in ZONES.into_iter().enumerate() {
        let domain = format!("shop{number}.test");
        let merchant = json!({
            "name": "Shop", "domains": [domain], "currency": "EUR", "timezone": timezone,
        });
        let merchant = stage.product.create("merchants", &merchant).await.unwrap();
        let commission = json!({ "kind": "percent", "rate": "15" });
        let campaign =
            json!({ "merchant": merchant["id"], "name": "Autumn", "commission": commission });
        let campaign = stage.product.create("campaigns", &campaign).await.unwrap();
        let link = json!({
            "campaign": campaign["id"], "influencer": stage.influencer, "slug": "anna",
            "destination": format!("https://{domain}/"),
        });
        stage.product.create("links", &link).await.unwrap();
        links.push((domain, text(&campaign["id"]), hours));
    }
    // A minute may pass midnight, in either zone, between the click and the look at the clock.
    let days = |at_ms: i64, hours: i64| {
        [0, 60_000].map(|later| date((at_ms + later + hours * 3_600_000).div_euclid(86_400_000)))
    };
    for (domain, campaign, hours) in links {
        let clicked_at = now_ms();
        let host = format!("go.{domain}");
        let headers = [("host", host.as_str()), ("user-agent", BROWSER)];
        let answer = http::send(stage.product.public, Method::GET, "/anna", &headers, "");
        assert_eq!(answer.await.unwrap().status, 302);
        stage.figures().await;
        let of = async |more: &str| {
            let path = format!("/api/v1/stats?by=day&campaign={campaign}{more}");
            stage.product.read(&path).await.unwrap()["rows"].clone()
        };
        let rows = of("").await;
        let day = text(&rows[0]["day"]);
        assert!(days(clicked_at, hours).contains(&day), "{host}: {rows}");
        assert_eq!(rows[0]["clicks"]["raw"], 1, "{host}: {rows}");
        assert_eq!(of(&format!("&from={day}&to={day}")).await, rows, "{host}");
        let other = ZONES.into_iter().find(|(_, other)| *other != hours).unwrap().1;
        let elsewhere = &days(clicked_at, other)[0];
        let none = of(&format!("&from={elsewhere}&to={elsewhere}")).await;
        assert_eq!(none, json!([]), "{host}: it is another day there");
    }
}

/// Returns the date of a day since 1970.
fn date(day: i64) -> String {
    let date = jiff::civil::date(1970, 1, 1);
    date.checked_add(jiff::Span::new().days(day)).unwrap().to_string()
}

#[tokio::test]
async fn every_metric_says_what_it_counts_before_its_values() {
    let stage = Stage::set().await;
    stage.click(&[]).await;
    let metrics = http::send(stage.product.admin, Method::GET, "/metrics", &[], "").await.unwrap();
    let (mut described, mut seen) = (Vec::new(), Vec::new());
    for line in metrics.body.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, text) = help.split_once(' ').unwrap();
            assert!(!text.is_empty() && !described.contains(&name), "{line}");
            described.push(name);
        } else if let Some(of) = line.strip_prefix("# TYPE ") {
            let (name, kind) = of.split_once(' ').unwrap();
            assert_eq!(described.last(), Some(&name), "{line}");
            assert_eq!(kind, if name.ends_with("_total") { "counter" } else { "gauge" });
        } else {
            let name = line.split(['{', ' ']).next().unwrap();
            assert_eq!(described.last(), Some(&name), "{line}");
            seen.push(name);
        }
    }
    assert!(seen.contains(&"afterclick_clicks_total"), "{}", metrics.body);
}

#[tokio::test]
async fn hours_are_those_of_the_merchants_clock() {
    let stage = Stage::set().await;
    let hour_of = |at_ms: i64| {
        let at = jiff::Timestamp::from_millisecond(at_ms).unwrap();
        at.in_tz("Europe/Berlin").unwrap().strftime("%Y-%m-%dT%H:00").to_string()
    };
    let before = hour_of(now_ms());
    stage.click(&[]).await;
    stage.figures().await;
    let possible = [before, hour_of(now_ms())];
    let (from, to) = (&possible[0][..10], &possible[1][..10]);
    let path = format!("/api/v1/stats?by=hour&from={from}&to={to}&compare=previous");
    let stats = stage.product.read(&path).await.unwrap();
    let row = &stats["rows"][0];
    assert!(possible.contains(&text(&row["hour"])), "{stats}");
    assert_eq!((&row["clicks"]["raw"], &row["previous"]["clicks"]["raw"]), (&json!(1), &json!(0)));
    for path in ["by=hour", "by=hour&from=2026-01-01&to=2026-03-04", "compare=previous"] {
        let path = format!("/api/v1/stats?{path}");
        let answer = stage.product.ask(Method::GET, &path, "text/plain", String::new()).await;
        assert_eq!(answer.unwrap().status, 422, "{path}");
    }
}
