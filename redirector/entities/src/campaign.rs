//! Campaigns. Terms that decide money never change under orders that are there already.

use rand::RngExt;
use serde_json::Value;
use shared::catalog::{Campaign, Evidence, Model, Moment, Renewals};
use shared::commission::{Caps, Rule, Terms};
use shared::id::CampaignId;
use shared::links::Schedule;
use shared::money::{AMOUNT_MAX, Currency, Decimal};
use shared::target::Target;

use crate::builder::{EntityBuilder, found, hosts, schedule};
use crate::fields::{Fields, number, shaped, text};

/// The most days of an attribution window.
const WINDOW_DAYS_MAX: u32 = 365;

impl EntityBuilder<'_> {
    pub(crate) fn campaign(&mut self, fields: &mut Fields) -> Option<Campaign> {
        let merchant = fields.required("merchant", |value| found(value, &self.catalog.merchants));
        let name = fields.required("name", text(200));
        let window_days = fields.optional("window_days", number(1, WINDOW_DAYS_MAX)).unwrap_or(30);
        let dedupe_minutes =
            fields.optional("dedupe_minutes", number(0, 7 * 24 * 60)).unwrap_or(30);
        let hold_days = fields.optional("hold_days", number(0, 365)).unwrap_or(30);
        let schedule = schedule(fields, Schedule::default());
        let commission = fields.required("commission", commission);
        let precedence = fields.optional("precedence", precedence);
        let model = fields.optional("model", model).unwrap_or(Model::LastClick);
        let renewals = fields.optional("renewals", shaped::<Renewals>).unwrap_or_default();
        let caps = fields.optional("caps", shaped::<Caps>).unwrap_or_default();
        let currency = merchant.map(|merchant| merchant.currency);
        let minimum_payout =
            fields.optional("minimum_payout", |value| minimum_payout(value, currency));
        let target = fields.optional("target", shaped::<Target>);
        let destinations = fields.optional("destinations", hosts).unwrap_or_default();
        let (merchant, commission) = (merchant?, commission?);
        if let Err(error) = commission.check(merchant.currency) {
            fields.fault("commission", error.to_string());
        }
        if let Err(error) = caps.check(merchant.currency) {
            fields.fault("caps", error.to_string());
        }
        Some(Campaign {
            id: CampaignId::from_bits(self.random.random()),
            merchant: merchant.id,
            name: name?,
            window_days,
            dedupe_minutes,
            hold_days,
            starts_at: schedule.starts_at,
            ends_at: schedule.ends_at,
            commission,
            earlier_commissions: vec![],
            caps,
            minimum_payout,
            target,
            renewals,
            precedence: precedence.unwrap_or_else(|| vec![Evidence::Click, Evidence::Coupon]),
            model,
            destinations,
            paused: schedule.paused,
            created_at: self.now,
            updated_at: self.now,
        })
    }

    /// Terms that decide about money never change for orders that exist already: a new commission
    /// applies only to orders placed from now on.
    pub(crate) fn changed_campaign(
        &self,
        fields: &mut Fields,
        held: &Campaign,
    ) -> Option<Campaign> {
        let name = fields.optional("name", text(200)).unwrap_or_else(|| held.name.clone());
        let commission =
            fields.optional("commission", commission).unwrap_or_else(|| held.commission.clone());
        if let Some(Err(error)) = self
            .catalog
            .merchants
            .get(&held.merchant)
            .map(|merchant| commission.check(merchant.currency))
        {
            fields.fault("commission", error.to_string());
        }
        let numbers = self.changed_numbers(fields, held);
        let target = fields.change("target", shaped::<Target>, held.target);
        let destinations = fields.change("destinations", hosts, Some(held.destinations.clone()));
        let Schedule { paused, starts_at, ends_at } = schedule(fields, held.schedule());
        self.check_not_in_the_past(fields, (held.starts_at, starts_at), (held.ends_at, ends_at));
        let now = self.now;
        let mut campaign = Campaign {
            name,
            target,
            destinations: destinations.unwrap_or_default(),
            paused,
            starts_at,
            ends_at,
            updated_at: now,
            ..numbers
        };
        if commission != held.commission {
            campaign.replace_terms(commission, Moment { now, latest: self.latest });
        }
        Some(campaign)
    }

    /// Returns the campaign with another window, hold or minimum. They decide what orders and leads
    /// earn, so they stay as they are once there are any.
    fn changed_numbers(&self, fields: &mut Fields, held: &Campaign) -> Campaign {
        let window_days = fields.optional("window_days", number(1, WINDOW_DAYS_MAX));
        let hold_days = fields.optional("hold_days", number(0, 365));
        let currency = self.catalog.merchants.get(&held.merchant).map(|of| of.currency);
        let minimum = |value: &Value| minimum_payout(value, currency);
        let campaign = Campaign {
            window_days: window_days.unwrap_or(held.window_days),
            hold_days: hold_days.unwrap_or(held.hold_days),
            minimum_payout: fields.change("minimum_payout", minimum, held.minimum_payout),
            ..held.clone()
        };
        for (name, differs) in [
            ("window_days", campaign.window_days != held.window_days),
            ("hold_days", campaign.hold_days != held.hold_days),
            ("minimum_payout", campaign.minimum_payout != held.minimum_payout),
        ] {
            if differs && self.has_earned {
                let way_out = "for others, make another campaign";
                let reason = format!("stays as it is once there are orders or leads; {way_out}");
                fields.fault(name, reason);
            }
        }
        campaign
    }
}

/// Reads the least that is paid out.
fn minimum_payout(value: &Value, currency: Option<Currency>) -> Result<Decimal, String> {
    let least: Decimal = shaped(value)?;
    let fits = |currency| matches!(least.to_minor(currency), Ok(0..=AMOUNT_MAX));
    if currency.is_none_or(fits) {
        Ok(least)
    } else {
        Err("expected an amount of zero or more in the merchant's currency".to_owned())
    }
}

fn commission(value: &Value) -> Result<Terms, String> {
    let rules = value.as_array().map_or_else(|| std::slice::from_ref(value), Vec::as_slice);
    let rules: Result<Vec<Rule>, String> = rules.iter().map(shaped).collect();
    Terms::new(rules?).map_err(|error| error.to_string())
}

fn model(value: &Value) -> Result<Model, String> {
    let model: Model = shaped(value)?;
    if model.pays() {
        Ok(model)
    } else {
        Err(format!("`{}` is for reports only; pay by last_click or first_click", model.as_str()))
    }
}

fn precedence(value: &Value) -> Result<Vec<Evidence>, String> {
    let list: Vec<Evidence> = shaped(value)?;
    let twice = list.iter().enumerate().any(|(index, evidence)| list[..index].contains(evidence));
    let credits = list.iter().any(|evidence| *evidence != Evidence::ExistingCustomer);
    if credits && !twice {
        Ok(list)
    } else {
        Err("expected `click`, `coupon`, `code_visit` and `existing_customer`, each at most once, \
             with one of the first three among them"
            .to_owned())
    }
}
