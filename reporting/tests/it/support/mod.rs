//! A small agency in a temporary folder: a catalog, a journal, and functions that add to them.

#![allow(dead_code, reason = "each test binary uses its part")]

pub(crate) mod money;
pub(crate) mod read;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use journal::{Options, StreamName, Writer};
use reporting::{Cursor, Dataset, Format, Manifest, UnknownRecords};
use shared::agent::{Device, InApp};
use shared::catalog::{
    Campaign, Change, ClaimRule, Coupon, Entity, Evidence, Influencer, Merchant, Model, Renewals,
};
use shared::class::Class;
use shared::commission::{Base, Caps, Pays, Rule, Terms};
use shared::consent::Consent;
use shared::event::EventName;
use shared::id::{
    CampaignId, ClickId, CouponId, EventId, FactId, InfluencerId, LinkId, MerchantId,
};
use shared::lead::{LeadFact, LeadStatus};
use shared::links::Link;
use shared::order::{FactKind, OrderFact, Refund, RefundList, Source, Status, Touch};
use shared::platform::Platform;
use shared::record::{Click, EventFact, Record};
use shared::time::{Span, Timestamp};
use tempfile::TempDir;

pub(crate) const SHOP: MerchantId = MerchantId::from_bits(1);
pub(crate) const AUTUMN: CampaignId = CampaignId::from_bits(2);
pub(crate) const FIXED: CampaignId = CampaignId::from_bits(12);
pub(crate) const ANNA: InfluencerId = InfluencerId::from_bits(3);
pub(crate) const BEN: InfluencerId = InfluencerId::from_bits(4);
pub(crate) const ANNAS_LINK: LinkId = LinkId::from_bits(5);
pub(crate) const BENS_FIXED_LINK: LinkId = LinkId::from_bits(15);
pub(crate) const BENS_COUPON: CouponId = CouponId::from_bits(6);

pub(crate) fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// Noon of 10 November 2026, when most things happen.
pub(crate) fn noon() -> Timestamp {
    at("2026-11-10T12:00:00Z")
}

/// A statement's day on which no hold has passed yet.
pub(crate) const EARLY: &str = "2026-11-30";
/// A statement's day on which every hold has passed.
pub(crate) const LATE: &str = "2027-03-01";

pub(crate) struct World {
    folder: TempDir,
    writers: BTreeMap<String, Writer>,
}

impl World {
    /// A journal that holds the catalog.
    pub(crate) fn new() -> Self {
        let mut world = Self::empty();
        world.record(&Record::Catalog(Change {
            at: at("2026-01-01T00:00:00Z"),
            entities: catalog(),
            request: None,
            by: None,
        }));
        world
    }

    pub(crate) fn empty() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), writers: BTreeMap::new() }
    }

    pub(crate) fn journal_dir(&self) -> PathBuf {
        self.path("data/journal")
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn record(&mut self, record: &Record<'_>) {
        self.record_in("main", record);
    }

    pub(crate) fn record_in(&mut self, stream: &str, record: &Record<'_>) {
        self.payload_in(stream, &record.encode());
    }

    pub(crate) fn payload_in(&mut self, stream: &str, payload: &[u8]) {
        let journal_dir = self.journal_dir();
        let open = || {
            Writer::open(&journal_dir, &StreamName::new(stream).unwrap(), 1, Options::default())
                .unwrap()
                .0
        };
        let writer = self.writers.entry(stream.to_owned()).or_insert_with(open);
        writer.append(payload).unwrap();
        writer.commit(1).unwrap();
    }

    /// Ends all writers as a server does: what they wrote is on disk, and known to be.
    pub(crate) fn close(&mut self) {
        for writer in std::mem::take(&mut self.writers).into_values() {
            writer.close().unwrap();
        }
    }

    /// The path of a stream's first segment.
    pub(crate) fn segment(&self, stream: &str) -> PathBuf {
        self.journal_dir().join(stream).join("00000000000000000001.seg")
    }

    pub(crate) fn click(&mut self, number: u8, clicked_at: Timestamp) -> Touch {
        let click = click(number, clicked_at);
        self.record(&Record::Click(click.clone()));
        click.visit().unwrap().touch
    }

    /// A link of Ben's in the autumn campaign, which has none at first.
    pub(crate) fn bens_autumn_link(&mut self) -> LinkId {
        let id = LinkId::from_bits(25);
        let entities = vec![link(id, AUTUMN, BEN, "ben-autumn")];
        self.record(&Record::Catalog(Change {
            at: at("2026-01-01T00:00:01Z"),
            entities,
            request: None,
            by: None,
        }));
        id
    }

    pub(crate) fn order(&mut self, fact: OrderFact) {
        self.record(&Record::Order(Box::new(fact)));
    }

    pub(crate) fn dataset(&self) -> Dataset {
        reporting::read(&[self.journal_dir()], None, UnknownRecords::Refuse, &|_| {}).unwrap()
    }

    pub(crate) fn statement(
        &self,
        campaign: CampaignId,
        period: &str,
        as_of: &str,
    ) -> reporting::Statement {
        let (period, as_of) = (period.parse().unwrap(), as_of.parse().unwrap());
        reporting::Statement::of(&self.dataset(), campaign, period, as_of).unwrap()
    }

    pub(crate) fn export(&self, out: &str, format: Format, since: Option<&str>) -> Manifest {
        self.try_export(out, format, since).unwrap()
    }

    pub(crate) fn try_export(
        &self,
        out: &str,
        format: Format,
        since: Option<&str>,
    ) -> Result<Manifest, reporting::Error> {
        let since = since.map(|text| text.parse::<Cursor>().unwrap());
        let options = reporting::ExportOptions {
            out: self.path(out),
            format,
            since,
            as_of: EARLY.parse().unwrap(),
        };
        reporting::export(&self.dataset(), &options, &|_| {})
    }

    /// Runs the binary in the world's folder.
    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_afterclick-report"));
        command
            .current_dir(self.folder.path())
            .env_remove("AFTERCLICK_DATA")
            .args(arguments)
            .output()
            .unwrap()
    }
}

pub(crate) fn status_of(output: &Output) -> i32 {
    output.status.code().unwrap()
}

pub(crate) fn stdout_of(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

pub(crate) fn stderr_of(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// Every file below a folder, by path below it.
pub(crate) fn files(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![dir.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(dir).unwrap().to_str().unwrap().to_owned();
                found.insert(name, std::fs::read(&path).unwrap());
            }
        }
    }
    found
}

pub(crate) fn click(number: u8, clicked_at: Timestamp) -> Click<'static> {
    Click {
        id: ClickId::from_bytes([number; 16]),
        at: clicked_at,
        link: ANNAS_LINK,
        class: Class::Billable,
        window_minutes: 30 * 24 * 60,
        previous: None,
        sub_id: Some("story-1"),
        country: Some(*b"de"),
        device: Device::Mobile,
        in_app: InApp::Instagram,
        referrer_host: "l.instagram.com",
        consent: Consent::Unknown,
        branch: None,
    }
}

pub(crate) fn event(number: u8, name: EventName, at: Timestamp, touch: Option<Touch>) -> EventFact {
    EventFact {
        id: EventId::from_bytes([number; 16]),
        name,
        at,
        received_at: at.plus(Span::seconds(1)),
        merchant: SHOP,
        touch,
        code_visit: None,
        consent: Consent::Granted,
    }
}

/// A lead of which the shop's server told, by its own clock and at once.
pub(crate) fn lead(id: &str, status: LeadStatus, when: Timestamp, touches: &[Touch]) -> LeadFact {
    LeadFact {
        id: FactId::of_content(&[
            id.as_bytes(),
            status.as_str().as_bytes(),
            when.to_string().as_bytes(),
        ]),
        merchant: SHOP,
        lead_id: id.into(),
        status,
        occurred_at: when,
        received_at: when,
        place: 0,
        made_at: None,
        touches: touches.to_vec(),
        clicks: vec![],
        order_id: None,
        test: false,
        reread: None,
    }
}

/// A paid order of 129.90 and 10.00 shipping, confirmed by the shop's webhook when it is placed.
pub(crate) fn paid(order_id: &str, placed_at: Timestamp, touches: &[Touch]) -> OrderFact {
    OrderFact {
        occurred_at: placed_at,
        ordered_at: Some(placed_at),
        status: Some(Status::Paid),
        currency: "EUR".parse().ok(),
        goods_minor: Some(12990),
        tax_minor: Some(2074),
        shipping_minor: Some(1000),
        total_minor: Some(13990),
        refund_list: RefundList::Whole,
        touches: touches.to_vec(),
        ..OrderFact::blank(
            FactId::of_content(&[order_id.as_bytes(), b"paid"]),
            SHOP,
            (Platform::Woocommerce, order_id.into()),
            Source::Webhook,
            placed_at.plus(Span::seconds(5)),
        )
    }
}

/// A later fact about the same order.
pub(crate) fn later(
    fact: &OrderFact,
    when: Timestamp,
    change: impl FnOnce(&mut OrderFact),
) -> OrderFact {
    let mut fact = fact.clone();
    fact.id = FactId::of_content(&[fact.order_id.as_bytes(), when.to_string().as_bytes()]);
    (fact.occurred_at, fact.received_at) = (when, when);
    change(&mut fact);
    fact
}

pub(crate) fn cancelled(fact: &OrderFact, when: Timestamp) -> OrderFact {
    later(fact, when, |fact| (fact.kind, fact.status) = (FactKind::Cancel, Some(Status::Void)))
}

pub(crate) fn refunded(fact: &OrderFact, when: Timestamp, total_minor: i64) -> OrderFact {
    later(fact, when, |fact| {
        fact.kind = FactKind::Refund;
        fact.refunds = vec![Refund::new("r1".into(), total_minor, None)];
    })
}

pub(crate) fn merchant(change: impl FnOnce(&mut Merchant)) -> Entity {
    let created_at = at("2026-01-01T00:00:00Z");
    let mut merchant = Merchant {
        id: SHOP,
        key: "key".into(),
        name: "Shop".into(),
        domains: vec!["shop.example".into()],
        currency: "EUR".parse().unwrap(),
        timezone: "Europe/Berlin".into(),
        platform: Some(Platform::Woocommerce),
        webhook_secret: None,
        old_webhook_secret: None,
        sealed: None,
        shop_api: None,
        payer: None,
        agency_shares: vec![],
        trust_pixel: false,
        trust_leads: None,
        claims: ClaimRule::Proof,
        earlier_claims: vec![],
        created_at,
        updated_at: created_at,
    };
    change(&mut merchant);
    Entity::Merchant(merchant)
}

pub(crate) fn campaign(id: CampaignId, pays: Pays) -> Entity {
    let created_at = at("2026-01-01T00:00:00Z");
    Entity::Campaign(Campaign {
        id,
        merchant: SHOP,
        name: "Autumn".into(),
        window_days: 30,
        dedupe_minutes: 30,
        hold_days: 30,
        starts_at: None,
        ends_at: None,
        commission: Terms::new(vec![Rule::always(pays)]).unwrap(),
        earlier_commissions: vec![],
        destinations: vec![],
        caps: Caps::default(),
        minimum_payout: None,
        target: None,
        renewals: Renewals::None,
        precedence: vec![Evidence::Click, Evidence::Coupon],
        model: Model::LastClick,
        paused: false,
        created_at,
        updated_at: created_at,
    })
}

pub(crate) fn influencer(id: InfluencerId, name: &str) -> Entity {
    let created_at = at("2026-01-01T00:00:00Z");
    let name = name.to_owned();
    Entity::Influencer(Influencer {
        id,
        name,
        email: None,
        email_since: None,
        payout: None,
        sealed: None,
        created_at,
        updated_at: created_at,
    })
}

pub(crate) fn link(
    id: LinkId,
    campaign: CampaignId,
    influencer: InfluencerId,
    slug: &str,
) -> Entity {
    let created_at = at("2026-01-01T00:00:00Z");
    Entity::Link(Link {
        id,
        campaign,
        influencer,
        destination: "https://shop.example/".into(),
        slug: slug.into(),
        starts_at: None,
        ends_at: None,
        fallback: None,
        paused: false,
        pass_click_ids: false,
        deep_links: false,
        rules: vec![],
        split: vec![],
        created_at,
        updated_at: created_at,
    })
}

fn catalog() -> Vec<Entity> {
    let created_at = at("2026-01-01T00:00:00Z");
    let coupon = Coupon {
        id: BENS_COUPON,
        campaign: AUTUMN,
        influencer: BEN,
        code: "BEN15".into(),
        starts_at: None,
        ends_at: None,
        created_at,
        updated_at: created_at,
    };
    vec![
        merchant(|_| {}),
        campaign(AUTUMN, Pays::Percent("15".parse().unwrap(), Base::NetGoods)),
        campaign(FIXED, Pays::PerSale("5.00".parse().unwrap())),
        influencer(ANNA, "Anna"),
        influencer(BEN, "Ben"),
        link(ANNAS_LINK, AUTUMN, ANNA, "anna"),
        link(BENS_FIXED_LINK, FIXED, BEN, "ben"),
        Entity::Coupon(coupon),
    ]
}

/// Somebody new with a link to the fixed campaign.
pub(crate) fn somebody_else(world: &mut World) -> (InfluencerId, LinkId) {
    let (id, link_id) = (InfluencerId::from_bits(44), LinkId::from_bits(45));
    let entities = vec![influencer(id, "Cleo"), link(link_id, FIXED, id, "cleo")];
    world.record(&Record::Catalog(Change {
        at: at("2026-01-01T00:00:02Z"),
        entities,
        request: None,
        by: None,
    }));
    (id, link_id)
}

/// An amount booked by hand, in a batch that is paid.
pub(crate) fn book_and_pay(world: &mut World) {
    let fee = shared::booking::BookingKind::FixedFee;
    world.book(1, ANNA, fee, 10_000, "2026-11-20T09:00:00Z");
    world.close_books(1, "2026-11-30", "2026-12-01T09:00:00Z");
    world.mark_paid(1, &[ANNA], "2026-12-01T10:00:00Z");
}

/// A month with rows in every table, some of them with unknown values.
pub(crate) fn busy() -> World {
    let mut world = World::new();
    let first = world.click(1, noon());
    let second = Click {
        previous: Some(first.click),
        sub_id: None,
        country: None,
        ..click(2, noon().plus(Span::days(1)))
    };
    world.record(&Record::Click(second.clone()));
    world.record(&Record::Click(Click {
        class: Class::Bot,
        in_app: InApp::None,
        ..click(3, noon())
    }));
    let unknown_link = Click { link: LinkId::from_bits(99), referrer_host: "", ..click(4, noon()) };
    world.record_in("core-1", &Record::Click(unknown_link));
    let touch = second.visit().unwrap().touch;
    world.record(&Record::Event(event(
        1,
        EventName::Session,
        noon().plus(Span::days(1)),
        Some(touch),
    )));
    world.record(&Record::Event(event(
        2,
        EventName::Page,
        noon().plus(Span::days(2)),
        Some(touch),
    )));
    let order = paid("1001", noon().plus(Span::days(2)), &[touch]);
    world.order(order.clone());
    world.order(order.clone());
    world.order(refunded(&order, noon().plus(Span::days(3)), 6995));
    world.order(later(&paid("1002", noon(), &[]), noon(), |fact| {
        (fact.coupons, fact.tax_minor) = (vec!["ben15".into(), "SALE, \"now\"".into()], None);
    }));
    world.order(paid("1003", noon().plus(Span::days(60)), &[touch]));
    world
}
