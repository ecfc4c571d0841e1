//! A page that is none: it holds what a browser would, so that the pixel runs natively.
//!
//! It checks on every step what must always hold: nothing is kept and nothing sent while the visitor
//! has not allowed it.

#![allow(dead_code, reason = "each of the test programs uses a part")]

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use pixel_wasm::pixel::page::{Act, Page, Timer, What};
use pixel_wasm::pixel::text::{Room, Text};
use pixel_wasm::pixel::{Input, Pixel};

/// A text of a token's shape.
pub(crate) const TOKEN: &str =
    "AQEBAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// What the tabs of one browser share.
#[derive(Default)]
pub(crate) struct Browser {
    /// What is kept.
    pub(crate) local: BTreeMap<String, String>,
    /// Whether there is no room left.
    pub(crate) is_full: bool,
    pub(crate) now: u64,
    /// The tab that sends what waits.
    pub(crate) turn: Option<usize>,
    pub(crate) random: u64,
}

/// What stands for a page.
#[derive(Default)]
pub(crate) struct FakePage {
    pub(crate) browser: Rc<RefCell<Browser>>,
    pub(crate) tab: BTreeMap<String, String>,
    pub(crate) address: String,
    pub(crate) referrer: String,
    pub(crate) is_hidden: bool,
    /// Whether the visitor has allowed it, as the test knows.
    pub(crate) is_allowed: bool,
    pub(crate) input: String,
    /// What is under way: slot and body.
    pub(crate) sent: Vec<(u32, String)>,
    pub(crate) left: Vec<String>,
    pub(crate) timers: Vec<(Timer, u64, u32)>,
    pub(crate) warnings: Vec<String>,
    pub(crate) token: String,
    pub(crate) answers: Vec<(String, String)>,
    pub(crate) carts: Vec<String>,
    pub(crate) asks_turn: bool,
    /// How often something kept was read.
    pub(crate) reads: usize,
}

fn text(text: Text, room: &Room) -> String {
    String::from_utf8(room.bytes(text).to_vec()).expect("whole characters")
}

impl Page for FakePage {
    fn read(&mut self, what: What, name: Text, room: &mut Room) {
        let name = text(name, room);
        let browser = self.browser.borrow();
        let found = match what {
            What::Kept => {
                self.reads += 1;
                browser.local.get(&name).cloned()
            }
            What::Mark => self.tab.get(&name).cloned(),
            What::Keys => {
                let keys = browser.local.keys().filter(|key| key.starts_with(&name));
                Some(keys.cloned().collect::<Vec<_>>().join("\u{1f}"))
            }
            What::Address => Some(self.address.clone()),
            What::Referrer => Some(self.referrer.clone()),
            What::Decoded => Some(name.replace("%20", " ")),
            What::Input => Some(self.input.clone()),
            What::Endpoint => Some("https://go.shop.example/_ac/e".into()),
        };
        room.add(&found.unwrap_or_default());
    }

    fn now(&mut self) -> u64 {
        self.browser.borrow().now
    }

    fn fill_random(&mut self, bytes: &mut [u8]) {
        let random = &mut self.browser.borrow_mut().random;
        for byte in bytes {
            *random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            *byte = random.to_be_bytes()[0];
        }
    }

    fn is_hidden(&mut self) -> bool {
        self.is_hidden
    }

    fn keep(&mut self, in_tab: bool, key: Text, kept: Text, room: &Room) {
        assert!(self.is_allowed, "kept {} without consent", text(key, room));
        let mut browser = self.browser.borrow_mut();
        if in_tab {
            self.tab.insert(text(key, room), text(kept, room));
        } else if !browser.is_full {
            browser.local.insert(text(key, room), text(kept, room));
        }
    }

    fn forget(&mut self, key: Text, room: &Room) {
        self.browser.borrow_mut().local.remove(&text(key, room));
        self.tab.remove(&text(key, room));
    }

    fn send(&mut self, slot: u32, body: Text, room: &Room) {
        assert!(self.is_allowed, "sent without consent");
        assert!(self.sent.iter().all(|(other, _)| *other != slot), "the slot is taken");
        self.sent.push((slot, text(body, room)));
    }

    fn leave(&mut self, body: Text, room: &Room) -> bool {
        assert!(self.is_allowed, "sent without consent");
        self.left.push(text(body, room));
        true
    }

    fn wake(&mut self, timer: Timer, ms: u32, ticket: u32) {
        let due = self.browser.borrow().now + u64::from(ms);
        self.timers.push((timer, due, ticket));
    }

    fn show(&mut self, address: Text, room: &Room) {
        self.address = text(address, room);
    }

    fn act(&mut self, act: Act, said: Text, room: &Room) {
        let said = text(said, room);
        match act {
            Act::Warn => self.warnings.push(said),
            Act::HandOver => self.token = said,
            Act::Answer => self.answers.push((said, self.token.clone())),
            Act::FillCart => self.carts.push(said),
            Act::AskTurn => self.asks_turn = true,
        }
    }
}

/// What the tag says: the merchant key, the word on consent, and the five flags.
#[derive(Clone, Copy)]
pub(crate) struct Tag {
    pub(crate) consent: &'static str,
    /// Global Privacy Control, data layer, cart, no frame, told of addresses.
    pub(crate) flags: [bool; 5],
}

pub(crate) const PLAIN: Tag = Tag { consent: "", flags: [false, false, false, true, true] };

/// A tab: the pixel in a page.
pub(crate) struct Tab {
    pub(crate) pixel: Box<Pixel<FakePage>>,
}

impl Tab {
    /// A page that has not started.
    pub(crate) fn new(browser: &Rc<RefCell<Browser>>, address: &str) -> Self {
        let page = FakePage {
            browser: Rc::clone(browser),
            address: address.into(),
            is_allowed: true,
            ..FakePage::default()
        };
        Self { pixel: Box::new(Pixel::new(page)) }
    }

    /// A page that has started and looked, on a browser of its own.
    pub(crate) fn open(address: &str, tag: Tag) -> Self {
        let browser =
            Rc::new(RefCell::new(Browser { now: 1_796_118_120_000, ..Browser::default() }));
        let mut tab = Self::new(&browser, address);
        tab.start(tag);
        tab.look("");
        tab
    }

    pub(crate) fn page(&mut self) -> &mut FakePage {
        self.pixel.page()
    }

    pub(crate) fn input(&mut self, input: Input, number: u32, text: &str) {
        self.page().input = text.into();
        self.pixel.take(input, number);
    }

    pub(crate) fn start(&mut self, tag: Tag) {
        let flags = tag.flags.map(|is| if is { "1" } else { "0" }).join("\u{1f}");
        self.input(Input::Start, 0, &format!("k1\u{1f}{}\u{1f}{flags}", tag.consent));
    }

    pub(crate) fn look(&mut self, shop: &str) {
        self.input(Input::Look, 0, shop);
    }

    /// A call with a text, or with an object: letters of names and values.
    pub(crate) fn call(&mut self, name: &str, word: &str, object: &[(&str, &str)]) {
        let mut entry = format!("H={name}\u{1f}");
        if !word.is_empty() {
            entry += &format!("I={word}\u{1f}");
        }
        if !object.is_empty() {
            entry += "@0=\u{1f}";
        }
        for (path, value) in object {
            entry += &format!("@0{path}={value}\u{1f}");
        }
        self.input(Input::Call, 0, &entry);
    }

    pub(crate) fn buy(&mut self, id: &str) {
        self.call("purchase", "", &[("K", id), ("L", "5.00"), ("M", "EUR")]);
    }

    /// Lets a word on consent be said; whether it allows is what the page is checked by.
    pub(crate) fn consent(&mut self, word: &str) {
        self.page().is_allowed = word == "granted";
        self.call("consent", word, &[]);
    }

    /// Answers the oldest request, and returns its body.
    pub(crate) fn answer(&mut self, answer: &str) -> Option<String> {
        if self.page().sent.is_empty() {
            return None;
        }
        let (slot, body) = self.page().sent.remove(0);
        self.input(Input::Answered, slot, answer);
        Some(body)
    }

    /// Gives this tab the turn if it asks for it and no other tab has it.
    pub(crate) fn give_turn(&mut self, number: usize) {
        if !std::mem::take(&mut self.page().asks_turn) {
            return;
        }
        let browser = Rc::clone(&self.page().browser);
        let is_ours = browser.borrow().turn.is_none();
        if is_ours {
            browser.borrow_mut().turn = Some(number);
        }
        let before = self.page().sent.len();
        self.input(Input::Turn, u32::from(is_ours), "");
        if !is_ours || self.page().sent.len() == before {
            self.end_turn(number);
        }
    }

    /// Ends the turn if this tab has it.
    pub(crate) fn end_turn(&mut self, number: usize) {
        let browser = Rc::clone(&self.page().browser);
        if browser.borrow().turn == Some(number) {
            browser.borrow_mut().turn = None;
        }
        self.input(Input::TurnOver, 0, "");
    }

    /// Lets all timers ring that are due.
    pub(crate) fn ring(&mut self) {
        let now = self.page().browser.borrow().now;
        let (due, later) = self.page().timers.drain(..).partition(|(_, due, _)| *due <= now);
        self.page().timers = later;
        let due: Vec<(Timer, u64, u32)> = due;
        for (timer, _, ticket) in due {
            let input = match timer {
                Timer::Retry => Input::Retry,
                Timer::Look => Input::Looked,
            };
            self.look("");
            self.input(input, ticket, "");
        }
    }

    pub(crate) fn pass(&mut self, ms: u64) {
        self.page().browser.borrow_mut().now += ms;
        self.ring();
    }

    /// Names of events that are under way or were left to the browser.
    pub(crate) fn names(&mut self) -> Vec<String> {
        let page = self.page();
        let bodies = page.left.iter().chain(page.sent.iter().map(|(_, body)| body));
        bodies.map(|body| part(body, "\"n\":\"")).collect()
    }

    /// The keys that are kept, without what stands before all of them.
    pub(crate) fn kept(&mut self) -> Vec<String> {
        let keys = self.page().browser.borrow().local.keys().cloned().collect::<Vec<_>>();
        keys.iter().map(|key| key.trim_start_matches("ac.k1.").to_owned()).collect()
    }
}

/// The text behind these words, up to the next quote.
pub(crate) fn part(body: &str, words: &str) -> String {
    let behind = body.split(words).nth(1).unwrap_or_default();
    behind.split('"').next().unwrap_or_default().to_owned()
}
