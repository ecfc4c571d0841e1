//! Reconciliation: asking shops for their recent orders, which finds what webhooks lost; for
//! Magento it is the usual way.
//!
//! One thread, at the lowest priority, asks one shop after another. What is known already is not
//! recorded again. It never holds up a redirect, the end of the process, or another shop for longer
//! than a request may take; and it sends a shop's key nowhere but to that shop.

mod pages;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use journal::{Committer, Durability};
use serde::Serialize;
use serde_json::Value;
use shared::catalog::{Merchant, ShopApi};
use shared::id::{FactId, MerchantId};
use shared::order::OrderFact;
use shared::platform::Platform;
use shared::record::Record;
use shared::time::{Span, Timestamp};
use tokio::sync::watch;

use crate::catalog::Live;
use crate::clock;
use crate::config::Config;
use crate::hooks::{self, Context, Delivery, Report};
use crate::reconcile::pages::{Found, Page, credentials, first};
use crate::state::{Opening, find_order};

/// How far the first look goes back, and how far every look overlaps the one before.
const FIRST_LOOK: Span = Span::days(3);
const OVERLAP: Span = Span::minutes(10);
/// Pages of one look, bytes of one answer.
const PAGES_MAX: usize = 200;
const ANSWER_BYTES_MAX: u64 = 20 * 1024 * 1024;
/// How long connecting, and a request in all, may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
/// The longest pause after failures.
const PAUSE_MAX: Span = Span::minutes(60);
/// How often the thread looks at the clock.
const TICK: Duration = Duration::from_millis(200);

/// How a shop's last look went.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Look {
    /// When it began.
    pub(crate) last_run: Option<Timestamp>,
    /// When the next is due.
    pub(crate) next_run: Timestamp,
    /// Looks that went well, and that failed.
    pub(crate) runs: u64,
    pub(crate) failures: u64,
    /// Orders read in all, and reports among them that no webhook had brought.
    pub(crate) read: u64,
    pub(crate) found: u64,
    /// Why the last look failed.
    pub(crate) last_error: Option<String>,
    /// When the last look that went well began.
    #[serde(skip)]
    succeeded_at: Option<Timestamp>,
    /// Failures in a row.
    #[serde(skip)]
    failed_in_a_row: u32,
}

/// How every shop's looks went: shared with the admin API.
#[derive(Clone, Default)]
pub(crate) struct Looks(Arc<Mutex<BTreeMap<MerchantId, Look>>>);

impl Looks {
    pub(crate) fn all(&self) -> BTreeMap<MerchantId, Look> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Makes a shop's next look due now, and lets it go back to a time.
    pub(crate) fn ask_now(&self, merchant: MerchantId, since: Option<Timestamp>) {
        self.change(merchant, |look| {
            look.next_run = Timestamp::default();
            if since.is_some() {
                look.succeeded_at = since;
            }
        });
    }

    fn change<T>(&self, merchant: MerchantId, change: impl FnOnce(&mut Look) -> T) -> T {
        let mut looks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        change(looks.entry(merchant).or_default())
    }
}

/// Asks shops.
pub(crate) struct Reconciler {
    live: Arc<Live>,
    state: Opening,
    facts: Committer,
    looks: Looks,
    agent: ureq::Agent,
    poll_every: Span,
    reconcile_every: Span,
}

impl Reconciler {
    pub(crate) fn new(
        config: &Config,
        live: Arc<Live>,
        state: Opening,
        facts: Committer,
        looks: Looks,
    ) -> Self {
        let agent = ureq::Agent::config_builder()
            .timeout_connect(Some(CONNECT_TIMEOUT))
            .timeout_global(Some(REQUEST_TIMEOUT))
            // SECURITY: a redirect could send the shop's key elsewhere.
            .max_redirects(0)
            .http_status_as_error(false)
            .user_agent(concat!("afterclick/", env!("CARGO_PKG_VERSION")))
            .build()
            .new_agent();
        let seconds = |seconds: u64| Span::seconds(i64::try_from(seconds).unwrap_or(i64::MAX));
        let (poll_every, reconcile_every) =
            (seconds(config.poll_seconds), seconds(config.reconcile_seconds));
        Self { live, state, facts, looks, agent, poll_every, reconcile_every }
    }

    /// Asks until told to stop.
    pub(crate) fn run(&self, stop: &watch::Receiver<bool>) {
        while !*stop.borrow() {
            for (merchant, platform, api) in self.due() {
                if *stop.borrow() {
                    return;
                }
                self.look(&merchant, platform, &api);
            }
            std::thread::sleep(TICK);
        }
    }

    /// The shops whose time has come.
    fn due(&self) -> Vec<(Arc<Merchant>, Platform, ShopApi)> {
        // Without the hot state nobody can tell what is known already; such a look would fail, and
        // the next be put off.
        if self.state.get().is_err() {
            return vec![];
        }
        let now = clock::now();
        let looks = self.looks.all();
        let is_due = |id: &MerchantId| looks.get(id).is_none_or(|look| look.next_run <= now);
        let merchants: Vec<Arc<Merchant>> = self
            .live
            .read()
            .merchants
            .values()
            .filter(|merchant| merchant.shop_api.is_some())
            .cloned()
            .collect();
        let of = |merchant: Arc<Merchant>| {
            let (platform, api) = (merchant.platform?, merchant.shop_api.clone()?);
            is_due(&merchant.id).then_some((merchant, platform, api))
        };
        merchants.into_iter().filter_map(of).collect()
    }

    fn look(&self, merchant: &Merchant, platform: Platform, api: &ShopApi) {
        let began = clock::now();
        let since = self.looks.change(merchant.id, |look| look.succeeded_at);
        let since = since.map_or(began.plus(Span::ms(-FIRST_LOOK.as_ms())), |at| {
            at.plus(Span::ms(-OVERLAP.as_ms()))
        });
        let looked = self.walk(merchant.id, platform, api, since);
        let every =
            if platform == Platform::Magento { self.poll_every } else { self.reconcile_every };
        self.looks.change(merchant.id, |look| {
            look.last_run = Some(began);
            match looked {
                Ok((read, found)) => {
                    look.read += read;
                    look.found += found;
                    look.runs += 1;
                    look.failed_in_a_row = 0;
                    look.succeeded_at = Some(began);
                    look.last_error = None;
                    look.next_run = clock::now().plus(every);
                }
                Err(error) => {
                    tracing::warn!(merchant = %merchant.id, "the shop could not be asked for its orders: {error:#}");
                    look.failures += 1;
                    look.failed_in_a_row += 1;
                    look.last_error = Some(format!("{error:#}"));
                    let doubled = every.as_ms().saturating_mul(1 << look.failed_in_a_row.min(20));
                    look.next_run = clock::now().plus(Span::ms(doubled.min(PAUSE_MAX.as_ms().max(every.as_ms()))));
                }
            }
        });
    }

    /// Goes through every page; how many orders there were and how many reports nobody had brought.
    fn walk(
        &self,
        merchant: MerchantId,
        platform: Platform,
        api: &ShopApi,
        since: Timestamp,
    ) -> Result<(u64, u64)> {
        let (mut read, mut found, mut pages) = (0, 0, 0);
        for mut page in first(platform, api, since) {
            loop {
                pages += 1;
                if pages > PAGES_MAX {
                    bail!("more than {PAGES_MAX} pages: the next look goes on");
                }
                let (answer, link) = self.ask(&page, credentials(platform, api))?;
                for order in page.orders(&answer).map_err(|reason| anyhow!(reason))? {
                    read += 1;
                    found += u64::from(self.take(merchant, platform, &order)?);
                }
                match page.next(&api.url, &answer, link.as_deref()) {
                    Some(next) => page = next,
                    None => break,
                }
            }
        }
        Ok((read, found))
    }

    fn ask(
        &self,
        page: &Page,
        (header, value): (&'static str, String),
    ) -> Result<(Value, Option<String>)> {
        let answer = self
            .agent
            .get(&page.url)
            .header(header, value)
            .header("accept", "application/json")
            .call();
        let mut answer = answer.context("no answer")?;
        let status = answer.status();
        if !status.is_success() {
            bail!("the shop answered {status}: check the key and its rights");
        }
        let link =
            answer.headers().get("link").and_then(|link| link.to_str().ok()).map(str::to_owned);
        let body = answer
            .body_mut()
            .with_config()
            .limit(ANSWER_BYTES_MAX)
            .read_to_vec()
            .context("answer")?;
        Ok((serde_json::from_slice(&body).context("the answer is no JSON")?, link))
    }

    /// Records what an order says, unless that is known; whether it was not.
    fn take(&self, merchant: MerchantId, platform: Platform, order: &Found) -> Result<bool> {
        let received_at = clock::now();
        let snapshot = self.live.snapshot().load_full();
        let token = |text: &str| snapshot.verify_token(text.as_bytes(), received_at);
        let context = Context { merchant, received_at, token: &token };
        let headers = topic_headers(order.topic);
        let delivery = Delivery { headers: &headers, body: &order.body, received_at };
        let Report::Fact(fact) = hooks::read(platform, &context, delivery) else {
            return Ok(false);
        };
        if self.is_known(&fact)? {
            return Ok(false);
        }
        let record = Record::Order(fact).encode();
        self.facts
            .append_blocking(record, Durability::Disk)
            .context("the order could not be recorded")?;
        Ok(true)
    }

    /// Whether the same was reported before, by a webhook or an earlier look.
    fn is_known(&self, fact: &OrderFact) -> Result<bool> {
        let known = find_order(self.state.get()?, fact.merchant, &fact.order_id)?;
        Ok(known
            .is_some_and(|known| known.facts.iter().any(|known| content(known) == content(fact))))
    }
}

/// What a report says, without how and when it came.
fn content(fact: &OrderFact) -> OrderFact {
    let (id, received_at) = (FactId::from_bytes([0; 16]), Timestamp::default());
    OrderFact { id, received_at, notes: vec![], reread: None, ..fact.clone() }
}

fn topic_headers(topic: &'static str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for name in ["x-shopify-topic", "x-wc-webhook-topic"] {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(topic));
    }
    headers
}
