//! Reconciliation: asks shops for their recent orders and so finds orders whose webhooks were lost.
//! For Magento it is the usual way.
//!
//! One thread, at the lowest priority, asks one shop after another. Orders that are known already
//! are not recorded again. The thread never delays a redirect or the end of the process, and delays
//! another shop no longer than a request may take. It sends a shop's key only to that shop.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use hot_state::{LazyState, find_order};
use journal::{Committer, Durability};
use live::status::Reconciliations;
use live::{Live, Stop, clock};
use serde_json::Value;
use shared::catalog::{Merchant, ShopApi};
use shared::id::MerchantId;
use shared::json::repaired;
use shared::order::{OrderFact, is_known};
use shared::platform::Platform;
use shared::record::Record;
use shared::time::{Span, Timestamp};
use shops::asking::{Found, Page, credentials, first, with_key_in_query};
use shops::{Arrival, Reading, topic_headers};

use crate::outbound::{self, Policy};

/// How far the first reconciliation of a shop goes back.
const FIRST_SPAN: Span = Span::days(3);
/// How far each reconciliation overlaps the one before.
const OVERLAP: Span = Span::minutes(10);
/// The most pages that one reconciliation reads.
const PAGES_MAX: usize = 200;
/// The largest answer, in bytes.
const ANSWER_BYTES_MAX: u64 = 20 * 1024 * 1024;
/// How long connecting may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// The longest pause after failures.
const PAUSE_MAX: Span = Span::minutes(60);
/// How often the thread checks which shops are due.
const TICK: Duration = Duration::from_millis(200);

/// The settings of reconciliation.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ReconcileSettings {
    /// How often a shop without webhooks is asked for its orders.
    pub(crate) poll_every: Span,
    /// How often a shop with webhooks is asked for orders that its webhooks lost.
    pub(crate) reconcile_every: Span,
}

pub(crate) struct Reconciler {
    settings: ReconcileSettings,
    live: Arc<Live>,
    state: LazyState,
    facts: Committer,
    reconciliations: Reconciliations,
    client: ureq::Agent,
}

impl Reconciler {
    pub(crate) fn new(
        settings: ReconcileSettings,
        live: Arc<Live>,
        state: LazyState,
        facts: Committer,
        reconciliations: Reconciliations,
    ) -> Self {
        let connect_timeout = CONNECT_TIMEOUT;
        let client = outbound::client(Policy { connect_timeout, ..Policy::default() });
        Self { settings, live, state, facts, reconciliations, client }
    }

    /// Asks shops until told to stop.
    pub(crate) fn run(&self, stop: &Stop) {
        while !stop.is_set() {
            for (merchant, platform, api) in self.due() {
                if stop.is_set() {
                    return;
                }
                self.ask_shop(&merchant, platform, &api);
            }
            stop.sleep(TICK);
        }
    }

    /// Returns the shops that are due.
    fn due(&self) -> Vec<(Arc<Merchant>, Platform, ShopApi)> {
        // Without the hot state nobody can tell which orders are known already. Asking would fail
        // and delay the next attempt.
        if self.state.get().is_err() {
            return vec![];
        }
        let now = clock::now();
        let all = self.reconciliations.all();
        let is_due = |id: &MerchantId| all.get(id).is_none_or(|of_shop| of_shop.next_run <= now);
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

    fn ask_shop(&self, merchant: &Merchant, platform: Platform, api: &ShopApi) {
        let began = clock::now();
        let since = self.reconciliations.change(merchant.id, |of_shop| of_shop.succeeded_at);
        let since = since.map_or(began.plus(Span::ms(-FIRST_SPAN.as_ms())), |at| {
            at.plus(Span::ms(-OVERLAP.as_ms()))
        });
        let walked = self.walk(merchant.id, platform, api, since);
        let every = if platform == Platform::Magento {
            self.settings.poll_every
        } else {
            self.settings.reconcile_every
        };
        self.reconciliations.change(merchant.id, |of_shop| {
            of_shop.last_run = Some(began);
            match walked {
                Ok((read, found)) => {
                    of_shop.read += read;
                    of_shop.found += found;
                    of_shop.runs += 1;
                    of_shop.failed_in_a_row = 0;
                    of_shop.succeeded_at = Some(began);
                    of_shop.last_error = None;
                    of_shop.next_run = clock::now().plus(every);
                }
                Err(error) => {
                    tracing::warn!(merchant = %merchant.id, "the shop could not be asked for its orders: {error:#}");
                    of_shop.failures += 1;
                    of_shop.failed_in_a_row += 1;
                    of_shop.last_error = Some(format!("{error:#}"));
                    let doubled = every.as_ms().saturating_mul(1 << of_shop.failed_in_a_row.min(20));
                    of_shop.next_run = clock::now().plus(Span::ms(doubled.min(PAUSE_MAX.as_ms().max(every.as_ms()))));
                }
            }
        });
    }

    /// Reads every page. Returns how many orders there were, and how many facts were new.
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
                    bail!("more than {PAGES_MAX} pages: the next reconciliation tries again");
                }
                let (answer, link) = self.ask(&page, platform, api)?;
                for order in page.orders(&answer).map_err(|reason| anyhow!(reason))? {
                    read += 1;
                    found += u64::from(self.take(merchant, platform, &order)?);
                }
                match page.next(&api.url, &answer, Some(&link)) {
                    Some(next) => page = next,
                    None => break,
                }
            }
        }
        Ok((read, found))
    }

    fn ask(&self, page: &Page, platform: Platform, api: &ShopApi) -> Result<(Value, String)> {
        let get = |url: &str| self.client.get(url).header("accept", "application/json");
        let (header, value) = credentials(platform, api);
        let mut answer = get(&page.url).header(header, value).call().context("no answer")?;
        if answer.status() == 401
            && let Some(url) = with_key_in_query(platform, api, page)
        {
            // SECURITY: the address has the key, so no error may repeat it.
            answer = get(&url).call().map_err(|_| anyhow!("no answer"))?;
        }
        let status = answer.status();
        if !status.is_success() {
            bail!("the shop answered {status}: check the key and its rights");
        }
        let link = outbound::header(&answer, "link");
        let body = outbound::body(&mut answer, ANSWER_BYTES_MAX).context("answer")?;
        Ok((serde_json::from_slice(&repaired(&body)).context("the answer is not JSON")?, link))
    }

    /// Records the fact that an order gives, unless it is known. Returns whether it was new.
    fn take(&self, merchant: MerchantId, platform: Platform, order: &Found) -> Result<bool> {
        let received_at = clock::now();
        let snapshot = self.live.snapshot().load_full();
        let arrival = Arrival {
            merchant,
            headers: &topic_headers(order.topic),
            body: &order.body,
            received_at,
            // The order came over a connection to the shop itself, so there is no signature to
            // check.
            secrets: &[],
            token: &|text| snapshot.verify_token(text.as_bytes(), received_at),
        };
        let fact = match shops::read(platform, &arrival) {
            Reading::Fact(fact) => fact,
            Reading::Ignored(_) | Reading::Asked(_) => return Ok(false),
            Reading::Unparsed(reason) => {
                tracing::warn!(%merchant, "an order that the shop listed was not understood: {reason}");
                return Ok(false);
            }
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

    /// Returns whether the shop's present state of an order came before, by a webhook or an earlier
    /// reconciliation, and still stands.
    fn is_known(&self, fact: &OrderFact) -> Result<bool> {
        let known = find_order(self.state.get()?, fact.merchant, &fact.order_id)?;
        Ok(known.is_some_and(|known| is_known(&known.facts, fact)))
    }
}
