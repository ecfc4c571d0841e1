//! Lists of entities: filtered, sorted, by page, as JSON or as a table. A filter that is not known
//! is refused, since its sender believes that it counts.

use std::collections::BinaryHeap;
use std::sync::Arc;

use aho_corasick::AhoCorasick;
use api::Kind;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::{Value, json};
use shared::catalog::{Catalog, Entity, Role};
use shared::id::{CampaignId, InfluencerId, LinkId, MerchantId};
use shared::links::{LinkRef, Links};
use shared::time::Timestamp;
use tokio::task::spawn_blocking;

use crate::asked::{self, wrong};
use crate::cells::{self, Separator};
use crate::context::Console;
use crate::problem::Problem;
use crate::rights::{Reach, cut};
use crate::shown::show;

/// How many entities a page has by default.
const PAGE: usize = 100;
/// How many it has at most.
const PAGE_MAX: usize = 1000;
/// How many rows a table has at most.
const ROWS_MAX: usize = 100_000;

/// The most characters of a text that is looked for.
const TEXT_CHARS_MAX: usize = 200;

/// What a list is asked for. Which of these a kind has, its operation says.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Asked {
    merchant: Option<String>,
    campaign: Option<String>,
    influencer: Option<String>,
    paused: Option<bool>,
    q: Option<String>,
    sort: Option<String>,
    format: Option<String>,
    separator: Option<String>,
    cursor: Option<String>,
    limit: Option<usize>,
}

/// `GET /api/v1/{kind}`.
pub(crate) async fn list(
    State(console): State<Arc<Console>>,
    Extension(kind): Extension<Kind>,
    Extension(role): Extension<Role>,
    Query(asked): Query<Asked>,
) -> Result<Response, Problem> {
    let separator = table(&asked)?;
    let limit = match separator {
        None => asked::limit(asked.limit, PAGE, PAGE_MAX)?,
        Some(_) => asked::limit(asked.limit, ROWS_MAX, ROWS_MAX)?,
    };
    let wanted = Wanted::read(&asked, (kind, role), &console.live.read())?;
    let found = find(&console, wanted, limit + 1).await?;
    let (items, next) = page(found, kind, limit);
    let catalog = console.live.read();
    let shown = items.iter().map(|(_, entity)| cut(show(entity, &catalog), kind, role));
    let shown: Vec<Value> = shown.collect();
    match separator {
        None => Ok(Json(json!({ "items": shown, "next_cursor": next })).into_response()),
        Some(_) if next.is_some() => Err(wrong(
            "format",
            format!("more than {limit} rows fit: filter them, or ask for pages as json"),
        )),
        Some(separator) => {
            let columns = kind.fields().iter().filter(|field| field.is_shown_to(role));
            let columns: Vec<_> = columns.map(|field| field.name).collect();
            Ok(cells::table(kind.plural(), &columns, &shown, separator))
        }
    }
}

/// Returns the separator of a table, if one is asked for.
fn table(asked: &Asked) -> Result<Option<Separator>, Problem> {
    let separator = asked.separator.as_deref();
    let separator = separator.map(|name| {
        Separator::named(name).ok_or_else(|| wrong("separator", "expected comma, semicolon or tab"))
    });
    let separator = separator.transpose()?;
    match asked.format.as_deref() {
        None => Ok(separator),
        Some("json") if separator.is_none() => Ok(None),
        Some("json") => Err(wrong("separator", "goes with format=csv")),
        Some("csv") => Ok(Some(separator.unwrap_or_default())),
        Some(other) => Err(wrong("format", format!("`{other}`: expected json or csv"))),
    }
}

/// What sorts an entity in a list, the id last.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    by: By,
    id: String,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum By {
    Time(i64),
    Name(String),
}

/// How a list is sorted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Sort {
    by_name: bool,
    backwards: bool,
}

impl Sort {
    fn read(text: Option<&str>) -> Result<Self, Problem> {
        let (by_name, backwards) = match text {
            None | Some("created_at") => (false, false),
            Some("-created_at") => (false, true),
            Some("name") => (true, false),
            Some("-name") => (true, true),
            Some(other) => {
                let expected = "expected created_at, -created_at, name or -name";
                return Err(wrong("sort", format!("`{other}`: {expected}")));
            }
        };
        Ok(Self { by_name, backwards })
    }

    /// Returns whether an entity stands before another one.
    fn is_before(self, one: &Key, other: &Key) -> bool {
        if self.backwards { other < one } else { one < other }
    }
}

/// What a list holds.
struct Wanted {
    kind: Kind,
    reach: Reach,
    merchant: Option<MerchantId>,
    campaign: Option<CampaignId>,
    influencer: Option<InfluencerId>,
    paused: Option<bool>,
    text: Option<Text>,
    sort: Sort,
    after: Option<Key>,
}

impl Wanted {
    /// Reads what is asked for.
    ///
    /// # Errors
    /// When a filter names nothing that the role may see: it would look like an empty list.
    fn read(asked: &Asked, (kind, role): (Kind, Role), catalog: &Catalog) -> Result<Self, Problem> {
        let sort = Sort::read(asked.sort.as_deref())?;
        let text = asked.q.as_deref().map(Text::read).transpose()?;
        let cursor = asked.cursor.as_deref().filter(|cursor| !cursor.is_empty());
        let after = cursor.map(|cursor| {
            let read = read_cursor(cursor, kind).filter(|key| sort.by_name == key.is_name());
            read.ok_or_else(|| {
                let expected = "expected the `next_cursor` of an earlier page";
                wrong("cursor", format!("`{cursor}`: {expected}"))
            })
        });
        let known = Known { role, catalog };
        Ok(Self {
            kind,
            reach: Reach::of(role, kind, catalog),
            merchant: known.named("merchant", asked.merchant.as_deref(), |id| {
                catalog.merchants.get(id).map(|m| Entity::Merchant(m.as_ref().clone()))
            })?,
            campaign: known.named("campaign", asked.campaign.as_deref(), |id| {
                catalog.campaigns.get(id).map(|c| Entity::Campaign(c.as_ref().clone()))
            })?,
            influencer: known.named("influencer", asked.influencer.as_deref(), |id| {
                catalog.influencers.get(id).map(|i| Entity::Influencer(i.as_ref().clone()))
            })?,
            paused: asked.paused,
            text,
            sort,
            after: after.transpose()?,
        })
    }

    /// Returns whether a link belongs into the list, but for its place.
    fn has_link(&self, link: LinkRef<'_>) -> bool {
        self.reach.has_link(link)
            && self.merchant.is_none_or(|wanted| link.merchant() == Some(wanted))
            && self.campaign.is_none_or(|wanted| link.campaign() == wanted)
            && self.influencer.is_none_or(|wanted| link.influencer() == wanted)
            && self.paused.is_none_or(|wanted| link.schedule().paused == wanted)
            && self.text.as_ref().is_none_or(|text| {
                text.is_in(link.slug())
                    || text.is_in(link.destination())
                    || text.is_in(&link.id().to_string())
            })
    }

    /// Returns whether another entity belongs into the list, but for its place.
    fn has(&self, entity: &Entity, catalog: &Catalog) -> bool {
        let facts = Facts::of(entity, catalog);
        self.reach.has(entity, catalog)
            && self.merchant.is_none_or(|wanted| facts.merchants.contains(&wanted))
            && self.campaign.is_none_or(|wanted| facts.campaigns.contains(&wanted))
            && self.influencer.is_none_or(|wanted| facts.influencer == Some(wanted))
            && self.paused.is_none_or(|wanted| facts.paused == Some(wanted))
            && self.text.as_ref().is_none_or(|text| {
                text.is_in(&entity_id(entity)) || facts.texts.iter().any(|of| text.is_in(of))
            })
    }
}

/// What filters ask of an entity.
#[derive(Default)]
struct Facts {
    merchants: Vec<MerchantId>,
    campaigns: Vec<CampaignId>,
    influencer: Option<InfluencerId>,
    paused: Option<bool>,
    texts: Vec<String>,
}

impl Facts {
    fn of(entity: &Entity, catalog: &Catalog) -> Self {
        let merchant_of =
            |id: CampaignId| catalog.campaigns.get(&id).map(|campaign| campaign.merchant);
        match entity {
            Entity::Merchant(of) => {
                let texts = [of.name.clone()].into_iter().chain(of.domains.iter().cloned());
                Self { merchants: vec![of.id], texts: texts.collect(), ..Self::default() }
            }
            Entity::Influencer(of) => {
                let texts = [of.name.clone()].into_iter().chain(of.email.clone()).collect();
                Self { influencer: Some(of.id), texts, ..Self::default() }
            }
            Entity::Campaign(of) => Self {
                merchants: vec![of.merchant],
                campaigns: vec![of.id],
                paused: Some(of.paused),
                texts: vec![of.name.clone()],
                ..Self::default()
            },
            Entity::Coupon(of) => Self {
                merchants: merchant_of(of.campaign).into_iter().collect(),
                campaigns: vec![of.campaign],
                influencer: Some(of.influencer),
                texts: vec![of.code.clone()],
                ..Self::default()
            },
            Entity::Booking(of) => Self {
                merchants: vec![of.merchant],
                campaigns: of.campaign.into_iter().collect(),
                influencer: Some(of.influencer),
                texts: vec![of.note.clone()],
                ..Self::default()
            },
            Entity::Hold(of) => {
                let influencer = match of.target {
                    shared::catalog::HoldTarget::Influencer(id) => Some(id),
                    _ => None,
                };
                Self { influencer, texts: vec![of.reason.clone()], ..Self::default() }
            }
            Entity::AccessToken(of) => {
                Self { texts: of.name.clone().into_iter().collect(), ..Self::default() }
            }
            Entity::Person(of) => {
                let texts = [of.name.clone()].into_iter().chain(of.email.clone()).collect();
                Self { texts, ..Self::default() }
            }
            _ => Self::default(),
        }
    }
}

/// A text that is looked for, whatever the case of its letters.
struct Text {
    folded: String,
    ascii: Option<AhoCorasick>,
}

impl Text {
    fn read(text: &str) -> Result<Self, Problem> {
        if !(1..=TEXT_CHARS_MAX).contains(&text.chars().count()) || text.trim().is_empty() {
            let expected = format!("expected a text of 1 to {TEXT_CHARS_MAX} characters");
            return Err(wrong("q", expected));
        }
        let ascii = AhoCorasick::builder().ascii_case_insensitive(true).build([text]).ok();
        Ok(Self { folded: text.to_lowercase(), ascii: ascii.filter(|_| text.is_ascii()) })
    }

    fn is_in(&self, text: &str) -> bool {
        match &self.ascii {
            Some(ascii) => ascii.is_match(text),
            None => text.to_lowercase().contains(&self.folded),
        }
    }
}

/// The catalog as a role sees it.
struct Known<'c> {
    role: Role,
    catalog: &'c Catalog,
}

impl Known<'_> {
    /// Reads the id of something that the role may see.
    fn named<Id: std::str::FromStr>(
        &self,
        name: &str,
        text: Option<&str>,
        find: impl Fn(&Id) -> Option<Entity>,
    ) -> Result<Option<Id>, Problem> {
        let Some(text) = text else { return Ok(None) };
        let id: Option<Id> = text.parse().ok();
        let is_seen = |entity: &Entity| {
            let kind = match entity {
                Entity::Campaign(_) => Kind::Campaign,
                Entity::Influencer(_) => Kind::Influencer,
                _ => Kind::Merchant,
            };
            // An influencer may name the merchant of their campaigns.
            matches!((self.role, entity), (Role::Influencer(_), Entity::Merchant(_)))
                || Reach::of(self.role, kind, self.catalog).has(entity, self.catalog)
        };
        let id = id.filter(|id| find(id).as_ref().is_some_and(is_seen));
        id.map(Some).ok_or_else(|| wrong(name, format!("`{text}` does not exist")))
    }
}

impl Key {
    const fn is_name(&self) -> bool {
        matches!(self.by, By::Name(_))
    }

    /// Returns the cursor behind this entity.
    fn cursor(&self, kind: Kind) -> String {
        let by = match &self.by {
            By::Time(ms) => format!("t{ms}"),
            By::Name(name) => format!("n{name}"),
        };
        URL_SAFE_NO_PAD.encode(format!("{}\0{by}\0{}", kind.plural(), self.id))
    }
}

/// Reads a cursor of a list of this kind.
fn read_cursor(cursor: &str, kind: Kind) -> Option<Key> {
    let text = String::from_utf8(URL_SAFE_NO_PAD.decode(cursor).ok()?).ok()?;
    let mut parts = text.split('\0');
    let (of, by, id) = (parts.next()?, parts.next()?, parts.next()?);
    if of != kind.plural() || parts.next().is_some() {
        return None;
    }
    let by = match by.split_at_checked(1)? {
        ("t", ms) => By::Time(ms.parse().ok()?),
        ("n", name) => By::Name(name.to_owned()),
        _ => return None,
    };
    Some(Key { by, id: id.to_owned() })
}

/// Finds the first `count` entities of a list.
async fn find(
    console: &Console,
    wanted: Wanted,
    count: usize,
) -> Result<Vec<(Key, Entity)>, Problem> {
    if wanted.kind != Kind::Link {
        return Ok(entities(&console.live.read(), &wanted, count));
    }
    // Searching all links takes time. It runs on another thread, in a copy that costs nothing, so
    // that no request waits.
    let all = console.live.read().links.clone();
    let found = spawn_blocking(move || links(&all, &wanted, count)).await;
    found.map_err(|error| Problem::internal(&error.into()))
}

/// Returns the first `count` links of a list. There are many links, so no more than these are
/// copied.
fn links(links: &Links, wanted: &Wanted, count: usize) -> Vec<(Key, Entity)> {
    let mut first = First::new(wanted.sort, count);
    for link in links.iter().filter(|link| wanted.has_link(*link)) {
        if !wanted.sort.by_name && first.is_beyond(link.created_at()) {
            continue;
        }
        let name = || link.slug().to_ascii_lowercase();
        let key = key(wanted.sort, link.created_at(), name, link.id().to_string());
        first.offer(key, &wanted.after);
    }
    let found = first.sorted().into_iter().filter_map(|key| {
        let id: LinkId = key.id.parse().ok()?;
        Some((key, Entity::Link(links.get(id)?.to_link())))
    });
    found.collect()
}

/// Returns the first `count` entities of a list of anything but links.
fn entities(catalog: &Catalog, wanted: &Wanted, count: usize) -> Vec<(Key, Entity)> {
    let mut found: Vec<(Key, Entity)> = all(catalog, wanted.kind)
        .into_iter()
        .filter(|(_, entity)| wanted.has(entity, catalog))
        .map(|(at, entity)| (key(wanted.sort, at, || name(&entity), entity_id(&entity)), entity))
        .filter(|(key, _)| {
            wanted.after.as_ref().is_none_or(|after| wanted.sort.is_before(after, key))
        })
        .collect();
    found.sort_unstable_by(
        |(one, _), (other, _)| {
            if wanted.sort.backwards { other.cmp(one) } else { one.cmp(other) }
        },
    );
    found.truncate(count);
    found
}

fn key(sort: Sort, at: Timestamp, name: impl FnOnce() -> String, id: String) -> Key {
    let by = if sort.by_name { By::Name(name()) } else { By::Time(at.as_ms()) };
    Key { by, id }
}

/// The first few of many keys.
struct First {
    sort: Sort,
    count: usize,
    forwards: BinaryHeap<Key>,
    backwards: BinaryHeap<std::cmp::Reverse<Key>>,
}

impl First {
    const fn new(sort: Sort, count: usize) -> Self {
        Self { sort, count, forwards: BinaryHeap::new(), backwards: BinaryHeap::new() }
    }

    fn last(&self) -> Option<&Key> {
        if self.sort.backwards {
            self.backwards.peek().map(|key| &key.0)
        } else {
            self.forwards.peek()
        }
    }

    fn is_full(&self) -> bool {
        self.forwards.len() + self.backwards.len() >= self.count
    }

    /// Returns whether what was created then has no place any more.
    fn is_beyond(&self, at: Timestamp) -> bool {
        let Some(By::Time(last)) = self.last().map(|key| &key.by) else { return false };
        let ms = at.as_ms();
        self.is_full() && if self.sort.backwards { ms < *last } else { ms > *last }
    }

    /// Takes a key that stands behind `after`, if it has a place.
    fn offer(&mut self, key: Key, after: &Option<Key>) {
        if after.as_ref().is_some_and(|after| !self.sort.is_before(after, &key)) {
            return;
        }
        if self.is_full() {
            let has_place = self.last().is_some_and(|last| self.sort.is_before(&key, last));
            if !has_place {
                return;
            }
            if self.sort.backwards {
                self.backwards.pop();
            } else {
                self.forwards.pop();
            }
        }
        if self.sort.backwards {
            self.backwards.push(std::cmp::Reverse(key));
        } else {
            self.forwards.push(key);
        }
    }

    fn sorted(self) -> Vec<Key> {
        if self.sort.backwards {
            self.backwards.into_sorted_vec().into_iter().map(|key| key.0).collect()
        } else {
            self.forwards.into_sorted_vec()
        }
    }
}

/// Cuts a page off, and returns the cursor of the next one if there is one.
fn page(
    mut found: Vec<(Key, Entity)>,
    kind: Kind,
    limit: usize,
) -> (Vec<(Key, Entity)>, Option<String>) {
    let has_more = found.len() > limit;
    found.truncate(limit);
    let next = found.last().filter(|_| has_more).map(|(key, _)| key.cursor(kind));
    (found, next)
}

/// Returns every entity of a kind but links, each with the time of its creation.
fn all(catalog: &Catalog, kind: Kind) -> Vec<(Timestamp, Entity)> {
    macro_rules! of {
        ($map:expr, $variant:path) => {
            $map.values().map(|e| (e.created_at, $variant(e.as_ref().clone()))).collect()
        };
    }
    match kind {
        Kind::Merchant => of!(catalog.merchants, Entity::Merchant),
        Kind::Influencer => of!(catalog.influencers, Entity::Influencer),
        Kind::Campaign => of!(catalog.campaigns, Entity::Campaign),
        Kind::Coupon => of!(catalog.coupons, Entity::Coupon),
        Kind::Hold => of!(catalog.holds, Entity::Hold),
        Kind::Booking => of!(catalog.bookings, Entity::Booking),
        Kind::Token => of!(catalog.tokens, Entity::AccessToken),
        Kind::Person => of!(catalog.people, Entity::Person),
        Kind::Rate => {
            catalog.rates.iter().map(|r| (r.created_at, Entity::Rate(r.clone()))).collect()
        }
        Kind::Link => vec![],
    }
}

/// Returns the id by which the API knows an entity.
fn entity_id(entity: &Entity) -> String {
    match entity {
        Entity::AccessToken(token) => token.id().to_string(),
        other => other.id(),
    }
}

/// Returns the text by which an entity is sorted by name.
fn name(entity: &Entity) -> String {
    match entity {
        Entity::Merchant(of) => of.name.to_lowercase(),
        Entity::Influencer(of) => of.name.to_lowercase(),
        Entity::Campaign(of) => of.name.to_lowercase(),
        Entity::Person(of) => of.name.to_lowercase(),
        Entity::Coupon(of) => of.code.to_lowercase(),
        Entity::Booking(of) => of.note.to_lowercase(),
        Entity::Hold(of) => of.reason.to_lowercase(),
        Entity::AccessToken(of) => of.name.clone().unwrap_or_default().to_lowercase(),
        other => other.id(),
    }
}
