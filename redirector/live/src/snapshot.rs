//! The catalog as the edge reads it: immutable, complete, without a lock, shared by all workers.
//!
//! A change makes a new snapshot. It shares all unchanged data with the snapshot before and with
//! the catalog, so links are in memory once. A lookup never allocates and never waits.

use std::collections::BTreeSet;
use std::sync::Arc;

use shared::catalog::{Campaign, Catalog, Change, Coupon, Entity, Merchant, OldSecret, meant_by};
use shared::code::fold_code;
use shared::id::{CampaignId, LinkId, MerchantId};
use shared::links::{LinkRef, Links, Schedule, Scope};
use shared::money::Currency;
use shared::platform::Platform;
use shared::time::{Span, Timestamp};
use shared::token::{Claims, KeyRing, TokenError, TokenKey};

use crate::seal::{Purpose, Sealer};
use crate::shards::Shards;

/// The catalog as of one change.
#[derive(Clone)]
pub struct Snapshot {
    agency_hosts: Arc<Vec<String>>,
    domains: Shards<String, MerchantId>,
    merchants: Shards<MerchantId, Arc<HotMerchant>>,
    merchant_keys: Shards<String, MerchantId>,
    campaigns: Shards<CampaignId, HotCampaign>,
    /// The coupons of all merchants by their folded code, in order of id.
    coupons: Shards<String, Arc<[Arc<Coupon>]>>,
    links: Links,
    ring: Arc<KeyRing>,
}

/// A merchant, with the keys that sign and verify its click tokens.
pub struct HotMerchant {
    pub id: MerchantId,
    pub domains: Vec<String>,
    pub platform: Option<Platform>,
    pub currency: Currency,
    webhook_secret: Option<String>,
    old_webhook_secret: Option<OldSecret>,
    /// The id of the active key, and the key.
    pub signing: (u8, TokenKey),
    verifying: Vec<(u8, TokenKey)>,
}

impl HotMerchant {
    /// Returns the secrets that may sign a webhook at `now`.
    pub fn webhook_secrets(&self, now: Timestamp) -> Vec<&str> {
        let old = self.old_webhook_secret.as_ref().filter(|old| now < old.valid_until);
        self.webhook_secret
            .as_deref()
            .into_iter()
            .chain(old.map(|old| old.secret.as_str()))
            .collect()
    }

    /// Returns the merchant's domain that a host is or lies under.
    pub fn domain_of<'h>(&self, host: &'h str) -> Option<&'h str> {
        let is_own = |domain: &str| self.domains.iter().any(|d| d == domain).then_some(());
        longest_domain(host, is_own).map(|(domain, ())| domain)
    }
}

/// The terms of a campaign that a click needs.
#[derive(Clone)]
pub struct HotCampaign {
    pub merchant: MerchantId,
    pub window_minutes: u32,
    /// The part of the cookie that says how long it lives: `; Max-Age=…; Path=/`.
    pub cookie_life: Box<str>,
    pub dedupe: Span,
    pub schedule: Schedule,
}

impl Snapshot {
    /// Returns the snapshot of an empty catalog, with the installation's own hosts and keys.
    pub fn new(agency_hosts: Vec<String>, ring: KeyRing) -> Self {
        Self {
            agency_hosts: Arc::new(agency_hosts),
            domains: Shards::default(),
            merchants: Shards::default(),
            merchant_keys: Shards::default(),
            campaigns: Shards::default(),
            coupons: Shards::default(),
            links: Links::default(),
            ring: Arc::new(ring),
        }
    }

    /// Returns the agency's own hosts, which all merchants share.
    pub fn agency_hosts(&self) -> &[String] {
        &self.agency_hosts
    }

    /// Returns the snapshot of a catalog, with the installation's own hosts and keys.
    pub fn of(catalog: &Catalog, agency_hosts: Vec<String>, ring: KeyRing) -> Self {
        let mut snapshot = Self::new(agency_hosts, ring);
        let mut merchants: Vec<_> = catalog.merchants.values().collect();
        merchants.sort_unstable_by_key(|merchant| (merchant.created_at, merchant.id));
        merchants.into_iter().for_each(|merchant| snapshot.put_merchant(merchant));
        catalog.campaigns.values().for_each(|campaign| snapshot.put_campaign(campaign));
        snapshot.put_coupons(catalog.coupons.values().map(AsRef::as_ref), catalog);
        snapshot.links = catalog.links.clone();
        snapshot
    }

    /// Applies a change that `catalog` already contains.
    ///
    /// Reads the entities from the catalog, not from the change. Every change arrives twice, from
    /// its author and from the journal, and a newer change may have arrived in between.
    pub fn apply(&mut self, change: &Change, catalog: &Catalog) {
        for entity in &change.entities {
            match entity {
                Entity::Merchant(changed) => {
                    let merchant = catalog.merchants.get(&changed.id);
                    merchant.into_iter().for_each(|merchant| self.put_merchant(merchant));
                }
                Entity::Campaign(changed) => {
                    let campaign = catalog.campaigns.get(&changed.id);
                    campaign.into_iter().for_each(|campaign| self.put_campaign(campaign));
                }
                Entity::Link(_)
                | Entity::Coupon(_)
                | Entity::Influencer(_)
                | Entity::AccessToken(_)
                | Entity::Rate(_)
                | Entity::Hold(_)
                | Entity::Suspension(_)
                | Entity::Payout(_)
                | Entity::Booking(_)
                | Entity::Person(_)
                | Entity::Archive(_) => {}
            }
        }
        let coupons = change.entities.iter().filter_map(|entity| match entity {
            Entity::Coupon(coupon) => Some(coupon),
            _ => None,
        });
        self.put_coupons(coupons, catalog);
        self.links = catalog.links.clone();
    }

    /// Takes the coupons with the same codes from the catalog, each code once.
    fn put_coupons<'c>(&mut self, coupons: impl Iterator<Item = &'c Coupon>, catalog: &Catalog) {
        let codes: BTreeSet<String> = coupons.map(|coupon| fold_code(&coupon.code)).collect();
        for code in codes {
            let of_all = catalog.coupons_of_all(&code).cloned().collect();
            self.coupons.insert(code, of_all);
        }
    }

    fn put_campaign(&mut self, campaign: &Campaign) {
        let window_minutes = campaign.window_days.saturating_mul(24 * 60);
        let hot = HotCampaign {
            merchant: campaign.merchant,
            window_minutes,
            cookie_life: format!("; Max-Age={}; Path=/", u64::from(window_minutes) * 60).into(),
            dedupe: campaign.dedupe(),
            schedule: campaign.schedule(),
        };
        self.campaigns.insert(campaign.id, hot);
    }

    fn put_merchant(&mut self, merchant: &Merchant) {
        let before = self.merchants.get(&merchant.id).cloned();
        for domain in before.iter().flat_map(|before| &before.domains) {
            if self.domains.get(domain.as_str()) == Some(&merchant.id) {
                self.domains.remove(domain.as_str());
            }
        }
        for domain in &merchant.domains {
            if self.domains.get(domain.as_str()).is_none() {
                self.domains.insert(domain.clone(), merchant.id);
            }
        }
        self.merchant_keys.insert(merchant.key.clone(), merchant.id);
        let active = self.ring.active();
        let ids = self.ring.keys().iter().map(|key| key.id);
        let hot = HotMerchant {
            id: merchant.id,
            domains: merchant.domains.clone(),
            platform: merchant.platform,
            currency: merchant.currency,
            webhook_secret: merchant.webhook_secret.clone(),
            old_webhook_secret: merchant.old_webhook_secret.clone(),
            signing: (active.id, TokenKey::derive(&active.secret, merchant.id)),
            verifying: ids
                .filter_map(|id| Some((id, self.ring.verifying(id, merchant.id).ok()?)))
                .collect(),
        };
        self.merchants.insert(merchant.id, Arc::new(hot));
    }

    /// Returns the scope of the slugs under a host, or `None` for a host that is not served here.
    pub fn scope_of(&self, host: &str) -> Option<Scope> {
        if self.agency_hosts.iter().any(|agency| agency == host) {
            return Some(Scope::Agency);
        }
        let (_, merchant) = longest_domain(host, |domain| self.domains.get(domain).copied())?;
        Some(Scope::Merchant(merchant))
    }

    /// Returns the link with a slug. Upper and lower case do not matter.
    pub fn link(&self, scope: Scope, slug: &str) -> Option<LinkRef<'_>> {
        self.links.by_slug(scope, slug)
    }

    pub fn campaign_of(&self, link: LinkId) -> Option<CampaignId> {
        self.links.get(link).map(|link| link.campaign())
    }

    pub fn campaign(&self, id: CampaignId) -> Option<&HotCampaign> {
        self.campaigns.get(&id)
    }

    /// Returns the coupon that a code of a merchant means at a time: the one that somebody owns then,
    /// or else the first one.
    pub fn coupon_meant_by(
        &self,
        merchant: MerchantId,
        code: &str,
        at: Timestamp,
    ) -> Option<&Arc<Coupon>> {
        let is_own = |coupon: &&Arc<Coupon>| {
            self.campaigns.get(&coupon.campaign).is_some_and(|c| c.merchant == merchant)
        };
        let known = self.coupons.get(fold_code(code).as_str())?;
        let meant = meant_by(known.iter().filter(is_own).collect(), code);
        meant.iter().find(|coupon| coupon.is_owned_at(at)).or(meant.first()).copied()
    }

    pub fn merchant(&self, id: MerchantId) -> Option<&Arc<HotMerchant>> {
        self.merchants.get(&id)
    }

    /// Returns the merchant with this key, which is public: shop pages and webhook addresses
    /// contain it.
    pub fn merchant_by_key(&self, key: &str) -> Option<&Arc<HotMerchant>> {
        self.merchants.get(self.merchant_keys.get(key)?)
    }

    /// Returns whether a host is or lies under the domain of any merchant.
    pub fn is_merchant_host(&self, host: &str) -> bool {
        longest_domain(host, |domain| self.domains.get(domain)).is_some()
    }

    /// Returns whether a host is itself the domain of a merchant, and no host of the agency.
    pub fn is_domain(&self, host: &str) -> bool {
        self.domains.get(host).is_some() && !self.agency_hosts.iter().any(|agency| agency == host)
    }

    /// Returns what seals content for a purpose with the installation's keys.
    pub fn sealer(&self, purpose: Purpose) -> Sealer {
        Sealer::new(&self.ring, purpose)
    }

    /// Verifies a click token of any merchant.
    pub fn verify_token(&self, text: &[u8], now: Timestamp) -> Result<Claims, TokenError> {
        Claims::verify(text, now, |key_id, merchant| {
            let merchant = self.merchants.get(&merchant).ok_or(TokenError::Merchant)?;
            let key = merchant.verifying.iter().find(|(id, _)| *id == key_id);
            key.map(|(_, key)| *key).ok_or(TokenError::Key)
        })
    }
}

/// Returns the longest domain that a host is or lies under and that `look_up` knows, compared label
/// by label, and what it knows of it.
fn longest_domain<T>(host: &str, look_up: impl Fn(&str) -> Option<T>) -> Option<(&str, T)> {
    let mut domain = host;
    loop {
        if let Some(known) = look_up(domain) {
            return Some((domain, known));
        }
        let dot = domain.bytes().position(|byte| byte == b'.')?;
        domain = &domain[dot + 1..];
    }
}

#[cfg(test)]
mod tests {
    use shared::id::{CouponId, InfluencerId};
    use shared::token::{KeyState, MasterKey};

    use super::*;

    fn empty() -> Snapshot {
        let key = MasterKey { id: 1, state: KeyState::Active, secret: [7; 32] };
        Snapshot::new(vec![], KeyRing::new(vec![key]).unwrap())
    }

    fn merchant(number: u64, domain: &str) -> Merchant {
        Merchant {
            id: MerchantId::from_bits(number),
            key: format!("key{number}"),
            name: "Shop".into(),
            domains: vec![domain.into()],
            currency: "EUR".parse().unwrap(),
            timezone: "UTC".into(),
            platform: None,
            webhook_secret: Some("first".into()),
            old_webhook_secret: None,
            sealed: None,
            shop_api: None,
            payer: None,
            agency_shares: vec![],
            trust_pixel: false,
            trust_leads: None,
            claims: shared::catalog::ClaimRule::Proof,
            earlier_claims: vec![],
            created_at: Timestamp::from_ms(0),
            updated_at: Timestamp::from_ms(0),
        }
    }

    #[test]
    fn one_merchant_more_copies_no_more_than_its_own_places_of_the_tables() {
        let mut snapshot = empty();
        let domain = |number: u64| format!("shop{number}.example");
        for number in 0..5000 {
            snapshot.put_merchant(&merchant(number, &domain(number)));
        }
        let before = snapshot.clone();
        snapshot.put_merchant(&merchant(5000, &domain(5000)));
        assert_eq!(snapshot.merchants.copied_since(&before.merchants), 1);
        assert_eq!(snapshot.merchant_keys.copied_since(&before.merchant_keys), 1);
        assert_eq!(snapshot.domains.copied_since(&before.domains), 1);
        assert_eq!(snapshot.campaigns.copied_since(&before.campaigns), 0);
    }

    #[test]
    fn a_domain_that_a_merchant_gives_up_is_free_and_one_of_another_stays() {
        let mut snapshot = empty();
        snapshot.put_merchant(&merchant(1, "one.example"));
        snapshot.put_merchant(&merchant(2, "two.example"));
        // The second cannot take the domain of the first, and loses its own.
        snapshot.put_merchant(&merchant(2, "one.example"));
        snapshot.put_merchant(&merchant(2, "new.example"));
        let owner = |host: &str| snapshot.scope_of(host);
        assert_eq!(owner("go.one.example"), Some(Scope::Merchant(MerchantId::from_bits(1))));
        assert_eq!(owner("new.example"), Some(Scope::Merchant(MerchantId::from_bits(2))));
        assert_eq!(owner("two.example"), None);
    }

    /// Returns the number of the coupon that a merchant's code means at a time.
    fn id_of(snapshot: &Snapshot, (merchant, code, at): (u64, &str, i64)) -> Option<u64> {
        let merchant = MerchantId::from_bits(merchant);
        let coupon = snapshot.coupon_meant_by(merchant, code, Timestamp::from_ms(at));
        coupon.map(|coupon| coupon.id.bits())
    }

    /// Two merchants have the code; one of them in two spellings of before, and once more later.
    #[test]
    fn a_code_means_the_coupon_that_somebody_owns_then() {
        let coupon = |id: u64, merchant: u64, code: &str, until: Option<i64>| {
            serde_json::from_value::<Coupon>(serde_json::json!({
                "id": CouponId::from_bits(id), "campaign": CampaignId::from_bits(merchant),
                "influencer": InfluencerId::from_bits(id), "code": code,
                "starts_at": null, "ends_at": until.map(Timestamp::from_ms),
                "created_at": Timestamp::from_ms(0), "updated_at": Timestamp::from_ms(0),
            }))
        };
        let (mut snapshot, mut catalog) = (empty(), Catalog::default());
        let coupons = [
            coupon(1, 1, "STRASSE", Some(10)),
            coupon(2, 1, "straße", None),
            coupon(3, 2, "ANNA15", None),
            coupon(4, 1, "anna15", Some(10)),
            coupon(5, 1, "ANNA15", None),
        ];
        let entities = coupons.into_iter().map(|coupon| Entity::Coupon(coupon.unwrap())).collect();
        let change = Change { at: Timestamp::from_ms(0), entities, request: None, by: None };
        catalog.apply(&change);
        // A coupon may become known before its campaign.
        snapshot.apply(&change, &catalog);
        let unknown = id_of(&snapshot, (1, "ANNA15", 5));
        assert_eq!(unknown, None, "nobody knows whose it is");
        for number in [1, 2] {
            let campaign = HotCampaign {
                merchant: MerchantId::from_bits(number),
                window_minutes: 60,
                cookie_life: "".into(),
                dedupe: Span::ms(0),
                schedule: Schedule::default(),
            };
            snapshot.campaigns.insert(CampaignId::from_bits(number), campaign);
        }
        let found = |merchant: u64, code: &str, at| id_of(&snapshot, (merchant, code, at));
        assert_eq!(found(2, " Anna15 ", 5), Some(3), "each merchant has codes of their own");
        assert_eq!((found(1, "anna15", 5), found(1, "anna15", 10)), (Some(4), Some(5)));
        assert_eq!((found(1, "STRASSE", 5), found(1, "straße", 5)), (Some(1), Some(2)));
        assert_eq!(found(1, "STRASSE", 10), Some(1), "it is known, though nobody owns it");
        assert_eq!((found(1, "SUMMER", 5), found(3, "ANNA15", 5)), (None, None));
    }

    #[test]
    fn an_old_change_that_comes_again_takes_nothing_back() {
        let mut snapshot = empty();
        let mut catalog = Catalog::default();
        let change = |secret: &str, at: i64| {
            let at = Timestamp::from_ms(at);
            let merchant = Merchant {
                webhook_secret: Some(secret.into()),
                updated_at: at,
                ..merchant(1, "shop.example")
            };
            Change { at, entities: vec![Entity::Merchant(merchant)], request: None, by: None }
        };
        for change in [change("first", 1), change("second", 2), change("first", 1)] {
            catalog.apply(&change);
            snapshot.apply(&change, &catalog);
        }
        let merchant = snapshot.merchant_by_key("key1").unwrap();
        assert_eq!(merchant.webhook_secrets(Timestamp::from_ms(3)), ["second"]);
    }
}
