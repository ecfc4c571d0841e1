//! `afterclick erase`: what tells who a customer is leaves the journal, and every amount stays.
//!
//! Of a customer the journal holds a hash of their e-mail address, and the whole body of deliveries
//! that could not be read. The hash gives way to a random one, the same in every record and kept
//! nowhere else: so orders of one customer still belong together, no decision changes, and nobody
//! who knows the address finds them. Bodies give way to blanks.
//!
//! Never touches what an influencer ordered: that it is their own order decides about money.

use std::collections::HashMap;
use std::io::ErrorKind;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hot_state::StateUrl;
use shared::catalog::Catalog;
use shared::id::{CustomerId, MerchantId};
use shared::record::{Record, Unparsed};

use crate::access::catalog;
use crate::cli::Who;
use crate::commands::{print, replay};
use crate::config::Config;
use crate::jobs::ship::Store;

/// Erases customers of a merchant in the journal, and rebuilds the hot state without them.
///
/// # Errors
/// When the merchant does not exist, a server has the journal open, or the journal is damaged.
pub(crate) fn erase(config: &Config, merchant: &str, who: &Who) -> Result<()> {
    let merchant: MerchantId = merchant.parse().context("--merchant")?;
    let catalog = catalog(config)?;
    if !catalog.merchants.contains_key(&merchant) {
        bail!("--merchant: {merchant} does not exist");
    }
    let mut eraser = Eraser::of(merchant, who, &catalog)?;
    let mut random = || CustomerId::from_bytes(rand::random());
    let erased = journal::erase(&config.journal_dir(), &mut |_, payload| {
        eraser.erased(payload, &mut random)
    })?;
    let mut text = format!("{} records are erased\n", erased.records);
    if !erased.segments.is_empty() {
        text.push_str("delete backups and other copies of these segments, wherever they are:\n");
        let lines = erased.segments.iter().map(|path| format!("  {}\n", path.display()));
        text.extend(lines);
    }
    if eraser.kept > 0 {
        text.push_str(&format!(
            "{} records stay: they are orders of influencers, whose address decides what they earn\n",
            eraser.kept
        ));
    }
    print(&text)?;
    copy_again(config, &erased.segments)?;
    if config.state == StateUrl::Embedded {
        // What is only deleted in a store may stay in its files for long.
        match std::fs::remove_dir_all(config.data.join("state")) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(error).context("the hot state could not be removed");
            }
            _ => {}
        }
    }
    replay(config)
}

/// Puts the segments in the place of their copies, where the journal is shipped.
fn copy_again(config: &Config, segments: &[PathBuf]) -> Result<()> {
    let Some(to) = &config.ship else { return Ok(()) };
    let store = Store::open(to)?;
    for path in segments {
        let key = path.strip_prefix(config.journal_dir())?.to_string_lossy();
        if store.size(&key)?.is_some() {
            let failed = || format!("the copy {key} still holds what was erased: replace it");
            store.put(&key, path).with_context(failed)?;
        }
    }
    Ok(())
}

/// What is erased of whom.
struct Eraser {
    merchant: MerchantId,
    /// The one customer; `None` for all.
    customer: Option<CustomerId>,
    /// Their address in lower case, if it is known.
    email: Option<String>,
    /// The hashes of influencers' own addresses.
    influencers: Vec<CustomerId>,
    stand_ins: HashMap<CustomerId, CustomerId>,
    /// Records of influencers that stayed as they were.
    kept: u64,
}

impl Eraser {
    fn of(merchant: MerchantId, who: &Who, catalog: &Catalog) -> Result<Self> {
        let of_email = |email: &str| CustomerId::of_email(merchant, email);
        let customer = match (&who.email, &who.customer) {
            (Some(email), _) => {
                Some(of_email(email).with_context(|| format!("--email: `{email}` is no address"))?)
            }
            (None, Some(hash)) => Some(hash.parse().context("--customer")?),
            (None, None) => None,
        };
        let emails = catalog.influencers.values().filter_map(|one| one.email.as_deref());
        Ok(Self {
            merchant,
            customer,
            email: who.email.as_ref().map(|email| email.trim().to_lowercase()),
            influencers: emails.filter_map(of_email).collect(),
            stand_ins: HashMap::new(),
            kept: 0,
        })
    }

    /// Returns the payload without what tells who the customer is, in the same length; `None` where
    /// there is nothing of that.
    fn erased(
        &mut self,
        payload: &[u8],
        random: &mut dyn FnMut() -> CustomerId,
    ) -> Option<Vec<u8>> {
        match Record::decode(payload).ok()? {
            Record::Order(fact) if fact.merchant == self.merchant => {
                let customer = fact.customer.filter(|customer| self.is_wanted(customer))?;
                if self.influencers.contains(&customer) {
                    self.kept += 1;
                    return None;
                }
                let mut erased = payload.to_vec();
                for hash in [Some(customer), fact.mailbox].into_iter().flatten() {
                    let other = *self.stand_ins.entry(hash).or_insert_with(&mut *random);
                    let with_other = replaced(&erased, &hash.to_string(), &other.to_string());
                    erased = with_other.unwrap_or(erased);
                }
                Some(erased)
            }
            Record::Unparsed(kept) if kept.merchant == self.merchant => {
                let mut erased = self.without_body(payload, &kept);
                if let Some(customer) = self.customer {
                    let (hash, from) = (customer.to_string(), erased.as_deref());
                    let blank = "-".repeat(hash.len());
                    erased = replaced(from.unwrap_or(payload), &hash, &blank).or(erased);
                }
                erased
            }
            _ => None,
        }
    }

    fn is_wanted(&self, customer: &CustomerId) -> bool {
        self.customer.is_none_or(|wanted| wanted == *customer)
    }

    /// Returns the record of a delivery with blanks in the place of its body, if that names the
    /// customer.
    fn without_body(&self, payload: &[u8], kept: &Unparsed) -> Option<Vec<u8>> {
        let names_them = || {
            let body = STANDARD.decode(&kept.body).unwrap_or_default();
            let body = String::from_utf8_lossy(&body).to_lowercase();
            self.email.as_ref().is_some_and(|email| body.contains(email))
        };
        if kept.body.is_empty() || (self.customer.is_some() && !names_them()) {
            return None;
        }
        // Four characters of a body's text are three blanks.
        let blank = "ICAg".repeat(kept.body.len() / 4);
        replaced(payload, &kept.body, &blank)
    }
}

/// Returns the payload with every `text` replaced by another of the same length; `None` when it
/// holds none.
fn replaced(payload: &[u8], text: &str, other: &str) -> Option<Vec<u8>> {
    debug_assert_eq!(text.len(), other.len(), "no length changes");
    let payload_text = str::from_utf8(payload).ok()?;
    payload_text.contains(text).then(|| payload_text.replace(text, other).into_bytes())
}

#[cfg(test)]
mod tests {
    use shared::id::FactId;
    use shared::order::{OrderFact, Source};
    use shared::platform::Platform;
    use shared::time::Timestamp;

    use super::*;

    const SHOP: MerchantId = MerchantId::from_bits(9);

    fn eraser(email: Option<&str>, influencers: Vec<CustomerId>) -> Eraser {
        let customer = email.and_then(|email| CustomerId::of_email(SHOP, email));
        let (email, stand_ins) = (email.map(str::to_owned), HashMap::new());
        Eraser { merchant: SHOP, customer, email, influencers, stand_ins, kept: 0 }
    }

    fn order(number: u8, email: &str) -> Record<'static> {
        let id = FactId::from_bytes([number; 16]);
        let name = (Platform::Other, number.to_string());
        let fact = OrderFact::blank(id, SHOP, name, Source::Webhook, Timestamp::from_ms(5));
        Record::Order(Box::new(OrderFact { customer: CustomerId::of_email(SHOP, email), ..fact }))
    }

    fn delivery(body: &str) -> Record<'static> {
        Record::Unparsed(Unparsed {
            merchant: SHOP,
            platform: Platform::Other,
            received_at: Timestamp::from_ms(5),
            topic: None,
            reason: "goods: `x`".into(),
            body: STANDARD.encode(body),
        })
    }

    /// Erases in records, with stand-ins that count up.
    fn erased(eraser: &mut Eraser, records: &[Record<'static>]) -> Vec<Option<Record<'static>>> {
        let mut next = 0;
        let mut stand_in = || {
            next += 1;
            CustomerId::from_bytes([next; 16])
        };
        let mut of = |record: &Record<'static>| {
            let before = record.encode();
            let after = eraser.erased(&before, &mut stand_in)?;
            assert_eq!(after.len(), before.len());
            let owned: &'static [u8] = Box::leak(after.into_boxed_slice());
            Some(Record::decode(owned).unwrap())
        };
        records.iter().map(&mut of).collect()
    }

    fn customers(records: &[Option<Record<'static>>]) -> Vec<Option<CustomerId>> {
        let customer = |record: &Option<Record<'static>>| match record {
            Some(Record::Order(fact)) => fact.customer,
            _ => None,
        };
        records.iter().map(customer).collect()
    }

    #[test]
    fn a_customers_hash_gives_way_to_one_that_keeps_their_orders_together() {
        let records = [order(1, "a@x.example"), order(2, "b@x.example"), order(3, "a@x.example")];
        let one = erased(&mut eraser(Some("a@x.example"), vec![]), &records);
        let stand_in = CustomerId::from_bytes([1; 16]);
        assert_eq!(customers(&one), [Some(stand_in), None, Some(stand_in)]);
        let Some(Record::Order(fact)) = &one[0] else { panic!("it is an order") };
        let Record::Order(before) = &records[0] else { panic!("it was one") };
        let same = OrderFact { customer: before.customer, ..fact.as_ref().clone() };
        assert_eq!(&same, before.as_ref(), "nothing else changes");
        let all = erased(&mut eraser(None, vec![]), &records);
        let other = CustomerId::from_bytes([2; 16]);
        assert_eq!(customers(&all), [Some(stand_in), Some(other), Some(stand_in)]);
    }

    #[test]
    fn orders_of_influencers_and_of_other_merchants_stay() {
        let records = [order(1, "a@x.example")];
        let own = CustomerId::of_email(SHOP, "a@x.example").unwrap();
        let mut of_influencer = eraser(Some("a@x.example"), vec![own]);
        assert_eq!(erased(&mut of_influencer, &records), [None]);
        assert_eq!(of_influencer.kept, 1);
        let elsewhere = Eraser { merchant: MerchantId::from_bits(8), ..eraser(None, vec![]) };
        assert_eq!(erased(&mut { elsewhere }, &records), [None]);
    }

    #[test]
    fn the_body_of_a_delivery_that_names_the_customer_is_blank() {
        let records = [delivery("{\"email\":\"A@x.example\"}"), delivery("{\"email\":\"b\"}")];
        let one = erased(&mut eraser(Some("a@x.example"), vec![]), &records);
        let [Some(Record::Unparsed(kept)), None] = &one[..] else { panic!("{one:?}") };
        let body = STANDARD.decode(&kept.body).unwrap();
        assert!(!body.is_empty() && body.iter().all(|byte| *byte == b' '));
        let all = erased(&mut eraser(None, vec![]), &records);
        assert!(all.iter().all(Option::is_some), "{all:?}");
    }

    #[test]
    fn a_request_of_a_shop_forgets_the_hash_once_it_is_done() {
        let hash = CustomerId::of_email(SHOP, "a@x.example").unwrap().to_string();
        let Record::Unparsed(kept) = delivery("") else { panic!("it is one") };
        let reason = format!("run `afterclick erase --customer {hash}`");
        let request = Record::Unparsed(Unparsed { reason, ..kept });
        let done = erased(&mut eraser(Some("a@x.example"), vec![]), &[request]);
        let [Some(Record::Unparsed(kept))] = &done[..] else { panic!("{done:?}") };
        assert!(!kept.reason.contains(&hash), "{}", kept.reason);
    }
}
