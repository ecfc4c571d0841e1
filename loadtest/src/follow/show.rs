//! Runs a load test from the start of the product to the comparison: the parts of the load one
//! after the other, and the disturbances.

use std::path::Path;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use harness::{Launch, Product, Redis};
use hyper::Method;
use rcgen::CertifiedKey;
use tokio::time::sleep;
use tokio_rustls::rustls::pki_types::CertificateDer;

use crate::follow::arrivals::{Arrivals, Bursts};
use crate::follow::capacity::{self, Capacity};
use crate::follow::disturb::{self, Disturb, Disturbance};
use crate::follow::load::{Crowd, Leg, Manners};
use crate::follow::measure::{Phase, Second};
use crate::follow::plan::FollowPlan;
use crate::follow::reconcile::{Check, Figures, Written, reconcile};
use crate::follow::report::{FollowReport, Mark, News};
use crate::follow::stage::Stage;
use crate::follow::wire::{Peer, TlsClient};
use crate::scene::HOST;
use crate::webhooks::run_on;

/// If the figures do not change for so long, they will not catch up any more.
const STUCK: Duration = Duration::from_secs(5);
/// How long the warm-up lasts, and its clicks a second.
const WARM_UP: Duration = Duration::from_secs(1);
const WARM_UP_RATE: f64 = 300.0;
/// The size of a segment in bytes for `--disturb roll`.
const SMALL_SEGMENT: &str = "262144";
/// So many of a hundred persons click again, so many land in the shop (have a session), and so many
/// of a hundred who land buy.
const AGAIN: u8 = 8;
const LANDS: u8 = 60;
const BUYS: u8 = 8;

/// A running load test.
pub(crate) struct Show<'a> {
    plan: &'a FollowPlan,
    launch: Launch,
    certificate: Option<CertificateDer<'static>>,
    product: Product,
    stage: Stage,
    crowd: Rc<Crowd>,
    phases: Vec<Phase>,
    seconds: Vec<Second>,
    marks: Vec<Mark>,
    not_yet_due: usize,
}

impl<'a> Show<'a> {
    /// Starts the product and creates the catalog for the followers.
    pub(crate) async fn open(plan: &'a FollowPlan, redis: Option<&Redis>) -> Result<Self> {
        // All followers have one address here, so together they would be a flood.
        let unbounded = ["--flood-per-minute", "0", "--flood-per-hour", "0"];
        let mut launch = Launch::new(&plan.bin_dir, &plan.data).arguments(&unbounded);
        if plan.pin {
            run_on(0)?;
            launch = launch.arguments(&["--workers", "1"]);
        }
        if let Some(redis) = redis {
            launch = launch.arguments(&["--state", &redis.url()]);
        }
        let certificate =
            if plan.tls.is_some() { Some(certificate(&plan.data, &mut launch)?) } else { None };
        let mut product = launch.start().await?;
        let stage = Stage::set(&product, plan.tls.is_some()).await?;
        for table in disturb::tables(&stage, "before", plan.catalog.0) {
            let (admin, token) = (product.admin, product.token.clone());
            tokio::task::spawn_blocking(move || disturb::import(admin, &token, vec![table]))
                .await??;
        }
        if let Some(fault) = &plan.fault {
            product.stop().await?;
            launch = launch.environment("AFTERCLICK_FAULT", fault);
            product = launch.start().await?;
        }
        if plan.pin {
            run_on(1)?;
        }
        let manners = Manners {
            keep_alive: plan.keep_alive,
            resumed: plan.tls.unwrap_or_default(),
            connections: plan.connections,
            patience: plan.patience,
            again: AGAIN,
            lands: LANDS,
            buys: BUYS,
        };
        let crowd =
            Crowd::new(stage.clone(), manners, peer(&product, certificate.as_ref())?, plan.seed);
        let (phases, seconds, marks) = (Vec::new(), Vec::new(), Vec::new());
        Ok(Self {
            plan,
            launch,
            certificate,
            product,
            stage,
            crowd,
            phases,
            seconds,
            marks,
            not_yet_due: 0,
        })
    }

    /// Sends some clicks whose latencies do not count: a process that was just started does
    /// everything for the first time.
    pub(crate) async fn warm_up(&self) -> Result<()> {
        let leg =
            Leg { name: "", rate: WARM_UP_RATE, bursts: None, lasts: WARM_UP, is_over: &|| true };
        self.crowd.follow(&leg, &mut |_| ()).await.map(|_| ())
    }

    /// Runs one part of the load.
    async fn part(
        &mut self,
        (name, rate): (&str, f64),
        bursts: Option<Bursts>,
        is_over: &dyn Fn() -> bool,
        tell: &mut dyn FnMut(News<'_>),
    ) -> Result<()> {
        tell(News::Begins(name));
        let begun = self.crowd.now();
        self.mark(begun, name);
        for post in Arrivals::posts(bursts, self.plan.lasts) {
            self.mark(begun + post, "a post");
        }
        let leg = Leg { name, rate, bursts, lasts: self.plan.lasts, is_over };
        let (seconds, clock) = (&mut self.seconds, Instant::now());
        let before = busy(&self.product)?;
        let mut phase = self
            .crowd
            .follow(&leg, &mut |second| {
                seconds.push(*second);
                tell(News::Second(second));
            })
            .await?;
        phase.busy = Some(busy_since(before, busy(&self.product)?, clock.elapsed()));
        self.phases.push(phase);
        Ok(())
    }

    fn mark(&mut self, at: Duration, what: &str) {
        self.marks.push(Mark { at, what: what.to_owned() });
    }

    /// Runs the load before, during and after a disturbance; without a disturbance, only one part.
    pub(crate) async fn all_parts(
        mut self,
        rate: f64,
        redis: Option<&Redis>,
        tell: &mut dyn FnMut(News<'_>),
    ) -> Result<Self> {
        let bursts = self.plan.bursts;
        let always = || true;
        let name = self.plan.disturb.name();
        if self.plan.disturb == Disturb::None {
            self.part((name, rate), bursts, &always, tell).await?;
            return Ok(self);
        }
        let links = match self.plan.disturb {
            Disturb::Import => disturb::tables(&self.stage, "while", self.plan.catalog.1),
            _ => Vec::new(),
        };
        self.part(("before", rate), bursts, &always, tell).await?;
        let disturbance = match (self.plan.disturb, redis) {
            (Disturb::Import, _) => Disturbance::import(&self.product, links),
            (Disturb::Redis, Some(redis)) => Disturbance::hang(redis)?,
            (Disturb::Roll, _) => {
                self = self.restart(&["--segment-bytes", SMALL_SEGMENT]).await?;
                Disturbance::Nothing
            }
            _ => Disturbance::Nothing,
        };
        self.part((name, rate), bursts, &|| disturbance.is_over(), tell).await?;
        disturbance.end()?;
        if self.plan.disturb == Disturb::Roll {
            self = self.restart(&[]).await?;
        }
        self.part(("after", rate), bursts, &always, tell).await?;
        Ok(self)
    }

    /// Runs the load at the capacity, at many times the capacity, and at half of it.
    pub(crate) async fn overload(
        mut self,
        peak: f64,
        factor: u32,
        tell: &mut dyn FnMut(News<'_>),
    ) -> Result<Self> {
        let always = || true;
        self.part(("what it can take", peak), None, &always, tell).await?;
        let name = format!("{factor} times as much");
        self.part((&name, times(peak, f64::from(factor))), None, &always, tell).await?;
        // The followers of the overload would come again, and hide whether the product has
        // recovered.
        self.not_yet_due += self.crowd.forget();
        self.part(("half as much", times(peak, 0.5)), None, &always, tell).await?;
        Ok(self)
    }

    pub(crate) async fn find_capacity(
        &mut self,
        tell: &mut dyn FnMut(News<'_>),
    ) -> Result<Capacity> {
        let capacity = capacity::find(&self.crowd, self.plan.bound, &mut |step| {
            tell(News::Tried(step));
        })
        .await?;
        self.not_yet_due += self.crowd.forget();
        Ok(capacity)
    }

    /// Starts the product again on the same data, with additional arguments.
    async fn restart(mut self, arguments: &[&str]) -> Result<Self> {
        if self.plan.pin {
            run_on(0)?;
        }
        let next = self.launch.clone().arguments(arguments);
        // It is stopped first: two processes cannot use one journal.
        self.product.stop().await?;
        self.product = next.start().await?;
        if self.plan.pin {
            run_on(1)?;
        }
        self.crowd.turn_to(peer(&self.product, self.certificate.as_ref())?);
        self.warm_up().await?;
        Ok(self)
    }

    /// Waits until the figures have caught up, stops the product, and compares.
    pub(crate) async fn close(mut self, capacity: Option<Capacity>) -> Result<FollowReport> {
        self.not_yet_due += self.crowd.forget();
        let sent = self.crowd.take_sent();
        let behind = wait_for_figures(&self.product).await?;
        let figures = Figures::read(&self.product, &self.stage, &sent).await?;
        let stopped = self.product.stop().await;
        let written = Written::read(&self.plan.data.join("journal"))?;
        let link_id = |number| self.stage.link_id(number);
        let mut reconciliation = reconcile(&sent, link_id, &written, &figures);
        reconciliation.checks.push(Check::that(
            "the figures catch up",
            behind == 0,
            format!("{behind} records behind"),
        ));
        let said = stopped.as_ref().err().map_or_else(String::new, |error| format!("{error:#}"));
        reconciliation.checks.push(Check::that(
            "the product stops when told to",
            stopped.is_ok(),
            said,
        ));
        Ok(FollowReport {
            setting: setting(self.plan),
            phases: self.phases,
            seconds: self.seconds,
            marks: self.marks,
            capacity,
            not_yet_due: self.not_yet_due,
            reconciliation,
        })
    }
}

/// Returns where followers connect.
fn peer(product: &Product, certificate: Option<&CertificateDer<'static>>) -> Result<Peer> {
    let Some(certificate) = certificate else {
        return Ok(Peer { address: product.public, tls: None });
    };
    let address = product.tls.context("afterclick has no listener for TLS")?;
    Ok(Peer { address, tls: Some(TlsClient::trusting(certificate)?) })
}

/// Makes a certificate for the links' host and sets it in the environment of the product.
fn certificate(data: &Path, launch: &mut Launch) -> Result<CertificateDer<'static>> {
    let CertifiedKey { cert, signing_key } = rcgen::generate_simple_self_signed([HOST.to_owned()])?;
    std::fs::create_dir_all(data)?;
    let (certificate, key) = (data.join("tls.pem"), data.join("tls.key"));
    std::fs::write(&certificate, cert.pem())?;
    std::fs::write(&key, signing_key.serialize_pem())?;
    *launch = launch
        .clone()
        .environment("AFTERCLICK_TLS_CERT", &certificate.display().to_string())
        .environment("AFTERCLICK_TLS_KEY", &key.display().to_string())
        .environment("AFTERCLICK_LISTEN_TLS", "127.0.0.1:0");
    Ok(cert.der().clone())
}

/// Waits until the projector has taken in everything. Returns how many records it is behind at the
/// end.
async fn wait_for_figures(product: &Product) -> Result<u64> {
    let (mut last, mut since) = (u64::MAX, Instant::now());
    loop {
        let metrics =
            harness::http::send(product.admin, Method::GET, "/metrics", &[], "").await?.body;
        let value = |name| {
            metrics.lines().find_map(|line| line.strip_prefix(name)?.trim().parse::<u64>().ok())
        };
        let behind =
            value("afterclick_hot_state_behind_records").context("no metric of records behind")?;
        if behind == 0 || (behind == last && since.elapsed() > STUCK) {
            return Ok(behind);
        }
        if behind != last {
            (last, since) = (behind, Instant::now());
        }
        sleep(Duration::from_millis(20)).await;
    }
}

/// Returns the processor time so far of the product's process and of this one, in seconds.
fn busy(product: &Product) -> Result<(f64, f64)> {
    Ok((cpu_seconds(&format!("/proc/{}/stat", product.id()?))?, cpu_seconds("/proc/self/stat")?))
}

#[expect(clippy::float_arithmetic, reason = "shares of a processor's time")]
fn cpu_seconds(stat: &str) -> Result<f64> {
    let stat = std::fs::read_to_string(stat)?;
    let after_name = stat.rsplit_once(')').context("/proc stat")?.1;
    let ticks = |field: usize| -> Result<f64> {
        Ok(after_name.split_whitespace().nth(field).context("/proc stat")?.parse()?)
    };
    let per_second = f64::from(u32::try_from(rustix::param::clock_ticks_per_second())?);
    Ok((ticks(11)? + ticks(12)?) / per_second)
}

#[expect(clippy::float_arithmetic, reason = "shares of a processor's time")]
fn busy_since(before: (f64, f64), after: (f64, f64), took: Duration) -> (f64, f64) {
    let took = took.as_secs_f64().max(1e-9);
    ((after.0 - before.0) / took, (after.1 - before.1) / took)
}

/// Returns the settings in one line.
fn setting(plan: &FollowPlan) -> String {
    let build = if cfg!(debug_assertions) { "a development build" } else { "a release build" };
    let place =
        if plan.pin { "server on one core, followers on another" } else { "nothing pinned" };
    let tls = plan.tls.map_or_else(String::new, |resumed| format!(", TLS ({resumed} % resumed)"));
    format!(
        "{build}, {place}; {} % of requests over connections that stay open, {} connections at most{tls}; a follower waits \
         {:?}; seed {}",
        plan.keep_alive, plan.connections, plan.patience, plan.seed
    )
}

#[expect(clippy::float_arithmetic, reason = "a rate, no money")]
pub(crate) fn times(rate: f64, factor: f64) -> f64 {
    rate * factor
}
