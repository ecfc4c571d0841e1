//! Customers who ask to be erased: the shop's request is kept without telling who they are, and the
//! command takes them out of the journal while every amount stays.

use std::path::Path;

use hyper::Method;
use serde_json::{Value, json};
use shared::id::CustomerId;

use crate::damage::afterclick;
use crate::support::{SECRET, Stage, launch, sign, until, woo_order};

const BUYER: &str = "buyer@mail.example";

/// Returns whether any file below a folder holds a text.
fn holds(folder: &Path, text: &str) -> bool {
    std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).any(|path| {
        if path.is_dir() {
            return holds(&path, text);
        }
        let bytes = std::fs::read(&path).unwrap();
        bytes.windows(text.len()).any(|window| window == text.as_bytes())
    })
}

#[tokio::test]
async fn a_customer_is_erased_and_what_their_orders_earned_stays() {
    let mut stage = Stage::set().await;
    let (data, journal_dir) =
        (stage.folder.path().join("data"), stage.folder.path().join("data/journal"));
    let token = stage.token().await;
    for (id, email) in [(727, BUYER), (728, BUYER), (729, "other@mail.example")] {
        let order = woo_order(id, json!({ "billing": { "email": email } }), &[("_ac", &token)]);
        assert_eq!(stage.webhook("order.updated", &order).await.status, 200);
    }
    let request = json!({
        "shop_id": 1, "customer": { "id": 2, "email": "Buyer@Mail.example", "phone": "555-0199" },
        "orders_to_redact": [727, 728],
    })
    .to_string();
    let signature = sign(SECRET, &request);
    let ask = async |signature: &str| {
        let headers =
            [("X-Shopify-Topic", "customers/redact"), ("X-Shopify-Hmac-SHA256", signature)];
        stage.post(&format!("/_ac/hooks/shopify/{}", stage.key), &headers, &request).await
    };
    assert_eq!(ask(&sign("another", &request)).await.status, 401);
    assert_eq!(ask(&signature).await.status, 200);
    assert_eq!(stage.metric("afterclick_reports_refused_total").await, 1, "only the forged one");

    let merchant = stage.merchant.parse().unwrap();
    let hash = CustomerId::of_email(merchant, BUYER).unwrap().to_string();
    let kept = CustomerId::of_email(merchant, "other@mail.example").unwrap().to_string();
    stage.figures().await;
    let listed = stage.product.read("/api/v1/unparsed").await.unwrap().to_string();
    assert!(listed.contains(&format!("--customer {hash}")), "{listed}");
    let by_hand = async |body: Value| {
        let path = "/api/v1/erasures";
        stage.product.ask(Method::POST, path, "application/json", body.to_string()).await.unwrap()
    };
    let answer = by_hand(json!({ "merchant": stage.merchant, "email": BUYER })).await;
    assert_eq!((answer.status, answer.body.contains(&hash)), (202, true), "{}", answer.body);
    for wrong in [
        json!({ "merchant": "mer_00000000", "email": BUYER }),
        json!({ "merchant": stage.merchant, "email": "nobody" }),
        json!({ "merchant": stage.merchant, "email": BUYER, "phone": "1" }),
    ] {
        assert_eq!(by_hand(wrong.clone()).await.status, 422, "{wrong}");
    }
    stage.figures().await;
    assert!(!listed.contains("555-0199") && !holds(&journal_dir, "555-0199"));
    let earned = stage.commission("727").await;
    assert!(earned > 0);

    let erase = ["erase", "--merchant", &stage.merchant, "--customer", &hash];
    let (status, said) = afterclick(&erase, &data).await;
    assert_eq!(status, Some(1), "the server must be stopped: {said}");
    stage.product.stop().await.unwrap();
    assert!(holds(&journal_dir, &hash));
    for expected in ["4 records are erased", "0 records are erased"] {
        let (status, said) = afterclick(&erase, &data).await;
        assert_eq!((status, said.contains(expected)), (Some(0), true), "{said}");
    }
    assert!(!holds(&journal_dir, &hash) && holds(&journal_dir, &kept));
    let (status, said) = afterclick(&["verify"], &data).await;
    assert_eq!(status, Some(0), "{said}");

    stage.product = launch(&stage.folder).start().await.unwrap();
    let path = format!("/api/v1/orders/{}/727", stage.merchant);
    until("it is there", async || stage.product.read(&path).await.is_ok()).await;
    assert_eq!(stage.commission("727").await, earned);
    assert!(!stage.order("728").await.to_string().contains(&hash));
}

#[tokio::test]
async fn whom_to_erase_is_said_once_and_of_a_merchant_that_exists() {
    let stage = Stage::set().await;
    stage.product.stop().await.unwrap();
    let data = stage.folder.path().join("data");
    let merchant = stage.merchant.as_str();
    for (arguments, status) in [
        (vec!["erase", "--merchant", merchant], 2),
        (vec!["erase", "--merchant", merchant, "--all", "--email", BUYER], 2),
        (vec!["erase", "--merchant", "mer_00000000", "--all"], 1),
        (vec!["erase", "--merchant", merchant, "--email", "nobody"], 1),
        (vec!["erase", "--merchant", merchant, "--all"], 0),
    ] {
        let (found, said) = afterclick(&arguments, &data).await;
        assert_eq!(found, Some(status), "{arguments:?}: {said}");
    }
}
