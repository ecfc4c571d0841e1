//! The head of a request, and the cookies in it. Beyond no panic: what the quick path answers, hyper
//! reads as the same request; the quick path waits for no request that is complete; and a token from
//! a cookie is one of the tokens in it, the latest.

use std::cell::RefCell;
use std::convert::Infallible;

use edge::fuzz::{Front, Head};
use http::{Request, Response};
use http_body_util::Empty;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use live::Snapshot;
use shared::catalog::{Catalog, Change, Entity};
use shared::time::Span;
use shared::token::{Claims, KeyRing, KeyState, MasterKey, TOKEN_CHARS, TokenKey};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::world::{self, MASTER, MERCHANT, NOW};

/// The server reads no longer head.
const HEAD_BYTES_MAX: usize = 16 * 1024;

thread_local! {
    static SNAPSHOT: Snapshot = snapshot();
}

/// Returns a snapshot that knows the one merchant.
fn snapshot() -> Snapshot {
    let key = MasterKey { id: 1, state: KeyState::Active, secret: MASTER };
    let ring = KeyRing::new(vec![key]).expect("one key is active");
    let merchant = serde_json::json!({
        "id": MERCHANT, "key": "key", "name": "Shop", "domains": ["shop.example"],
        "currency": "EUR", "timezone": "UTC", "platform": null, "webhook_secret": null,
        "created_at": NOW, "updated_at": NOW,
    });
    let merchant = Entity::Merchant(serde_json::from_value(merchant).expect("a merchant"));
    let mut catalog = Catalog::default();
    catalog.apply(&Change { at: NOW, entities: vec![merchant], request: None, by: None });
    Snapshot::of(&catalog, vec![], ring)
}

pub(crate) fn cookie(bytes: &[u8]) {
    SNAPSHOT.with(|snapshot| {
        let found = edge::fuzz::cookie_token(bytes, snapshot, NOW);
        let valid: Vec<Claims> = bytes
            .windows(TOKEN_CHARS)
            .filter_map(|token| snapshot.verify_token(token, NOW).ok())
            .collect();
        if let Some(found) = found {
            assert!(valid.contains(&found), "a token that is not in the cookie");
        }
        // A later token beside whatever came counts, if the header is text at all.
        let later = Claims { issued_at: NOW.plus(Span::seconds(60)), ..world::claims() };
        let later_token = later.encode(&TokenKey::derive(&MASTER, MERCHANT));
        let more = [bytes, b"; ac=", &later_token].concat();
        let is_text = bytes.iter().all(|byte| matches!(byte, b'\t' | b' '..=b'~'));
        let best = edge::fuzz::cookie_token(&more, snapshot, NOW);
        let issued = best.map(|best| best.issued_at);
        let least = later.issued_at;
        assert!(!is_text || issued >= Some(least), "a planted cookie hides a token");
    });
}

pub(crate) fn made_cookies() -> Vec<Vec<u8>> {
    let token = world::token();
    [
        format!("ac={token}"),
        format!("__Secure-ac={token}; theme=dark"),
        format!("a=b; ac=nonsense; ac={token}; ac={token}x"),
        format!("ac=\"{token}\"; ac ={token}"),
    ]
    .map(String::into_bytes)
    .into()
}

pub(crate) fn head(bytes: &[u8]) {
    if bytes.len() > HEAD_BYTES_MAX {
        return;
    }
    SNAPSHOT.with(|snapshot| {
        let (mut quick, mut left) = (Vec::new(), bytes);
        let waits = loop {
            match edge::fuzz::front(left, snapshot, NOW) {
                Front::Plain(head, length) => {
                    assert!((1..=left.len()).contains(&length), "{length} of {}", left.len());
                    quick.push(*head);
                    left = &left[length..];
                }
                Front::Partial => break true,
                Front::Other => break false,
            }
            if left.is_empty() {
                break true;
            }
        };
        let by_hyper = heads_by_hyper(bytes, snapshot);
        for (index, head) in quick.iter().enumerate() {
            assert_eq!(by_hyper.get(index), Some(&Some(head.clone())), "request {index}");
        }
        assert!(!waits || by_hyper.len() <= quick.len(), "the quick path waits for what is there");
    });
}

/// Returns the requests that hyper reads: `None` for each that is no request to a link.
fn heads_by_hyper(bytes: &[u8], snapshot: &Snapshot) -> Vec<Option<Head>> {
    let heads = RefCell::new(Vec::new());
    let service = service_fn(|request: Request<Incoming>| {
        heads.borrow_mut().push(edge::fuzz::head(&request, snapshot, NOW));
        async { Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new())) }
    });
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(async {
        let (mut client, server) = tokio::io::duplex(1 << 20);
        client.write_all(bytes).await.expect("it fits");
        client.shutdown().await.expect("the other half is there");
        _ = http1::Builder::new().serve_connection(TokioIo::new(server), service).await;
        let mut answers = Vec::new();
        _ = client.read_to_end(&mut answers).await;
    });
    heads.into_inner()
}

pub(crate) fn made() -> Vec<Vec<u8>> {
    let token = world::token();
    let cookie = format!(
        "GET /anna?utm_source=a HTTP/1.1\r\nHost: go.shop.example\r\nCookie: ac={token}\r\n\r\n"
    );
    vec![cookie.into_bytes()]
}
