//! The list of orders: what it has, how it pages, and what each role sees of it.

use harness::{Answer, http};
use hyper::Method;
use serde_json::{Value, json};

use crate::support::{Stage, click_of, text, today, until};

/// Imports orders of the stage's merchant.
async fn import(stage: &Stage, merchant: &str, table: &str) {
    let path = format!("/api/v1/orders/import?merchant={merchant}");
    let answer = stage.product.ask(Method::POST, &path, "text/csv", table.to_owned()).await;
    let answer = answer.unwrap();
    assert_eq!(answer.status, 201, "{}", answer.body);
}

/// Sets a stage with three orders of today, two of them credited, and three old ones.
async fn stage() -> Stage {
    let stage = Stage::set().await;
    let click = click_of(&stage.token().await);
    let table = format!(
        "order_id,status,currency,goods,click_id,ordered_at\n\
         A-1,paid,EUR,100.00,{click},\nA-2,pending,EUR,10.00,{click},\nA-3,paid,EUR,5.00,,\n\
         old-1,paid,EUR,1.00,,2025-06-30T21:59:59Z\nold-2,paid,EUR,2.00,,2025-06-30T22:00:00Z\n\
         old-3,rejected,EUR,3.00,,2025-07-01T22:00:00Z\n"
    );
    import(&stage, &stage.merchant, &table).await;
    let named = json!({
        "order_id": "B-4", "status": "paid", "currency": "EUR", "goods": "20.00",
        "click_id": click, "aliases": { "order_name": "#1007" },
    });
    let body = named.to_string();
    let signed_at = crate::support::now_ms() / 1000;
    let mac = crate::support::hex_mac(crate::support::SECRET, &format!("{signed_at}.{body}"));
    let signature = format!("t={signed_at},v1={mac}");
    let headers = [("x-afterclick-signature", signature.as_str())];
    let answer = stage.post(&format!("/_ac/orders/{}", stage.key), &headers, &body).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    stage.figures().await;
    stage
}

async fn list(stage: &Stage, query: &str) -> Value {
    stage.product.read(&format!("/api/v1/orders?{query}")).await.unwrap()
}

fn ids(list: &Value) -> Vec<String> {
    list["items"].as_array().unwrap().iter().map(|item| text(&item["order_id"])).collect()
}

#[tokio::test]
async fn orders_are_listed_the_newest_first_by_every_filter() {
    let stage = stage().await;
    let (merchant, campaign, influencer) = (&stage.merchant, &stage.campaign, &stage.influencer);
    let old = ["old-3", "old-2", "old-1"];
    let all = list(&stage, "").await;
    assert_eq!((ids(&all).len(), &all["up_to_date"]), (7, &json!(true)), "{all}");
    assert_eq!(ids(&all)[4..], old);
    assert!(all["next_cursor"].is_null());
    let today = today();
    for (query, expected) in [
        (format!("campaign={campaign}"), vec!["A-1", "A-2", "B-4"]),
        (format!("influencer={influencer}&status=paid"), vec!["A-1", "B-4"]),
        (format!("merchant={merchant}&influencer={influencer}&status=unpaid"), vec!["A-2"]),
        (
            format!("campaign={campaign}&influencer={influencer}&method=click"),
            vec!["A-1", "A-2", "B-4"],
        ),
        (format!("campaign={campaign}&method=coupon"), vec![]),
        ("credited=false".to_owned(), vec!["A-3", "old-1", "old-2", "old-3"]),
        ("credited=true&method=none".to_owned(), vec![]),
        ("status=cancelled".to_owned(), vec!["old-3"]),
        // Days are the merchant's: in Berlin the second one was placed on 1 July.
        ("from=2025-07-01&to=2025-07-01".to_owned(), vec!["old-2"]),
        ("to=2025-06-30".to_owned(), vec!["old-1"]),
        (format!("from={today}&status=paid"), vec!["A-1", "A-3", "B-4"]),
        ("q=%231007".to_owned(), vec!["B-4"]),
        ("q=b-4".to_owned(), vec!["B-4"]),
        (format!("q=1007&campaign={campaign}&status=paid"), vec!["B-4"]),
        ("q=1007&status=void".to_owned(), vec![]),
    ] {
        let found = list(&stage, &query).await;
        let mut found = ids(&found);
        found.sort();
        assert_eq!(found, expected, "{query}");
    }
    let of_name = list(&stage, "q=1007").await;
    let item = &of_name["items"][0];
    for (field, value) in [
        ("merchant", json!(merchant)),
        ("names", json!(["1007"])),
        ("status", json!("paid")),
        ("conversion_status", json!("confirmed")),
        ("method", json!("click")),
        ("label", json!("")),
        ("campaign", json!(campaign)),
        ("campaign_name", json!("Autumn")),
        ("influencer", json!(influencer)),
        ("influencer_name", json!("Anna")),
        ("link", json!(stage.link)),
        ("currency", json!("EUR")),
        ("goods", json!("20.00")),
        ("commission", json!({ "EUR": "3.00" })),
    ] {
        assert_eq!(item[field], value, "{field} of {item}");
    }
}

#[tokio::test]
async fn pages_follow_each_other_while_orders_come() {
    let stage = stage().await;
    let (mut found, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = list(&stage, &format!("limit=2{cursor}")).await;
        found.extend(ids(&page));
        let Some(next) = page["next_cursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
        let table = format!("order_id,status,currency,goods\nnew-{},paid,EUR,1.00\n", found.len());
        import(&stage, &stage.merchant, &table).await;
        stage.figures().await;
    }
    assert_eq!(found.len(), 7, "{found:?}");
    let mut once = found.clone();
    once.sort();
    once.dedup();
    assert_eq!((once.len(), found.iter().any(|id| id.starts_with("new"))), (7, false));
    // An order that is settled again under another time stands there alone.
    let table = "order_id,status,currency,ordered_at\nold-1,paid,EUR,2025-08-01T10:00:00Z\n";
    import(&stage, &stage.merchant, table).await;
    stage.figures().await;
    assert_eq!(ids(&list(&stage, "to=2025-12-31").await), ["old-1", "old-3", "old-2"]);
}

#[tokio::test]
async fn a_csv_has_exactly_the_orders_of_the_filter_and_runs_no_formula() {
    let stage = stage().await;
    import(&stage, &stage.merchant, "order_id,status,currency,goods\n=1+1,paid,EUR,7.00\n").await;
    stage.figures().await;
    let table = async |query: &str| {
        let path = format!("/api/v1/orders?format=csv&{query}");
        let answer = stage.product.ask(Method::GET, &path, "text/plain", String::new()).await;
        answer.unwrap()
    };
    let answer = table("status=paid&separator=%3B").await;
    assert_eq!(answer.header("content-type"), "text/csv; charset=utf-8");
    assert_eq!(answer.header("x-afterclick-up-to-date"), "true");
    let lines: Vec<&str> = answer.body.lines().collect();
    assert!(lines[0].starts_with("placed_at;merchant;merchant_name;order_id;names;status;"));
    assert_eq!(lines.len(), 1 + 6, "{}", answer.body);
    assert!(lines.iter().any(|line| line.contains(";'=1+1;")), "{}", answer.body);
    assert!(
        lines.iter().any(|line| line.ends_with(";EUR;20.00;20.00;3.00 EUR")),
        "{}",
        answer.body
    );
    let none = table("campaign=cmp_zzzzzzzzzzzzz").await;
    assert_eq!(none.status, 422);
    assert_eq!(table("status=draft").await.body.lines().count(), 1);
}

#[tokio::test]
async fn every_mistake_in_the_address_is_named() {
    let stage = Stage::set().await;
    let ask = async |query: &str| {
        let path = format!("/api/v1/orders?{query}");
        stage.product.ask(Method::GET, &path, "text/plain", String::new()).await.unwrap()
    };
    for (query, named) in [
        ("since=1", "since"),
        ("merchant=mer_00000000", "merchant: `mer_00000000` does not exist"),
        ("campaign=autumn", "campaign"),
        ("influencer=inf_0000000000000", "influencer"),
        ("status=open", "status: `open`: expected one of draft, unpaid"),
        ("method=", "method"),
        ("credited=yes", "credited: `yes`: expected one of true, false"),
        ("from=2026-02-30", "from"),
        ("from=2026-02-02&to=2026-02-01", "from: is after `to`"),
        ("q=%23", "q"),
        ("cursor=AAAA", "cursor: `AAAA`: expected the `next_cursor`"),
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("format=xml", "format"),
        ("separator=%3B", "separator"),
        ("format=csv&separator=x", "separator"),
        ("format=csv&limit=5", "limit"),
    ] {
        let answer = ask(query).await;
        assert!(matches!(answer.status, 400 | 422), "{query}: {}", answer.status);
        assert!(answer.body.contains(named), "{query}: {}", answer.body);
    }
    let both = ask("status=open&method=mail").await;
    assert!(both.body.contains("status") && both.body.contains("method"), "{}", both.body);
}

/// Makes an access token for somebody.
async fn token(stage: &Stage, role: &str, holder: &str) -> String {
    let bin_dir = harness::default_bin_dir().unwrap();
    let arguments = ["token", "create", "--role", role, "--for", holder];
    let data = stage.product.data();
    let token = harness::product::run(&bin_dir, "afterclick", data, "--data", &arguments).await;
    format!("Bearer {}", token.unwrap().trim())
}

async fn ask_as(stage: &Stage, authorization: &str, query: &str) -> Answer {
    let (path, headers) = (format!("/api/v1/orders?{query}"), [("authorization", authorization)]);
    let ask =
        async || http::send(stage.product.admin, Method::GET, &path, &headers, "").await.unwrap();
    // A running server follows the command line's stream, when it gets to it.
    until("the token is known", async || ask().await.status != 401).await;
    ask().await
}

#[tokio::test]
async fn each_role_sees_its_own_orders_and_no_more_of_them_than_it_may() {
    let stage = stage().await;
    let other = json!({
        "name": "Other", "domains": ["other.test"], "currency": "EUR", "timezone": "UTC",
    });
    let other = text(&stage.product.create("merchants", &other).await.unwrap()["id"]);
    import(&stage, &other, "order_id,status,currency,goods\n1007,paid,EUR,9.00\n").await;
    let ben = stage.product.create("influencers", &json!({ "name": "Ben" })).await.unwrap();
    let ben = text(&ben["id"]);
    stage.figures().await;
    assert_eq!(ids(&list(&stage, "q=1007").await).len(), 2, "an admin sees both shops");

    let shop = token(&stage, "merchant", &stage.merchant).await;
    let read = async |token: &str, query: &str| -> Value {
        let answer = ask_as(&stage, token, query).await;
        assert_eq!(answer.status, 200, "{query}: {}", answer.body);
        serde_json::from_str(&answer.body).unwrap()
    };
    assert_eq!(ids(&read(&shop, "").await).len(), 7);
    assert_eq!(ids(&read(&shop, "q=1007").await), ["B-4"]);
    assert_eq!(read(&shop, &format!("merchant={other}")).await["items"], json!([]));

    let anna = token(&stage, "influencer", &stage.influencer).await;
    let own = read(&anna, "limit=2").await;
    let next = text(&own["next_cursor"]);
    let rest = read(&anna, &format!("limit=2&cursor={next}")).await;
    let items = [&own["items"], &rest["items"]].map(|items| items.as_array().unwrap().clone());
    let items = items.concat();
    assert_eq!(items.len(), 3);
    for item in &items {
        assert_eq!(
            (&item["influencer"], &item["currency"]),
            (&json!(stage.influencer), &json!("EUR"))
        );
        for hidden in ["order_id", "names", "reason"] {
            assert!(item.get(hidden).is_none(), "{item}");
        }
    }
    for query in [
        format!("influencer={ben}"),
        "credited=false".to_owned(),
        format!("merchant={other}"),
        "method=none".to_owned(),
    ] {
        assert_eq!(read(&anna, &query).await["items"], json!([]), "{query}");
    }
    let by_name = ask_as(&stage, &anna, "q=1007").await;
    assert_eq!((by_name.status, by_name.body.contains("B-4")), (422, false), "{}", by_name.body);
    let table = ask_as(&stage, &anna, "format=csv").await.body;
    assert!(table.lines().count() == 4 && !table.contains("order_id"), "{table}");
    for named in ["A-1", "B-4", "1007"] {
        assert!(!table.contains(named) && !own.to_string().contains(named), "{named}: {table}");
    }
    let stranger = token(&stage, "influencer", &ben).await;
    let whole = read(&stranger, &format!("campaign={}", stage.campaign)).await;
    assert_eq!(whole["items"], json!([]));
}
