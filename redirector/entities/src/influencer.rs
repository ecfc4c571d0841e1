//! Influencers.

use rand::RngExt;
use serde_json::Value;
use shared::catalog::Influencer;
use shared::id::InfluencerId;
use shared::payee::{Mistake, Payee};

use crate::builder::{EntityBuilder, field};
use crate::fields::{Fields, text};

impl EntityBuilder<'_> {
    pub(crate) fn influencer(
        &mut self,
        fields: &mut Fields,
        held: Option<&Influencer>,
    ) -> Option<Influencer> {
        let name = field(fields, "name", held.map(|i| &i.name), text(200));
        let held_email = held.and_then(|i| i.email.clone());
        let email = fields.optional("email", email).or_else(|| held_email.clone());
        // A clock that was ahead must not keep the address unknown: it is known now.
        let held_since = held.map(|i| i.email_since.unwrap_or(i.created_at).min(self.now));
        let held_since = held_since.filter(|_| email.is_some());
        let email_since = if email == held_email { held_since } else { Some(self.now) };
        let payout = fields.change("payout", payout, held.and_then(|i| i.payout.clone()));
        Some(Influencer {
            id: held.map_or_else(|| InfluencerId::from_bits(self.random.random()), |i| i.id),
            name: name?,
            email,
            email_since,
            payout,
            sealed: held.and_then(|i| i.sealed.clone()),
            created_at: held.map_or(self.now, |i| i.created_at),
            updated_at: self.now,
        })
    }
}

pub(crate) fn email(value: &Value) -> Result<String, String> {
    let address = text(254)(value)?;
    let fits =
        address.split_once('@').is_some_and(|(user, host)| !user.is_empty() && host.contains('.'));
    if fits { Ok(address) } else { Err(format!("`{address}` is not an e-mail address")) }
}

/// Reads how somebody is paid. It is kept as it was sent, once a bank could read it.
fn payout(value: &Value) -> Result<Value, String> {
    match Payee::read(value) {
        Ok(_) => Ok(value.clone()),
        Err(mistakes) => Err(told(&mistakes)),
    }
}

/// Returns all mistakes in one line.
pub(crate) fn told(mistakes: &[Mistake]) -> String {
    mistakes.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}
