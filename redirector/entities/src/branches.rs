//! Where a link leads beside its destination: rules and the split. Never says which of them answers:
//! `shared::rules` does.

use serde_json::{Map, Value};
use shared::catalog::Campaign;
use shared::rules::{Mistake, Rules, read_rules, read_split};

use crate::builder::{EntityBuilder, destination};
use crate::fields::Fields;

/// The link whose branches are read, as far as it is known.
pub(crate) struct Of<'a> {
    pub(crate) campaign: Option<&'a Campaign>,
    pub(crate) slug: &'a str,
    /// The addresses to which it leads already. They are not judged again: the merchant's domains
    /// may have changed since, and links may have been made.
    pub(crate) held: Vec<&'a str>,
}

impl EntityBuilder<'_> {
    /// Reads the fields `rules` and `split`. A list that is sent replaces the one that is held, and
    /// `null` clears it.
    pub(crate) fn branches(&self, fields: &mut Fields, of: &Of<'_>, held: Rules) -> Rules {
        let check = |address: &str| self.branch_destination(address, of);
        let mut mistakes = Vec::new();
        let rules = |value: &Value| Ok(noted(read_rules(value, &check), &mut mistakes));
        let rules = fields.change("rules", rules, Some(held.rules)).unwrap_or_default();
        let split = |value: &Value| Ok(noted(read_split(value, &check), &mut mistakes));
        let split = fields.change("split", split, Some(held.split)).unwrap_or_default();
        for Mistake { place, reason } in mistakes {
            fields.fault(&place, reason);
        }
        Rules { rules, split }
    }

    /// Checks an address as the link's own destination.
    fn branch_destination(&self, address: &str, of: &Of<'_>) -> Result<String, Vec<String>> {
        let target = destination(&address.into()).map_err(|reason| vec![reason])?;
        let mut found = Fields::new(Map::new());
        if let Some(campaign) = of.campaign.filter(|_| !of.held.contains(&target.as_str())) {
            self.check_target(&mut found, "destination", &target, campaign);
            let own = (campaign.merchant, of.slug);
            self.check_leads_away(&mut found, "destination", &target, own);
        }
        let faults = found.finish();
        if faults.is_empty() {
            Ok(target)
        } else {
            Err(faults.into_iter().map(|fault| fault.reason).collect())
        }
    }
}

fn noted<T>(read: Result<Vec<T>, Vec<Mistake>>, mistakes: &mut Vec<Mistake>) -> Vec<T> {
    read.unwrap_or_else(|wrong| {
        mistakes.extend(wrong);
        Vec::new()
    })
}
