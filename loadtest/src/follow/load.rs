//! The load itself: sends every request at its moment, however long others take, and remembers how
//! each one ended.
//!
//! It is an open loop: no answer ever moves a moment. If this program cannot keep up, latencies
//! still count from the planned moment, and its own lag is measured beside them.

use std::cell::{Cell, RefCell};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::rc::Rc;
use std::time::Duration;

use anyhow::Result;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use shared::id::ClickId;
use tokio::sync::{Notify, Semaphore};
use tokio::task::LocalSet;
use tokio::time::{Instant, sleep, timeout_at};

use crate::follow::arrivals::{Arrivals, Bursts, delay};
use crate::follow::cast::{Browser, Carried, Kind};
use crate::follow::measure::{End, Phase, Running, Second};
use crate::follow::pace::Pace;
use crate::follow::stage::{Ask, Stage, Verdict, token_of};
use crate::follow::wire::{Peer, Wire};

/// The server may close an older idle connection at any moment, so it is not used again.
const IDLE_MAX: Duration = Duration::from_secs(8);
/// So many requests may wait for each allowed connection. Any more are not sent.
const WAITING: usize = 4;
/// So many requests are sent in a row before answers are read.
const IN_A_ROW: usize = 16;
/// The time between two lines of the record by seconds.
const A_SECOND: Duration = Duration::from_secs(1);

/// How followers behave.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Manners {
    /// So many of a hundred requests go over a connection that stays open.
    pub(crate) keep_alive: u8,
    /// So many of a hundred new TLS connections resume a TLS session.
    pub(crate) resumed: u8,
    /// Connections that may have a request at the same time.
    pub(crate) connections: usize,
    /// How long a follower waits for an answer.
    pub(crate) patience: Duration,
    /// So many of a hundred persons click again, so many land in the shop (have a session), and so
    /// many of those who land buy.
    pub(crate) again: u8,
    pub(crate) lands: u8,
    pub(crate) buys: u8,
}

/// What is remembered of a request that was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sent {
    /// The kind of the request.
    pub(crate) kind: Kind,
    /// The number of the link that a click was for.
    pub(crate) link: u8,
    /// How it ended.
    pub(crate) fate: Fate,
    /// The click that an event or order is about, and the number of the request of that click.
    pub(crate) about: Option<(ClickId, u32)>,
}

/// How a request ended, and what its answer promised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It was not sent: there was no connection.
    Unsent,
    /// It was sent, but no answer came back. It may have been recorded.
    Unanswered,
    /// It was answered.
    Answered(Verdict),
}

/// A request that is to be sent later, and when.
#[derive(Debug)]
struct Due {
    at: Duration,
    kind: Kind,
    about: Rc<Carried>,
}

impl Ord for Due {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.about.first, self.kind).cmp(&(other.at, other.about.first, other.kind))
    }
}

impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Due {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Due {}

/// One part of the load.
pub(crate) struct Leg<'a> {
    pub(crate) name: &'a str,
    /// Clicks a second.
    pub(crate) rate: f64,
    pub(crate) bursts: Option<Bursts>,
    /// How long clicks come at least.
    pub(crate) lasts: Duration,
    /// Clicks continue until this returns true.
    pub(crate) is_over: &'a dyn Fn() -> bool,
}

/// All followers, and all that they remember.
pub(crate) struct Crowd {
    stage: Stage,
    manners: Manners,
    zero: Instant,
    peer: RefCell<Peer>,
    memory: RefCell<Memory>,
    free: Semaphore,
    woken: Notify,
    in_flight: Cell<usize>,
    waiting: Cell<usize>,
    /// When the last part ended.
    ended: Cell<Duration>,
}

struct Memory {
    sent: Vec<Sent>,
    due: BinaryHeap<Reverse<Due>>,
    idle: Vec<(Wire, Instant)>,
    random: StdRng,
    phase: Phase,
    running: Running,
}

impl Crowd {
    /// Makes a crowd that has sent nothing yet.
    pub(crate) fn new(stage: Stage, manners: Manners, peer: Peer, seed: u64) -> Rc<Self> {
        let memory = Memory {
            sent: Vec::new(),
            due: BinaryHeap::new(),
            idle: Vec::new(),
            random: StdRng::seed_from_u64(seed),
            phase: Phase::new("", 0.0, Duration::ZERO),
            running: Running::default(),
        };
        Rc::new(Self {
            stage,
            manners,
            zero: Instant::now(),
            peer: RefCell::new(peer),
            memory: RefCell::new(memory),
            free: Semaphore::new(manners.connections),
            woken: Notify::new(),
            in_flight: Cell::new(0),
            waiting: Cell::new(0),
            ended: Cell::new(Duration::ZERO),
        })
    }

    /// Continues with a product that was started again. Open connections are dropped.
    pub(crate) fn turn_to(&self, peer: Peer) {
        *self.peer.borrow_mut() = peer;
        self.memory.borrow_mut().idle.clear();
    }

    /// Returns the time since the crowd was made.
    pub(crate) fn now(&self) -> Duration {
        self.zero.elapsed()
    }

    /// Takes the requests that were sent. The index is the number of a request.
    pub(crate) fn take_sent(&self) -> Vec<Sent> {
        std::mem::take(&mut self.memory.borrow_mut().sent)
    }

    /// Cancels all requests that are to be sent later. Returns how many there were.
    pub(crate) fn forget(&self) -> usize {
        std::mem::take(&mut self.memory.borrow_mut().due).len()
    }

    /// Runs one part of the load, and waits until every follower has an answer or has given up.
    ///
    /// # Errors
    /// When the system has no timer, or a request cannot be made.
    pub(crate) async fn follow(
        self: &Rc<Self>,
        leg: &Leg<'_>,
        on_second: &mut dyn FnMut(&Second),
    ) -> Result<Phase> {
        let begun = self.now();
        let seed = self.begin(leg, begun);
        let arrivals = Arrivals::new(leg.rate, leg.bursts, seed);
        let local = LocalSet::new();
        local.run_until(self.send_all(leg, begun, arrivals, on_second)).await?;
        let mut memory = self.memory.borrow_mut();
        Ok(std::mem::replace(&mut memory.phase, Phase::new("", 0.0, Duration::ZERO)))
    }

    fn begin(&self, leg: &Leg<'_>, begun: Duration) -> u64 {
        let mut memory = self.memory.borrow_mut();
        memory.phase = Phase::new(leg.name, leg.rate, begun);
        memory.running = Running::default();
        // The pause between two parts does not count: later requests move by it.
        let gap = begun.saturating_sub(self.ended.get());
        let due = std::mem::take(&mut memory.due);
        memory.due =
            due.into_iter().map(|Reverse(due)| Reverse(Due { at: due.at + gap, ..due })).collect();
        memory.random.random()
    }

    async fn send_all(
        self: &Rc<Self>,
        leg: &Leg<'_>,
        begun: Duration,
        arrivals: Arrivals,
        on_second: &mut dyn FnMut(&Second),
    ) -> Result<()> {
        let pace = Pace::new()?;
        let mut arrivals = arrivals.map(|at| begun + at).peekable();
        let mut second_ends = begun + A_SECOND;
        let mut in_a_row = 0;
        loop {
            let now = self.now();
            if now >= second_ends {
                on_second(&self.end_second(now));
                second_ends += A_SECOND;
            }
            let end = if (leg.is_over)() { begun + leg.lasts } else { Duration::MAX };
            let arrival = arrivals.peek().copied().unwrap_or(Duration::MAX);
            let due = self.memory.borrow().due.peek().map_or(Duration::MAX, |Reverse(due)| due.at);
            let next = arrival.min(due);
            if next >= end {
                break;
            }
            if next > now || in_a_row == IN_A_ROW {
                in_a_row = 0;
                tokio::select! {
                    reached = pace.until(self.zero + next.min(second_ends)) => reached?,
                    () = self.woken.notified() => {}
                }
                continue;
            }
            in_a_row += 1;
            if next == due {
                self.send_due(now);
            } else {
                arrivals.next();
                self.send_click(next, now);
            }
        }
        self.ended.set(self.now());
        self.memory.borrow_mut().phase.lasted = leg.lasts.max(self.ended.get() - begun);
        self.wait_for_answers(&mut second_ends, on_second).await;
        Ok(())
    }

    async fn wait_for_answers(
        &self,
        second_ends: &mut Duration,
        on_second: &mut dyn FnMut(&Second),
    ) {
        while self.in_flight.get() + self.waiting.get() > 0 {
            sleep(Duration::from_millis(2)).await;
            if self.now() >= *second_ends {
                on_second(&self.end_second(self.now()));
                *second_ends += A_SECOND;
            }
        }
    }

    fn end_second(&self, now: Duration) -> Second {
        self.memory.borrow_mut().running.end(now, self.in_flight.get() + self.waiting.get())
    }

    /// Sends a new click.
    fn send_click(self: &Rc<Self>, at: Duration, now: Duration) {
        let (kind, link, browser) = {
            let random = &mut self.memory.borrow_mut().random;
            let kind = Kind::draw(random);
            (kind, Stage::link(kind, random.random_range(0..1 << 16)), kind.draw_browser(random))
        };
        self.send(at, now, kind, Task { link, browser, about: None });
    }

    /// Sends the next later request of an earlier follower.
    fn send_due(self: &Rc<Self>, now: Duration) {
        let (Due { at, kind, about }, link, browser) = {
            let mut memory = self.memory.borrow_mut();
            let Some(Reverse(due)) = memory.due.pop() else { return };
            let first = memory.sent.get(due.about.first as usize);
            let link = first.map_or(0, |sent| usize::from(sent.link));
            let browser = due.kind.draw_browser(&mut memory.random);
            (due, link, browser)
        };
        self.send(at, now, kind, Task { link, browser, about: Some(about) });
    }

    fn send(self: &Rc<Self>, at: Duration, now: Duration, kind: Kind, task: Task) {
        let is_crowded = self.waiting.get() >= self.manners.connections * WAITING;
        let number = {
            let mut memory = self.memory.borrow_mut();
            memory.phase.add_lag(now.saturating_sub(at));
            let number = u32::try_from(memory.sent.len()).unwrap_or(u32::MAX);
            let told_of = task.about.as_ref().filter(|_| kind.class().is_none());
            let about = told_of.map(|about| (about.click, about.first));
            let link = u8::try_from(task.link).unwrap_or_default();
            memory.sent.push(Sent { kind, link, fate: Fate::Unsent, about });
            if is_crowded {
                memory.phase.add(kind, End::Unsent, Duration::ZERO);
                memory.running.add(kind, End::Unsent, Duration::ZERO);
                return;
            }
            number
        };
        self.waiting.set(self.waiting.get() + 1);
        let crowd = Rc::clone(self);
        tokio::task::spawn_local(async move {
            let until = crowd.zero + at + crowd.manners.patience;
            let reached = Cell::new(Reached::Nothing);
            let asked = timeout_at(until, crowd.ask(at, kind, number, &task, &reached)).await;
            match reached.get() {
                Reached::Nothing => crowd.waiting.set(crowd.waiting.get() - 1),
                Reached::Turn | Reached::Sent => crowd.in_flight.set(crowd.in_flight.get() - 1),
            }
            match (asked, reached.get()) {
                (Ok(Ok(())), _) => {}
                (_, Reached::Nothing) => crowd.fail(at, kind, number, End::Unsent),
                (_, Reached::Turn) => crowd.fail(at, kind, number, End::NotConnected),
                (Ok(Err(_)), Reached::Sent) => crowd.fail(at, kind, number, End::Closed),
                (Err(_), Reached::Sent) => crowd.fail(at, kind, number, End::GivenUp),
            }
        });
    }

    async fn ask(
        &self,
        at: Duration,
        kind: Kind,
        number: u32,
        task: &Task,
        reached: &Cell<Reached>,
    ) -> Result<()> {
        if self.free.available_permits() == 0 {
            self.memory.borrow_mut().phase.waited += 1;
        }
        let _free = self.free.acquire().await?;
        self.waiting.set(self.waiting.get() - 1);
        self.in_flight.set(self.in_flight.get() + 1);
        reached.set(Reached::Turn);
        let request = self.stage.request(kind, number, &task.ask(kind))?;
        let (mut wire, is_kept) = self.connect().await?;
        reached.set(Reached::Sent);
        self.memory.borrow_mut().running.sent += 1;
        let mut buffer = Vec::with_capacity(2048);
        let answer = wire.exchange(&request, kind == Kind::Head, &mut buffer).await?;
        let took = self.now().saturating_sub(at);
        let verdict = self.stage.judge(kind, task.link, &answer);
        let mut memory = self.memory.borrow_mut();
        let end = match verdict {
            Verdict::Good(_) => End::Answered,
            Verdict::Later => End::Refused,
            Verdict::Status(_) | Verdict::Token | Verdict::StrayToken => End::Wrong,
        };
        memory.sent[number as usize].fate = Fate::Answered(verdict);
        memory.phase.add(kind, end, took);
        memory.running.add(kind, end, took);
        if let (Kind::Person, Verdict::Good(Some(click)), Some(token)) =
            (kind, verdict, token_of(answer.location))
        {
            let carried = Carried {
                token: token.to_owned(),
                cookie: answer.cookie.to_owned(),
                click,
                first: number,
            };
            memory.remember(&self.manners, self.now(), Rc::new(carried));
            self.woken.notify_one();
        }
        if is_kept && !answer.closes {
            memory.idle.push((wire, Instant::now()));
        }
        Ok(())
    }

    /// Returns a connection, and whether it stays open afterwards.
    async fn connect(&self) -> Result<(Wire, bool)> {
        let (kept, is_kept, resumes) = {
            let mut memory = self.memory.borrow_mut();
            let is_kept = draw(&mut memory.random, self.manners.keep_alive);
            let resumes = draw(&mut memory.random, self.manners.resumed);
            (if is_kept { memory.idle.pop() } else { None }, is_kept, resumes)
        };
        if let Some((wire, since)) = kept
            && since.elapsed() < IDLE_MAX
        {
            return Ok((wire, true));
        }
        let peer = self.peer.borrow().clone();
        Ok((Wire::open(&peer, resumes).await?, is_kept))
    }

    fn fail(&self, at: Duration, kind: Kind, number: u32, end: End) {
        let mut memory = self.memory.borrow_mut();
        let may_be_recorded = matches!(end, End::Closed | End::GivenUp);
        let fate = if may_be_recorded { Fate::Unanswered } else { Fate::Unsent };
        let took = self.now().saturating_sub(at);
        memory.sent[number as usize].fate = fate;
        memory.phase.add(kind, end, took);
        memory.running.add(kind, end, took);
    }
}

/// How far a request has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reached {
    /// It waits for its turn.
    Nothing,
    /// It has its turn, but no connection yet.
    Turn,
    /// Part of it may have been sent.
    Sent,
}

/// The parts of a request.
struct Task {
    link: usize,
    browser: Browser,
    about: Option<Rc<Carried>>,
}

impl Task {
    fn ask(&self, kind: Kind) -> Ask<'_> {
        match &self.about {
            Some(carried) if kind.class().is_none() => Ask::Told(carried),
            about => {
                let cookie = about.as_ref().map(|carried| carried.cookie.as_str());
                Ask::Click { link: self.link, browser: self.browser, cookie }
            }
        }
    }
}

impl Memory {
    /// Draws the later requests of a person after a click, and their moments.
    fn remember(&mut self, manners: &Manners, now: Duration, carried: Rc<Carried>) {
        let random = &mut self.random;
        let mut later = |kind: Kind, after: Duration, random: &mut StdRng| {
            let at = now + after + delay(random, after);
            self.due.push(Reverse(Due { at, kind, about: Rc::clone(&carried) }));
        };
        if draw(random, manners.again) {
            later(Kind::Again, Duration::from_millis(600), random);
        }
        if !draw(random, manners.lands) {
            return;
        }
        later(Kind::Session, Duration::from_millis(150), random);
        if draw(random, manners.buys) {
            if random.random() {
                later(Kind::Claim, Duration::from_millis(700), random);
            }
            let tells = if random.random() { Kind::Webhook } else { Kind::ServerOrder };
            later(tells, Duration::from_millis(800), random);
        }
    }
}

fn draw(random: &mut StdRng, of_a_hundred: u8) -> bool {
    random.random_range(0..100) < of_a_hundred
}
