//! Links as entities of the catalog, and the scope in which a slug is looked up.

use basics::id::{CampaignId, InfluencerId, LinkId, MerchantId};
use basics::time::Timestamp;
use rules::{Rule, Rules, Share};
use serde::{Deserialize, Serialize};

use super::schedule::Schedule;

/// A link: leads from a slug to a destination, for one influencer in one campaign.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// The id that API and exports use.
    pub id: LinkId,
    /// The campaign; never changes.
    pub campaign: CampaignId,
    /// The influencer; never changes.
    pub influencer: InfluencerId,
    /// The address to which it leads.
    pub destination: String,
    /// The path under which it is found, as the API received it. Slugs are compared without case.
    pub slug: String,
    /// The start; `None` for a link without one.
    pub starts_at: Option<Timestamp>,
    /// The end, exclusive; `None` for a link without one.
    pub ends_at: Option<Timestamp>,
    /// The address to which it leads after its own end or its campaign's.
    pub fallback: Option<String>,
    /// True while the link is switched off.
    #[serde(default)]
    pub paused: bool,
    /// True if the click ids of advertising platforms (`fbclid`, `gclid`, …) are passed on.
    #[serde(default)]
    pub pass_click_ids: bool,
    /// True if what stands behind its slug goes on with the destination's path.
    #[serde(default)]
    pub deep_links: bool,
    /// Where it leads some visitors instead: the first rule that holds answers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<Rule>,
    /// Where it leads shares of everybody else.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub split: Vec<Share>,
    /// When the API created it.
    pub created_at: Timestamp,
    /// When the API last changed it: of two versions the later one wins.
    pub updated_at: Timestamp,
}

impl Link {
    /// Returns all addresses to which it leads while it may be followed.
    pub fn destinations(&self) -> impl Iterator<Item = &str> {
        let of_rules = self.rules.iter().map(|rule| &*rule.destination);
        let of_split = self.split.iter().map(|share| &*share.destination);
        [&*self.destination].into_iter().chain(of_rules).chain(of_split)
    }

    /// Returns its rules and its split; `None` where it always leads to one destination.
    pub(super) fn rules(&self) -> Option<Rules> {
        let rules = Rules { rules: self.rules.clone(), split: self.split.clone() };
        (!rules.is_empty()).then_some(rules)
    }

    /// Returns when it may be followed.
    pub const fn schedule(&self) -> Schedule {
        Schedule { paused: self.paused, starts_at: self.starts_at, ends_at: self.ends_at }
    }
}

/// The set of links in which a slug is looked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scope {
    /// One merchant's links: for hosts under the merchant's domains.
    Merchant(MerchantId),
    /// All links: for the agency's own hosts, which all merchants share.
    Agency,
}

/// Returns the form in which slugs are compared.
pub fn fold_slug(slug: &str) -> String {
    slug.to_ascii_lowercase()
}
