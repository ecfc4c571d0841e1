//! The requests that ask a shop for its orders, page by page, and where the orders are in its
//! answers. Pure: never sends a request itself.
//!
//! Every order is passed on in the form that the platform's webhook would have, so that one reader
//! reads both.

use serde_json::{Value, json};
use shared::catalog::ShopApi;
use shared::platform::Platform;
use shared::time::Timestamp;
use url::form_urlencoded::byte_serialize;
use url::{Host, Url};

/// Orders that one page holds at most.
const PAGE_ORDERS: usize = 100;
/// Shopify's version of the Admin API.
const SHOPIFY_VERSION: &str = "2026-01";
/// The events that Stripe is asked for: those its webhook is subscribed to.
const STRIPE_TYPES: [&str; 13] = [
    "checkout.session.completed",
    "checkout.session.async_payment_succeeded",
    "checkout.session.async_payment_failed",
    "invoice.paid",
    "charge.refunded",
    "charge.refund.updated",
    "refund.failed",
    "charge.captured",
    "charge.expired",
    "charge.dispute.created",
    "charge.dispute.funds_withdrawn",
    "charge.dispute.closed",
    "charge.dispute.funds_reinstated",
];

/// What a page lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Listing {
    MagentoOrders,
    MagentoCreditMemos,
    Woocommerce,
    Shopify,
    Stripe,
}

/// One request for a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    listing: Listing,
    pub url: String,
    number: usize,
    since: Timestamp,
}

/// Returns the header that authenticates a request to a shop: its name and its value.
pub fn credentials(platform: Platform, api: &ShopApi) -> (&'static str, String) {
    match platform {
        Platform::Shopify => ("x-shopify-access-token", api.token.clone()),
        Platform::Woocommerce => {
            use base64::Engine;
            let pair = format!("{}:{}", api.token, api.secret.as_deref().unwrap_or_default());
            (
                "authorization",
                format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(pair)),
            )
        }
        Platform::Magento | Platform::Stripe | Platform::Other => {
            ("authorization", format!("Bearer {}", api.token))
        }
    }
}

/// Returns the address of a page with the key in its query, for a host that takes the `Authorization`
/// header away before WooCommerce sees it. `None` for other platforms.
///
/// SECURITY: addresses stand in logs, so this is asked only after the header was refused, and never
/// over plain HTTP to another machine.
pub fn with_key_in_query(platform: Platform, api: &ShopApi, page: &Page) -> Option<String> {
    let url = Url::parse(&page.url).ok()?;
    let is_here = match url.host()? {
        Host::Domain(name) => name == "localhost",
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
    };
    let is_safe = url.scheme() == "https" || is_here;
    let secret = api.secret.as_deref().unwrap_or_default();
    (platform == Platform::Woocommerce && is_safe).then(|| {
        let (key, secret) = (encoded(&api.token), encoded(secret));
        format!("{}&consumer_key={key}&consumer_secret={secret}", page.url)
    })
}

/// Returns the first page of each list of changes since a time. Returns no page for a platform
/// without an API.
pub fn first(platform: Platform, api: &ShopApi, since: Timestamp) -> Vec<Page> {
    let listings: &[Listing] = match platform {
        Platform::Magento => &[Listing::MagentoOrders, Listing::MagentoCreditMemos],
        Platform::Woocommerce => &[Listing::Woocommerce],
        Platform::Shopify => &[Listing::Shopify],
        Platform::Stripe => &[Listing::Stripe],
        Platform::Other => &[],
    };
    listings.iter().map(|listing| listing.page(&api.url, 1, since)).collect()
}

impl Listing {
    fn page(self, base: &str, number: usize, since: Timestamp) -> Page {
        let url = match self {
            Self::MagentoOrders => magento(base, "orders", "updated_at", number, since),
            Self::MagentoCreditMemos => magento(base, "creditmemos", "updated_at", number, since),
            Self::Woocommerce => format!(
                "{base}/wp-json/wc/v3/orders?modified_after={}&dates_are_gmt=true&orderby=modified&order=asc\
                 &status=any&per_page={PAGE_ORDERS}&page={number}",
                encoded(&since.to_string())
            ),
            Self::Shopify => format!(
                "{base}/admin/api/{SHOPIFY_VERSION}/orders.json?status=any&updated_at_min={}&limit={PAGE_ORDERS}",
                encoded(&since.to_string())
            ),
            Self::Stripe => {
                let types: String =
                    STRIPE_TYPES.iter().map(|kind| format!("&types[]={kind}")).collect();
                let seconds = since.as_ms().div_euclid(1000);
                format!("{base}/v1/events?limit={PAGE_ORDERS}&created[gte]={seconds}{types}")
            }
        };
        Page { listing: self, url, number, since }
    }
}

/// Returns the address of a search in Magento. The oldest change comes first, so that later pages
/// contain later changes.
fn magento(base: &str, list: &str, field: &str, number: usize, since: Timestamp) -> String {
    let text = since.to_string();
    let time = format!("{} {}", &text[..10], &text[11..19]);
    let filter = "searchCriteria[filter_groups][0][filters][0]";
    format!(
        "{base}/rest/V1/{list}?{filter}[field]={field}&{filter}[condition_type]=gteq&{filter}[value]={}\
         &searchCriteria[sortOrders][0][field]={field}&searchCriteria[sortOrders][0][direction]=ASC\
         &searchCriteria[pageSize]={PAGE_ORDERS}&searchCriteria[currentPage]={number}",
        encoded(&time)
    )
}

fn encoded(text: &str) -> String {
    byte_serialize(text.as_bytes()).collect::<String>().replace('+', "%20")
}

/// An order as its webhook would have brought it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    pub topic: &'static str,
    pub body: Vec<u8>,
}

impl Page {
    /// Returns the orders of an answer.
    ///
    /// # Errors
    /// When the answer has another form. The text names what was expected.
    pub fn orders(&self, answer: &Value) -> Result<Vec<Found>, String> {
        let (field, topic) = match self.listing {
            Listing::MagentoOrders | Listing::MagentoCreditMemos => (Some("items"), ""),
            Listing::Woocommerce => (None, "order.updated"),
            Listing::Shopify => (Some("orders"), "orders/updated"),
            Listing::Stripe => (Some("data"), ""),
        };
        let list = field.map_or(Some(answer), |field| answer.get(field));
        // Magento answers `null` for no items.
        let list = list
            .filter(|list| !list.is_null())
            .map_or(Some(&[][..]), |list| list.as_array().map(Vec::as_slice));
        let list =
            list.ok_or_else(|| format!("{}: expected a list", field.unwrap_or("the answer")))?;
        let found = |entry: &Value| {
            let entry = match self.listing {
                Listing::MagentoOrders => json!({ "order": entry }),
                Listing::MagentoCreditMemos => json!({ "creditmemo": entry }),
                _ => entry.clone(),
            };
            Found { topic, body: entry.to_string().into_bytes() }
        };
        Ok(list.iter().map(found).collect())
    }

    /// Returns the page after this one, if there is one. `link` is the answer's `Link` header.
    pub fn next(&self, base: &str, answer: &Value, link: Option<&str>) -> Option<Self> {
        let numbered = || self.listing.page(base, self.number + 1, self.since);
        match self.listing {
            Listing::MagentoOrders | Listing::MagentoCreditMemos => {
                let total = usize::try_from(answer.get("total_count")?.as_u64()?).ok()?;
                (self.number * PAGE_ORDERS < total).then(numbered)
            }
            Listing::Woocommerce => (answer.as_array()?.len() == PAGE_ORDERS).then(numbered),
            Listing::Shopify => {
                let next = link?.split(',').find(|part| part.contains("rel=\"next\""))?;
                let url = next.split(['<', '>']).nth(1)?;
                // SECURITY: the access token must be sent only to its own shop, whatever address an
                // answer names.
                let is_own = url.strip_prefix(base).is_some_and(|rest| rest.starts_with('/'));
                is_own.then(|| Self {
                    url: url.to_owned(),
                    number: self.number + 1,
                    ..self.clone()
                })
            }
            Listing::Stripe => {
                let more = answer.get("has_more")?.as_bool()?;
                let last = answer.get("data")?.as_array()?.last()?.get("id")?.as_str()?;
                let first = self.listing.page(base, 1, self.since);
                let url = format!("{}&starting_after={}", first.url, encoded(last));
                more.then(|| Self { url, number: self.number + 1, ..self.clone() })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn api() -> ShopApi {
        ShopApi {
            url: "https://shop.example".into(),
            token: "key".into(),
            secret: Some("secret".into()),
        }
    }

    fn since() -> Timestamp {
        "2026-11-01T10:00:00Z".parse().unwrap()
    }

    fn only(platform: Platform) -> Page {
        first(platform, &api(), since()).remove(0)
    }

    #[test]
    fn every_platform_is_asked_in_its_own_way() {
        let magento = first(Platform::Magento, &api(), since());
        assert!(
            magento[0].url.contains("/rest/V1/orders?")
                && magento[1].url.contains("/rest/V1/creditmemos?")
        );
        assert!(magento[0].url.contains("[value]=2026-11-01%2010%3A00%3A00"), "{}", magento[0].url);
        assert!(
            only(Platform::Woocommerce).url.contains("modified_after=2026-11-01T10%3A00%3A00.000Z")
        );
        assert!(only(Platform::Shopify).url.contains("/admin/api/2026-01/orders.json?status=any"));
        assert!(
            only(Platform::Stripe)
                .url
                .contains("created[gte]=1793527200&types[]=checkout.session.completed")
        );
        assert_eq!(first(Platform::Other, &api(), since()), []);
        assert_eq!(credentials(Platform::Woocommerce, &api()).1, "Basic a2V5OnNlY3JldA==");
        assert_eq!(credentials(Platform::Magento, &api()), ("authorization", "Bearer key".into()));
        assert_eq!(credentials(Platform::Shopify, &api()).0, "x-shopify-access-token");
    }

    #[test]
    fn pages_are_followed_to_the_end_and_not_to_another_host() {
        let base = "https://shop.example";
        let magento = only(Platform::Magento);
        let second = magento.next(base, &json!({ "items": [], "total_count": 101 }), None).unwrap();
        assert!(second.url.ends_with("currentPage]=2"), "{}", second.url);
        assert_eq!(second.next(base, &json!({ "total_count": 101 }), None), None);
        let shopify = only(Platform::Shopify);
        let link = |host: &str| {
            format!(
                "<https://{host}/x?page_info=a>; rel=\"previous\", <https://{host}/x?page_info=b>; rel=\"next\""
            )
        };
        let next = shopify.next(base, &json!({}), Some(&link("shop.example"))).unwrap();
        assert_eq!(next.url, "https://shop.example/x?page_info=b");
        for host in ["evil.example", "shop.example.evil.example"] {
            assert_eq!(shopify.next(base, &json!({}), Some(&link(host))), None, "{host}");
        }
        let stripe = only(Platform::Stripe);
        let answer = json!({ "has_more": true, "data": [{ "id": "evt_1" }, { "id": "evt_2" }] });
        assert!(stripe.next(base, &answer, None).unwrap().url.ends_with("&starting_after=evt_2"));
        let woocommerce = only(Platform::Woocommerce);
        assert_eq!(woocommerce.next(base, &json!([{}]), None), None);
        assert!(woocommerce.next(base, &json!(vec![json!({}); 100]), None).is_some());
    }

    #[test]
    fn only_woocommerces_key_may_stand_in_an_address_and_never_in_plain_text() {
        let with_key = |platform, base: &str| {
            let api = ShopApi { url: base.into(), token: "ck_&".into(), secret: Some("cs".into()) };
            let page = first(platform, &api, since()).remove(0);
            let keyed = with_key_in_query(platform, &api, &page)?;
            assert!(keyed.starts_with(&page.url), "{keyed}");
            Some(keyed[page.url.len()..].to_owned())
        };
        let woocommerce = |base| with_key(Platform::Woocommerce, base);
        for base in ["https://shop.example", "http://127.0.0.1:1234", "http://[::1]"] {
            let expected = Some("&consumer_key=ck_%26&consumer_secret=cs".to_owned());
            assert_eq!(woocommerce(base), expected, "{base}");
        }
        assert_eq!(woocommerce("http://shop.example"), None);
        assert_eq!(with_key(Platform::Magento, "https://shop.example"), None);
    }

    #[test]
    fn answers_of_another_shape_are_refused() {
        assert_eq!(only(Platform::Magento).orders(&json!({ "items": null })).unwrap(), []);
        let found =
            only(Platform::Magento).orders(&json!({ "items": [{ "entity_id": 1 }] })).unwrap();
        assert_eq!(found[0].body, br#"{"order":{"entity_id":1}}"#);
        assert!(only(Platform::Woocommerce).orders(&json!({ "code": "rest_forbidden" })).is_err());
        assert!(only(Platform::Shopify).orders(&json!({ "orders": {} })).is_err());
    }
}
