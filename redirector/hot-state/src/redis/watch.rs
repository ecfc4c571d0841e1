//! Detects data that a server lost: each bucket is asked whether it still holds the positions and
//! the mark that it held last.

use std::collections::HashMap;

use anyhow::Result;
use journal::StreamName;

use crate::model::{Position, Reach};
use crate::redis::client::{Progress, Redis};
use crate::redis::keys::{BUCKETS, COUNTED, FIRST, counters_of, key};

/// A server lost data that was written to it.
#[derive(Debug, thiserror::Error)]
#[error("Redis lost some of its data; it is projected again")]
pub(crate) struct Lost;

/// The version of the layout of what is projected. A stream that was projected by another one is
/// projected again from its beginning; what an earlier release reads stays as it is.
const LAYOUT: u8 = 2;

/// Returns a position as buckets keep it.
pub(super) fn told(position: Position) -> Vec<u8> {
    [&position.to_bytes()[..], &[LAYOUT]].concat()
}

/// Reads what [`told`] wrote. Anything else means the beginning.
fn position_of(told: &[u8]) -> Position {
    match told.split_last() {
        Some((&LAYOUT, position)) => Position::from_bytes(position),
        _ => Position::default(),
    }
}

impl Redis {
    /// Drops what the buckets last reported, so that they are asked again.
    pub fn forget(&self) {
        *self.progress() = Progress::default();
    }

    pub fn reach(&self, stream: &StreamName) -> Result<Reach> {
        let name = stream.as_str().as_bytes();
        let counted: Option<Vec<u8>> =
            self.run(|c| redis::cmd("HGET").arg(counters_of(name)).arg(COUNTED).query(c))?;
        let counted = counted.map_or_else(Position::default, |bytes| Position::from_bytes(&bytes));
        self.ask_buckets()?;
        let progress = self.progress();
        let of_bucket = |said: &HashMap<Vec<u8>, Vec<u8>>| {
            said.get(name).map_or_else(Position::default, |bytes| position_of(bytes))
        };
        let positions = || progress.said.iter().map(of_bucket).chain([counted]);
        let least = positions().min_by_key(|position| position.seq).unwrap_or_default();
        let most = positions().max_by_key(|position| position.seq).unwrap_or_default();
        Ok(Reach { least, most, counted })
    }

    pub fn ask_buckets(&self) -> Result<()> {
        if !self.progress().said.is_empty() {
            return Ok(());
        }
        let mut said = Vec::with_capacity(usize::from(BUCKETS));
        for bucket in 0..BUCKETS {
            let mut of_bucket: HashMap<Vec<u8>, Vec<u8>> =
                self.run(|c| redis::cmd("HGETALL").arg(key(bucket, b'p', &[])).query(c))?;
            // Other nodes' marks are not compared here.
            of_bucket.retain(|field, _| !field.starts_with(b"~"));
            said.push(of_bucket);
        }
        let place = key(FIRST, b'g', &[]);
        let new = rand::random::<[u8; 8]>().to_vec();
        let held: Option<Vec<u8>> =
            self.run(|c| redis::cmd("SET").arg(&place).arg(&new).arg("NX").arg("GET").query(c))?;
        let mut progress = self.progress();
        (progress.said, progress.generation) = (said, held.unwrap_or(new));
        Ok(())
    }

    /// Asks every bucket whether it still holds what it held last, and writes to it how far it is
    /// now.
    ///
    /// # Errors
    /// `Lost` when one does not; then all buckets are asked again. Or when a server does not
    /// answer.
    pub fn sweep(&self) -> Result<()> {
        self.ask_buckets()?;
        for bucket in 0..BUCKETS {
            let (said, reached, mark) = {
                let progress = self.progress();
                let mark = progress.marks.get(&bucket).copied();
                (progress.said[usize::from(bucket)].clone(), progress.reached.clone(), mark)
            };
            let place = key(bucket, b'p', &[]);
            let mut pipeline = redis::pipe();
            pipeline.atomic().cmd("HGETALL").arg(&place);
            if !reached.is_empty() {
                let told = pipeline.cmd("HSET").arg(&place);
                reached.iter().for_each(|(stream, position)| _ = told.arg(stream).arg(position));
                pipeline.ignore();
            }
            let (found,): (HashMap<Vec<u8>, Vec<u8>>,) = self.run(|c| pipeline.query(c))?;
            // A repeated command finds what its own first run wrote.
            let is_as_said = |(stream, position): (&Vec<u8>, &Vec<u8>)| {
                found
                    .get(stream)
                    .is_some_and(|found| found == position || Some(found) == reached.get(stream))
            };
            let is_marked = |mark: u64| {
                found.get(&self.mark[..]).is_some_and(|found| *found == mark.to_be_bytes())
            };
            let is_whole = said.iter().all(is_as_said) && mark.is_none_or(is_marked);
            #[cfg(feature = "faults")]
            let is_whole = is_whole || crate::fault::is_blind();
            if !is_whole {
                self.unsay(&place, &found, reached.keys())?;
                self.forget();
                return Err(Lost.into());
            }
            self.progress().said[usize::from(bucket)].extend(reached);
        }
        Ok(())
    }

    /// Takes back the positions that were written to a bucket after it had lost its data.
    fn unsay<'s>(
        &self,
        place: &[u8],
        found: &HashMap<Vec<u8>, Vec<u8>>,
        told: impl Iterator<Item = &'s Vec<u8>>,
    ) -> Result<()> {
        let mut pipeline = redis::pipe();
        pipeline.atomic();
        for stream in told {
            match found.get(stream) {
                Some(position) => {
                    pipeline.cmd("HSET").arg(place).arg(stream).arg(position).ignore()
                }
                None => pipeline.cmd("HDEL").arg(place).arg(stream).ignore(),
            };
        }
        self.run(|c| pipeline.query::<()>(c))
    }
}
