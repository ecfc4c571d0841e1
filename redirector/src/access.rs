//! The commands about who gets in and what is believed: access tokens of the admin API, and the
//! keys that sign click tokens.
//!
//! Changes go to a stream of the command line's own: a running server has its own streams open, and
//! follows this one. No secret is printed but that of a new access token, once.

use std::fmt::Write as _;

use anyhow::{Context, Result, bail};
use console::{Signer, auth};
use live::{clock, for_each_change, keys, node};
use shared::catalog::{AccessToken, By, Catalog, Change, Entity, Hold, HoldTarget, Person, Role};
use shared::id::{AccessTokenId, HoldId, PersonId};
use shared::record::Record;
use shared::stream::StreamKind;
use shared::time::{Span, Timestamp};
use shared::token::KeyState;

use crate::cli::RoleName;
use crate::commands::print;
use crate::config::Config;
use crate::journals::{make_data_folder, must_exist, open_stream};

/// How long the address of the first person signs in.
const INVITATION_LASTS: Span = Span::days(7);

/// Makes an access token, records its hash and prints the token. A running server accepts it a
/// moment later.
///
/// # Errors
/// When the holder does not exist or does not fit the role, or the journal cannot be written.
pub(crate) fn create_token(
    config: &Config,
    role: RoleName,
    holder: Option<&str>,
    name: Option<String>,
    expires: Option<&str>,
) -> Result<()> {
    let role = match (role, holder) {
        (RoleName::Admin, None) => Role::Admin,
        (RoleName::Admin, Some(_)) => bail!("--for goes with the roles merchant and influencer"),
        (RoleName::Merchant, Some(id)) => Role::Merchant(id.parse().context("--for")?),
        (RoleName::Influencer, Some(id)) => Role::Influencer(id.parse().context("--for")?),
        (_, None) => bail!("--for: say whose token, e.g. --for mer_0c1m8y5v"),
    };
    if let Some(holder) = holder {
        must_hold(&catalog(config)?, role, holder)?;
    }
    let now = clock::now();
    let expires_at = expires.map(time).transpose().context("--expires")?;
    if let Some(expires_at) = expires_at.filter(|expires_at| *expires_at <= now) {
        bail!("--expires: {expires_at} lies in the past");
    }
    print(&format!("{}\n", make_token(config, role, name, expires_at)?))
}

/// Makes an access token, records its hash and returns the token.
///
/// # Errors
/// When the journal cannot be written.
pub(crate) fn make_token(
    config: &Config,
    role: Role,
    name: Option<String>,
    expires_at: Option<Timestamp>,
) -> Result<String> {
    let token = auth::generate();
    let made = AccessToken::new(auth::hash(&token), role, clock::now());
    append(config, Entity::AccessToken(AccessToken { name, expires_at, ..made }))?;
    Ok(token)
}

/// Makes the first person, an administrator, and returns the secret part of the address with which
/// they sign in once.
///
/// # Errors
/// When the journal cannot be written, or the keys cannot be read.
pub(crate) fn make_first_person(config: &Config, name: String) -> Result<String> {
    let now = clock::now();
    let person = Person {
        id: PersonId::from_bits(rand::random()),
        name,
        email: None,
        role: Role::Admin,
        language: None,
        password: None,
        signed_in_at: None,
        sign_ins_from: now,
        archived: false,
        created_at: now,
        updated_at: now,
    };
    let ring = keys::load_or_create(&config.data, &config.journal_dir())?;
    let secret = Signer::new(&ring).link(&person, now.plus(INVITATION_LASTS));
    append(config, Entity::Person(person))?;
    Ok(secret)
}

/// Checks that the holder of a token exists: a token for a misspelt id would show nothing, to nobody's
/// surprise but its holder's.
fn must_hold(catalog: &Catalog, role: Role, holder: &str) -> Result<()> {
    let is_known = match role {
        Role::Admin => true,
        Role::Merchant(id) => catalog.merchants.contains_key(&id),
        Role::Influencer(id) => catalog.influencers.contains_key(&id),
    };
    if !is_known {
        bail!("--for: `{holder}` does not exist; GET /api/v1/merchants and /influencers list all");
    }
    Ok(())
}

/// Prints every access token on a line: id, role, name, and whether it opens anything.
///
/// # Errors
/// When the journal cannot be read.
pub(crate) fn list_tokens(config: &Config) -> Result<()> {
    must_exist(config)?;
    let (catalog, now) = (catalog(config)?, clock::now());
    let mut tokens: Vec<_> = catalog.tokens.values().collect();
    tokens.sort_by_key(|token| (token.created_at, token.id()));
    let mut text = String::new();
    for token in tokens {
        let role = match token.role {
            Role::Admin => "admin".to_owned(),
            Role::Merchant(id) => format!("merchant {id}"),
            Role::Influencer(id) => format!("influencer {id}"),
        };
        let state = match (token.revoked_at, token.expires_at) {
            (Some(at), _) => format!("revoked {at}"),
            (None, Some(at)) if at <= now => format!("expired {at}"),
            (None, Some(at)) => format!("expires {at}"),
            (None, None) => "no end".to_owned(),
        };
        let name = token.name.as_deref().unwrap_or("-");
        // Writing to a String cannot fail, here and below.
        _ = writeln!(text, "{}  {role}  {name}  created {}  {state}", token.id(), token.created_at);
    }
    print(&text)
}

/// Revokes an access token.
///
/// # Errors
/// When there is no such token, or the journal cannot be read or written.
pub(crate) fn revoke_token(config: &Config, id: &str) -> Result<()> {
    let id: AccessTokenId = id.parse()?;
    let catalog = catalog(config)?;
    let token = catalog.tokens.values().find(|token| token.id() == id);
    let token = token.with_context(|| {
        format!("there is no access token {id}; `afterclick token list` shows all")
    })?;
    if let Some(at) = token.revoked_at {
        return print(&format!("{id} was revoked {at}\n"));
    }
    let revoked = AccessToken { revoked_at: Some(clock::now()), ..token.as_ref().clone() };
    append(config, Entity::AccessToken(revoked))?;
    print(&format!("{id} is revoked\n"))
}

/// Prints every key on a line: its id and its state.
///
/// # Errors
/// When the key file cannot be read.
pub(crate) fn list_keys(config: &Config) -> Result<()> {
    let mut text = String::new();
    for (id, state) in keys::list(&config.data)? {
        _ = writeln!(text, "{id}  {}", state.as_str());
    }
    print(&text)
}

/// Lets another key sign.
///
/// # Errors
/// When the key file cannot be read or written.
pub(crate) fn rotate_keys(config: &Config, prepare: bool) -> Result<()> {
    let id = keys::rotate(&config.data, prepare)?;
    print(&if prepare {
        format!(
            "key {id} is the next one: copy keys.json to every node and restart each, then run \
             `afterclick keys rotate` there, or once and copy again\n"
        )
    } else {
        format!(
            "key {id} signs from the next start on: copy keys.json to every node, restart each\n"
        )
    })
}

/// Revokes a key, and holds the commissions that its click tokens bring. The hold is recorded
/// before the key file changes: then nothing is paid in between.
///
/// # Errors
/// When there is no such key, or journal or key file cannot be written.
pub(crate) fn revoke_key(
    config: &Config,
    id: u8,
    since: Option<&str>,
    reason: String,
) -> Result<()> {
    let now = clock::now();
    let since = since.map(time).transpose().context("--since")?.unwrap_or(now);
    if !keys::list(&config.data)?.iter().any(|(key, _)| *key == id) {
        bail!("there is no key {id}; `afterclick keys list` shows all");
    }
    let hold = Hold {
        id: HoldId::from_bits(rand::random()),
        target: HoldTarget::Key(id),
        reason,
        since: Some(since),
        created_at: now,
        released_at: None,
        release_reason: None,
        updated_at: now,
    };
    let hold_id = hold.id;
    append(config, Entity::Hold(hold))?;
    let is_revoked = keys::list(&config.data)?.contains(&(id, KeyState::Revoked));
    let active = if is_revoked { None } else { Some(keys::revoke(&config.data, id)?) };
    let signs = active.map_or_else(String::new, |active| {
        format!(
            "key {active} signs from the next start on: copy keys.json to every node and restart \
             each NOW\n"
        )
    });
    print(&format!(
        "key {id} is revoked\n{signs}what its click tokens bring since {since} is held by \
         {hold_id}; release it with POST /api/v1/holds/{hold_id}/release\n"
    ))
}

/// Folds the catalog from the journal.
pub(crate) fn catalog(config: &Config) -> Result<Catalog> {
    let (journal_dir, mut catalog) = (config.journal_dir(), Catalog::default());
    for stream in journal::streams(&journal_dir)? {
        if StreamKind::of(stream.as_str()) == Some(StreamKind::Catalog) {
            for_each_change(&journal_dir, &stream, |change| catalog.apply(change))?;
        }
    }
    Ok(catalog)
}

/// Reads the catalog as [`catalog`] does; an empty one where no journal is.
pub(crate) fn catalog_here(config: &Config) -> Result<Catalog> {
    if config.journal_dir().is_dir() { catalog(config) } else { Ok(Catalog::default()) }
}

/// Appends a change of one entity. When it returns, the change is on disk.
fn append(config: &Config, entity: Entity) -> Result<()> {
    let by = Some(By::CommandLine);
    let change = Change { at: clock::now(), entities: vec![entity], request: None, by };
    make_data_folder(&config.data)?;
    // The first record must not make the first start look like one that lost its keys.
    keys::load_or_create(&config.data, &config.journal_dir())?;
    let mut writer =
        open_stream(config, &StreamKind::Catalog.part_name(&node::name(&config.data)?, "cli"))?;
    writer.append(&Record::Catalog(change).encode())?;
    writer.commit(clock::now_ms())?;
    Ok(writer.close()?)
}

/// Reads a time, or a day, which stands for its beginning in UTC.
fn time(text: &str) -> Result<Timestamp> {
    let of_day = || format!("{text}T00:00:00Z").parse();
    Ok(text.parse().or_else(|error| of_day().map_err(|_| error))?)
}
