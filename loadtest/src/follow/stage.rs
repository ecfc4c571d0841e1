//! The catalog that followers use, the bytes that they send, and the answers that they must get.
//!
//! Every request has a number and carries it: as `?s=` of a click, in the id of an event, as the id
//! of an order. So each record of the journal tells which request made it.

use std::path::Path;

use anyhow::{Context, Result};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use harness::Product;
use hmac::{Hmac, KeyInit, Mac};
use hyper::Method;
use serde_json::{Value, json};
use sha2::Sha256;
use shared::id::{ClickId, LinkId, MerchantId};
use shared::time::Timestamp;
use shared::token::{Claims, TokenKey};

use crate::follow::cast::{Browser, Carried, Kind};
use crate::follow::wire::Answer;
use crate::rebuild::now;
use crate::scene::{HOST, LINKS, id, slug};
use crate::webhooks::{EXAMPLE, SECRET};

/// The goods of an order in cents: by the shop's webhook, and by its server.
pub(crate) const WEBHOOK_GOODS: i64 = 1800;
pub(crate) const SERVER_GOODS: i64 = 10_000;
/// The commission that is due for them in cents: 15 %.
pub(crate) const WEBHOOK_COMMISSION: i64 = 270;
pub(crate) const SERVER_COMMISSION: i64 = 1500;
/// The destination of the link that has ended.
const FALLBACK: &str = "https://shop.test/over";
/// Marks in the example order. They are replaced by the values of each order.
const ID_MARK: u64 = 727_072_707;
const TOKEN_MARK: &str = "the-token-of-the-click";

/// A merchant's links and keys.
#[derive(Clone)]
pub(crate) struct Stage {
    /// The merchant's id, as the API writes it.
    pub(crate) merchant: String,
    /// The ids of campaign and influencer, for links that are imported.
    pub(crate) campaign: String,
    pub(crate) influencer: String,
    key: String,
    links: Vec<LinkId>,
    verifier: Verifier,
    order: String,
    /// Whether followers use TLS.
    is_secure: bool,
}

/// Checks tokens with the merchant's key.
#[derive(Clone)]
struct Verifier {
    key_id: u8,
    merchant: MerchantId,
    key: TokenKey,
}

/// A request that is to be sent.
#[derive(Debug)]
pub(crate) enum Ask<'a> {
    /// A request to a link.
    Click { link: usize, browser: Browser, cookie: Option<&'a str> },
    /// An event or order that the pixel or the shop sends, with the click that it is about.
    Told(&'a Carried),
}

/// The judgement of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The answer is right. It promises this click, if any.
    Good(Option<ClickId>),
    /// The request was refused, and may be sent again later.
    Later,
    /// The answer has this wrong status.
    Status(u16),
    /// The token is missing, invalid, for another link, or not the same as in the cookie.
    Token,
    /// The answer has a token, but the request must not get one.
    StrayToken,
}

impl Stage {
    /// Creates the catalog through the admin API.
    pub(crate) async fn set(product: &Product, is_secure: bool) -> Result<Self> {
        let merchant = json!({
            "name": "Shop", "domains": ["shop.test"], "currency": "EUR", "timezone": "UTC",
            "platform": "woocommerce", "webhook_secret": SECRET,
        });
        let merchant = product.create("merchants", &merchant).await?;
        let key = merchant["key"].as_str().context("no key")?.to_owned();
        let merchant = id(merchant)?;
        let influencer = id(product.create("influencers", &json!({ "name": "Anna" })).await?)?;
        let commission = json!({ "kind": "percent", "rate": "15", "base": "net_goods" });
        let campaign = json!({ "merchant": merchant, "name": "Load", "commission": commission });
        let campaign = id(product.create("campaigns", &campaign).await?)?;
        let mut links = Vec::new();
        for number in 0..LINKS + 2 {
            let destination = format!("https://shop.test/product/{number}?color=red");
            let mut link = json!({
                "campaign": campaign, "influencer": influencer, "destination": destination, "slug": slug(number),
            });
            if number == OVER {
                link["starts_at"] = "2020-01-01T00:00:00Z".into();
                link["ends_at"] = "2020-02-01T00:00:00Z".into();
                link["fallback"] = FALLBACK.into();
            }
            links.push(id(product.create("links", &link).await?)?);
        }
        let path = format!("/api/v1/links/{}", links[PAUSED]);
        let paused =
            product.ask(Method::PATCH, &path, "application/json", r#"{"paused":true}"#).await?;
        anyhow::ensure!(paused.status == 200, "{path} answered {}: {}", paused.status, paused.body);
        let links =
            links.iter().map(|link| link.parse().context("a link's id")).collect::<Result<_>>()?;
        let verifier =
            Verifier::read(product.data(), merchant.parse().context("the merchant's id")?)?;
        Ok(Self {
            merchant,
            campaign,
            influencer,
            key,
            links,
            verifier,
            order: order()?,
            is_secure,
        })
    }

    /// Returns the number of the link for a kind of click, given a number that was drawn.
    pub(crate) fn link(kind: Kind, drawn: usize) -> usize {
        match kind {
            Kind::Paused => PAUSED,
            Kind::Over => OVER,
            _ => drawn % LINKS,
        }
    }

    /// Returns the id of a link.
    pub(crate) fn link_id(&self, number: usize) -> LinkId {
        self.links[number]
    }

    /// Returns the bytes of a request.
    pub(crate) fn request(&self, kind: Kind, number: u32, ask: &Ask<'_>) -> Result<Vec<u8>> {
        match ask {
            Ask::Click { link, browser, cookie } => {
                Ok(click(kind, number, *link, *browser, *cookie))
            }
            Ask::Told(carried) => self.told(kind, number, carried),
        }
    }

    fn told(&self, kind: Kind, number: u32, carried: &Carried) -> Result<Vec<u8>> {
        let Carried { token, first, .. } = carried;
        let (path, headers, body) = match kind {
            Kind::Webhook => {
                let body = self.order.replace(&ID_MARK.to_string(), &first.to_string());
                let body = body.replace(TOKEN_MARK, token);
                let signature = STANDARD.encode(mac(&[body.as_bytes()])?);
                let headers = format!(
                    "Content-Type: application/json\r\nX-WC-Webhook-Topic: order.updated\r\n\
                     X-WC-Webhook-Signature: {signature}\r\n"
                );
                (format!("hooks/woocommerce/{}", self.key), headers, body)
            }
            Kind::ServerOrder => {
                let id = first.to_string();
                let body =
                    json!({ "order_id": id, "currency": "EUR", "goods": "100.00", "ac": token })
                        .to_string();
                let time = (now().as_ms() / 1000).to_string();
                let tag = mac(&[time.as_bytes(), b".", body.as_bytes()])?;
                let tag: String = tag.iter().map(|byte| format!("{byte:02x}")).collect();
                let headers = format!(
                    "Content-Type: application/json\r\nX-Afterclick-Signature: t={time},v1={tag}\r\n"
                );
                (format!("orders/{}", self.key), headers, body)
            }
            _ => ("e".to_owned(), PIXEL_HEADERS.to_owned(), self.event(kind, number, carried)),
        };
        let length = body.len();
        Ok(format!(
            "POST /_ac/{path} HTTP/1.1\r\nHost: {HOST}\r\n{headers}Content-Length: {length}\r\n\r\n{body}"
        )
        .into_bytes())
    }

    /// Returns the body of an event as the pixel sends it.
    fn event(&self, kind: Kind, number: u32, carried: &Carried) -> String {
        let mut event = json!({
            "id": format!("{EVENT_ID}{number:012x}"), "n": "session", "ts": now().as_ms(),
            "u": "https://shop.test/product/1?color=red", "r": "https://l.instagram.com/",
        });
        if kind == Kind::Claim {
            event["n"] = "purchase".into();
            event["o"] =
                json!({ "id": carried.first.to_string(), "value": "100.00", "currency": "EUR" });
        }
        json!({ "v": 1, "k": self.key, "t": carried.token, "c": "granted", "e": [event] })
            .to_string()
    }

    /// Judges an answer to a request of this kind to this link.
    pub(crate) fn judge(&self, kind: Kind, link: usize, answer: &Answer<'_>) -> Verdict {
        if answer.status == 503 && answer.says_later {
            return Verdict::Later;
        }
        let is_status_right = match kind {
            Kind::Prefetch => matches!(answer.status, 302 | 503),
            Kind::Session | Kind::Claim => answer.status == 204,
            Kind::Webhook | Kind::ServerOrder => answer.status == 200,
            _ => answer.status == 302,
        };
        if !is_status_right {
            return Verdict::Status(answer.status);
        }
        let token = token_of(answer.location);
        if !kind.earns() {
            let is_clean = token.is_none() && answer.cookie.is_empty();
            return if is_clean { Verdict::Good(None) } else { Verdict::StrayToken };
        }
        let name = if self.is_secure { "__Secure-ac" } else { "ac" };
        let cookie =
            answer.cookie.split_once('=').filter(|(key, _)| *key == name).map(|(_, value)| value);
        let claims =
            token.filter(|_| token == cookie).and_then(|token| self.verifier.verify(token, now()));
        let claims = claims.filter(|claims| claims.link == self.links[link]);
        claims.map_or(Verdict::Token, |claims| Verdict::Good(Some(claims.click)))
    }
}

impl Verifier {
    /// Reads the key that the product made when it first started.
    fn read(data: &Path, merchant: MerchantId) -> Result<Self> {
        let keys: Value = serde_json::from_slice(&std::fs::read(data.join("keys.json"))?)?;
        let active =
            keys["keys"].as_array().into_iter().flatten().find(|key| key["state"] == "active");
        let active = active.context("no active key")?;
        let secret = URL_SAFE_NO_PAD.decode(active["secret"].as_str().context("no secret")?)?;
        let secret: [u8; 32] = secret.try_into().ok().context("a secret of another length")?;
        let key_id =
            active["id"].as_u64().and_then(|id| u8::try_from(id).ok()).context("no key id")?;
        Ok(Self { key_id, merchant, key: TokenKey::derive(&secret, merchant) })
    }

    fn verify(&self, token: &str, now: Timestamp) -> Option<Claims> {
        use shared::token::TokenError::{Key, Merchant};
        Claims::verify(token.as_bytes(), now, |key_id, merchant| match () {
            () if key_id != self.key_id => Err(Key),
            () if merchant != self.merchant => Err(Merchant),
            () => Ok(self.key),
        })
        .ok()
    }
}

/// Besides the links that work, there is one that is paused, and one that has ended.
const PAUSED: usize = LINKS;
const OVER: usize = LINKS + 1;
/// The beginning of every event's id; the number of the request follows.
const EVENT_ID: &str = "0193a0c4-8f9e-7d3a-9b1c-";
const PIXEL_HEADERS: &str = "Content-Type: text/plain\r\nOrigin: https://shop.test\r\n\
    User-Agent: Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) \
    Version/18.1 Mobile/15E148 Safari/604.1\r\nReferer: https://shop.test/\r\n";

/// Returns the token in a location.
pub(crate) fn token_of(location: &str) -> Option<&str> {
    let (_, query) = location.split_once('?')?;
    let query = query.split('#').next().unwrap_or_default();
    query.split('&').find_map(|pair| pair.strip_prefix("ac="))
}

fn click(
    kind: Kind,
    number: u32,
    link: usize,
    (agent, page): Browser,
    cookie: Option<&str>,
) -> Vec<u8> {
    let method = if kind == Kind::Head { "HEAD" } else { "GET" };
    let slug = slug(link);
    let mut request = format!(
        "{method} /{slug}?s=f{number} HTTP/1.1\r\nHost: {HOST}\r\nUser-Agent: {agent}\r\n\
         Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\nAccept-Language: de-DE,de;q=0.9\r\n\
         Accept-Encoding: gzip, deflate, br\r\n"
    );
    let line = |name: &str, value: &str| {
        if value.is_empty() { String::new() } else { format!("{name}: {value}\r\n") }
    };
    request += &line("Referer", page);
    request += &line("Cookie", cookie.unwrap_or_default());
    request += match kind {
        Kind::Prefetch => {
            "Sec-Purpose: prefetch;prerender\r\nSec-Fetch-Dest: document\r\nSec-Fetch-Mode: navigate\r\n"
        }
        Kind::Image => {
            "Sec-Fetch-Dest: image\r\nSec-Fetch-Mode: no-cors\r\nSec-Fetch-Site: cross-site\r\n"
        }
        Kind::Preview | Kind::Bot => "",
        _ => {
            "Sec-Fetch-Dest: document\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Site: cross-site\r\n"
        }
    };
    request += "\r\n";
    request.into_bytes()
}

/// Returns the published example order with marks in it.
fn order() -> Result<String> {
    let mut order: Value = serde_json::from_str(EXAMPLE)?;
    (order["id"], order["number"], order["currency"]) =
        (ID_MARK.into(), ID_MARK.to_string().into(), "EUR".into());
    order["order_key"] = format!("wc_order_{ID_MARK}").into();
    let meta = order["meta_data"].as_array_mut().context("no meta data")?;
    meta.push(json!({ "id": 1, "key": "_ac", "value": TOKEN_MARK }));
    Ok(order.to_string())
}

fn mac(parts: &[&[u8]]) -> Result<[u8; 32]> {
    let mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).context("a key")?;
    Ok(parts.iter().fold(mac, |mac, part| mac.chain_update(part)).finalize().into_bytes().into())
}

#[cfg(test)]
mod tests {
    use shared::consent::Consent;

    use super::*;

    fn stage() -> Stage {
        let merchant = MerchantId::from_bits(5);
        let key = TokenKey::derive(&[7; 32], merchant);
        Stage {
            merchant: merchant.to_string(),
            campaign: String::new(),
            influencer: String::new(),
            key: "key".to_owned(),
            links: (1..=LINKS as u64 + 2).map(LinkId::from_bits).collect(),
            verifier: Verifier { key_id: 1, merchant, key },
            order: order().unwrap(),
            is_secure: false,
        }
    }

    fn token(link: u64, key: &TokenKey) -> String {
        let claims = Claims {
            key_id: 1,
            kind: shared::token::Kind::Click,
            consent: Consent::Unknown,
            issued_at: now(),
            window_minutes: 60,
            merchant: MerchantId::from_bits(5),
            link: LinkId::from_bits(link),
            click: ClickId::from_bytes([9; 16]),
        };
        String::from_utf8(claims.encode(key).to_vec()).unwrap()
    }

    #[test]
    fn a_promise_is_a_token_that_verifies_in_address_and_cookie_alike() {
        let stage = stage();
        let good = token(1, &stage.verifier.key);
        let forged = token(1, &TokenKey::derive(&[8; 32], MerchantId::from_bits(5)));
        let of_another_link = token(2, &stage.verifier.key);
        let promised = Verdict::Good(Some(ClickId::from_bytes([9; 16])));
        for (in_address, in_cookie, expected) in [
            (&good, &good, promised),
            (&forged, &forged, Verdict::Token),
            (&of_another_link, &of_another_link, Verdict::Token),
            (&good, &of_another_link, Verdict::Token),
            (&good, &String::new(), Verdict::Token),
        ] {
            let (location, cookie) =
                (format!("https://shop.test/?a=b&ac={in_address}#c"), format!("ac={in_cookie}"));
            let answer =
                Answer { status: 302, location: &location, cookie: &cookie, ..Answer::default() };
            assert_eq!(stage.judge(Kind::Person, 0, &answer), expected, "{location} {cookie}");
            assert_eq!(
                stage.judge(Kind::Bot, 0, &answer),
                Verdict::StrayToken,
                "a robot earns nothing"
            );
        }
    }

    #[test]
    fn a_refused_prefetch_is_an_answer_and_a_request_to_come_later_is_a_refusal() {
        let stage = stage();
        let refused = Answer { status: 503, ..Answer::default() };
        let later = Answer { says_later: true, ..refused };
        assert_eq!(stage.judge(Kind::Prefetch, 0, &refused), Verdict::Good(None));
        assert_eq!(stage.judge(Kind::Prefetch, 0, &later), Verdict::Later);
        assert_eq!(stage.judge(Kind::Person, 0, &refused), Verdict::Status(503));
        assert_eq!(
            stage.judge(Kind::Webhook, 0, &Answer { status: 401, ..refused }),
            Verdict::Status(401)
        );
    }

    #[test]
    fn an_order_names_its_click_and_its_number_and_nothing_of_the_example() {
        let stage = stage();
        let token = token(1, &stage.verifier.key);
        let carried = Carried {
            token: token.clone(),
            cookie: String::new(),
            click: ClickId::from_bytes([9; 16]),
            first: 12,
        };
        for kind in [Kind::Webhook, Kind::ServerOrder, Kind::Claim] {
            let request =
                String::from_utf8(stage.request(kind, 13, &Ask::Told(&carried)).unwrap()).unwrap();
            assert!(request.contains(&token) && request.contains("12"), "{request}");
            assert!(
                !request.contains(&ID_MARK.to_string()) && !request.contains(TOKEN_MARK),
                "{request}"
            );
        }
    }
}
