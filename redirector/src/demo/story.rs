//! Three weeks of clicks, sessions and orders, as records, and the sums of what they hold.
//!
//! Pure: the same moment gives the same story, and nothing in it lies in the future.

use shared::agent::{Device, InApp};
use shared::catalog::Change;
use shared::class::Class;
use shared::consent::Consent;
use shared::event::EventName;
use shared::id::{ClickId, EventId, FactId};
use shared::order::{FactKind, OrderFact, RefundList, Source, Status, Touch};
use shared::platform::Platform;
use shared::record::{Click, EventFact, Record};
use shared::time::{Span, Timestamp};

use super::catalog::{self, PERCENT, SHOP, WINDOW_DAYS};

const DAY_MS: i64 = 86_400_000;
/// How many days it tells of, today included.
const DAYS: i64 = 21;
/// Goods cost so many cents times a small number, so that the commission has no fraction.
const PRICE_STEP_MINOR: i64 = 2_500;
const SEED: u64 = 0x00af_7e2c_11cc;

/// What happened.
pub(super) struct Story {
    pub(super) catalog: Change,
    /// Clicks, the earliest first.
    pub(super) clicks: Vec<Record<'static>>,
    /// Sessions and what the shop said of orders, the earliest first.
    pub(super) facts: Vec<Record<'static>>,
    pub(super) plan: Plan,
}

/// The sums that every figure must agree with.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) clicks: u64,
    pub(super) billable: u64,
    pub(super) sessions: u64,
    /// Orders that stand.
    pub(super) orders: u64,
    pub(super) cancelled: u64,
    pub(super) goods_minor: i64,
    pub(super) commission_minor: i64,
}

/// Tells what happened in the days up to this moment.
pub(super) fn tell(now: Timestamp) -> Story {
    let today = now.utc_day() * DAY_MS;
    let first = Timestamp::from_ms(today - (DAYS - 1) * DAY_MS);
    let mut teller =
        Teller { now, chance: Chance(SEED), told: vec![], plan: Plan::default(), orders: 0 };
    for day in 0..DAYS {
        for influencer in 0..catalog::count() {
            teller.day_of(influencer, day, first.plus(Span::days(day)));
        }
    }
    teller.told.sort_by_key(|(at, _)| *at);
    let (clicks, facts): (Vec<_>, Vec<_>) = teller
        .told
        .into_iter()
        .map(|(_, record)| record)
        .partition(|record| matches!(record, Record::Click(_)));
    let catalog = catalog::change(first.plus(Span::days(-1)));
    Story { catalog, clicks, facts, plan: teller.plan }
}

struct Teller {
    now: Timestamp,
    chance: Chance,
    told: Vec<(Timestamp, Record<'static>)>,
    plan: Plan,
    orders: u64,
}

impl Teller {
    /// Tells one day of one influencer. After a post, about once a week, many follow.
    fn day_of(&mut self, influencer: u64, day: i64, midnight: Timestamp) {
        let posts = (day + i64::try_from(influencer).unwrap_or(0)) % 7 == 2;
        let reach = 4 + catalog::count() - influencer;
        let followers = self.chance.below(reach) + if posts { 2 * reach } else { 0 };
        for _ in 0..followers {
            let hours = self.chance.ms(8 * 60, 22 * 60);
            self.follower(influencer, midnight.plus(hours));
        }
        if self.chance.percent(12) {
            let at = midnight.plus(self.chance.ms(9 * 60, 21 * 60));
            self.order(at, vec![], vec![catalog::code_of(influencer)]);
        }
    }

    /// Tells of one request to a link, and of what came of it.
    fn follower(&mut self, influencer: u64, at: Timestamp) {
        let class = match self.chance.below(100) {
            0..6 => Class::Bot,
            6..9 => Class::Preview,
            _ => Class::Billable,
        };
        let click = self.click(influencer, at, class, None);
        let Some(visit) = click.visit() else { return };
        if self.chance.percent(8) {
            let again = at.plus(self.chance.ms(1, 20));
            self.click(influencer, again, Class::Duplicate, Some(click.id));
        }
        if self.chance.percent(70) {
            self.session(at.plus(Span::seconds(2)), visit.touch);
            if self.chance.percent(9) {
                let after = at.plus(self.chance.ms(5, 60));
                self.order(after, vec![visit.touch], vec![]);
            }
        }
    }

    fn click(
        &mut self,
        influencer: u64,
        at: Timestamp,
        class: Class,
        previous: Option<ClickId>,
    ) -> Click<'static> {
        let phone = self.chance.percent(80);
        let click = Click {
            id: ClickId::from_bytes(self.chance.bytes()),
            at,
            link: catalog::link_of(influencer),
            class,
            window_minutes: WINDOW_DAYS * 24 * 60,
            previous,
            sub_id: None,
            country: None,
            device: if phone { Device::Mobile } else { Device::Desktop },
            in_app: if phone { InApp::Instagram } else { InApp::None },
            referrer_host: "",
            consent: Consent::Unknown,
            branch: None,
        };
        if self.tell(at, Record::Click(click.clone())) {
            self.plan.clicks += 1;
            self.plan.billable += u64::from(class == Class::Billable);
        }
        click
    }

    fn session(&mut self, at: Timestamp, touch: Touch) {
        let event = EventFact {
            id: EventId::from_bytes(self.chance.bytes()),
            name: EventName::Session,
            at,
            received_at: at,
            merchant: SHOP,
            touch: Some(touch),
            code_visit: None,
            consent: Consent::Granted,
        };
        let is_told = self.tell(at, Record::Event(event));
        self.plan.sessions += u64::from(is_told);
    }

    /// Tells of an order as the shop's webhook does; one of eight is cancelled some days later.
    fn order(&mut self, at: Timestamp, touches: Vec<Touch>, coupons: Vec<String>) {
        let goods_minor = PRICE_STEP_MINOR * i64::from(1 + self.chance.small(8));
        self.orders += 1;
        let order_id = (1000 + self.orders).to_string();
        let id = |what: &[u8]| FactId::of_content(&[b"demo", order_id.as_bytes(), what]);
        let paid = OrderFact {
            occurred_at: at,
            ordered_at: Some(at),
            status: Some(Status::Paid),
            currency: "EUR".parse().ok(),
            goods_minor: Some(goods_minor),
            tax_minor: Some(0),
            shipping_minor: Some(0),
            total_minor: Some(goods_minor),
            refund_list: RefundList::Whole,
            touches,
            coupons,
            ..OrderFact::blank(
                id(b"paid"),
                SHOP,
                (Platform::Woocommerce, order_id.clone()),
                Source::Webhook,
                at,
            )
        };
        let later = at.plus(self.chance.ms(24 * 60, 72 * 60));
        let cancelled = OrderFact {
            id: id(b"cancelled"),
            kind: FactKind::Cancel,
            status: Some(Status::Void),
            occurred_at: later,
            received_at: later,
            ..paid.clone()
        };
        let is_cancelled = self.chance.percent(12);
        if !self.tell(at, Record::Order(Box::new(paid))) {
            return;
        }
        if is_cancelled && self.tell(later, Record::Order(Box::new(cancelled))) {
            self.plan.cancelled += 1;
        } else {
            self.plan.orders += 1;
            self.plan.goods_minor += goods_minor;
            self.plan.commission_minor += goods_minor * PERCENT / 100;
        }
    }

    /// Adds a record, unless it lies in the future. Returns whether it was added.
    fn tell(&mut self, at: Timestamp, record: Record<'static>) -> bool {
        let is_past = at < self.now;
        if is_past {
            self.told.push((at, record));
        }
        is_past
    }
}

/// Numbers that look like chance, and are the same each time (SplitMix64).
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    fn small(&mut self, end: u32) -> u32 {
        u32::try_from(self.below(end.into())).unwrap_or(0)
    }

    fn percent(&mut self, of_hundred: u64) -> bool {
        self.below(100) < of_hundred
    }

    /// Returns a time between these two, in minutes.
    fn ms(&mut self, from_minutes: u32, to_minutes: u32) -> Span {
        let ms = self.small((to_minutes - from_minutes) * 60_000);
        Span::ms(i64::from(from_minutes) * 60_000 + i64::from(ms))
    }

    fn bytes(&mut self) -> [u8; 16] {
        (u128::from(self.next()) << 64 | u128::from(self.next())).to_be_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_moment_gives_the_same_story_and_nothing_lies_ahead() {
        let now: Timestamp = "2026-12-01T12:00:00Z".parse().unwrap();
        let (one, other) = (tell(now), tell(now));
        assert_eq!(one.plan, other.plan);
        assert!(one.clicks == other.clicks && one.facts == other.facts);
        let times = one.clicks.iter().chain(&one.facts).map(|record| record.at().unwrap());
        assert!(times.clone().all(|at| at < now), "something lies ahead");
        let first: Timestamp = "2026-11-11T00:00:00Z".parse().unwrap();
        assert!(times.clone().all(|at| at > first) && times.count() > 1_000);
        let Plan { clicks, billable, sessions, orders, cancelled, .. } = one.plan;
        assert!(clicks > billable && billable > sessions && sessions > orders, "{:?}", one.plan);
        assert!(orders > 50 && cancelled > 5, "{:?}", one.plan);
    }
}
