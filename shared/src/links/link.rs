//! A link as an entity of the catalog, and the scope in which its slug is looked up.

use serde::{Deserialize, Serialize};

use super::schedule::Schedule;
use crate::id::{CampaignId, InfluencerId, LinkId, MerchantId};
use crate::time::Timestamp;

/// Slug to destination, for one influencer in one campaign.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// Its id.
    pub id: LinkId,
    /// The campaign; never changes.
    pub campaign: CampaignId,
    /// The influencer; never changes.
    pub influencer: InfluencerId,
    /// Where it leads.
    pub destination: String,
    /// Its path, as it was given; compared without case.
    pub slug: String,
    /// When it starts.
    pub starts_at: Option<Timestamp>,
    /// When it ends.
    pub ends_at: Option<Timestamp>,
    /// Where it leads when it is over.
    pub fallback: Option<String>,
    /// Switched off for now.
    #[serde(default)]
    pub paused: bool,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

impl Link {
    /// When it may be followed.
    pub const fn schedule(&self) -> Schedule {
        Schedule { paused: self.paused, starts_at: self.starts_at, ends_at: self.ends_at }
    }
}

/// Where a slug is looked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scope {
    /// Hosts under one merchant's domains.
    Merchant(MerchantId),
    /// The agency's own hosts, shared by all merchants.
    Agency,
}

/// The form in which slugs are compared.
pub fn fold_slug(slug: &str) -> String {
    slug.to_ascii_lowercase()
}
