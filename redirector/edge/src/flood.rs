//! Floods: more clicks on one link from one block of addresses than people make.
//!
//! Two rates are counted: of a block and user agent, for visitors without a cookie of ours, in a
//! minute; and of a block with whatever agent, in an hour. Many people share a carrier's addresses,
//! so a flood only says that a click is not paid as such. It never keeps a visitor from the shop,
//! nor a sale from the influencer.
//!
//! SECURITY: what is counted stands under a hash with a salt, in memory, in a table of fixed size.
//! The salt is random and is thrown away within a day, together with the counts. Each worker counts
//! for itself: nothing is shared, and the salts differ.

use shared::id::LinkId;
use shared::time::{Span, Timestamp};

use crate::visitor::Block;

/// How many clicks on a link are billable. 0 switches a limit off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FloodLimits {
    /// Of one block and user agent without a cookie of ours, in a minute and worker.
    pub per_minute: u32,
    /// Of one block, in an hour and worker.
    pub per_hour: u32,
}

impl FloodLimits {
    pub const PER_MINUTE_MAX: u32 = 60_000;
    pub const PER_HOUR_MAX: u32 = 3_600_000;
}

impl Default for FloodLimits {
    fn default() -> Self {
        Self { per_minute: 60, per_hour: 1200 }
    }
}

/// The properties of a click by which floods are counted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clicker {
    pub block: Block,
    /// A hash of the user agent.
    pub agent_hash: u64,
    pub link: LinkId,
    /// The visitor has a cookie of an earlier click, so it is not counted by its user agent.
    pub is_known: bool,
}

/// Random numbers that keep anybody from choosing what falls together, and from finding an address
/// by trying all.
pub(crate) type Salt = [u64; 3];

/// How long a salt is used.
const SALT_LIFE: Span = Span::minutes(20 * 60);
/// Places of each table. A later click in the same place replaces a count that is smaller.
const PLACES: usize = 1 << 16;
const MINUTE_MS: u32 = 60_000;
const HOUR_MS: u32 = 3_600_000;

/// The counts of one worker.
pub(crate) struct Flood {
    salt: Salt,
    salted_at: Timestamp,
    agents: Option<Meter>,
    blocks: Option<Meter>,
}

impl Flood {
    pub(crate) fn new(limits: FloodLimits, salt: Salt, now: Timestamp) -> Self {
        Self {
            salt,
            salted_at: now,
            agents: Meter::new(limits.per_minute, MINUTE_MS),
            blocks: Meter::new(limits.per_hour, HOUR_MS),
        }
    }

    /// Returns whether the salt has served its time, or the clock was set back before it.
    pub(crate) fn is_worn(&self, now: Timestamp) -> bool {
        let age = now.since(self.salted_at);
        age >= SALT_LIFE || age < Span::ZERO
    }

    /// Forgets everything and begins with another salt.
    pub(crate) fn renew(&mut self, salt: Salt, now: Timestamp) {
        (self.salt, self.salted_at) = (salt, now);
        let meters = [&mut self.agents, &mut self.blocks];
        meters.into_iter().flatten().for_each(|meter| meter.places.fill((0, 0)));
    }

    /// Counts a click, and returns whether it is one too many.
    #[inline]
    pub(crate) fn is_flood(&mut self, clicker: &Clicker, now: Timestamp) -> bool {
        let now = u32::try_from(now.since(self.salted_at).as_ms()).unwrap_or(0);
        let [of_block, of_link, of_agent] = self.salt;
        let block = folded(clicker.block.0 ^ of_block, clicker.link.bits() ^ of_link);
        let is_over = |meter: &mut Option<Meter>, hash| {
            meter.as_mut().is_some_and(|meter| meter.is_over(hash, now))
        };
        let by_agent = !clicker.is_known
            && is_over(&mut self.agents, folded(block ^ clicker.agent_hash, of_agent));
        by_agent || is_over(&mut self.blocks, folded(block, of_agent))
    }
}

/// Multiplies to 128 bits and folds the halves, as foldhash does.
fn folded(one: u64, other: u64) -> u64 {
    // An odd factor never takes everything away.
    let other = other | 1;
    let upper = (u128::from(one) * u128::from(other)) >> 64;
    one.wrapping_mul(other) ^ u64::try_from(upper).unwrap_or(0)
}

/// Counts the clicks of many keys against one limit, in a table of fixed size.
///
/// Each click moves its key's `due` time on by one interval. A key whose `due` time is further
/// ahead than the span is over the limit until time has caught up. So `span / interval` clicks may
/// come at once, and after that one an interval.
struct Meter {
    interval_ms: u32,
    span_ms: u32,
    /// Each place: the upper half of a key's hash, and its `due` time, in milliseconds after the
    /// salt.
    places: Box<[(u32, u32)]>,
}

impl Meter {
    /// Makes a meter of so many clicks in a span; `None` when there is no limit.
    fn new(limit: u32, span_ms: u32) -> Option<Self> {
        let interval_ms = span_ms.checked_div(limit)?;
        Some(Self { interval_ms, span_ms, places: vec![(0, 0); PLACES].into() })
    }

    /// Counts a click of a key, and returns whether it is one too many. Such a click moves nothing.
    #[inline]
    fn is_over(&mut self, hash: u64, now: u32) -> bool {
        let tag = u32::try_from(hash >> 32).unwrap_or(0);
        let place = &mut self.places[usize::try_from(hash % PLACES as u64).unwrap_or(0)];
        let (held_tag, held) = *place;
        // A time further ahead than counting can reach is from before the clock was set back.
        let held = if held > now.saturating_add(self.span_ms) { 0 } else { held };
        let is_own = held_tag == tag;
        let due = if is_own { held.max(now) } else { now };
        if due - now > self.span_ms - self.interval_ms {
            return true;
        }
        let next = due.saturating_add(self.interval_ms);
        // Of two keys in one place the one that comes more often is counted.
        if is_own || next > held {
            *place = (tag, next);
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Timestamp = Timestamp::from_ms(1_780_000_000_000);
    const SALT: Salt = [0x1234_5678_9abc_def0, 0x0fed_cba9_8765_4321, 0x5555_aaaa_3333_cccd];
    const CLICKER: Clicker =
        Clicker { block: Block(7), agent_hash: 11, link: LinkId::from_bits(5), is_known: false };

    fn flood(per_minute: u32, per_hour: u32) -> Flood {
        Flood::new(FloodLimits { per_minute, per_hour }, SALT, START)
    }

    fn after(seconds: i64) -> Timestamp {
        START.plus(Span::seconds(seconds))
    }

    /// Returns how many of so many clicks in a second are no flood.
    fn taken(flood: &mut Flood, clicks: u32, at: Timestamp, by: impl Fn(u32) -> Clicker) -> usize {
        (0..clicks).filter(|number| !flood.is_flood(&by(*number), at)).count()
    }

    #[test]
    fn a_block_and_agent_has_its_limit_at_once_and_again_over_a_minute() {
        let mut flood = flood(30, 0);
        assert_eq!(taken(&mut flood, 3000, START, |_| CLICKER), 30);
        assert_eq!(taken(&mut flood, 3000, after(2), |_| CLICKER), 1);
        assert_eq!(taken(&mut flood, 3000, after(12), |_| CLICKER), 5);
        assert_eq!(taken(&mut flood, 3000, after(200), |_| CLICKER), 30);
        let steadily: usize =
            (0..3600).map(|s| taken(&mut flood, 10, after(300 + s), |_| CLICKER)).sum();
        assert_eq!(steadily, 30 + 30 * 60 - 1, "thirty at once, then thirty a minute");
    }

    #[test]
    fn people_who_share_less_than_all_are_counted_apart() {
        let others: [fn(u32) -> Clicker; 3] = [
            |n| Clicker { block: Block(n.into()), ..CLICKER },
            |n| Clicker { agent_hash: u64::from(n) << 7, ..CLICKER },
            |n| Clicker { link: LinkId::from_bits(n.into()), ..CLICKER },
        ];
        for by in others {
            assert_eq!(taken(&mut flood(30, 600), 300, START, by), 300);
        }
        let known = Clicker { is_known: true, ..CLICKER };
        assert_eq!(taken(&mut flood(30, 600), 300, START, |_| known), 300);
        let mut flood = flood(30, 600);
        assert!((0..600).all(|number| !flood.is_flood(&CLICKER, after(2 * number))));
    }

    #[test]
    fn neither_new_agents_nor_gathered_cookies_pass_the_limit_of_a_block() {
        let agents = |n| Clicker { agent_hash: u64::from(n) << 9, ..CLICKER };
        assert_eq!(taken(&mut flood(30, 600), 5000, START, agents), 600);
        let known = Clicker { is_known: true, ..CLICKER };
        assert_eq!(taken(&mut flood(30, 600), 5000, START, |_| known), 600);
        let mut flood = flood(30, 600);
        assert_eq!(taken(&mut flood, 5000, START, |_| known), 600);
        assert_eq!(taken(&mut flood, 5000, after(60), |_| known), 10);
    }

    #[test]
    fn a_limit_of_zero_is_none() {
        assert_eq!(taken(&mut flood(0, 0), 5000, START, |_| CLICKER), 5000);
        assert_eq!(taken(&mut flood(0, 40), 5000, START, |_| CLICKER), 40);
        let most = (FloodLimits::PER_MINUTE_MAX, FloodLimits::PER_HOUR_MAX);
        assert_eq!(taken(&mut flood(most.0, most.1), 5000, START, |_| CLICKER), 5000);
    }

    #[test]
    fn a_flood_stays_counted_among_many_other_visitors() {
        let mut flood = flood(30, 600);
        let mut taken_of_flood = 0;
        for number in 0..200_000_u32 {
            let other = Clicker { block: Block(u64::from(number) + 100), ..CLICKER };
            let at = START.plus(Span::ms(i64::from(number) / 20));
            flood.is_flood(&other, at);
            taken_of_flood += usize::from(number % 20 == 0 && !flood.is_flood(&CLICKER, at));
        }
        assert!(taken_of_flood < 60, "{taken_of_flood} of 10,000 in 10 seconds");
    }

    #[test]
    fn a_clock_that_is_set_back_makes_nobody_a_flood_for_long() {
        let mut flood = flood(30, 600);
        taken(&mut flood, 3000, after(7200), |_| CLICKER);
        assert_eq!(taken(&mut flood, 3000, after(60), |_| CLICKER), 30);
        assert!(flood.is_worn(after(-1)), "the counts begin anew");
    }

    #[test]
    fn a_salt_is_thrown_away_within_a_day_with_everything_under_it() {
        let mut flood = flood(30, 600);
        taken(&mut flood, 3000, START, |_| CLICKER);
        assert!(!flood.is_worn(after(19 * 3600)) && flood.is_worn(after(20 * 3600)));
        flood.renew([1, 2, 3], START);
        let meters = [&flood.agents, &flood.blocks];
        assert!(
            meters.into_iter().flatten().all(|meter| meter.places.iter().all(|p| *p == (0, 0)))
        );
        assert_eq!(flood.salt, [1, 2, 3]);
        assert_eq!(taken(&mut flood, 3000, START, |_| CLICKER), 30);
    }
}
