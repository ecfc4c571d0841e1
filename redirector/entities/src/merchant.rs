//! Merchants.

use rand::RngExt;
use serde_json::Value;
use shared::agency::AgencyShare;
use shared::catalog::{ClaimRule, EarlierClaimRule, Merchant, OldSecret, ShopApi};
use shared::id::MerchantId;
use shared::money::Decimal;
use shared::payee::Payer;
use shared::platform::Platform;
use shared::time::Span;

use crate::builder::{EntityBuilder, field, fixed, hosts};
use crate::fields::{Fields, flag, parsed, shaped, text};
use crate::influencer::told;

/// How long a replaced webhook secret is still accepted. Shopify signs with the old one for up to
/// an hour.
const OLD_SECRET_VALID: Span = Span::minutes(120);

/// The fewest characters of a webhook secret. A shorter one can be guessed from one delivery.
const SECRET_CHARS_MIN: usize = 16;

impl EntityBuilder<'_> {
    pub(crate) fn merchant(
        &mut self,
        fields: &mut Fields,
        held: Option<&Merchant>,
    ) -> Option<Merchant> {
        let name = field(fields, "name", held.map(|m| &m.name), text(200));
        let domains = field(fields, "domains", held.map(|m| &m.domains), domains);
        // Fields that decide about money never change, since orders may exist already.
        let currency = fixed(fields, "currency", held.map(|m| &m.currency), parsed);
        let timezone = fixed(fields, "timezone", held.map(|m| &m.timezone), timezone);
        let platform =
            fields.optional("platform", shaped::<Platform>).or(held.and_then(|m| m.platform));
        let secret = fields.optional("webhook_secret", |value| secret(value, held));
        let shop_api = fields.change("shop_api", shop_api, held.and_then(|m| m.shop_api.clone()));
        let payer = fields.change("payer", payer, held.and_then(|m| m.payer.clone()));
        let agency_shares = self.agency_shares(fields, held);
        let trust_pixel = match held {
            None => fields.optional("trust_pixel", flag).unwrap_or(false),
            Some(held) => fixed(fields, "trust_pixel", Some(&held.trust_pixel), flag)?,
        };
        let trust_leads = match held {
            None => fields.optional("trust_leads", flag).unwrap_or(trust_pixel),
            Some(held) => fixed(fields, "trust_leads", Some(&held.trusts_leads()), flag)?,
        };
        let claims = fields.optional("claims", shaped::<ClaimRule>);
        let (claims, earlier_claims) = self.claim_rules(claims, held);
        let domains = domains?;
        self.check_domains(fields, &domains, held);
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
            payer,
            agency_shares,
            trust_pixel,
            trust_leads: Some(trust_leads).filter(|trust_leads| *trust_leads != trust_pixel),
            sealed: held.and_then(|m| m.sealed.clone()),
            claims,
            earlier_claims,
            created_at: held.map_or(self.now, |m| m.created_at),
            updated_at: self.now,
        })
    }

    /// Returns the agency's shares. A new one is of what is booked from now on.
    fn agency_shares(&self, fields: &mut Fields, held: Option<&Merchant>) -> Vec<AgencyShare> {
        let mut shares = held.map_or_else(Vec::new, |held| held.agency_shares.clone());
        let last = shares.last().map(|share| share.percent);
        if let Some(percent) = fields.optional("agency_share", percent)
            && last != Some(percent)
        {
            shares.push(AgencyShare { from: self.now, percent });
        }
        shares
    }

    /// Returns the rule for claims and those before it. A new rule judges orders placed from now
    /// on: what was settled by the old one stays.
    fn claim_rules(
        &self,
        new: Option<ClaimRule>,
        held: Option<&Merchant>,
    ) -> (ClaimRule, Vec<EarlierClaimRule>) {
        let Some(held) = held else { return (new.unwrap_or_default(), vec![]) };
        let mut earlier = held.earlier_claims.clone();
        let rule = new.unwrap_or(held.claims);
        if rule != held.claims {
            earlier.push(EarlierClaimRule { until: self.now, rule: held.claims });
        }
        (rule, earlier)
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

    /// Checks that no domain is that of another merchant, nor below or above one: whoever owns a
    /// domain would get the other's links, cookies and pixels. What a merchant has, it keeps.
    fn check_domains(&self, fields: &mut Fields, domains: &[String], held: Option<&Merchant>) {
        let is_new = |domain: &&String| held.is_none_or(|held| !held.domains.contains(domain));
        let own = held.map(|merchant| merchant.id);
        for domain in domains.iter().filter(is_new) {
            let others = self.catalog.merchants_that_meet(domain);
            for (other, theirs) in others.filter(|(other, _)| Some(other.id) != own) {
                let reason = if theirs == domain {
                    format!("`{domain}` belongs to merchant {}", other.id)
                } else {
                    format!("`{domain}` meets `{theirs}` of merchant {}", other.id)
                };
                fields.fault("domains", reason);
            }
        }
    }
}

/// Reads a webhook secret. One that the merchant has already is kept, however short it is.
fn secret(value: &Value, held: Option<&Merchant>) -> Result<String, String> {
    let secret = text(200)(value)?;
    let is_held = held.is_some_and(|held| held.webhook_secret.as_ref() == Some(&secret));
    if is_held || secret.chars().count() >= SECRET_CHARS_MIN {
        Ok(secret)
    } else {
        Err(format!(
            "expected at least {SECRET_CHARS_MIN} characters; without the field, one is made"
        ))
    }
}

fn domains(value: &Value) -> Result<Vec<String>, String> {
    let domains = hosts(value)?;
    if domains.is_empty() { Err("expected at least one host name".to_owned()) } else { Ok(domains) }
}

/// Reads the address and keys with which a shop is asked. Only an administrator may set
/// them, and the shop is asked over HTTPS, or on this machine.
fn shop_api(value: &Value) -> Result<ShopApi, String> {
    const FIELDS: [&str; 3] = ["url", "token", "secret"];
    let mut sent = value.as_object().into_iter().flat_map(serde_json::Map::keys);
    if let Some(unknown) = sent.find(|name| !FIELDS.contains(&name.as_str())) {
        return Err(format!("{unknown}: no such field; there are {}", FIELDS.join(", ")));
    }
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

/// Reads percent such as `"20"`; `"0"` for none.
fn percent(value: &Value) -> Result<Decimal, String> {
    let percent: Decimal = shaped(value)?;
    let (units, one) = percent.fraction();
    if (0..=1_000 * one).contains(&units) {
        Ok(percent)
    } else {
        Err(format!("`{percent}`: expected percent from 0 to 1000"))
    }
}

/// Reads who pays the merchant's influencers.
fn payer(value: &Value) -> Result<Payer, String> {
    Payer::read(value).map_err(|mistakes| told(&mistakes))
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
