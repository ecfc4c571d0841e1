//! Reads the journal, to compare it with what was promised: how often each click and each order is
//! in it.

use std::collections::HashMap;
use std::path::Path;

use anyhow::{Context, Result};
use shared::id::ClickId;
use shared::record::Record;

/// Returns every click in the journal with its number of records.
pub(crate) fn recorded(journal_dir: &Path) -> Result<HashMap<ClickId, u32>> {
    let mut clicks = HashMap::new();
    for stream in journal::streams(journal_dir)? {
        let mut reader = journal::Reader::open(journal_dir, &stream, 0)?;
        while let Some(record) = reader.next()? {
            let decoded = Record::decode(record.payload);
            if let Record::Click(click) =
                decoded.with_context(|| format!("{stream}, record {}", record.seq))?
            {
                *clicks.entry(click.id).or_default() += 1;
            }
        }
    }
    Ok(clicks)
}

/// Returns every order in the journal with its number of facts.
pub(crate) fn orders(journal_dir: &Path) -> Result<HashMap<String, u32>> {
    let mut orders = HashMap::new();
    for stream in journal::streams(journal_dir)? {
        let mut reader = journal::Reader::open(journal_dir, &stream, 0)?;
        while let Some(record) = reader.next()? {
            let decoded = Record::decode(record.payload);
            if let Record::Order(fact) =
                decoded.with_context(|| format!("{stream}, record {}", record.seq))?
            {
                *orders.entry(fact.order_id).or_default() += 1;
            }
        }
    }
    Ok(orders)
}
