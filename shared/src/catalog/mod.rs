//! The catalog: merchants, influencers, campaigns, links and coupons, as a fold of the changes in
//! the journal.
//!
//! A change carries whole entities. For each id the latest version wins, so that applying changes
//! twice, or in another order, ends in the same catalog. Slugs are the exception: a slug belongs to
//! the link that was created first. Never reads the journal: the caller hands over the changes.

mod access;
mod archive;
mod campaign;
mod change;
mod coupon;
mod dating;
mod hold;
mod influencer;
mod merchant;
mod person;
mod suspension;

pub use access::{AccessToken, Role};
pub use archive::{Archivable, Archive};
pub use campaign::{Campaign, EarlierTerms, Evidence, Model, Renewals};
pub use change::{Answered, Change, ChangeId, Entity, RequestId, change_id};
pub use coupon::{Coupon, meant_by};
pub use dating::Moment;
pub use hold::{Hold, HoldTarget};
pub use influencer::Influencer;
pub use merchant::{ClaimRule, EarlierClaimRule, Merchant, OldSecret, ShopApi};
pub use person::{By, Person};
pub use suspension::{Suspendable, SuspendedPeriod, Suspension};

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::Hash;
use std::sync::Arc;

use serde::Serialize;

use crate::booking::ManualBooking;
use crate::code::fold_code;
use crate::id::{
    BookingId, CampaignId, CouponId, HoldId, InfluencerId, LinkId, MerchantId, PayoutId, PersonId,
};
use crate::links::{Link, LinkRef, Links};
use crate::payout::PayoutStep;
use crate::rates::Rates;
use crate::time::Timestamp;

/// All entities by id, with the look-ups that decisions need.
#[derive(Debug, Clone, Default)]
pub struct Catalog {
    /// Merchants by id.
    pub merchants: HashMap<MerchantId, Arc<Merchant>>,
    /// Influencers by id.
    pub influencers: HashMap<InfluencerId, Arc<Influencer>>,
    /// Campaigns by id.
    pub campaigns: HashMap<CampaignId, Arc<Campaign>>,
    /// Links, packed into few bytes.
    pub links: Links,
    /// Coupons by id.
    pub coupons: HashMap<CouponId, Arc<Coupon>>,
    /// Access tokens by hash.
    pub tokens: HashMap<String, Arc<AccessToken>>,
    /// Exchange rates.
    pub rates: Rates,
    /// Holds by id.
    pub holds: HashMap<HoldId, Arc<Hold>>,
    /// Suspensions by who or what is suspended.
    pub suspensions: HashMap<Suspendable, Arc<Suspension>>,
    /// Steps of payouts by id. They are never changed.
    pub payouts: BTreeMap<PayoutId, Arc<PayoutStep>>,
    /// Amounts that people booked, by id. They are never changed.
    pub bookings: BTreeMap<BookingId, Arc<ManualBooking>>,
    /// People who work with the console, by id.
    pub people: HashMap<PersonId, Arc<Person>>,
    /// What is archived or was.
    pub archives: HashMap<Archivable, Arc<Archive>>,
    /// Answered requests by idempotency key.
    pub requests: HashMap<String, Answered>,
    coupons_by_code: HashMap<String, BTreeSet<CouponId>>,
    /// The campaigns in which an influencer has, or had, a link or a coupon. Neither ever changes hands.
    campaigns_by_influencer: HashMap<InfluencerId, BTreeSet<CampaignId>>,
    holds_by_target: HashMap<HoldTarget, BTreeSet<HoldId>>,
    /// Who has or had a domain, by [`reversed`] domain, so that all domains below one stand together.
    domains: BTreeMap<String, BTreeSet<MerchantId>>,
    /// Links that became known before their campaigns, which happens when changes come from several
    /// nodes. Their merchant is filled in when the campaign arrives.
    early_links: HashMap<CampaignId, Vec<LinkId>>,
}

impl Catalog {
    /// Applies a change. Applying it again changes nothing; for each entity the latest version
    /// wins.
    pub fn apply(&mut self, change: &Change) {
        for entity in &change.entities {
            self.put(entity);
        }
        if let Some(request) = &change.request {
            self.requests.entry(request.key.clone()).or_insert_with(|| Answered {
                request: request.clone(),
                first: change.entities.first().map(Entity::id),
                count: change.entities.len(),
            });
        }
    }

    /// Returns whether applying a change would change nothing, as far as that is seen quickly.
    pub fn has(&self, change: &Change) -> bool {
        fn same<K: Hash + Eq, V: PartialEq>(held: &HashMap<K, Arc<V>>, id: &K, new: &V) -> bool {
            held.get(id).is_some_and(|held| **held == *new)
        }
        let has = |entity: &Entity| match entity {
            Entity::Merchant(new) => same(&self.merchants, &new.id, new),
            Entity::Influencer(new) => same(&self.influencers, &new.id, new),
            Entity::Campaign(new) => same(&self.campaigns, &new.id, new),
            Entity::Link(new) => self.links.get(new.id).is_some_and(|link| link.to_link() == *new),
            Entity::Coupon(new) => same(&self.coupons, &new.id, new),
            Entity::AccessToken(new) => same(&self.tokens, &new.hash, new),
            Entity::Hold(new) => same(&self.holds, &new.id, new),
            Entity::Suspension(new) => same(&self.suspensions, &new.of, new),
            Entity::Payout(new) => self.payouts.contains_key(&new.id),
            Entity::Booking(new) => self.bookings.contains_key(&new.id),
            Entity::Person(new) => same(&self.people, &new.id, new),
            Entity::Archive(new) => same(&self.archives, &new.of, new),
            Entity::Rate(_) => false,
        };
        let request = change.request.as_ref();
        request.is_none_or(|request| self.requests.contains_key(&request.key))
            && change.entities.iter().all(has)
    }

    fn put(&mut self, entity: &Entity) {
        match entity {
            Entity::Merchant(new) => {
                put_latest(&mut self.merchants, new.id, new, |e| e.updated_at);
                for domain in &new.domains {
                    self.domains.entry(reversed(domain)).or_default().insert(new.id);
                }
            }
            Entity::Influencer(new) => {
                put_latest(&mut self.influencers, new.id, new, |e| e.updated_at);
            }
            Entity::Campaign(new) => {
                put_latest(&mut self.campaigns, new.id, new, |e| e.updated_at);
                for id in self.early_links.remove(&new.id).unwrap_or_default() {
                    let early = self.links.get(id).map(|link| link.to_link());
                    early.iter().for_each(|link| self.links.put(link, Some(new.merchant)));
                }
            }
            Entity::Link(new) => self.put_link(new),
            Entity::Coupon(new) => {
                put_latest(&mut self.coupons, new.id, new, |e| e.updated_at);
                self.coupons_by_code.entry(fold_code(&new.code)).or_default().insert(new.id);
                self.promotes(new.influencer, new.campaign);
            }
            Entity::AccessToken(new) => {
                let held = self.tokens.entry(new.hash.clone());
                let held = held.or_insert_with(|| Arc::new(new.clone()));
                Arc::make_mut(held).revoke(new.revoked_at);
            }
            Entity::Rate(new) => self.rates.insert(new),
            Entity::Hold(new) => {
                put_latest(&mut self.holds, new.id, new, |e| e.updated_at);
                self.holds_by_target.entry(new.target.folded()).or_default().insert(new.id);
            }
            Entity::Suspension(new) => {
                put_latest(&mut self.suspensions, new.of, new, |e| e.updated_at);
            }
            Entity::Payout(new) => {
                self.payouts.entry(new.id).or_insert_with(|| Arc::new(new.clone()));
            }
            Entity::Archive(new) => {
                put_latest(&mut self.archives, new.of, new, |e| e.updated_at);
            }
            Entity::Person(new) => {
                put_latest(&mut self.people, new.id, new, |e| e.updated_at);
            }
            Entity::Booking(new) => {
                self.bookings.entry(new.id).or_insert_with(|| Arc::new(new.clone()));
            }
        }
    }

    fn put_link(&mut self, new: &Link) {
        let held = self.links.get(new.id);
        let is_first = held.is_none();
        let is_later = |held: LinkRef<'_>| match held.updated_at().cmp(&new.updated_at) {
            Ordering::Equal => is_later_twin(&held.to_link(), new),
            order => order == Ordering::Less,
        };
        if held.is_none_or(is_later) {
            let merchant = self.campaigns.get(&new.campaign).map(|campaign| campaign.merchant);
            self.links.put(new, merchant);
            if is_first {
                self.promotes(new.influencer, new.campaign);
            }
            if is_first && merchant.is_none() {
                self.early_links.entry(new.campaign).or_default().push(new.id);
            }
        }
    }

    fn promotes(&mut self, influencer: InfluencerId, campaign: CampaignId) {
        self.campaigns_by_influencer.entry(influencer).or_default().insert(campaign);
    }

    /// Returns the campaigns in which an influencer has a link or a coupon, in order of id. It reads
    /// no link, however many there are.
    pub fn campaigns_of(&self, influencer: InfluencerId) -> impl Iterator<Item = &Arc<Campaign>> {
        let ids = self.campaigns_by_influencer.get(&influencer).into_iter().flatten();
        ids.filter_map(|id| self.campaigns.get(id))
    }

    /// Returns whether something is archived.
    pub fn is_archived(&self, of: Archivable) -> bool {
        self.archives.get(&of).is_some_and(|archive| archive.archived)
    }

    /// Returns a campaign and its merchant.
    pub fn campaign_and_merchant(
        &self,
        id: CampaignId,
    ) -> Option<(&Arc<Campaign>, &Arc<Merchant>)> {
        let campaign = self.campaigns.get(&id)?;
        Some((campaign, self.merchants.get(&campaign.merchant)?))
    }

    /// Returns the merchants that have this domain, one above it or one below it, each with that
    /// domain. It reads a few entries, however many merchants there are.
    pub fn merchants_that_meet<'a>(
        &'a self,
        domain: &str,
    ) -> impl Iterator<Item = (&'a Arc<Merchant>, &'a String)> {
        let key = reversed(domain);
        let ends = key.match_indices('.').map(|(at, _)| &key[..=at]).filter(|end| *end != key);
        let above = ends.filter_map(|end| self.domains.get_key_value(end));
        let below =
            self.domains.range(key.clone()..).take_while(|(held, _)| held.starts_with(&key));
        let mut found = Vec::new();
        for (held, ids) in above.chain(below) {
            for merchant in ids.iter().filter_map(|id| self.merchants.get(id)) {
                let theirs = merchant.domains.iter().find(|theirs| reversed(theirs) == *held);
                found.extend(theirs.map(|theirs| (merchant, theirs)));
            }
        }
        found.into_iter()
    }

    /// Returns every hold on a target, also those that are released, in order of id. An order's name
    /// must be folded, as [`HoldTarget::order`] does.
    pub fn holds_on(&self, target: &HoldTarget) -> impl Iterator<Item = &Hold> {
        let ids = self.holds_by_target.get(target).into_iter().flatten();
        ids.filter_map(|id| self.holds.get(id)).map(AsRef::as_ref)
    }

    /// Returns the suspension in which a time lies, as far as it was decided by `known_at`.
    pub fn suspended(
        &self,
        of: Suspendable,
        at: Timestamp,
        known_at: Timestamp,
    ) -> Option<&SuspendedPeriod> {
        self.suspensions.get(&of)?.covers(at, known_at)
    }

    /// Returns the suspension in which a click lies: its link's or its influencer's.
    pub fn suspended_click(
        &self,
        (link, influencer): (LinkId, InfluencerId),
        clicked_at: Timestamp,
        known_at: Timestamp,
    ) -> Option<&SuspendedPeriod> {
        self.suspended(Suspendable::Link(link), clicked_at, known_at)
            .or_else(|| self.suspended(Suspendable::Influencer(influencer), clicked_at, known_at))
    }

    /// Returns every coupon of a merchant with this code, in whatever spelling, in order of id.
    pub fn coupons_with_code(&self, merchant: MerchantId, code: &str) -> Vec<&Arc<Coupon>> {
        let of_merchant = |coupon: &&Arc<Coupon>| {
            self.campaigns
                .get(&coupon.campaign)
                .is_some_and(|campaign| campaign.merchant == merchant)
        };
        self.coupons_of_all(&fold_code(code)).filter(of_merchant).collect()
    }

    /// Returns every coupon with a code, which must be folded, whosever it is, in order of id.
    pub fn coupons_of_all(&self, folded: &str) -> impl Iterator<Item = &Arc<Coupon>> {
        let ids = self.coupons_by_code.get(folded).into_iter().flatten();
        ids.filter_map(|id| self.coupons.get(id))
    }

    /// Returns the coupons of a merchant that a code on an order means, in order of id.
    pub fn coupons_meant_by(&self, merchant: MerchantId, code: &str) -> Vec<&Arc<Coupon>> {
        meant_by(self.coupons_with_code(merchant, code), code)
    }
}

/// Decides between two versions that two nodes made in the same millisecond: every node keeps the
/// same one.
/// Returns a domain with its labels in reverse order, each with a dot: `com.shop.` for `shop.com`.
fn reversed(domain: &str) -> String {
    domain.rsplit('.').flat_map(|label| [label, "."]).collect()
}

fn is_later_twin<V: PartialEq + Serialize>(held: &V, new: &V) -> bool {
    let spelled = |value: &V| serde_json::to_string(value).unwrap_or_default();
    held != new && spelled(held) < spelled(new)
}

/// Keeps the later of two versions.
fn put_latest<K: Hash + Eq, V: Clone + PartialEq + Serialize>(
    map: &mut HashMap<K, Arc<V>>,
    key: K,
    new: &V,
    version: impl Fn(&V) -> Timestamp,
) {
    let is_later = |held: &Arc<V>| match version(held).cmp(&version(new)) {
        Ordering::Equal => is_later_twin(held.as_ref(), new),
        order => order == Ordering::Less,
    };
    if map.get(&key).is_none_or(is_later) {
        map.insert(key, Arc::new(new.clone()));
    }
}
