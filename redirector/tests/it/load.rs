//! What one sender or one address may take from the others: refusals come before the work, and
//! connections, bodies and lines in the log are bounded.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::json;

use crate::support::Stage;

/// How long an answer may take that comes without any work.
const PROMPT: Duration = Duration::from_secs(5);

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PROMPT)).unwrap();
    stream
}

/// Sends the head of a request whose body never comes.
fn begin(address: SocketAddr, path: &str, headers: &str, body_bytes: usize) -> TcpStream {
    let mut stream = connect(address);
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: go.shop.test\r\ncontent-length: {body_bytes}\r\n{headers}\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream
}

/// Returns the status of the answer that comes on a connection; `None` when it is closed or no
/// answer comes in time.
fn status(stream: &mut TcpStream) -> Option<u16> {
    let mut bytes = [0; 1024];
    let count = stream.read(&mut bytes).ok().filter(|count| *count > 0)?;
    let text = String::from_utf8_lossy(&bytes[..count]).into_owned();
    text.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()
}

#[tokio::test]
async fn an_unsigned_delivery_is_refused_before_its_body_arrives() {
    let stage = Stage::set().await;
    let at = |platform: &str| format!("/_ac/hooks/{platform}/{}", stage.key);
    let short = "x-shopify-hmac-sha256: c2hvcnQ=\r\n";
    let stale = format!("stripe-signature: t=1,v1={}\r\n", "0".repeat(64));
    let cases = [
        (at("shopify"), ""),
        (at("shopify"), short),
        (at("woocommerce"), "x-wc-webhook-topic: order.updated\r\n"),
        (at("stripe"), stale.as_str()),
        (at("magento"), "x-afterclick-signature: nonsense\r\n"),
        (format!("/_ac/orders/{}", stage.key), ""),
    ];
    for (path, headers) in &cases {
        let answer = status(&mut begin(stage.product.public, path, headers, 1 << 20));
        assert_eq!(answer, Some(401), "{path} {headers}");
    }
    let nobody = status(&mut begin(stage.product.public, "/_ac/hooks/shopify/nobody", "", 1 << 20));
    assert_eq!(nobody, Some(404));
    let of = async |reason: &str| {
        let name = format!("afterclick_deliveries_refused_total{{reason=\"{reason}\"}}");
        stage.metric(&name).await
    };
    assert_eq!((of("unsigned").await, of("stale").await), (5, 1));
    assert_eq!(stage.metric("afterclick_reports_refused_total").await, 6);
}

#[tokio::test]
async fn deliveries_that_are_refused_fill_no_log() {
    // Each worker says it once a minute.
    let stage = Stage::set_up(&["--workers", "1"], json!({})).await;
    for _ in 0..40 {
        let path = format!("/_ac/hooks/shopify/{}", stage.key);
        assert_eq!(status(&mut begin(stage.product.public, &path, "", 2)), Some(401));
    }
    let log = std::fs::read_to_string(stage.product.data().join("afterclick.log")).unwrap();
    assert_eq!(log.matches("a delivery was refused").count(), 1, "{log}");
    assert_eq!(stage.metric("afterclick_reports_refused_total").await, 40, "all are counted");
}

#[tokio::test]
async fn an_address_has_a_bounded_number_of_connections() {
    let arguments =
        ["--workers", "1", "--trusted-proxies", "none", "--connections-per-address", "4"];
    let stage = Stage::set_up(&arguments, json!({})).await;
    let ask = |stream: &mut TcpStream| {
        let request =
            b"GET /anna HTTP/1.1\r\nhost: go.shop.test\r\nuser-agent: Mozilla/5.0\r\n\r\n";
        stream.write_all(request).ok().and_then(|()| status(stream))
    };
    let mut open: Vec<TcpStream> = (0..4).map(|_| connect(stage.product.public)).collect();
    for stream in &mut open {
        assert_eq!(ask(stream), Some(302));
    }
    let further = ask(&mut connect(stage.product.public));
    assert!(matches!(further, None | Some(503)), "{further:?}");
    assert!(stage.metric("afterclick_connections_refused_by_address_total").await >= 1);
    assert_eq!(ask(&mut open[0]), Some(302), "the others go on");
    open.pop();
    let is_free = async || ask(&mut connect(stage.product.public)) == Some(302);
    crate::support::until("its place is free again", is_free).await;
}

#[tokio::test]
async fn behind_a_proxy_a_client_has_a_bounded_number_of_requests_under_way() {
    let arguments = ["--workers", "1", "--connections-per-address", "2"];
    let stage = Stage::set_up(&arguments, json!({})).await;
    let path = format!("/_ac/pb/{}", stage.key);
    let hang = |client: &str| {
        begin(stage.product.public, &path, &format!("x-forwarded-for: {client}\r\n"), 100)
    };
    let _held = [hang("2001:db8::1"), hang("6.6.6.6, 2001:db8::2")];
    let refused = async || status(&mut hang("2001:db8::3")) == Some(503);
    crate::support::until("the third of one network is refused", refused).await;
    let mut other = hang("2001:db8:0:1::1");
    other.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    assert_eq!(status(&mut other), None, "another network waits for its own body");
    let forwarded = [("x-forwarded-for", "2001:db8::1")];
    assert_eq!(stage.click(&forwarded).await.status, 302, "redirects wait for nothing");
}
