//! Sends commands bucket by bucket.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use redis::{FromRedisValue, Pipeline};

use crate::redis::client::Redis;
use crate::redis::keys::bucket_of;

/// Commands grouped by bucket. Each bucket takes one round trip.
#[derive(Default)]
pub(super) struct Buckets {
    pipelines: BTreeMap<u8, Pipeline>,
}

impl Buckets {
    pub(super) fn at(&mut self, bucket: u8) -> &mut Pipeline {
        self.pipelines.entry(bucket).or_default()
    }

    pub(super) fn of(&mut self, id: &[u8]) -> &mut Pipeline {
        self.at(bucket_of(id))
    }

    fn read<T: FromRedisValue>(self, redis: &Redis) -> Result<BTreeMap<u8, T>> {
        let answer =
            |(bucket, pipeline): (u8, Pipeline)| Ok((bucket, redis.run(|c| pipeline.query(c))?));
        self.pipelines.into_iter().map(answer).collect()
    }

    pub(super) fn write<T: FromRedisValue>(self, redis: &Redis) -> Result<BTreeMap<u8, T>> {
        let answer = |(bucket, mut pipeline): (u8, Pipeline)| {
            let mark = redis.add_mark(bucket, &mut pipeline);
            let answer = redis.run(|c| pipeline.query(c))?;
            redis.progress().marks.insert(bucket, mark);
            Ok((bucket, answer))
        };
        self.pipelines.into_iter().map(answer).collect()
    }

    /// Runs the commands and returns the answers in the order of the ids.
    pub(super) fn answers<'i, T: FromRedisValue>(
        self,
        redis: &Redis,
        ids: impl Iterator<Item = &'i [u8]>,
    ) -> Result<Vec<T>> {
        in_order(self.read(redis)?, ids)
    }
}

/// Puts answers of several buckets into the order of the ids that were asked for.
pub(super) fn in_order<'i, T>(
    answers: BTreeMap<u8, Vec<T>>,
    ids: impl Iterator<Item = &'i [u8]>,
) -> Result<Vec<T>> {
    let mut answers: BTreeMap<u8, _> =
        answers.into_iter().map(|(bucket, answers)| (bucket, answers.into_iter())).collect();
    let next = |id: &[u8]| answers.get_mut(&bucket_of(id)).and_then(Iterator::next);
    ids.map(next).collect::<Option<Vec<T>>>().context("Redis gave fewer answers than commands")
}
