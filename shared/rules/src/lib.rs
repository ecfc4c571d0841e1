//! The rules of a link: which of its destinations a visitor gets. The first rule whose conditions
//! all hold answers; where none does, the split; where there is no split, the link's own
//! destination.
//!
//! Pure: time, country and random bits are parameters. It never makes an address: every answer is
//! one of those that the link holds. It never checks one either: whoever puts them there does.

mod condition;
mod read;

pub use condition::{Conditions, Kind, Visit};
pub use read::{Check, Mistake, read_rules, read_split};

use basics::id::ClickId;
use serde::{Deserialize, Serialize};

/// The most rules of a link.
pub const RULES_MAX: usize = 20;
/// The most shares of a link's split.
pub const SHARES_MAX: usize = 10;
/// The most that a share may weigh.
pub const WEIGHT_MAX: u32 = 1000;
/// The number of buckets into which visitors fall. A share is a number of buckets.
pub const BUCKETS: u8 = 128;

/// A rule: where a visitor goes for whom all conditions hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// The conditions. A rule without any holds for everybody.
    #[serde(rename = "if")]
    pub conditions: Conditions,
    /// The address to which it leads.
    pub destination: String,
    /// The name for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// A share of a split: where so many of the visitors go for whom no rule holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Share {
    /// How much of the sum of all weights is its part.
    pub weight: u32,
    /// The address to which it leads.
    pub destination: String,
    /// The name for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// The rule or the share that answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Branch {
    /// The rule in this place, counted from 0.
    Rule(u8),
    /// The share in this place, counted from 0.
    Share(u8),
}

/// The bit that tells a share from a rule in a branch's number.
const OF_SPLIT: u8 = 128;

impl Branch {
    /// Returns the number under which clicks are recorded. It never changes.
    pub const fn number(self) -> u8 {
        match self {
            Self::Rule(place) => place,
            Self::Share(place) => place | OF_SPLIT,
        }
    }

    /// Returns the branch with a number.
    pub const fn of_number(number: u8) -> Self {
        if number & OF_SPLIT == 0 { Self::Rule(number) } else { Self::Share(number & !OF_SPLIT) }
    }
}

/// The rules of a link, and the split of those for whom none of them holds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rules {
    /// The rules, in the order in which they are tried.
    pub rules: Vec<Rule>,
    /// The shares of everybody else.
    pub split: Vec<Share>,
}

impl Rules {
    /// Returns whether there are neither rules nor shares.
    pub const fn is_empty(&self) -> bool {
        self.rules.is_empty() && self.split.is_empty()
    }

    /// Returns what answers a visit; `None` where the link's own destination does.
    pub fn choose(&self, visit: &Visit<'_>) -> Option<Branch> {
        let rule = self.rules.iter().position(|rule| rule.conditions.hold(visit));
        let place = |place: usize| u8::try_from(place).unwrap_or(u8::MAX >> 1);
        match rule {
            Some(found) => Some(Branch::Rule(place(found))),
            None => share_of(&self.split, visit.bucket).map(|found| Branch::Share(place(found))),
        }
    }

    /// Returns the address to which a branch leads.
    pub fn destination(&self, branch: Branch) -> Option<&str> {
        match branch {
            Branch::Rule(place) => self.rules.get(usize::from(place)).map(|rule| &rule.destination),
            Branch::Share(place) => self.split.get(usize::from(place)).map(|s| &s.destination),
        }
        .map(String::as_str)
    }

    /// Returns all addresses, in order.
    pub fn destinations(&self) -> impl Iterator<Item = &str> {
        let of_rules = self.rules.iter().map(|rule| &*rule.destination);
        of_rules.chain(self.split.iter().map(|share| &*share.destination))
    }
}

/// Returns the share to which a bucket belongs. Shares are ranges of the buckets, in order, so a
/// bucket keeps its share as long as the split stays as it is.
fn share_of(split: &[Share], bucket: u8) -> Option<usize> {
    let total: u64 = split.iter().map(|share| u64::from(share.weight)).sum();
    let (mut sum, bucket) = (0, u64::from(bucket % BUCKETS));
    split.iter().position(|share| {
        sum += u64::from(share.weight);
        bucket * total < sum * u64::from(BUCKETS)
    })
}

/// Returns how many of the buckets each share has.
pub fn buckets_of(split: &[Share]) -> Vec<usize> {
    let mut counts = vec![0; split.len()];
    for bucket in 0..BUCKETS {
        share_of(split, bucket).into_iter().for_each(|share| counts[share] += 1);
    }
    counts
}

/// Returns the bucket of a click's visitor: the last seven bits of its id.
pub const fn bucket_of(click: ClickId) -> u8 {
    click.as_bytes()[15] % BUCKETS
}

/// Returns the id of a new click with the bucket of an earlier one, so that its visitor keeps their
/// share. The other 121 bits stay as they are.
pub const fn in_bucket_of(click: ClickId, earlier: ClickId) -> ClickId {
    let mut bytes = *click.as_bytes();
    bytes[15] = bytes[15] & BUCKETS | bucket_of(earlier);
    ClickId::from_bytes(bytes)
}
