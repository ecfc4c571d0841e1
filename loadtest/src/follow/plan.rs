//! The plan of a load test: the question, the load and all settings.

use std::path::PathBuf;
use std::time::Duration;

use crate::follow::arrivals::Bursts;
use crate::follow::disturb::Disturb;

/// The size of the load.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Load {
    /// A number of clicks a second.
    Rate(f64),
    /// A share of the product's capacity, which is measured first.
    OfCapacity(f64),
}

/// The question that a load test answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Question {
    /// How the product behaves under a load.
    Follow,
    /// The product's capacity.
    Capacity,
    /// How the product behaves under this many times its capacity.
    Overload(u32),
}

/// The settings of a load test.
#[derive(Debug, Clone)]
pub struct FollowPlan {
    /// Folder of the binaries.
    pub bin_dir: PathBuf,
    /// Folder of the data.
    pub data: PathBuf,
    /// The question that a load test answers.
    pub question: Question,
    /// The size of the load.
    pub load: Load,
    /// How long each part lasts.
    pub lasts: Duration,
    /// Influencers' posts.
    pub bursts: Option<Bursts>,
    /// So many of a hundred requests go over a connection that stays open.
    pub keep_alive: u8,
    /// Connections that may have a request at the same time.
    pub connections: usize,
    /// With TLS if set: so many of a hundred new connections resume a TLS session.
    pub tls: Option<u8>,
    /// Whether the server gets a core of its own, and this program another.
    pub pin: bool,
    /// The disturbance of the product in the second of three parts.
    pub disturb: Disturb,
    /// The number of links that exist before, and the number that `Disturb::Import` imports.
    pub catalog: (usize, usize),
    /// The product can take a rate if the 99th percentile of the latency of clicks is not above
    /// this.
    pub bound: Duration,
    /// How long a follower waits for an answer.
    pub patience: Duration,
    /// The seed of the random numbers: the same seed draws the same moments and followers.
    pub seed: u64,
    /// A fault to plant into the product. The product must be built with its feature `faults`.
    pub fault: Option<String>,
}
