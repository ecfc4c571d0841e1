//! A campaign in one table, by names: each row an influencer with a link, a code, or both. What is
//! not there yet is made, what differs is changed, and what is as the row says stays. So the same
//! table may come again.
//!
//! It never guesses whom a name means: where two have it, the row is refused.

use std::collections::HashMap;
use std::sync::Arc;

use api::Kind;
use live::Snapshot;
use serde_json::{Map, Value, json};
use shared::catalog::{Catalog, Change, Entity};
use shared::code::fold_code;
use shared::id::{CampaignId, InfluencerId, LinkId, MerchantId};
use shared::links::Scope;
use shared::time::Timestamp;

use crate::builder::EntityBuilder;
use crate::fault::Fault;
use crate::fields::{Fields, text};
use crate::version::{as_version, version_after};

/// What became of an entity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Did {
    Created,
    Changed,
    Stayed,
}

impl Did {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Changed => "changed",
            Self::Stayed => "stayed",
        }
    }
}

/// What a row came to.
#[derive(Debug, Clone)]
pub struct Row {
    pub line: u64,
    pub influencer: (InfluencerId, Did),
    pub campaign: (CampaignId, Did),
    pub link: Option<(LinkId, Did)>,
    /// The id of the coupon.
    pub coupon: Option<(String, Did)>,
}

/// A table that was read.
pub struct Sheet {
    merchant: MerchantId,
    now: Timestamp,
    snapshot: Arc<Snapshot>,
    /// The catalog with what the rows before made.
    catalog: Catalog,
    /// What the table makes and changes, each entity once, in the order of the table.
    made: Vec<Entity>,
    places: HashMap<String, usize>,
    influencers: Names<InfluencerId>,
    emails: Names<InfluencerId>,
    campaigns: Names<CampaignId>,
    links: HashMap<(CampaignId, InfluencerId), Vec<LinkId>>,
}

/// Who has a name, whatever the case of its letters.
struct Names<Id>(HashMap<String, Vec<Id>>);

impl<Id: Copy + PartialEq> Names<Id> {
    fn of<'a>(all: impl Iterator<Item = (&'a str, Id)>) -> Self {
        let mut names = Self(HashMap::new());
        all.for_each(|(name, id)| names.add(name, id));
        names
    }

    fn add(&mut self, name: &str, id: Id) {
        let ids = self.0.entry(folded(name)).or_default();
        if !ids.contains(&id) {
            ids.push(id);
        }
    }

    fn with(&self, name: &str) -> &[Id] {
        self.0.get(&folded(name)).map_or(&[], Vec::as_slice)
    }
}

fn folded(name: &str) -> String {
    name.trim().to_lowercase()
}

/// Begins to read a table of a merchant's campaigns.
pub fn read_sheet(
    catalog: &Catalog,
    snapshot: Arc<Snapshot>,
    merchant: MerchantId,
    now: Timestamp,
) -> Sheet {
    let influencers = || catalog.influencers.values();
    let names = Names::of(influencers().map(|of| (of.name.as_str(), of.id)));
    let emails = influencers().filter_map(|of| Some((of.email.as_deref()?, of.id)));
    let campaigns = catalog.campaigns.values().filter(|of| of.merchant == merchant);
    let mut links: HashMap<_, Vec<_>> = HashMap::new();
    for link in catalog.links.iter().filter(|link| link.merchant() == Some(merchant)) {
        links.entry((link.campaign(), link.influencer())).or_default().push(link.id());
    }
    Sheet {
        merchant,
        now,
        snapshot,
        catalog: catalog.clone(),
        made: vec![],
        places: HashMap::new(),
        influencers: names,
        emails: Names::of(emails),
        campaigns: Names::of(campaigns.map(|of| (of.name.as_str(), of.id))),
        links,
    }
}

/// What a row says.
struct Said {
    influencer: String,
    email: Option<String>,
    iban: Option<String>,
    campaign: String,
    commission: Option<String>,
    slug: Option<String>,
    code: Option<String>,
    destination: Option<String>,
}

impl Said {
    fn read(row: Map<String, Value>) -> Result<Self, Vec<Fault>> {
        let mut fields = Fields::of_row(row);
        let influencer = fields.required("influencer", text(200));
        let campaign = fields.required("campaign", text(200));
        let mut optional = |name, most| fields.optional(name, text(most));
        let (email, iban) = (optional("email", 254), optional("iban", 60));
        let (commission, slug) = (optional("commission", 40), optional("slug", 64));
        let (code, destination) = (optional("code", 128), optional("destination", 2_000));
        if slug.is_some() && destination.is_none() {
            fields.fault("destination", "is required beside a slug");
        }
        let faults = fields.finish();
        match (influencer, campaign) {
            (Some(influencer), Some(campaign)) if faults.is_empty() => {
                Ok(Self { influencer, email, iban, campaign, commission, slug, code, destination })
            }
            _ => Err(faults),
        }
    }
}

impl Sheet {
    /// Reads a row.
    ///
    /// # Errors
    /// Every mistake of the row.
    pub fn row(&mut self, line: u64, row: Map<String, Value>) -> Result<Row, Vec<Fault>> {
        self.said(line, row).map_err(|faults| {
            let at_line =
                |fault: Fault| Fault { field: format!("line {line}: {}", fault.field), ..fault };
            faults.into_iter().map(at_line).collect()
        })
    }

    /// Returns what the table makes and changes.
    pub fn finish(self) -> Vec<Entity> {
        self.made
    }

    /// Returns the catalog as it is with the table.
    pub const fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    fn said(&mut self, line: u64, row: Map<String, Value>) -> Result<Row, Vec<Fault>> {
        let said = Said::read(row)?;
        let influencer = self.influencer(&said)?;
        let campaign = self.campaign(&said)?;
        let ids = (campaign.0, influencer.0);
        let link = said.destination.as_deref();
        let link = link.map(|to| self.link(ids, said.slug.as_deref(), to)).transpose()?;
        let coupon = said.code.as_deref().map(|code| self.coupon(ids, code)).transpose()?;
        Ok(Row { line, influencer, campaign, link, coupon })
    }

    fn influencer(&mut self, said: &Said) -> Result<(InfluencerId, Did), Vec<Fault>> {
        let by_email = said.email.as_deref().map_or(&[][..], |email| self.emails.with(email));
        let found =
            if by_email.is_empty() { self.influencers.with(&said.influencer) } else { by_email };
        let fields = |payout: Option<Value>| {
            let mut fields = Map::from_iter([("name".to_owned(), json!(said.influencer))]);
            fields.extend(said.email.iter().map(|email| ("email".to_owned(), json!(email))));
            fields.extend(payout.map(|payout| ("payout".to_owned(), payout)));
            fields
        };
        match *found {
            [] => {
                let payout =
                    said.iban.as_ref().map(|iban| json!({ "method": "bank", "iban": iban }));
                let made = self.make(Kind::Influencer, fields(payout), None)?;
                let Entity::Influencer(influencer) = &made else { return Err(vec![]) };
                self.influencers.add(&influencer.name, influencer.id);
                let email = influencer.email.iter();
                email.for_each(|email| self.emails.add(email, influencer.id));
                let id = influencer.id;
                self.put(made);
                Ok((id, Did::Created))
            }
            [id] => {
                let Some(held) = self.catalog.influencers.get(&id).cloned() else {
                    return Err(vec![]);
                };
                let email = said.email.as_ref().filter(|email| held.email.as_ref() != Some(email));
                if let (Some(email), Some(theirs)) = (email, &held.email)
                    && by_email.is_empty()
                {
                    let reason = format!(
                        "`{}` has the address {theirs}; `{email}` is another one: change it by hand, \
                         or give this influencer another name",
                        said.influencer
                    );
                    return Err(vec![Fault::new("email", reason)]);
                }
                let payout =
                    said.iban.as_deref().and_then(|iban| payout(held.payout.as_ref(), iban));
                let mut change = fields(payout);
                // The name of whoever was found by their address stays.
                change.remove("name");
                let held = Entity::Influencer(held.as_ref().clone());
                let did = self.change(Kind::Influencer, change, &held)?;
                Ok((id, did))
            }
            _ => {
                let reason = format!("`{}` are several; say whose by `email`", said.influencer);
                Err(vec![Fault::new("influencer", reason)])
            }
        }
    }

    fn campaign(&mut self, said: &Said) -> Result<(CampaignId, Did), Vec<Fault>> {
        match (self.campaigns.with(&said.campaign), &said.commission) {
            ([id], _) => Ok((*id, Did::Stayed)),
            ([], Some(commission)) => {
                let commission =
                    terms(commission).map_err(|reason| vec![Fault::new("commission", reason)])?;
                let fields = json!({
                    "merchant": self.merchant, "name": said.campaign, "commission": commission,
                });
                let Value::Object(fields) = fields else { return Err(vec![]) };
                let made = self.make(Kind::Campaign, fields, None)?;
                let Entity::Campaign(campaign) = &made else { return Err(vec![]) };
                let id = campaign.id;
                self.campaigns.add(&campaign.name, id);
                self.put(made);
                Ok((id, Did::Created))
            }
            ([], None) => {
                let reason = format!(
                    "`{}` does not exist; with a column `commission` (`15%`, or an amount for each \
                     sale) it is created",
                    said.campaign
                );
                Err(vec![Fault::new("campaign", reason)])
            }
            _ => {
                let reason = format!("`{}` are several campaigns of this merchant", said.campaign);
                Err(vec![Fault::new("campaign", reason)])
            }
        }
    }

    fn link(
        &mut self,
        ids: (CampaignId, InfluencerId),
        slug: Option<&str>,
        destination: &str,
    ) -> Result<(LinkId, Did), Vec<Fault>> {
        let same = |id: &LinkId| {
            let link = self.catalog.links.get(*id);
            link.is_some_and(|link| link.destination() == kept(destination))
        };
        let held = match slug {
            Some(slug) => self.catalog.links.by_slug(Scope::Merchant(self.merchant), slug),
            None => {
                let own = self.links.get(&ids).into_iter().flatten().copied();
                own.filter(same).find_map(|id| self.catalog.links.get(id))
            }
        };
        let Some(held) = held.map(|link| link.to_link()) else {
            let mut fields = Map::from_iter([
                ("campaign".to_owned(), json!(ids.0)),
                ("influencer".to_owned(), json!(ids.1)),
                ("destination".to_owned(), json!(destination)),
            ]);
            fields.extend(slug.map(|slug| ("slug".to_owned(), json!(slug))));
            let made = self.make(Kind::Link, fields, None)?;
            let Entity::Link(link) = &made else { return Err(vec![]) };
            let id = link.id;
            self.links.entry(ids).or_default().push(id);
            self.put(made);
            return Ok((id, Did::Created));
        };
        if (held.campaign, held.influencer) != ids {
            let reason =
                format!("`{}` is the link of {} in {}", held.slug, held.influencer, held.campaign);
            return Err(vec![Fault::new("slug", reason)]);
        }
        let change = Map::from_iter([("destination".to_owned(), json!(destination))]);
        let id = held.id;
        let did = self.change(Kind::Link, change, &Entity::Link(held))?;
        Ok((id, did))
    }

    fn coupon(
        &mut self,
        ids: (CampaignId, InfluencerId),
        code: &str,
    ) -> Result<(String, Did), Vec<Fault>> {
        let of_code = self.catalog.coupons_with_code(self.merchant, code);
        let own = of_code.into_iter().find(|coupon| {
            (coupon.campaign, coupon.influencer) == ids
                && fold_code(&coupon.code) == fold_code(code)
        });
        if let Some(own) = own {
            return Ok((own.id.to_string(), Did::Stayed));
        }
        let fields = Map::from_iter([
            ("campaign".to_owned(), json!(ids.0)),
            ("influencer".to_owned(), json!(ids.1)),
            ("code".to_owned(), json!(code)),
        ]);
        let made = self.make(Kind::Coupon, fields, None)?;
        let id = made.id();
        self.put(made);
        Ok((id, Did::Created))
    }

    /// Makes an entity by the rules of every creation, or of every change.
    fn make(
        &self,
        kind: Kind,
        fields: Map<String, Value>,
        held: Option<&Entity>,
    ) -> Result<Entity, Vec<Fault>> {
        let mut fields = Fields::new(fields);
        let mut builder = EntityBuilder::new(&self.catalog, Arc::clone(&self.snapshot), self.now);
        let made = builder.make(kind, &mut fields, held);
        let faults = fields.finish();
        made.filter(|_| faults.is_empty()).ok_or(faults)
    }

    /// Changes an entity, if that makes a difference.
    fn change(
        &mut self,
        kind: Kind,
        fields: Map<String, Value>,
        held: &Entity,
    ) -> Result<Did, Vec<Fault>> {
        let made = self.make(kind, fields, Some(held))?;
        let version = version_after(held, self.now);
        let made = as_version(made, version);
        if made == as_version(held.clone(), version) {
            return Ok(Did::Stayed);
        }
        self.put(made);
        Ok(Did::Changed)
    }

    fn put(&mut self, entity: Entity) {
        let entities = vec![entity.clone()];
        self.catalog.apply(&Change { at: self.now, entities, request: None, by: None });
        let place = *self.places.entry(entity.id()).or_insert(self.made.len());
        match self.made.get_mut(place) {
            Some(held) => *held = entity,
            None => self.made.push(entity),
        }
    }
}

/// Returns how an influencer is paid with an IBAN; `None` where they are already.
fn payout(held: Option<&Value>, iban: &str) -> Option<Value> {
    let spelled = |iban: &str| iban.split_whitespace().collect::<String>().to_uppercase();
    let held_iban = held.and_then(|held| held["iban"].as_str()).map(spelled);
    if held_iban == Some(spelled(iban)) {
        return None;
    }
    let mut payout = held.filter(|held| held["method"] == "bank").cloned().unwrap_or(json!({}));
    let fields = payout.as_object_mut()?;
    fields.remove("bic");
    fields.insert("method".to_owned(), json!("bank"));
    fields.insert("iban".to_owned(), json!(iban));
    Some(payout)
}

/// Reads terms such as `15%`, or an amount for each sale.
fn terms(text: &str) -> Result<Value, String> {
    let (number, kind, field) = match text.trim().strip_suffix('%') {
        Some(rate) => (rate.trim(), "percent", "rate"),
        None => (text.trim(), "per_sale", "amount"),
    };
    let is_number = number.chars().all(|c| c.is_ascii_digit() || c == '.') && !number.is_empty();
    if is_number {
        Ok(json!({ "kind": kind, field: number }))
    } else {
        Err(format!("`{text}`: expected percent such as 15%, or an amount for each sale"))
    }
}

/// Returns a destination as links keep it.
fn kept(destination: &str) -> String {
    live::check_destination(destination).unwrap_or_default()
}
