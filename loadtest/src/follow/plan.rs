//! What a load test is asked to find out, and how it is to be done.

use std::path::PathBuf;
use std::time::Duration;

use crate::follow::arrivals::Bursts;
use crate::follow::disturb::Disturb;

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
