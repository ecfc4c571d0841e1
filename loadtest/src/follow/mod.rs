//! Followers as they come: at moments that were drawn in advance, over connections of their own,
//! some of whom land in the shop and buy. Latency is measured from the moment at which a request
//! should have been sent; afterwards what they were answered is compared with the journal and the
//! figures.
//!
//! It never waits with one request for the answer to another, and never trusts the product's
//! counters.

mod arrivals;
mod capacity;
mod cast;
mod disturb;
mod load;
mod measure;
mod pace;
mod page;
mod plot;
mod reconcile;
mod show;
mod stage;
mod text;
mod wire;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use harness::Redis;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

pub use arrivals::Bursts;
pub use capacity::{Capacity, Limit, Step};
pub use cast::Kind;
pub use disturb::Disturb;
pub use measure::{End, OfKind, Phase, Second, Times};
pub use reconcile::{Check, ClassRow, Reconciliation};

use show::Show;

/// How many come.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Load {
    /// Clicks a second.
    Rate(f64),
    /// A share of what the product can take, which is measured first.
    OfCapacity(f64),
}

/// What is to be found out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Question {
    /// How the product fares at a load.
    Follow,
    /// How much it can take.
    Capacity,
    /// What becomes of many times as much: this many times.
    Overload(u32),
}

/// How to test.
#[derive(Debug, Clone)]
pub struct FollowPlan {
    /// Folder of the binaries.
    pub bin_dir: PathBuf,
    /// Folder of the data.
    pub data: PathBuf,
    /// What is to be found out.
    pub question: Question,
    /// How many come.
    pub load: Load,
    /// How long each part lasts.
    pub lasts: Duration,
    /// Influencers' posts.
    pub bursts: Option<Bursts>,
    /// Of a hundred requests, so many go over a connection that stays open.
    pub keep_alive: u8,
    /// Connections with a request at once.
    pub connections: usize,
    /// With TLS; of a hundred new connections, so many resume a session.
    pub tls: Option<u8>,
    /// Whether the server gets a core of its own, and this program another.
    pub pin: bool,
    /// What is done to the product meanwhile.
    pub disturb: Disturb,
    /// Links that are there before, and links that an import brings.
    pub catalog: (usize, usize),
    /// Latency of one in a hundred clicks up to which a rate can be taken.
    pub bound: Duration,
    /// How long a follower waits.
    pub patience: Duration,
    /// The same seed draws the same moments and followers.
    pub seed: u64,
    /// A fault to plant into the product, which must be built with its feature `faults`.
    pub fault: Option<String>,
}

/// Something that happened at a moment, counted from the first click of all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// When.
    pub at: Duration,
    /// What.
    pub what: String,
}

/// What came of it.
#[derive(Debug, Clone)]
pub struct FollowReport {
    /// How it was done, in one line.
    pub setting: String,
    /// Part by part.
    pub phases: Vec<Phase>,
    /// Second by second.
    pub seconds: Vec<Second>,
    /// What happened meanwhile.
    pub marks: Vec<Mark>,
    /// How much it could take, if that was measured.
    pub capacity: Option<Capacity>,
    /// Sessions, orders and repeats that would have come after the end.
    pub not_yet_due: usize,
    /// Whether everything agrees.
    pub reconciliation: Reconciliation,
}

impl FollowReport {
    /// The report as text.
    pub fn text(&self) -> String {
        text::render(self)
    }

    /// The report as one page that needs nothing else.
    pub fn page(&self) -> String {
        page::render(self)
    }

    /// Whether nothing differs.
    pub fn is_good(&self) -> bool {
        self.reconciliation.differences() == 0
    }
}

/// What there is to tell while it runs.
#[derive(Debug, Clone, Copy)]
pub enum News<'a> {
    /// A part begins.
    Begins(&'a str),
    /// A second is over.
    Second(&'a Second),
    /// A rate was tried.
    Tried(&'a Step),
}

/// Puts the load on the product and compares what all sides say.
///
/// # Errors
/// When the product cannot be started or its journal cannot be read.
pub async fn follow(plan: &FollowPlan, tell: &mut dyn FnMut(News<'_>)) -> Result<FollowReport> {
    raise_limit();
    let redis = if plan.disturb == Disturb::Redis { Some(Redis::start(&[])?) } else { None };
    let mut show = Show::open(plan, redis.as_ref()).await?;
    show.warm_up().await?;
    let capacity = match (plan.question, plan.load) {
        (Question::Follow, Load::Rate(_)) => None,
        _ => Some(show.find_capacity(tell).await?),
    };
    let show = match (plan.question, plan.load, &capacity) {
        (Question::Overload(factor), _, Some(capacity)) => {
            show.overload(capacity.rate, factor, tell).await?
        }
        (Question::Follow, Load::Rate(rate), _) => {
            show.all_parts(rate, redis.as_ref(), tell).await?
        }
        (Question::Follow, Load::OfCapacity(share), Some(capacity)) => {
            show.all_parts(times(capacity.rate, share), redis.as_ref(), tell).await?
        }
        _ => show,
    };
    show.close(capacity).await
}

#[expect(clippy::float_arithmetic, reason = "a rate, and no money")]
fn times(rate: f64, factor: f64) -> f64 {
    rate * factor
}

/// As many open files as the system lets this program have: each connection is one.
fn raise_limit() {
    let limit = getrlimit(Resource::Nofile);
    // Where that is refused, connections fail, and the report says so.
    _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
}
