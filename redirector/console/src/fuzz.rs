//! Doors for `dev/fuzz-targets`, and for nobody else: what the readers of tables make of bytes.

use std::sync::Arc;

use api::Kind;
use entities::EntityBuilder;
use live::Snapshot;
use shared::catalog::{Catalog, Entity, Merchant};
use shared::order::OrderFact;
use shared::time::Timestamp;
use shared::token::{KeyRing, KeyState, MasterKey};

use crate::{orders, resources};

/// Returns the entities that a table holds; `None` for an unknown kind, or with a mistake.
pub fn entities(
    catalog: &Catalog,
    kind: &str,
    table: &[u8],
    now: Timestamp,
) -> Option<Vec<Entity>> {
    let builder = EntityBuilder::new(catalog, Arc::new(snapshot()?), now);
    let kind = Kind::ALL.into_iter().find(|known| known.plural() == kind)?;
    resources::rows(builder, kind, table).ok()
}

/// Returns the orders that a table holds; `None` with a mistake. No click token is valid.
pub fn orders(merchant: &Merchant, table: &[u8], now: Timestamp) -> Option<Vec<OrderFact>> {
    orders::rows(&snapshot()?, merchant, table, now).ok()
}

/// Returns a snapshot of an empty catalog.
fn snapshot() -> Option<Snapshot> {
    let key = MasterKey { id: 1, state: KeyState::Active, secret: [0; 32] };
    Some(Snapshot::new(vec![], KeyRing::new(vec![key]).ok()?))
}
