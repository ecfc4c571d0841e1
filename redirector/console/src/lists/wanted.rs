//! What a list is asked for, and what belongs into it.

use std::collections::HashSet;
use std::str::FromStr;

use aho_corasick::AhoCorasick;
use answers::Problem;
use answers::asked::wrong;
use api::Kind;
use serde::Deserialize;
use shared::catalog::{Catalog, Entity, HoldTarget, Role};
use shared::id::{CampaignId, InfluencerId, LinkId, MerchantId};
use shared::links::LinkRef;

use super::entries::entity_id;
use super::order::{Key, Sort, read_cursor};
use crate::rights::{sees, sees_link};

/// What a list is asked for. Which of these a kind has, its operation says.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Asked {
    pub(super) merchant: Option<String>,
    pub(super) campaign: Option<String>,
    pub(super) influencer: Option<String>,
    pub(super) paused: Option<bool>,
    pub(super) archived: Option<bool>,
    pub(super) q: Option<String>,
    pub(super) sort: Option<String>,
    pub(super) format: Option<String>,
    pub(super) separator: Option<String>,
    pub(super) cursor: Option<String>,
    pub(super) limit: Option<usize>,
}

/// What a list holds.
pub(super) struct Wanted {
    pub(super) kind: Kind,
    role: Role,
    merchant: Option<MerchantId>,
    campaign: Option<CampaignId>,
    influencer: Option<InfluencerId>,
    paused: Option<bool>,
    archived: bool,
    text: Option<Text>,
    pub(super) sort: Sort,
    pub(super) after: Option<Key>,
}

impl Wanted {
    /// Reads what is asked for.
    ///
    /// # Errors
    /// When a filter names nothing that the role may see: it would look like an empty list.
    pub(super) fn read(
        asked: &Asked,
        (kind, role): (Kind, Role),
        catalog: &Catalog,
    ) -> Result<Self, Problem> {
        let sort = Sort::read(asked.sort.as_deref())?;
        let text = asked.q.as_deref().map(Text::read);
        let cursor = asked.cursor.as_deref().filter(|cursor| !cursor.is_empty());
        let after = cursor.map(|cursor| {
            let read = read_cursor(cursor, kind).filter(|key| sort.by_name == key.is_name());
            read.ok_or_else(|| {
                let expected = "expected the `next_cursor` of an earlier page";
                wrong("cursor", format!("`{cursor}`: {expected}"))
            })
        });
        let known = Known { role, catalog };
        Ok(Self {
            kind,
            role,
            archived: asked.archived.unwrap_or(false),
            merchant: known.named("merchant", asked.merchant.as_deref(), |id| {
                catalog.merchants.get(id).map(|m| Entity::Merchant(m.as_ref().clone()))
            })?,
            campaign: known.named("campaign", asked.campaign.as_deref(), |id| {
                catalog.campaigns.get(id).map(|c| Entity::Campaign(c.as_ref().clone()))
            })?,
            influencer: known.named("influencer", asked.influencer.as_deref(), |id| {
                catalog.influencers.get(id).map(|i| Entity::Influencer(i.as_ref().clone()))
            })?,
            paused: asked.paused,
            text,
            sort,
            after: after.transpose()?,
        })
    }

    /// Returns whether a link belongs into the list, but for its place.
    pub(super) fn has_link(&self, link: LinkRef<'_>, archived: &Archived) -> bool {
        archived.contains(&link.id()) == self.archived
            && sees_link(self.role, link)
            && self.merchant.is_none_or(|wanted| link.merchant() == Some(wanted))
            && self.campaign.is_none_or(|wanted| link.campaign() == wanted)
            && self.influencer.is_none_or(|wanted| link.influencer() == wanted)
            && self.paused.is_none_or(|wanted| link.schedule().paused == wanted)
            && self.text.as_ref().is_none_or(|text| {
                text.is_in(link.slug())
                    || text.is_in(link.destination())
                    || text.is_in(&link.id().to_string())
            })
    }

    /// Returns whether another entity belongs into the list, but for its place.
    pub(super) fn has(&self, entity: &Entity, catalog: &Catalog) -> bool {
        let facts = Facts::of(entity, catalog);
        let sees_all = self.role == Role::Admin;
        facts.archived == self.archived
            && sees(self.role, entity, catalog)
            && self.merchant.is_none_or(|wanted| facts.merchants.contains(&wanted))
            && self.campaign.is_none_or(|wanted| facts.campaigns.contains(&wanted))
            && self.influencer.is_none_or(|wanted| facts.influencer == Some(wanted))
            && self.paused.is_none_or(|wanted| facts.paused == Some(wanted))
            && self.text.as_ref().is_none_or(|text| {
                text.is_in(&entity_id(entity))
                    || facts.texts.iter().any(|of| text.is_in(of))
                    || sees_all && facts.unseen.iter().any(|of| text.is_in(of))
            })
    }
}

/// Links that are archived.
pub(super) type Archived = HashSet<LinkId>;

/// What filters ask of an entity.
#[derive(Default)]
struct Facts {
    merchants: Vec<MerchantId>,
    campaigns: Vec<CampaignId>,
    influencer: Option<InfluencerId>,
    paused: Option<bool>,
    archived: bool,
    /// What everybody sees who sees the entity.
    texts: Vec<String>,
    /// What only the agency sees. A search must not confirm it to others.
    unseen: Vec<String>,
}

impl Facts {
    fn of(entity: &Entity, catalog: &Catalog) -> Self {
        let archived = match entity {
            Entity::Person(person) => person.archived,
            other => other.archivable().is_some_and(|of| catalog.is_archived(of)),
        };
        Self { archived, ..Self::of_kind(entity, catalog) }
    }

    fn of_kind(entity: &Entity, catalog: &Catalog) -> Self {
        let merchant_of =
            |id: CampaignId| catalog.campaigns.get(&id).map(|campaign| campaign.merchant);
        match entity {
            Entity::Merchant(of) => {
                let texts = [of.name.clone()].into_iter().chain(of.domains.iter().cloned());
                Self { merchants: vec![of.id], texts: texts.collect(), ..Self::default() }
            }
            Entity::Influencer(of) => {
                let (texts, unseen) =
                    (vec![of.name.clone()], of.email.clone().into_iter().collect());
                let campaigns = || catalog.campaigns_of(of.id);
                Self {
                    merchants: campaigns().map(|campaign| campaign.merchant).collect(),
                    campaigns: campaigns().map(|campaign| campaign.id).collect(),
                    influencer: Some(of.id),
                    texts,
                    unseen,
                    ..Self::default()
                }
            }
            Entity::Campaign(of) => Self {
                merchants: vec![of.merchant],
                campaigns: vec![of.id],
                paused: Some(of.paused),
                texts: vec![of.name.clone()],
                ..Self::default()
            },
            Entity::Coupon(of) => Self {
                merchants: merchant_of(of.campaign).into_iter().collect(),
                campaigns: vec![of.campaign],
                influencer: Some(of.influencer),
                texts: vec![of.code.clone()],
                ..Self::default()
            },
            Entity::Booking(of) => Self {
                merchants: vec![of.merchant],
                campaigns: of.campaign.into_iter().collect(),
                influencer: Some(of.influencer),
                texts: vec![of.note.clone()],
                ..Self::default()
            },
            Entity::Hold(of) => {
                let influencer = match of.target {
                    HoldTarget::Influencer(id) => Some(id),
                    _ => None,
                };
                Self { influencer, texts: vec![of.reason.clone()], ..Self::default() }
            }
            Entity::AccessToken(of) => {
                Self { texts: of.name.clone().into_iter().collect(), ..Self::default() }
            }
            Entity::Person(of) => {
                let texts = [of.name.clone()].into_iter().chain(of.email.clone()).collect();
                Self { texts, ..Self::default() }
            }
            _ => Self::default(),
        }
    }
}

/// A text that is looked for, whatever the case of its letters.
struct Text {
    folded: String,
    ascii: Option<AhoCorasick>,
}

impl Text {
    fn read(text: &str) -> Self {
        let ascii = AhoCorasick::builder().ascii_case_insensitive(true).build([text]).ok();
        Self { folded: text.to_lowercase(), ascii: ascii.filter(|_| text.is_ascii()) }
    }

    fn is_in(&self, text: &str) -> bool {
        match &self.ascii {
            Some(ascii) => ascii.is_match(text),
            None => text.to_lowercase().contains(&self.folded),
        }
    }
}

/// The catalog as a role sees it.
struct Known<'c> {
    role: Role,
    catalog: &'c Catalog,
}

impl Known<'_> {
    /// Reads the id of something that the role may see.
    fn named<Id: FromStr>(
        &self,
        name: &str,
        text: Option<&str>,
        find: impl Fn(&Id) -> Option<Entity>,
    ) -> Result<Option<Id>, Problem> {
        let Some(text) = text else { return Ok(None) };
        let id: Option<Id> = text.parse().ok();
        let is_seen = |entity: &Entity| {
            // An influencer may name the merchant of their campaigns.
            matches!((self.role, entity), (Role::Influencer(_), Entity::Merchant(_)))
                || sees(self.role, entity, self.catalog)
        };
        let id = id.filter(|id| find(id).as_ref().is_some_and(is_seen));
        id.map(Some).ok_or_else(|| wrong(name, format!("`{text}` does not exist")))
    }
}
