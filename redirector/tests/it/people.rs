//! People: invited, signed in, signed out. What a mail scanner, a foreign page or a guess gets.

use harness::{Answer, Product, http};
use hyper::Method;
use serde_json::{Value, json};

use crate::support::{Stage, launch, text, until};

const OURS: (&str, &str) = ("sec-fetch-site", "same-origin");

/// Asks the console as a browser does.
async fn browse(
    product: &Product,
    (method, path): (Method, &str),
    headers: &[(&str, &str)],
    body: &str,
) -> Answer {
    http::send(product.admin, method, path, headers, body.to_owned()).await.unwrap()
}

/// Returns the path of an address for signing in.
fn path_of(address: &Value) -> String {
    let address = address.as_str().unwrap();
    assert!(address.starts_with("http://127.0.0.1:"), "{address}");
    address[address.find("/sign-in/").unwrap()..].to_owned()
}

/// Returns what a browser sends back of a cookie.
fn cookie_of(answer: &Answer) -> String {
    let cookie = answer.header("set-cookie");
    assert!(cookie.contains("; Path=/; HttpOnly; SameSite=Lax; Max-Age=2592000"), "{cookie}");
    cookie.split(';').next().unwrap().to_owned()
}

/// Invites somebody, and signs them in by the button of the page.
async fn sign_in(product: &Product, person: &Value) -> (String, String) {
    let made = product.create("people", person).await.unwrap();
    let path = path_of(&made["sign_in"]);
    let answer = browse(product, (Method::POST, &path), &[OURS], "").await;
    assert_eq!((answer.status, answer.header("location")), (303, "/"), "{}", answer.body);
    (text(&made["id"]), cookie_of(&answer))
}

async fn me(product: &Product, cookie: &str) -> Answer {
    browse(product, (Method::GET, "/api/v1/me"), &[("cookie", cookie)], "").await
}

#[tokio::test]
async fn an_invitation_signs_in_once_and_opening_it_uses_nothing_up() {
    let stage = Stage::set().await;
    let product = &stage.product;
    let made = json!({ "name": "Eva <b>", "role": "admin", "email": "eva@agency.example" });
    let made = product.create("people", &made).await.unwrap();
    let (id, path) = (text(&made["id"]), path_of(&made["sign_in"]));
    let shown = product.read(&format!("/api/v1/people/{id}")).await.unwrap();
    assert_eq!(shown["sign_in"], Value::Null, "it is shown once");
    for _ in 0..3 {
        let page = browse(product, (Method::GET, &path), &[], "").await;
        assert_eq!((page.status, page.header("set-cookie")), (200, ""), "{}", page.body);
        assert!(page.body.contains("Eva &lt;b&gt;") && page.body.contains("method=\"post\""));
        assert_eq!(page.header("cache-control"), "no-store");
    }
    for foreign in [("sec-fetch-site", "cross-site"), ("origin", "https://evil.example")] {
        let answer = browse(product, (Method::POST, &path), &[foreign], "").await;
        assert_eq!((answer.status, answer.header("set-cookie")), (403, ""));
    }
    let answer = browse(product, (Method::POST, &path), &[OURS], "").await;
    let cookie = cookie_of(&answer);
    assert!(cookie.starts_with("afterclick-local="), "loopback has no HTTPS: {cookie}");
    for method in [Method::GET, Method::POST] {
        let again = browse(product, (method, &path), &[OURS], "").await;
        assert_eq!((again.status, again.header("set-cookie")), (410, ""), "{}", again.body);
    }
    let answer: Value = serde_json::from_str(&me(product, &cookie).await.body).unwrap();
    assert_eq!((&answer["name"], &answer["role"]), (&json!("Eva <b>"), &json!("admin")));
    let shown = product.read(&format!("/api/v1/people/{id}")).await.unwrap();
    assert!(shown["signed_in_at"].is_string());

    // Sign-ins outlive a restart, and an end of all of them ends them.
    let folder = stage.folder;
    stage.product.stop().await.unwrap();
    let product = launch(&folder).start().await.unwrap();
    assert_eq!(me(&product, &cookie).await.status, 200);
    let end = format!("people/{id}/end-sign-ins");
    product.create(&end, &json!({})).await.unwrap();
    let answer = me(&product, &cookie).await;
    assert_eq!(answer.status, 401);
    assert!(answer.body.contains("signed_out"), "{}", answer.body);
}

#[tokio::test]
async fn a_signed_in_browser_changes_something_only_for_pages_of_ours() {
    let stage = Stage::set().await;
    let eva = json!({ "name": "Eva", "role": "admin" });
    let (_, cookie) = sign_in(&stage.product, &eva).await;
    let host = stage.product.admin.to_string();
    let (own, other) = (format!("http://{host}"), format!("http://{host}.evil.example"));
    for (headers, status) in [
        (vec![OURS], 201),
        (vec![("origin", own.as_str())], 201),
        (vec![], 403),
        (vec![("sec-fetch-site", "same-site")], 403),
        (vec![("sec-fetch-site", "cross-site"), ("origin", own.as_str())], 403),
        (vec![("origin", other.as_str())], 403),
        (vec![("origin", "null")], 403),
    ] {
        let all = [&[("cookie", cookie.as_str())][..], &headers].concat();
        let ask = (Method::POST, "/api/v1/influencers");
        let answer = browse(&stage.product, ask, &all, r#"{"name":"Ben"}"#).await;
        assert_eq!(answer.status, status, "{headers:?}: {}", answer.body);
    }
    // A cookie beside a wrong token is the token's request.
    let both = [("cookie", cookie.as_str()), ("authorization", "Bearer wrong")];
    let answer = browse(&stage.product, (Method::GET, "/api/v1/me"), &both, "").await;
    assert_eq!(answer.status, 401);
}

#[tokio::test]
async fn a_password_signs_in_and_guesses_learn_nothing() {
    let stage = Stage::set().await;
    let product = &stage.product;
    let eva = json!({ "name": "Eva", "role": "admin", "email": "Eva@agency.example" });
    let (_, cookie) = sign_in(product, &eva).await;
    let same = json!({ "name": "E", "role": "admin", "email": "eva@agency.example" });
    let same = product.create("people", &same).await;
    assert!(same.unwrap_err().to_string().contains("409"));
    let set = async |cookie: &str, body: Value| {
        let headers = [("cookie", cookie), OURS];
        let ask = (Method::POST, "/api/v1/me/password");
        browse(product, ask, &headers, &body.to_string()).await
    };
    let short = set(&cookie, json!({ "password": "short" })).await;
    assert_eq!(short.status, 422, "{}", short.body);
    let answer = set(&cookie, json!({ "password": "correct horse" })).await;
    assert_eq!(answer.status, 204, "{}", answer.body);
    assert_eq!(me(product, &cookie).await.status, 401, "other sign-ins end");
    let cookie = cookie_of(&answer);
    assert_eq!(me(product, &cookie).await.status, 200);
    let wrong = set(&cookie, json!({ "password": "battery staple", "current": "x" })).await;
    assert_eq!(wrong.status, 422, "{}", wrong.body);

    let try_in = async |email: &str, password: &str| {
        let body = json!({ "email": email, "password": password }).to_string();
        browse(product, (Method::POST, "/api/v1/sign-ins"), &[], &body).await
    };
    let answer = try_in("eva@AGENCY.example", "correct horse").await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    cookie_of(&answer);
    let wrong = try_in("eva@agency.example", "correct Horse").await;
    let unknown = try_in("nobody@agency.example", "correct horse").await;
    assert_eq!((wrong.status, &wrong.body), (401, &unknown.body));
    for _ in 0..9 {
        assert_eq!(try_in("eva@agency.example", "guess").await.status, 401);
    }
    let answer = try_in("eva@agency.example", "correct horse").await;
    assert_eq!(answer.status, 429, "{}", answer.body);
}

#[tokio::test]
async fn somebody_sees_what_is_their_merchants_and_is_out_when_archived() {
    let stage = Stage::set().await;
    let product = &stage.product;
    let (merchant, influencer) = (&stage.merchant, &stage.influencer);
    let path = format!("/api/v1/influencers/{influencer}");
    let email = json!({ "email": "anna@mail.example" }).to_string();
    product.ask(Method::PATCH, &path, "application/json", email).await.unwrap();
    let person = json!({ "name": "Kim", "role": "merchant", "for": merchant });
    let (kim, cookie) = sign_in(product, &person).await;
    let ask = async |method: Method, path: &str, body: &str| {
        let headers = [("cookie", cookie.as_str()), OURS];
        browse(product, (method, path), &headers, body).await
    };
    let campaigns = ask(Method::GET, "/api/v1/campaigns", "").await;
    assert!(campaigns.status == 200 && campaigns.body.contains("Autumn"), "{}", campaigns.body);
    let influencers = ask(Method::GET, "/api/v1/influencers", "").await;
    let influencers: Value = serde_json::from_str(&influencers.body).unwrap();
    assert_eq!(influencers["items"], json!([{ "id": influencer, "name": "Anna" }]));
    for (q, count) in [("Ann", 1), ("anna%40mail.example", 0)] {
        let found = ask(Method::GET, &format!("/api/v1/influencers?q={q}"), "").await;
        let found: Value = serde_json::from_str(&found.body).unwrap();
        assert_eq!(found["items"].as_array().unwrap().len(), count, "a search confirms no address");
    }
    assert_eq!(ask(Method::GET, "/api/v1/tokens", "").await.status, 403);
    assert_eq!(ask(Method::POST, "/api/v1/links", "{}").await.status, 403);

    // A merchant may set his own webhook secret, and nothing else.
    let path = format!("/api/v1/merchants/{merchant}");
    let secret = r#"{"webhook_secret":"another-secret-of-the-shop"}"#;
    assert_eq!(ask(Method::PATCH, &path, secret).await.status, 200);
    let answer = ask(Method::PATCH, &path, r#"{"name":"Mine"}"#).await;
    assert!(answer.status == 422 && answer.body.contains("not yours to change"), "{}", answer.body);

    let change = json!({ "archived": true }).to_string();
    let path = format!("/api/v1/people/{kim}");
    product.ask(Method::PATCH, &path, "application/json", change).await.unwrap();
    assert_eq!(ask(Method::GET, "/api/v1/me", "").await.status, 401);
    let path = format!("/api/v1/people/{kim}/sign-in-link");
    let answer = product.ask(Method::POST, &path, "application/json", "").await.unwrap();
    assert_eq!(answer.status, 409, "{}", answer.body);
}

#[tokio::test]
async fn who_asks_is_told_who_they_are() {
    let stage = Stage::set().await;
    let me = stage.product.read("/api/v1/me").await.unwrap();
    assert_eq!((&me["role"], &me["name"]), (&json!("admin"), &json!("first token")));
    let token = json!({ "role": "influencer", "for": stage.influencer, "name": "Anna's phone" });
    let token = stage.product.create("tokens", &token).await.unwrap();
    let authorization = format!("Bearer {}", token["token"].as_str().unwrap());
    let headers = [("authorization", authorization.as_str())];
    let ask = async |method: Method, body: &str| {
        http::send(stage.product.admin, method, "/api/v1/me", &headers, body.to_owned())
            .await
            .unwrap()
    };
    until("the token is known", async || ask(Method::GET, "").await.status == 200).await;
    let me: Value = serde_json::from_str(&ask(Method::GET, "").await.body).unwrap();
    assert_eq!((&me["name"], &me["for"]), (&json!("Anna's phone"), &json!(stage.influencer)));
    assert_eq!(ask(Method::PATCH, r#"{"name":"x"}"#).await.status, 403, "a token is no person");
}
