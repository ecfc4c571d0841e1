//! What makes entities, and how it reads the fields that several kinds have.

use std::collections::{HashMap, HashSet};
use std::fmt::Display;
use std::hash::Hash;
use std::str::FromStr;
use std::sync::Arc;

use live::{Snapshot, check_destination, check_domain, host_of, is_under, kept_host};
use rand::RngExt;
use rand::rngs::ThreadRng;
use serde_json::Value;
use shared::catalog::{Campaign, Catalog, Coupon};
use shared::id::MerchantId;
use shared::links::Schedule;
use shared::time::Timestamp;

use crate::fields::{Fields, flag, parsed, time};

/// Characters for generated texts that nobody should guess or confuse: no vowels, and none that
/// look alike.
const UNGUESSABLE: &[u8] = b"23456789bcdfghjkmnpqrstvwxz";
/// The most hosts of a merchant or a campaign: each link of an import is compared with them.
const HOSTS_MAX: usize = 100;

/// Makes entities. It checks them against a catalog, and against those that it made before in the
/// same request.
pub struct EntityBuilder<'a> {
    pub(crate) catalog: &'a Catalog,
    pub(crate) snapshot: Arc<Snapshot>,
    /// What the clock says. Versions have a time of their own.
    pub(crate) now: Timestamp,
    /// The latest time of a recorded click, event or order.
    pub(crate) latest: Option<Timestamp>,
    /// Whether the campaign that is changed has orders or leads; `true` where nobody looked.
    pub(crate) has_earned: bool,
    /// Who makes them.
    pub(crate) author: String,
    pub(crate) random: ThreadRng,
    pub(crate) slugs: HashSet<(MerchantId, String)>,
    pub(crate) codes: HashMap<String, Vec<Coupon>>,
}

impl<'a> EntityBuilder<'a> {
    /// Makes a builder over a catalog, of which `snapshot` is the edge's copy.
    pub fn new(catalog: &'a Catalog, snapshot: Arc<Snapshot>, now: Timestamp) -> Self {
        let (slugs, codes) = (HashSet::new(), HashMap::new());
        let (latest, author) = (None, String::new());
        let random = rand::rng();
        Self { catalog, snapshot, now, latest, has_earned: true, author, random, slugs, codes }
    }

    /// Tells the builder until when something is recorded.
    pub fn recorded_until(self, latest: Option<Timestamp>) -> Self {
        Self { latest, ..self }
    }

    /// Tells the builder that the campaign that is changed has neither orders nor leads yet, or that
    /// it has.
    pub fn earned(self, has_earned: bool) -> Self {
        Self { has_earned, ..self }
    }

    /// Tells the builder who makes the entities.
    pub fn by(self, author: String) -> Self {
        Self { author, ..self }
    }

    /// Checks that a change of dates concerns the future only: it must not change who earned an
    /// order that exists already.
    pub(crate) fn check_not_in_the_past(
        &self,
        fields: &mut Fields,
        starts: (Option<Timestamp>, Option<Timestamp>),
        ends: (Option<Timestamp>, Option<Timestamp>),
    ) {
        for (name, (held, new)) in [("starts_at", starts), ("ends_at", ends)] {
            // A start that is not given lies in the past, an end that is not given in the future.
            let was_past = held.map_or(name == "starts_at", |held| held < self.now);
            let is_past = new.map_or(name == "starts_at", |new| new < self.now);
            if held != new && (was_past || is_past) {
                fields.fault(name, "can only be moved between times that are still to come");
            }
        }
    }

    /// Checks that a destination lies where the merchant, or the campaign, says that links may
    /// lead. Otherwise a link could send the merchant's visitors, with their tokens, anywhere.
    pub(crate) fn check_target(
        &self,
        fields: &mut Fields,
        name: &str,
        destination: &str,
        campaign: &Campaign,
    ) {
        let merchant = self.catalog.merchants.get(&campaign.merchant);
        let domains = merchant.map_or(&[][..], |merchant| &merchant.domains);
        let host = host_of(destination).unwrap_or_default();
        let allowed = || domains.iter().chain(&campaign.destinations);
        if !allowed().any(|domain| is_under(&host, domain)) {
            let allowed = allowed().map(String::as_str).collect::<Vec<_>>().join(", ");
            fields.fault(
                name,
                format!(
                    "`{host}` is not under {allowed}; add it to the campaign's `destinations` if \
                     its links may lead there"
                ),
            );
        }
    }

    pub(crate) fn unguessable(&mut self, characters: usize) -> String {
        let pick = |_| char::from(UNGUESSABLE[self.random.random_range(0..UNGUESSABLE.len())]);
        (0..characters).map(pick).collect()
    }
}

/// Reads a field that is required on creation. On a change it may be missing and then keeps its
/// value.
pub(crate) fn field<T: Clone>(
    fields: &mut Fields,
    name: &'static str,
    held: Option<&T>,
    read: impl FnOnce(&Value) -> Result<T, String>,
) -> Option<T> {
    match held {
        None => fields.required(name, read),
        Some(held) => fields.optional(name, read).or_else(|| Some(held.clone())),
    }
}

/// Reads a field that is required on creation. On a change it may only be repeated.
pub(crate) fn fixed<T: Clone + PartialEq>(
    fields: &mut Fields,
    name: &'static str,
    held: Option<&T>,
    read: impl FnOnce(&Value) -> Result<T, String>,
) -> Option<T> {
    let Some(held) = held else { return fields.required(name, read) };
    if fields.optional(name, read).is_some_and(|new| new != *held) {
        fields.fault(name, "decides about money and cannot be changed; create another merchant");
    }
    Some(held.clone())
}

pub(crate) fn schedule(fields: &mut Fields, held: Schedule) -> Schedule {
    let paused = fields.optional("paused", flag).unwrap_or(held.paused);
    Schedule { paused, ..dates(fields, held) }
}

pub(crate) fn dates(fields: &mut Fields, held: Schedule) -> Schedule {
    let starts_at = fields.change("starts_at", time, held.starts_at);
    let ends_at = fields.change("ends_at", time, held.ends_at);
    if let (Some(starts), Some(ends)) = (starts_at, ends_at)
        && ends <= starts
    {
        fields.fault("ends_at", "must be after starts_at");
    }
    Schedule { paused: held.paused, starts_at, ends_at }
}

/// Returns the entity with an id.
pub fn found<'c, K, V>(value: &Value, entities: &'c HashMap<K, Arc<V>>) -> Result<&'c V, String>
where
    K: FromStr<Err: Display> + Hash + Eq + Display,
{
    let id: K = parsed(value)?;
    entities.get(&id).map(AsRef::as_ref).ok_or_else(|| format!("`{id}` does not exist"))
}

/// Reads a list of hosts, each of which has one owner. Every wrong one is named.
pub(crate) fn hosts(value: &Value) -> Result<Vec<String>, String> {
    let expected =
        || format!("expected a list of at most {HOSTS_MAX} host names such as [\"shop.example\"]");
    let list = value.as_array().filter(|list| list.len() <= HOSTS_MAX).ok_or_else(expected)?;
    let (mut hosts, mut faults) = (Vec::new(), Vec::new());
    for name in list {
        let host = kept_host(name.as_str().ok_or_else(expected)?);
        match check_domain(&host) {
            Ok(()) => hosts.push(host),
            Err(fault) => faults.push(fault),
        }
    }
    if faults.is_empty() { Ok(hosts) } else { Err(faults.join("; ")) }
}

pub(crate) fn destination(value: &Value) -> Result<String, String> {
    check_destination(value.as_str().unwrap_or_default())
}
