//! `afterclick demo`: a server with a sample campaign and three weeks of figures, in a temporary
//! folder that goes with it.
//!
//! It reads no configuration file and touches no other data: nothing of it may reach a real
//! journal.

mod catalog;
mod story;

use std::fmt::Write as _;

use anyhow::{Context, Result};
use console::auth;
use live::{clock, keys, node};
use shared::record::Record;
use shared::stream::StreamKind;

use crate::cli::Settings;
use crate::commands::print;
use crate::config::Config;
use crate::journals::{make_data_folder, open_stream};
use crate::serve::{self, Addresses};
use story::{Plan, Story};

/// The links' host: browsers know it without a name server.
const HOST: &str = "localhost";

/// Serves the sample campaign until SIGTERM or SIGINT, then removes its folder.
///
/// # Errors
/// When the folder cannot be made or removed, or the server fails.
pub(crate) fn demo(listen: Option<String>, admin: Option<String>) -> Result<()> {
    let folder = tempfile::tempdir().context("a temporary folder")?;
    let token = auth::generate();
    let config = Config::resolve(&Settings {
        data: Some(folder.path().display().to_string()),
        listen,
        admin,
        hosts: Some(HOST.to_owned()),
        admin_token: Some(token.clone()),
        ..Settings::default()
    })?;
    let story = story::tell(clock::now());
    record(&config, &story)?;
    let said = format!("{}data folder   {}\n", told(&story.plan), folder.path().display());
    serve::serve_and_say(config, &|addresses: &Addresses| {
        print(&format!("{}{said}", places(addresses, &token)))
    })?;
    folder.close().context("the temporary folder")
}

/// Writes the story as a server would have recorded it: one stream a kind.
fn record(config: &Config, story: &Story) -> Result<()> {
    make_data_folder(&config.data)?;
    keys::load_or_create(&config.data, &config.journal_dir())?;
    let node = node::name(&config.data)?;
    let catalog = Record::Catalog(story.catalog.clone());
    append(config, &StreamKind::Catalog.name(&node), [&catalog])?;
    append(config, &StreamKind::Edge.part_name(&node, 0), &story.clicks)?;
    append(config, &StreamKind::Facts.name(&node), &story.facts)
}

fn append<'r>(
    config: &Config,
    stream: &str,
    records: impl IntoIterator<Item = &'r Record<'static>>,
) -> Result<()> {
    let mut writer = open_stream(config, stream)?;
    for record in records {
        writer.append(&record.encode())?;
    }
    writer.commit(clock::now_ms())?;
    Ok(writer.close()?)
}

/// Says where everything is.
fn places(addresses: &Addresses, token: &str) -> String {
    let (admin, port) = (addresses.admin, addresses.public.port());
    let mut text = format!(
        "\nfigures       http://{admin}/\naccess token  {token}\n\n\
         export AFTERCLICK_URL=http://{admin} AFTERCLICK_TOKEN={token}\n\
         afterclick stats --by influencer\n\n"
    );
    for slug in catalog::slugs().take(3) {
        // Writing to a String cannot fail.
        _ = writeln!(text, "link          http://{HOST}:{port}/{slug}");
    }
    text
}

/// Says what the story holds, so that everybody can compare it with what is shown.
fn told(plan: &Plan) -> String {
    let amount = |minor: i64| format!("{}.{:02}", minor / 100, minor % 100);
    format!(
        "\nthree weeks   {} clicks ({} billable), {} sessions, {} orders that stand, {} cancelled, \
         revenue {} EUR, commission {} EUR\n\
         Ctrl-C ends it and removes everything.\n",
        plan.clicks,
        plan.billable,
        plan.sessions,
        plan.orders,
        plan.cancelled,
        amount(plan.goods_minor),
        amount(plan.commission_minor),
    )
}
