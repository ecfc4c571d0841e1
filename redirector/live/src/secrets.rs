//! Secrets in changes of the catalog: webhook secrets, keys of shops, payout details. They stand in
//! the journal sealed with a key that follows from `keys.json`, and open in memory.
//!
//! SECURITY: whoever gets a segment, or a copy of one, without `keys.json` reads no secret in it.
//! Records of earlier versions hold them open, and stay readable.

use std::borrow::Cow;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use shared::catalog::{Catalog, Change, Entity, Influencer, Merchant, OldSecret, ShopApi};
use shared::payee::Payer;
use shared::token::KeyRing;

use crate::seal::{Purpose, Sealer};

/// Seals and opens the secrets in changes.
pub(crate) struct Secrets(Sealer);

/// What is sealed of a merchant.
#[derive(Serialize, Deserialize)]
struct OfMerchant {
    webhook_secret: Option<String>,
    old_webhook_secret: Option<OldSecret>,
    shop_api: Option<ShopApi>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    payer: Option<Payer>,
}

impl Secrets {
    pub(crate) fn new(ring: &KeyRing) -> Self {
        Self(Sealer::new(ring, Purpose::Secrets))
    }

    /// Returns the change as the journal keeps it. Secrets that could not be opened stay as they
    /// are, until new ones take their place.
    pub(crate) fn seal(&self, mut change: Change) -> Change {
        for entity in &mut change.entities {
            match entity {
                Entity::Merchant(merchant) => self.seal_merchant(merchant),
                Entity::Influencer(influencer) => self.seal_influencer(influencer),
                _ => {}
            }
        }
        change
    }

    fn seal_merchant(&self, merchant: &mut Merchant) {
        let secrets = OfMerchant {
            webhook_secret: merchant.webhook_secret.take(),
            old_webhook_secret: merchant.old_webhook_secret.take(),
            shop_api: merchant.shop_api.take(),
            payer: merchant.payer.take(),
        };
        let has_any = secrets.webhook_secret.is_some()
            || secrets.old_webhook_secret.is_some()
            || secrets.shop_api.is_some()
            || secrets.payer.is_some();
        if has_any {
            merchant.sealed = Some(self.sealed(&name_of_merchant(merchant), &secrets));
        }
    }

    fn seal_influencer(&self, influencer: &mut Influencer) {
        if let Some(payout) = influencer.payout.take() {
            influencer.sealed = Some(self.sealed(&name_of_influencer(influencer), &payout));
        }
    }

    /// Returns the change with its secrets, as everything but the journal needs it. What cannot be
    /// opened stays sealed, and the log says whose it is.
    pub(crate) fn open<'c>(&self, change: &'c Change) -> Cow<'c, Change> {
        if !change.has_sealed() {
            return Cow::Borrowed(change);
        }
        let mut change = change.clone();
        for entity in &mut change.entities {
            let is_open = match entity {
                Entity::Merchant(merchant) => self.open_merchant(merchant),
                Entity::Influencer(influencer) => self.open_influencer(influencer),
                _ => true,
            };
            if !is_open {
                tracing::error!(
                    "the secrets of {} cannot be opened: they were sealed with a key that \
                     `keys.json` does not hold; put that key back, or set the secrets again",
                    entity.id()
                );
            }
        }
        Cow::Owned(change)
    }

    fn open_catalog(&self, catalog: &mut Catalog) {
        for merchant in catalog.merchants.values_mut().filter(|known| known.sealed.is_some()) {
            self.open_merchant(Arc::make_mut(merchant));
        }
        for influencer in catalog.influencers.values_mut().filter(|known| known.sealed.is_some()) {
            self.open_influencer(Arc::make_mut(influencer));
        }
    }

    fn open_merchant(&self, merchant: &mut Merchant) -> bool {
        let Some(sealed) = &merchant.sealed else { return true };
        let opened: Option<OfMerchant> = self.opened(&name_of_merchant(merchant), sealed);
        let Some(secrets) = opened else { return false };
        merchant.webhook_secret = secrets.webhook_secret;
        merchant.old_webhook_secret = secrets.old_webhook_secret;
        merchant.shop_api = secrets.shop_api;
        merchant.payer = secrets.payer;
        merchant.sealed = None;
        true
    }

    fn open_influencer(&self, influencer: &mut Influencer) -> bool {
        let Some(sealed) = &influencer.sealed else { return true };
        let opened: Option<Value> = self.opened(&name_of_influencer(influencer), sealed);
        let Some(payout) = opened else { return false };
        influencer.payout = Some(payout);
        influencer.sealed = None;
        true
    }

    fn sealed<T: Serialize>(&self, name: &str, secrets: &T) -> String {
        // Every type here serialises: keys are texts.
        let content = serde_json::to_vec(secrets).unwrap_or_default();
        URL_SAFE_NO_PAD.encode(self.0.seal(name.as_bytes(), &content))
    }

    fn opened<T: DeserializeOwned>(&self, name: &str, sealed: &str) -> Option<T> {
        let sealed = URL_SAFE_NO_PAD.decode(sealed).ok()?;
        serde_json::from_slice(&self.0.open(name.as_bytes(), &sealed)?).ok()
    }
}

/// Opens the secrets of a catalog that was read from journals. What cannot be opened stays sealed.
pub fn open_secrets(catalog: &mut Catalog, ring: &KeyRing) {
    Secrets::new(ring).open_catalog(catalog);
}

/// Sealed secrets open only for the entity that they were sealed for.
fn name_of_merchant(merchant: &Merchant) -> String {
    format!("merchant {}", merchant.id)
}

fn name_of_influencer(influencer: &Influencer) -> String {
    format!("influencer {}", influencer.id)
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use shared::record::Record;
    use shared::token::{KeyState, MasterKey};

    use super::*;

    const TIME: &str = "2026-11-30T00:00:00.000Z";
    const SECRETS: [&str; 5] = ["first-secret", "old-secret", "shop-token", "shop-key", "DE0212"];

    fn key(id: u8, state: KeyState) -> MasterKey {
        MasterKey { id, state, secret: [id; 32] }
    }

    fn secrets(keys: Vec<MasterKey>) -> Secrets {
        Secrets::new(&KeyRing::new(keys).unwrap())
    }

    fn change() -> Change {
        let merchant = json!({ "merchant": {
            "id": "mer_00000001", "key": "k", "name": "Shop", "domains": ["shop.example"],
            "currency": "EUR", "timezone": "UTC", "platform": null,
            "webhook_secret": "first-secret",
            "old_webhook_secret": { "secret": "old-secret", "valid_until": TIME },
            "shop_api": { "url": "https://shop.example", "token": "shop-token",
                          "secret": "shop-key" },
            "created_at": TIME, "updated_at": TIME,
        }});
        let influencer = json!({ "influencer": {
            "id": "inf_0000000000001", "name": "Anna", "email": null,
            "payout": { "method": "sepa", "iban": "DE0212" }, "created_at": TIME, "updated_at": TIME,
        }});
        let fields = json!({ "at": TIME, "entities": [merchant, influencer], "request": null });
        serde_json::from_value(fields).unwrap()
    }

    #[test]
    fn a_record_shows_no_secret_and_opens_as_it_was() {
        let ours = secrets(vec![key(1, KeyState::Active)]);
        let record = Record::Catalog(ours.seal(change())).encode();
        let holds = |text: &str| record.windows(text.len()).any(|w| w == text.as_bytes());
        for secret in SECRETS {
            assert!(!holds(secret), "{secret}");
        }
        assert!(holds("Anna") && holds("shop.example"), "the search finds things");
        assert_eq!(record[..2], [4, 2], "a version of its own");
        let Ok(Record::Catalog(read)) = Record::decode(&record) else { panic!("it is one") };
        assert_eq!(*ours.open(&read), change());
    }

    #[test]
    fn keys_rotate_and_retire_and_secrets_stay() {
        let sealed = secrets(vec![key(1, KeyState::Active)]).seal(change());
        for state in [KeyState::VerifyOnly, KeyState::Retired] {
            let rotated = secrets(vec![key(1, state), key(2, KeyState::Active)]);
            assert_eq!(*rotated.open(&sealed), change(), "{state:?}");
        }
    }

    #[test]
    fn what_another_key_sealed_stays_sealed_until_it_is_replaced() {
        let sealed = secrets(vec![key(1, KeyState::Active)]).seal(change());
        let other = secrets(vec![MasterKey { secret: [9; 32], ..key(1, KeyState::Active) }]);
        let mut unopened = other.open(&sealed).into_owned();
        assert_eq!(unopened, sealed, "nothing is lost and nothing invented");
        assert_eq!(other.seal(unopened.clone()), sealed, "not even when a name changes");
        let Entity::Merchant(merchant) = &mut unopened.entities[0] else { panic!("it is one") };
        merchant.webhook_secret = Some("a-new-secret".into());
        let replaced = other.seal(unopened);
        let Entity::Merchant(merchant) = &other.open(&replaced).entities[0].clone() else {
            panic!("it is one")
        };
        assert_eq!(merchant.webhook_secret.as_deref(), Some("a-new-secret"));
        assert_eq!(merchant.sealed, None);
    }

    #[test]
    fn secrets_of_one_open_for_nobody_else() {
        let ours = secrets(vec![key(1, KeyState::Active)]);
        let mut sealed = ours.seal(change());
        let Entity::Merchant(merchant) = &mut sealed.entities[0] else { panic!("it is one") };
        merchant.id = "mer_00000002".parse().unwrap();
        let opened = ours.open(&sealed);
        let Entity::Merchant(merchant) = &opened.entities[0] else { panic!("it is one") };
        assert_eq!((&merchant.webhook_secret, merchant.sealed.is_some()), (&None, true));
    }

    /// Sealed by another program, by the description in `seal` alone. It must open for ever.
    #[test]
    fn what_was_sealed_once_opens_for_ever() {
        let body = include_str!("../../../shared/tests/data/catalog-v2.json");
        let sealed: Change = serde_json::from_str(body).unwrap();
        let opened = secrets(vec![key(1, KeyState::Active)]).open(&sealed).into_owned();
        let [Entity::Merchant(merchant), Entity::Influencer(influencer)] = &opened.entities[..]
        else {
            panic!("it has two")
        };
        assert_eq!(merchant.webhook_secret.as_deref(), Some("a-secret-of-the-shop"));
        let payout = json!({ "iban": "DE02120300000000202051", "method": "sepa" });
        assert_eq!(influencer.payout, Some(payout));
    }

    #[test]
    fn records_of_earlier_versions_stay_as_they_are() {
        let ours = secrets(vec![key(1, KeyState::Active)]);
        let record = Record::Catalog(change()).encode();
        assert_eq!(record[..2], [4, 1]);
        let Ok(Record::Catalog(read)) = Record::decode(&record) else { panic!("it is one") };
        assert_eq!(*ours.open(&read), change());
    }
}
