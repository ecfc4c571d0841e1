//! `GET /api/v1/balances`: what every account has, now or at the end of a day.

use std::str::FromStr;
use std::sync::Arc;

use accounts::{Account, Ledger};
use answers::{Problem, asked};
use axum::extract::{Query, State};
use axum::{Extension, Json};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use shared::catalog::{Catalog, Role};
use shared::day::Day;
use shared::id::{InfluencerId, MerchantId};
use shared::money::Money;

use crate::context::Console;
use crate::last_owed::Age;
use crate::owed::{Known, moment, owed};
use crate::pool::Reports;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct BalancesQuery {
    merchant: Option<String>,
    influencer: Option<String>,
    as_of: Option<String>,
}

/// Which accounts are asked for.
struct Wanted {
    merchant: Option<MerchantId>,
    influencer: Option<InfluencerId>,
    day: Option<Day>,
}

impl BalancesQuery {
    fn read(&self, role: Role, catalog: &Catalog) -> Result<Wanted, Problem> {
        // Who sees only their own figures learns nothing of what others have.
        let sees_all = role == Role::Admin;
        let merchant = named("merchant", self.merchant.as_deref(), |id| {
            !sees_all || catalog.merchants.contains_key(id)
        })?;
        let influencer = named("influencer", self.influencer.as_deref(), |id| {
            !sees_all || catalog.influencers.contains_key(id)
        })?;
        let day = self
            .as_of
            .as_deref()
            .map(|text| text.parse().map_err(|error| asked::wrong("as_of", format!("{error}"))));
        let (merchant, influencer) = match role {
            Role::Admin => (merchant, influencer),
            Role::Merchant(own) => (Some(own), influencer),
            Role::Influencer(own) => (merchant, Some(own)),
        };
        Ok(Wanted { merchant, influencer, day: day.transpose()? })
    }
}

/// Reads the id of something that may be asked for.
fn named<Id: FromStr>(
    name: &str,
    text: Option<&str>,
    is_known: impl Fn(&Id) -> bool,
) -> Result<Option<Id>, Problem> {
    let Some(text) = text else { return Ok(None) };
    let id = text.parse().ok().filter(is_known);
    id.map(Some).ok_or_else(|| asked::wrong(name, format!("`{text}` does not exist")))
}

impl Wanted {
    fn has(&self, account: &Account) -> bool {
        self.merchant.is_none_or(|wanted| wanted == account.merchant)
            && self.influencer.is_none_or(|wanted| wanted == account.influencer)
    }
}

/// `GET /api/v1/balances?merchant=&influencer=&as_of=`.
pub(crate) async fn balances(
    State(console): State<Arc<Console>>,
    Extension(role): Extension<Role>,
    Extension(reports): Extension<Reports>,
    Query(query): Query<BalancesQuery>,
) -> Result<Json<Value>, Problem> {
    let wanted = query.read(role, &console.live.read())?;
    let age = if role == Role::Admin { Age::MayBeKept } else { Age::OfASecond };
    let known = owed(&console, &reports, age).await?;
    let catalog = console.live.read();
    let ledger = known.ledger(&catalog);
    let accounts = ledger.accounts().filter(|account| wanted.has(account));
    let shown = accounts.map(|account| show(&known, &ledger, account, (&catalog, wanted.day)));
    let items = shown.collect::<Result<Vec<_>, Problem>>()?;
    Ok(Json(json!({
        "as_of": wanted.day,
        "items": items,
        "missing_streams": known.missing,
        "unexplained_payouts": ledger.books().unexplained,
    })))
}

fn show(
    known: &Known,
    ledger: &Ledger,
    account: Account,
    (catalog, day): (&Catalog, Option<Day>),
) -> Result<Value, Problem> {
    let as_of = moment(catalog, account.merchant, day);
    let minimum_minor = known.minimum_minor(account);
    let too_large = |error: accounts::TooLarge| Problem::no_balances(&error.into());
    let balance = ledger.balance(account, as_of).map_err(too_large)?;
    let open = balance.open(account, minimum_minor).map_err(too_large)?;
    let amounts = [
        ("pending", balance.pending_minor),
        ("held", balance.held_minor),
        ("approved", balance.approved_minor),
        ("in_payout", balance.in_payout_minor),
        ("paid", balance.paid_minor),
        ("payable", open.payable_minor),
        ("below_minimum", open.below_minimum_minor),
        ("below_zero", open.below_zero_minor),
        ("minimum_payout", minimum_minor),
    ];
    let currency = account.currency;
    let name = |name: Option<&String>| name.map_or(Value::Null, |name| name.as_str().into());
    let mut shown = Map::from_iter([
        ("merchant".to_owned(), json!(account.merchant)),
        (
            "merchant_name".to_owned(),
            name(catalog.merchants.get(&account.merchant).map(|merchant| &merchant.name)),
        ),
        ("influencer".to_owned(), json!(account.influencer)),
        (
            "influencer_name".to_owned(),
            name(catalog.influencers.get(&account.influencer).map(|influencer| &influencer.name)),
        ),
        ("currency".to_owned(), json!(currency)),
    ]);
    for (field, minor) in amounts {
        shown.insert(field.to_owned(), Money { minor, currency }.to_string().into());
    }
    Ok(shown.into())
}
