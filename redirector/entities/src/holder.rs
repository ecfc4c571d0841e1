//! Whose a token is, or whom a person works for.

use serde_json::Value;
use shared::catalog::{Catalog, Role};

use crate::fields::{Fields, parsed};

/// Reads the fields `role` and `for`, which belong together.
pub fn holder(
    catalog: &Catalog,
    fields: &mut Fields,
    role: Option<&str>,
    of: Option<Value>,
) -> Option<Role> {
    let role = match (role?, of) {
        ("admin", None) => Ok(Role::Admin),
        ("admin", Some(_)) => {
            Err(("for", "goes with the roles merchant and influencer".to_owned()))
        }
        ("merchant" | "influencer", None) => {
            Err(("for", "say whose token: the id of a merchant or an influencer".to_owned()))
        }
        ("merchant", Some(id)) => parsed(&id).map(Role::Merchant).map_err(|reason| ("for", reason)),
        ("influencer", Some(id)) => {
            parsed(&id).map(Role::Influencer).map_err(|reason| ("for", reason))
        }
        (other, _) => Err(("role", format!("`{other}`: expected admin, merchant or influencer"))),
    };
    let known = role.and_then(|role| match role {
        Role::Merchant(id) if !catalog.merchants.contains_key(&id) => {
            Err(("for", format!("`{id}` does not exist")))
        }
        Role::Influencer(id) if !catalog.influencers.contains_key(&id) => {
            Err(("for", format!("`{id}` does not exist")))
        }
        role => Ok(role),
    });
    known.map_err(|(field, reason)| fields.fault(field, reason)).ok()
}
