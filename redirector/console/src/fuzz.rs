//! Doors for `dev/fuzz-targets`, and for nobody else: what the readers of tables make of bytes.

use live::Snapshot;
use shared::catalog::{Catalog, Entity, Merchant};
use shared::order::OrderFact;
use shared::time::Timestamp;
use shared::token::{KeyRing, KeyState, MasterKey};

use crate::entities::Kind;
use crate::{orders, resources};

/// Returns the entities that a table holds; `None` for an unknown kind, or with a mistake.
pub fn entities(
    catalog: &Catalog,
    kind: &str,
    table: &[u8],
    now: Timestamp,
) -> Option<Vec<Entity>> {
    resources::rows(catalog, Kind::of_path(kind)?, table, now).ok()
}

/// Returns the orders that a table holds; `None` with a mistake. No click token is valid.
pub fn orders(merchant: &Merchant, table: &[u8], now: Timestamp) -> Option<Vec<OrderFact>> {
    let key = MasterKey { id: 1, state: KeyState::Active, secret: [0; 32] };
    let snapshot = Snapshot::new(vec![], KeyRing::new(vec![key]).ok()?);
    orders::rows(&snapshot, merchant, table, now).ok()
}
