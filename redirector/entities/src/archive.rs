//! Archiving, which is a field of what is archived.

use shared::catalog::{Archive, Entity};

use crate::builder::EntityBuilder;
use crate::fields::{Fields, flag};

impl EntityBuilder<'_> {
    /// Reads `archived` of a change. Returns `None` where nothing changes.
    pub fn archive(&self, fields: &mut Fields, held: &Entity) -> Option<Archive> {
        let of = held.archivable()?;
        let is_archived = self.catalog.is_archived(of);
        let archived = fields.optional("archived", flag).unwrap_or(is_archived);
        (archived != is_archived).then_some(Archive { of, archived, updated_at: self.now })
    }
}

/// Switches off what is archived, so that nobody follows what nobody sees any more.
pub fn paused(entity: Entity, archive: Option<&Archive>) -> Entity {
    match entity {
        Entity::Link(mut link) if archive.is_some_and(|archive| archive.archived) => {
            link.paused = true;
            Entity::Link(link)
        }
        Entity::Campaign(mut campaign) if archive.is_some_and(|archive| archive.archived) => {
            campaign.paused = true;
            Entity::Campaign(campaign)
        }
        other => other,
    }
}
