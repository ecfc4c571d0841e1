//! Whether a campaign has orders or leads already. Terms that decide about them never change then.

use anyhow::Result;
use hot_state::{CountQuestion, HotState, ListQuestion, Metric, Scope, page};
use shared::id::CampaignId;

/// Returns whether an order or a lead was ever credited in a campaign, as far as records are
/// projected.
///
/// # Errors
/// When the state cannot be read.
pub fn has_earned(state: &HotState, campaign: CampaignId) -> Result<bool> {
    let orders = ListQuestion {
        scope: Scope::Campaign(campaign),
        is_wanted: &|_, _, _| true,
        from: None,
        until: None,
        after: None,
        limit: 1,
        keep: &|_| true,
    };
    if !page(state, &orders)?.orders.is_empty() {
        return Ok(true);
    }
    let (mut found, campaigns) = (false, Some(vec![campaign]));
    state.counts(&CountQuestion { campaigns, ..CountQuestion::ALL }, &mut |key, amount| {
        let earns = !matches!(key.metric, Metric::Clicks(_) | Metric::Sessions);
        found |= earns && amount != 0;
    })?;
    Ok(found)
}
