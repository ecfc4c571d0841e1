//! Makes entities from fields. Every rule about what may be created or changed is in this file.
//!
//! Pure, except for random bits. The same functions serve creation, change and import.

use std::collections::{HashMap, HashSet};
use std::fmt::Display;
use std::hash::Hash;
use std::str::FromStr;
use std::sync::Arc;

use live::{check_code, check_destination, check_host, check_slug};
use rand::RngExt;
use rand::rngs::ThreadRng;
use serde_json::{Map, Value, json};
use shared::catalog::{
    Campaign, Catalog, Coupon, EarlierTerms, Entity, Evidence, Influencer, Merchant, Model,
    OldSecret, Renewals, ShopApi, fold_code,
};
use shared::commission::{Caps, Rule, Terms};
use shared::id::{CampaignId, CouponId, InfluencerId, LinkId, MerchantId};
use shared::links::{Link, Schedule, Scope, fold_slug};
use shared::money::{AMOUNT_MAX, Decimal};
use shared::platform::Platform;
use shared::rates::ExchangeRate;
use shared::time::{Span, Timestamp};
use shops::postback;

use crate::fields::{Fields, flag, number, parsed, shaped, text, time};

/// How long a replaced webhook secret is still accepted. Shopify signs with the old one for up to
/// an hour.
const OLD_SECRET_VALID: Span = Span::minutes(120);
/// The most levels of a payout description.
const PAYOUT_DEPTH_MAX: usize = 4;
/// The most bytes of a payout description.
const PAYOUT_BYTES_MAX: usize = 4096;
/// The most days of an attribution window.
const WINDOW_DAYS_MAX: u32 = 365;
/// Characters for generated texts that nobody should guess or confuse: no vowels, and none that
/// look alike.
const UNGUESSABLE: &[u8] = b"23456789bcdfghjkmnpqrstvwxz";

/// The kinds of entities that the API can make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Merchant,
    Influencer,
    Campaign,
    Link,
    Coupon,
    Rate,
}

impl Kind {
    /// Returns the kind that a path names.
    pub(crate) fn of_path(name: &str) -> Option<Self> {
        match name {
            "merchants" => Some(Self::Merchant),
            "influencers" => Some(Self::Influencer),
            "campaigns" => Some(Self::Campaign),
            "links" => Some(Self::Link),
            "coupons" => Some(Self::Coupon),
            "rates" => Some(Self::Rate),
            _ => None,
        }
    }
}

/// Makes entities. It checks them against a catalog, and against those that it made before in the
/// same request.
pub(crate) struct EntityBuilder<'a> {
    catalog: &'a Catalog,
    now: Timestamp,
    random: ThreadRng,
    slugs: HashSet<(MerchantId, String)>,
    codes: HashMap<String, Vec<Coupon>>,
}

impl<'a> EntityBuilder<'a> {
    pub(crate) fn new(catalog: &'a Catalog, now: Timestamp) -> Self {
        Self { catalog, now, random: rand::rng(), slugs: HashSet::new(), codes: HashMap::new() }
    }

    /// Makes an entity, or a new version of `held`. Returns `None` if there are mistakes, which are
    /// then noted in `fields`.
    pub(crate) fn make(
        &mut self,
        kind: Kind,
        fields: &mut Fields,
        held: Option<&Entity>,
    ) -> Option<Entity> {
        match (kind, held) {
            (Kind::Merchant, Some(Entity::Merchant(held))) => {
                self.merchant(fields, Some(held)).map(Entity::Merchant)
            }
            (Kind::Merchant, _) => self.merchant(fields, None).map(Entity::Merchant),
            (Kind::Influencer, Some(Entity::Influencer(held))) => {
                self.influencer(fields, Some(held)).map(Entity::Influencer)
            }
            (Kind::Influencer, _) => self.influencer(fields, None).map(Entity::Influencer),
            (Kind::Campaign, Some(Entity::Campaign(held))) => {
                self.changed_campaign(fields, held).map(Entity::Campaign)
            }
            (Kind::Campaign, _) => self.campaign(fields).map(Entity::Campaign),
            (Kind::Link, Some(Entity::Link(held))) => {
                self.changed_link(fields, held).map(Entity::Link)
            }
            (Kind::Link, _) => self.link(fields).map(Entity::Link),
            (Kind::Coupon, Some(Entity::Coupon(held))) => {
                self.changed_coupon(fields, held).map(Entity::Coupon)
            }
            (Kind::Coupon, _) => self.coupon(fields).map(Entity::Coupon),
            (Kind::Rate, None) => self.rate(fields).map(Entity::Rate),
            (Kind::Rate, Some(_)) => {
                fields.fault(
                    "rate",
                    "never changes: amounts that were converted with it may have been paid",
                );
                None
            }
        }
    }

    fn merchant(&mut self, fields: &mut Fields, held: Option<&Merchant>) -> Option<Merchant> {
        let name = field(fields, "name", held.map(|m| &m.name), text(200));
        let domains = field(fields, "domains", held.map(|m| &m.domains), domains);
        // Fields that decide about money never change, since orders may exist already.
        let currency = fixed(fields, "currency", held.map(|m| &m.currency), parsed);
        let timezone = fixed(fields, "timezone", held.map(|m| &m.timezone), timezone);
        let platform =
            fields.optional("platform", shaped::<Platform>).or(held.and_then(|m| m.platform));
        let secret = fields.optional("webhook_secret", text(200));
        let shop_api = fields.change("shop_api", shop_api, held.and_then(|m| m.shop_api.clone()));
        let trust_pixel = match held {
            None => fields.optional("trust_pixel", flag).unwrap_or(false),
            Some(held) => fixed(fields, "trust_pixel", Some(&held.trust_pixel), flag)?,
        };
        let domains = domains?;
        self.check_domains(fields, &domains, held.map(|m| m.id));
        let (webhook_secret, old_webhook_secret) = match held {
            None => (secret.or_else(|| Some(self.unguessable(43))), None),
            Some(held) => self.rotated(held, secret),
        };
        Some(Merchant {
            id: held.map_or_else(|| MerchantId::from_bits(self.random.random()), |m| m.id),
            key: held.map_or_else(|| self.unguessable(20), |m| m.key.clone()),
            name: name?,
            domains,
            currency: currency?,
            timezone: timezone?,
            platform,
            webhook_secret,
            old_webhook_secret,
            shop_api,
            trust_pixel,
            created_at: held.map_or(self.now, |m| m.created_at),
            updated_at: self.now,
        })
    }

    /// Returns the secrets after a change. The old one stays valid for a while, since deliveries
    /// under way are signed with it.
    fn rotated(&self, held: &Merchant, new: Option<String>) -> (Option<String>, Option<OldSecret>) {
        if new.is_none() || new == held.webhook_secret {
            return (held.webhook_secret.clone(), held.old_webhook_secret.clone());
        }
        let valid_until = self.now.plus(OLD_SECRET_VALID);
        let old = held.webhook_secret.clone().map(|secret| OldSecret { secret, valid_until });
        (new, old)
    }

    fn check_domains(&self, fields: &mut Fields, domains: &[String], own: Option<MerchantId>) {
        let others = self.catalog.merchants.values().filter(|merchant| Some(merchant.id) != own);
        for other in others {
            for domain in domains.iter().filter(|domain| other.domains.contains(domain)) {
                fields.fault("domains", format!("`{domain}` belongs to merchant {}", other.id));
            }
        }
    }

    fn influencer(&mut self, fields: &mut Fields, held: Option<&Influencer>) -> Option<Influencer> {
        let name = field(fields, "name", held.map(|i| &i.name), text(200));
        let held_email = held.and_then(|i| i.email.clone());
        let email = fields.optional("email", email).or_else(|| held_email.clone());
        let email_since =
            if email == held_email { held.and_then(|i| i.email_since) } else { Some(self.now) };
        let payout =
            fields.optional("payout", payout).or_else(|| held.and_then(|i| i.payout.clone()));
        Some(Influencer {
            id: held.map_or_else(|| InfluencerId::from_bits(self.random.random()), |i| i.id),
            name: name?,
            email,
            email_since,
            payout,
            created_at: held.map_or(self.now, |i| i.created_at),
            updated_at: self.now,
        })
    }

    fn campaign(&mut self, fields: &mut Fields) -> Option<Campaign> {
        let merchant = fields.required("merchant", |value| found(value, &self.catalog.merchants));
        let name = fields.required("name", text(200));
        let window_days = fields.optional("window_days", number(1, WINDOW_DAYS_MAX)).unwrap_or(30);
        let dedupe_minutes =
            fields.optional("dedupe_minutes", number(0, 7 * 24 * 60)).unwrap_or(30);
        let hold_days = fields.optional("hold_days", number(0, 365)).unwrap_or(30);
        let schedule = schedule(fields, Schedule::default());
        let commission = fields.required("commission", commission);
        let precedence = fields.optional("precedence", precedence);
        let model = fields.optional("model", model).unwrap_or(Model::LastClick);
        let renewals = fields.optional("renewals", shaped::<Renewals>).unwrap_or_default();
        let caps = fields.optional("caps", shaped::<Caps>).unwrap_or_default();
        let minimum_payout = fields.optional("minimum_payout", shaped::<Decimal>);
        let (merchant, commission) = (merchant?, commission?);
        if let Err(error) = commission.check(merchant.currency) {
            fields.fault("commission", error.to_string());
        }
        if let Err(error) = caps.check(merchant.currency) {
            fields.fault("caps", error.to_string());
        }
        if minimum_payout
            .is_some_and(|least| !matches!(least.to_minor(merchant.currency), Ok(0..=AMOUNT_MAX)))
        {
            fields.fault(
                "minimum_payout",
                "expected an amount of zero or more in the merchant's currency",
            );
        }
        Some(Campaign {
            id: CampaignId::from_bits(self.random.random()),
            merchant: merchant.id,
            name: name?,
            window_days,
            dedupe_minutes,
            hold_days,
            starts_at: schedule.starts_at,
            ends_at: schedule.ends_at,
            commission,
            earlier_commissions: vec![],
            caps,
            minimum_payout,
            renewals,
            precedence: precedence.unwrap_or_else(|| vec![Evidence::Click, Evidence::Coupon]),
            model,
            paused: schedule.paused,
            created_at: self.now,
            updated_at: self.now,
        })
    }

    /// Terms that decide about money never change for orders that exist already: a new commission
    /// applies only to orders placed from now on.
    fn changed_campaign(&self, fields: &mut Fields, held: &Campaign) -> Option<Campaign> {
        let name = fields.optional("name", text(200)).unwrap_or_else(|| held.name.clone());
        let commission =
            fields.optional("commission", commission).unwrap_or_else(|| held.commission.clone());
        if let Some(Err(error)) = self
            .catalog
            .merchants
            .get(&held.merchant)
            .map(|merchant| commission.check(merchant.currency))
        {
            fields.fault("commission", error.to_string());
        }
        let mut earlier_commissions = held.earlier_commissions.clone();
        if commission != held.commission {
            let replaced = EarlierTerms { until: self.now, commission: held.commission.clone() };
            earlier_commissions.push(replaced);
        }
        let Schedule { paused, starts_at, ends_at } = schedule(fields, held.schedule());
        self.check_not_in_the_past(fields, (held.starts_at, starts_at), (held.ends_at, ends_at));
        Some(Campaign {
            name,
            commission,
            earlier_commissions,
            paused,
            starts_at,
            ends_at,
            updated_at: self.now,
            ..held.clone()
        })
    }

    fn link(&mut self, fields: &mut Fields) -> Option<Link> {
        let campaign = fields.required("campaign", |value| found(value, &self.catalog.campaigns));
        let influencer =
            fields.required("influencer", |value| found(value, &self.catalog.influencers));
        let target = fields.required("destination", destination);
        let fallback = fields.optional("fallback", destination);
        let slug = fields.optional("slug", |value| {
            let slug = value.as_str().unwrap_or_default();
            check_slug(slug).map(|()| slug.to_owned())
        });
        fields.optional("rules", unsupported("this version has no rules by country or device"));
        let schedule = schedule(fields, Schedule::default());
        let campaign = campaign?;
        let slug = slug.unwrap_or_else(|| self.unguessable(11));
        if !self.reserve(campaign.merchant, &slug) {
            fields.taken("slug", format!("`{slug}` is taken by another link of this merchant"));
        }
        Some(Link {
            id: LinkId::from_bits(self.random.random()),
            campaign: campaign.id,
            influencer: influencer?.id,
            destination: target?,
            slug,
            starts_at: schedule.starts_at,
            ends_at: schedule.ends_at,
            fallback,
            paused: schedule.paused,
            created_at: self.now,
            updated_at: self.now,
        })
    }

    fn reserve(&mut self, merchant: MerchantId, slug: &str) -> bool {
        let taken = self.catalog.links.by_slug(Scope::Merchant(merchant), slug).is_some();
        !taken && self.slugs.insert((merchant, fold_slug(slug)))
    }

    fn changed_link(&self, fields: &mut Fields, held: &Link) -> Option<Link> {
        let target =
            fields.optional("destination", destination).unwrap_or_else(|| held.destination.clone());
        let fallback = fields.change("fallback", destination, held.fallback.clone());
        let Schedule { paused, starts_at, ends_at } = schedule(fields, held.schedule());
        Some(Link {
            destination: target,
            fallback,
            paused,
            starts_at,
            ends_at,
            updated_at: self.now,
            ..held.clone()
        })
    }

    fn coupon(&mut self, fields: &mut Fields) -> Option<Coupon> {
        let campaign = fields.required("campaign", |value| found(value, &self.catalog.campaigns));
        let influencer =
            fields.required("influencer", |value| found(value, &self.catalog.influencers));
        let code = fields.required("code", |value| {
            let code = value.as_str().unwrap_or_default();
            check_code(code).map(|()| code.trim().to_owned())
        });
        let dates = dates(fields, Schedule::default());
        let (campaign, code) = (campaign?, code?);
        let coupon = Coupon {
            id: CouponId::from_bits(self.random.random()),
            campaign: campaign.id,
            influencer: influencer?.id,
            code,
            starts_at: dates.starts_at,
            ends_at: dates.ends_at,
            created_at: self.now,
            updated_at: self.now,
        };
        self.check_coupon(fields, campaign.merchant, &coupon);
        self.codes.entry(fold_code(&coupon.code)).or_default().push(coupon.clone());
        Some(coupon)
    }

    fn changed_coupon(&self, fields: &mut Fields, held: &Coupon) -> Option<Coupon> {
        let held_dates =
            Schedule { paused: false, starts_at: held.starts_at, ends_at: held.ends_at };
        let dates = dates(fields, held_dates);
        self.check_not_in_the_past(
            fields,
            (held.starts_at, dates.starts_at),
            (held.ends_at, dates.ends_at),
        );
        let coupon = Coupon {
            starts_at: dates.starts_at,
            ends_at: dates.ends_at,
            updated_at: self.now,
            ..held.clone()
        };
        let merchant = self.catalog.campaigns.get(&held.campaign)?.merchant;
        self.check_coupon(fields, merchant, &coupon);
        Some(coupon)
    }

    fn rate(&self, fields: &mut Fields) -> Option<ExchangeRate> {
        let day = fields.required("date", day);
        let from = fields.required("from", parsed);
        let to = fields.required("to", parsed);
        let rate = fields.required("rate", shaped);
        let source = fields.required("source", text(200));
        let created_at = self.now;
        let rate = ExchangeRate {
            day: day?,
            from: from?,
            to: to?,
            rate: rate?,
            source: source?,
            created_at,
        };
        if let Err(error) = rate.check() {
            fields.fault("rate", error.to_string());
        }
        match self.catalog.rates.get(rate.from, rate.to, rate.day) {
            Some(held) if held.rate != rate.rate => {
                fields.fault(
                    "rate",
                    format!("is {} already (source: {}) and never changes", held.rate, held.source),
                );
            }
            _ => {}
        }
        Some(rate)
    }

    /// Checks that a change of dates concerns the future only: it must not change who earned an
    /// order that exists already.
    fn check_not_in_the_past(
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

    /// Checks that a code has only one owner at a time.
    fn check_coupon(&self, fields: &mut Fields, merchant: MerchantId, coupon: &Coupon) {
        let held =
            self.catalog.coupons_with_code(merchant, &coupon.code).into_iter().map(AsRef::as_ref);
        let of_merchant = |c: &&Coupon| {
            self.catalog
                .campaigns
                .get(&c.campaign)
                .is_some_and(|campaign| campaign.merchant == merchant)
        };
        let fresh =
            self.codes.get(&fold_code(&coupon.code)).into_iter().flatten().filter(of_merchant);
        let clash = held.chain(fresh).find(|other| other.id != coupon.id && overlap(other, coupon));
        if let Some(other) = clash {
            fields.fault(
                "code",
                format!(
                    "`{}` belongs to influencer {} at the same time",
                    coupon.code, other.influencer
                ),
            );
        }
    }

    fn unguessable(&mut self, characters: usize) -> String {
        let pick = |_| char::from(UNGUESSABLE[self.random.random_range(0..UNGUESSABLE.len())]);
        (0..characters).map(pick).collect()
    }
}

fn overlap(a: &Coupon, b: &Coupon) -> bool {
    let before = |end: Option<Timestamp>, start: Option<Timestamp>| matches!((end, start), (Some(e), Some(s)) if e <= s);
    !before(a.ends_at, b.starts_at) && !before(b.ends_at, a.starts_at)
}

/// Reads a field that is required on creation. On a change it may be missing and then keeps its
/// value.
fn field<T: Clone>(
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
fn fixed<T: Clone + PartialEq>(
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

fn schedule(fields: &mut Fields, held: Schedule) -> Schedule {
    let paused = fields.optional("paused", flag).unwrap_or(held.paused);
    Schedule { paused, ..dates(fields, held) }
}

fn dates(fields: &mut Fields, held: Schedule) -> Schedule {
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
fn found<'c, K, V>(value: &Value, entities: &'c HashMap<K, Arc<V>>) -> Result<&'c V, String>
where
    K: FromStr<Err: Display> + Hash + Eq + Display,
{
    let id: K = parsed(value)?;
    entities.get(&id).map(AsRef::as_ref).ok_or_else(|| format!("`{id}` does not exist"))
}

fn domains(value: &Value) -> Result<Vec<String>, String> {
    let expected = || "expected a list of host names such as [\"shop.example\"]".to_owned();
    let list = value.as_array().filter(|list| !list.is_empty()).ok_or_else(expected)?;
    let names = list.iter().map(|name| {
        name.as_str().map(|name| name.trim().to_ascii_lowercase()).ok_or_else(expected)
    });
    names.map(|name| name.and_then(|name| check_host(&name).map(|()| name))).collect()
}

/// Reads the address and keys with which a shop is asked. Only an administrator may set
/// them, and the shop is asked over HTTPS, or on this machine.
fn shop_api(value: &Value) -> Result<ShopApi, String> {
    let api: ShopApi =
        shaped(value).map_err(|error| format!("expected {{\"url\", \"token\"}}: {error}"))?;
    let url = url::Url::parse(&api.url).map_err(|error| format!("url: `{}`: {error}", api.url))?;
    let on_this_machine = match url.host() {
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        Some(url::Host::Domain(name)) => name == "localhost",
        None => false,
    };
    let is_plain = url.path() == "/" && url.query().is_none() && url.username().is_empty();
    if !is_plain || !(url.scheme() == "https" || (url.scheme() == "http" && on_this_machine)) {
        return Err(format!("url: `{}`: expected https:// and a host, without a path", api.url));
    }
    let is_token = |text: &str| {
        !text.is_empty() && text.len() <= 500 && text.bytes().all(|b| b.is_ascii_graphic())
    };
    if !is_token(&api.token) || api.secret.as_deref().is_some_and(|secret| !is_token(secret)) {
        return Err("token: expected up to 500 printable characters".to_owned());
    }
    Ok(ShopApi { url: api.url.trim_end_matches('/').to_owned(), ..api })
}

fn timezone(value: &Value) -> Result<String, String> {
    let name = value.as_str().unwrap_or_default();
    let known = jiff::tz::TimeZone::get(name).is_ok();
    if known {
        Ok(name.to_owned())
    } else {
        Err(format!("`{name}` is not an IANA time zone such as Europe/Berlin"))
    }
}

/// Reads a day such as `2026-11-25`, as days since 1970.
fn day(value: &Value) -> Result<i64, String> {
    let text = value.as_str().unwrap_or_default();
    let midnight: Result<Timestamp, _> = format!("{text}T00:00:00Z").parse();
    midnight
        .map(Timestamp::utc_day)
        .map_err(|_| format!("`{text}`: expected a day such as 2026-11-25"))
}

fn email(value: &Value) -> Result<String, String> {
    let address = text(254)(value)?;
    let fits =
        address.split_once('@').is_some_and(|(user, host)| !user.is_empty() && host.contains('.'));
    if fits { Ok(address) } else { Err(format!("`{address}` is not an e-mail address")) }
}

fn destination(value: &Value) -> Result<String, String> {
    check_destination(value.as_str().unwrap_or_default().trim())
}

/// Reads how somebody is paid. It is stored as it was sent, within limits of depth and size.
fn payout(value: &Value) -> Result<Value, String> {
    fn depth(value: &Value) -> usize {
        match value {
            Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
            Value::Object(fields) => 1 + fields.values().map(depth).max().unwrap_or(0),
            _ => 0,
        }
    }
    let fits = value.is_object()
        && depth(value) <= PAYOUT_DEPTH_MAX
        && value.to_string().len() <= PAYOUT_BYTES_MAX;
    if fits {
        Ok(value.clone())
    } else {
        Err("expected an object such as {\"method\": \"sepa\", \"iban\": …}".to_owned())
    }
}

/// Reads a field that this version does not support: only an empty value is accepted.
fn unsupported(why: &'static str) -> impl FnOnce(&Value) -> Result<(), String> {
    move |value| {
        let empty = value.as_array().is_some_and(Vec::is_empty)
            || value.as_object().is_some_and(Map::is_empty);
        if empty { Ok(()) } else { Err(why.to_owned()) }
    }
}

fn commission(value: &Value) -> Result<Terms, String> {
    let rules = value.as_array().map_or_else(|| std::slice::from_ref(value), Vec::as_slice);
    let rules: Result<Vec<Rule>, String> = rules.iter().map(shaped).collect();
    Terms::new(rules?).map_err(|error| error.to_string())
}

fn model(value: &Value) -> Result<Model, String> {
    let model: Model = shaped(value)?;
    if model.pays() {
        Ok(model)
    } else {
        Err(format!("`{}` is for reports only; pay by last_click or first_click", model.as_str()))
    }
}

fn precedence(value: &Value) -> Result<Vec<Evidence>, String> {
    let list: Vec<Evidence> = shaped(value)?;
    let twice = list.iter().enumerate().any(|(index, evidence)| list[..index].contains(evidence));
    let credits = list.iter().any(|evidence| *evidence != Evidence::ExistingCustomer);
    if credits && !twice {
        Ok(list)
    } else {
        Err("expected `click`, `coupon` and `existing_customer`, each at most once, \
             with `click` or `coupon` among them"
            .to_owned())
    }
}

/// Returns the fields that only the answer to the creation shows.
pub(crate) fn shown_once(entity: &Entity) -> Value {
    match entity {
        Entity::Merchant(merchant) => {
            let secret = merchant.webhook_secret.as_deref();
            json!({ "webhook_secret": secret, "postback_token": secret.and_then(postback::token) })
        }
        _ => json!({}),
    }
}
