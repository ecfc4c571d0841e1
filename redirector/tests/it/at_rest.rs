//! What lies on the disk: who can read it, and what they find. And what other users of the machine
//! see of a process.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use harness::{Launch, http};
use hyper::Method;
use serde_json::{Value, json};

use crate::support::{SECRET, Stage, launch, sign, woo_order};

/// Returns every file and folder below one.
fn everything_below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(everything_below(&path));
        }
        found.push(path);
    }
    found
}

#[tokio::test]
async fn other_users_of_the_machine_see_no_file_and_no_token() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    std::fs::create_dir(&data).unwrap();
    std::fs::set_permissions(&data, std::fs::Permissions::from_mode(0o777)).unwrap();
    let launch = Launch::new(harness::default_bin_dir().unwrap(), &data).token_in_file();
    let stage = Stage::set_on(folder, launch, json!({})).await;
    let token = stage.token().await;
    let body = woo_order(727, json!({}), &[("_ac", &token)]);
    assert_eq!(stage.webhook("order.updated", &body).await.status, 200);
    stage.figures().await;
    let open: Vec<_> = everything_below(&data)
        .into_iter()
        // The harness opens the log.
        .filter(|path| !path.ends_with("afterclick.log"))
        // The hot state removes files of its own.
        .filter(|path| path.metadata().is_ok_and(|file| file.permissions().mode() & 0o077 != 0))
        .collect();
    assert!(open.is_empty(), "{open:?}");
    assert!(data.join("keys.json").is_file() && data.join("state").is_dir());
    let process = PathBuf::from(format!("/proc/{}", stage.product.id().unwrap()));
    for list in ["cmdline", "environ"] {
        let shown = std::fs::read(process.join(list)).unwrap();
        let shown = String::from_utf8_lossy(&shown);
        assert!(!shown.is_empty(), "{list} is there");
        assert!(!shown.contains(&stage.product.token), "{list}");
    }
    stage.product.read("/api/v1/links").await.expect("the token from the file counts");
}

#[tokio::test]
async fn no_file_of_the_product_shows_a_secret_and_none_is_lost() {
    let stage = Stage::set().await;
    let secrets =
        ["the-second-secret-of-the-shop", "top-secret-token", "DE02120300000000202051", SECRET];
    let path = format!("/api/v1/merchants/{}", stage.merchant);
    let fields = json!({ "webhook_secret": secrets[0], "shop_api":
        { "url": "http://127.0.0.1:9", "token": secrets[1] } });
    let patch = async |fields: Value| {
        let answer =
            stage.product.ask(Method::PATCH, &path, "application/json", fields.to_string()).await;
        assert_eq!(answer.as_ref().unwrap().status, 200, "{answer:?}");
    };
    patch(fields).await;
    patch(json!({ "name": "Renamed" })).await;
    let payout = json!({ "method": "sepa", "iban": secrets[2] });
    let ben = json!({ "name": "Ben Payee", "payout": payout });
    let ben = stage.product.create("influencers", &ben).await.unwrap();
    let order = woo_order(727, json!({}), &[("_ac", &stage.token().await)]);
    // The secret before the change is still accepted, and the new one is too.
    assert_eq!(stage.webhook("order.updated", &order).await.status, 200);
    stage.figures().await;

    let data = stage.product.data().to_owned();
    let holds = |text: &str| {
        let files = everything_below(&data).into_iter().filter(|path| path.is_file());
        let bytes = files.map(|path| (std::fs::read(&path).unwrap_or_default(), path));
        let holds = |bytes: &[u8]| bytes.windows(text.len()).any(|part| part == text.as_bytes());
        let found: Vec<_> = bytes.filter(|(bytes, _)| holds(bytes)).map(|(_, path)| path).collect();
        found
    };
    assert!(!holds("Ben Payee").is_empty(), "the search finds things");
    for secret in secrets {
        assert_eq!(holds(secret), Vec::<PathBuf>::new(), "{secret}");
    }

    let Stage { product, merchant, key, folder, .. } = stage;
    product.stop().await.unwrap();
    let again = launch(&folder).start().await.unwrap();
    let shown = again.read(&format!("/api/v1/merchants/{merchant}")).await.unwrap();
    assert_eq!(
        (&shown["has_webhook_secret"], &shown["has_shop_api"], shown.get("sealed")),
        (&json!(true), &json!(true), None)
    );
    let id = ben["id"].as_str().unwrap();
    let shown = again.read(&format!("/api/v1/influencers/{id}")).await.unwrap();
    assert_eq!((&shown["payout"], shown.get("sealed")), (&payout, None));
    for secret in [secrets[0], SECRET] {
        let signature = sign(secret, &order);
        let headers =
            [("x-wc-webhook-topic", "order.updated"), ("x-wc-webhook-signature", &*signature)];
        let path = format!("/_ac/hooks/woocommerce/{key}");
        let answer = http::send(again.public, Method::POST, &path, &headers, order.clone()).await;
        assert_eq!(answer.unwrap().status, 200, "{secret}");
    }
}
