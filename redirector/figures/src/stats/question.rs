//! Which figures are asked for, and which of them somebody may see. Rights narrow the question itself,
//! so no filter can widen them.

use std::collections::BTreeSet;
use std::ops::Range;

use hot_state::{CountQuestion, CounterKey, HOURS_OF_A_DAY};
use shared::catalog::{Catalog, Role};
use shared::id::{CampaignId, InfluencerId, LinkId, MerchantId};

use crate::stats::by::By;

/// Days by the calendar of each campaign's merchant, as days since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Days {
    pub from: Option<u32>,
    pub to: Option<u32>,
}

impl Days {
    pub(super) fn hours(self) -> Range<u32> {
        let at = |day: u32| day.saturating_mul(HOURS_OF_A_DAY);
        let until = self.to.map_or(u32::MAX, |to| at(to.saturating_add(1)));
        self.from.map_or(0, at)..until
    }

    /// Returns how many days these are, if they have a begin and an end.
    pub(super) fn count(self) -> Option<u32> {
        Some(self.to?.checked_sub(self.from?)?.saturating_add(1))
    }
}

/// Which figures are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Question {
    pub(super) by: By,
    pub days: Days,
    /// As many days right before these ones, if they are compared.
    pub previous: Option<Days>,
    pub(super) merchant: Option<MerchantId>,
    pub(super) campaign: Option<CampaignId>,
    pub(super) influencer: Option<InfluencerId>,
    pub(super) link: Option<LinkId>,
}

impl Question {
    /// Returns what to ask the hot state for on these days: a little more than may be seen.
    pub fn counts(&self, role: Role, days: Days, catalog: &Catalog) -> CountQuestion {
        let own = |merchant: MerchantId| -> BTreeSet<CampaignId> {
            let campaigns = catalog.campaigns.values();
            campaigns.filter(|it| it.merchant == merchant).map(|it| it.id).collect()
        };
        let role_merchant = if let Role::Merchant(id) = role { Some(id) } else { None };
        let role_influencer = if let Role::Influencer(id) = role { Some(id) } else { None };
        let of_link = self.link.map(|link| catalog.links.get(link).map(|link| link.campaign()));
        let filters = [
            role_merchant.map(own),
            self.merchant.map(own),
            self.campaign.map(|campaign| BTreeSet::from([campaign])),
            of_link.map(|campaign| campaign.into_iter().collect()),
        ];
        let campaigns = filters.into_iter().flatten().reduce(|some, others| &some & &others);
        CountQuestion {
            campaigns: campaigns.map(|campaigns| campaigns.into_iter().collect()),
            influencer: role_influencer.or(self.influencer),
            hours: days.hours(),
        }
    }

    /// Returns whether a count is asked for and may be seen.
    pub(super) fn has(&self, role: Role, key: &CounterKey, catalog: &Catalog) -> bool {
        let merchant = catalog.campaigns.get(&key.campaign).map(|campaign| campaign.merchant);
        may_see(role, key, merchant)
            && self.campaign.is_none_or(|wanted| wanted == key.campaign)
            && self.influencer.is_none_or(|wanted| wanted == key.influencer)
            && self.link.is_none_or(|wanted| key.link == Some(wanted))
            && self.merchant.is_none_or(|wanted| merchant == Some(wanted))
    }

    /// Returns how many hours lie between a time and the one that it is compared with.
    pub(super) fn hours_back(&self) -> u32 {
        self.days.count().unwrap_or(0).saturating_mul(HOURS_OF_A_DAY)
    }
}

fn may_see(role: Role, key: &CounterKey, merchant: Option<MerchantId>) -> bool {
    match role {
        Role::Admin => true,
        Role::Merchant(id) => merchant == Some(id),
        Role::Influencer(id) => key.influencer == id,
    }
}
