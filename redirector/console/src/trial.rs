//! `GET /api/v1/links/{id}/try`: which rule of a link would answer a visitor, and where it leads. The
//! edge asks the same function. Records nothing, and looks at no address.

use std::sync::Arc;

use agents::Agents;
use answers::{Problem, asked};
use api::Kind;
use axum::Json;
use axum::extract::{Path, Query, State};
use live::clock;
use serde::Deserialize;
use serde_json::{Value, json};
use shared::catalog::Entity;
use shared::links::Link;
use shared::payee::Country;
use shared::rules::{BUCKETS, Branch, Rules, Share, Visit, buckets_of};

use crate::context::Console;
use crate::resources::held;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Visitor {
    user_agent: Option<String>,
    country: Option<String>,
    language: Option<String>,
    at: Option<String>,
    query: Option<String>,
}

/// `GET /api/v1/links/{id}/try?user_agent=&country=&language=&at=&query=`.
pub(crate) async fn answer(
    State(console): State<Arc<Console>>,
    Path(id): Path<String>,
    Query(visitor): Query<Visitor>,
) -> Result<Json<Value>, Problem> {
    let Entity::Link(link) = held(&console.live.read(), Kind::Link, &id)? else {
        return Err(Problem::not_found(format!("`{id}` is no link")));
    };
    // Compiling the list takes some tens of milliseconds, and few ask.
    let agents = Agents::new().map_err(|error| Problem::internal(&error.into()))?;
    let agent = agents.judge(&visitor.user_agent.unwrap_or_default());
    let at = match &visitor.at {
        Some(text) => text.parse().map_err(|error| asked::wrong("at", format!("{error}")))?,
        None => clock::now(),
    };
    let visit = Visit {
        device: agent.device,
        os: agent.os,
        language: visitor.language.as_deref().unwrap_or_default().as_bytes(),
        country: visitor.country.as_deref().map(country).transpose()?,
        at,
        query: visitor.query.as_deref().unwrap_or_default().trim_start_matches('?'),
        bucket: 0,
    };
    Ok(Json(tried(&link, &visit)))
}

fn country(code: &str) -> Result<[u8; 2], Problem> {
    let country: Country = code.parse().map_err(|_| {
        asked::wrong("country", format!("`{code}`: expected two letters by ISO 3166, such as DE"))
    })?;
    Ok(country.code().as_bytes().try_into().unwrap_or(*b"XX"))
}

fn tried(link: &Link, visit: &Visit<'_>) -> Value {
    let rules = Rules { rules: link.rules.clone(), split: link.split.clone() };
    let mut answer = match rules.choose(visit) {
        Some(Branch::Rule(place)) => {
            let rule = &link.rules[usize::from(place)];
            let (name, to) = (&rule.name, &rule.destination);
            json!({ "answered_by": "rule", "place": place, "name": name, "destination": to })
        }
        Some(Branch::Share(_)) => {
            json!({ "answered_by": "split", "destination": null, "shares": shares(&link.split) })
        }
        None => json!({ "answered_by": "link", "destination": link.destination }),
    };
    answer["device"] = visit.device.as_str().into();
    answer["system"] = visit.os.as_str().into();
    answer["at"] = json!(visit.at);
    answer
}

/// Shows which part of the visitors each share has. Who has which is decided by chance, once.
fn shares(split: &[Share]) -> Vec<Value> {
    let buckets = buckets_of(split);
    let shown = split.iter().zip(buckets).map(|(share, buckets)| {
        json!({
            "name": share.name, "destination": share.destination,
            "parts": buckets, "of": BUCKETS,
        })
    });
    shown.collect()
}
