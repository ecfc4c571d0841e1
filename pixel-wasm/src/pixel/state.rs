//! The state of the pixel of one page, and how it reads and keeps.
//!
//! What the browser keeps has its time in front: `<milliseconds> <text>`. One entry an event: two
//! open tabs share the storage, and a list that both rewrite would lose some. A browser may refuse
//! its storage: then what must serve this page is held in memory.

use super::consent::{Consent, Word};
use super::page::{Act, Page, What};
use super::text::{Room, Text};

/// Nothing older can earn a commission.
const KEPT_MS: u64 = 30 * 86_400_000;
/// How far a clock may be turned back before what it dated is taken for old.
const CLOCK_MS: u64 = 86_400_000;
const DELAY_MS: u32 = 1_000;

/// The pixel of one page.
// The large part last: what is near is reached in fewer bytes.
#[repr(C)]
pub struct Pixel<P> {
    pub(super) page: P,
    /// When this turn began.
    pub(super) now: u64,
    /// The time in the newest id.
    pub(super) newest_id: u64,
    pub(super) consent: Consent,
    /// The word that was followed last; nothing until somebody was asked.
    pub(super) followed: Option<Word>,
    /// The hash of the page that was counted last; 0 before any was.
    pub(super) counted: u32,
    /// The ticket of the timer that looks; all earlier ones are void.
    pub(super) look: u32,
    pub(super) reads_orders: bool,
    pub(super) fills_cart: bool,
    pub(super) is_top: bool,
    pub(super) is_told_of_addresses: bool,
    pub(super) queue: Queue,
    pub(super) room: Room,
}

/// When to send again what waits.
pub(super) struct Queue {
    pub(super) delay_ms: u32,
    /// The ticket of the timer that counts; all earlier ones are void.
    pub(super) ticket: u32,
    pub(super) is_armed: bool,
    /// Whether the server has asked for patience until that timer.
    pub(super) is_patient: bool,
    pub(super) has_turn: bool,
}

impl<P: Page> Pixel<P> {
    /// A pixel that has not started.
    pub const fn new(page: P) -> Self {
        Self {
            page,
            room: Room::NEW,
            now: 0,
            newest_id: 0,
            consent: Consent::NEW,
            followed: None,
            counted: 0,
            look: 0,
            reads_orders: false,
            fills_cart: false,
            is_top: false,
            is_told_of_addresses: false,
            queue: Queue {
                delay_ms: DELAY_MS,
                ticket: 0,
                is_armed: false,
                is_patient: false,
                has_turn: false,
            },
        }
    }

    /// The page.
    pub fn page(&mut self) -> &mut P {
        &mut self.page
    }

    /// Whether anything may be stored and sent.
    pub(super) fn is_active(&self) -> bool {
        self.followed.is_some_and(Word::is_active)
    }

    pub(super) fn read(&mut self, what: What, name: Text) -> Text {
        let text = self.room.begin();
        self.page.read(what, name, &mut self.room);
        self.room.close();
        text
    }

    /// Writes a key of ours.
    pub(super) fn key(&mut self, name: &str) -> Text {
        let key = self.room.begin();
        self.room.copy(Text::PREFIX);
        self.room.add(name);
        self.room.close();
        key
    }

    /// Writes a word.
    pub(super) fn word(&mut self, name: &str) -> Text {
        self.room.joined(name, Text::NONE)
    }

    pub(super) fn act(&mut self, act: Act, text: Text) {
        self.page.act(act, text, &self.room);
    }

    pub(super) fn mark(&mut self, key: Text, text: Text) {
        self.page.keep(true, key, text, &self.room);
    }

    pub(super) fn forget(&mut self, key: Text) {
        self.page.forget(key, &self.room);
    }

    pub(super) fn keep(&mut self, key: Text, text: Text) {
        let dated = self.room.begin();
        self.room.add_number(self.now);
        self.room.push(b' ');
        self.room.copy(text);
        self.room.close();
        self.page.keep(false, key, dated, &self.room);
        self.room.take_back(dated);
    }

    /// What is kept under a key, with its time.
    pub(super) fn dated(&mut self, key: Text) -> Text {
        self.read(What::Kept, key)
    }

    /// What is kept under a key.
    pub(super) fn kept(&mut self, key: Text) -> Text {
        let dated = self.dated(key);
        self.room.behind_blank(dated)
    }

    /// Forgets what is too old, and what a clock that was ahead has dated; or everything.
    pub(super) fn sweep(&mut self, is_all: bool) {
        let start = self.key("");
        let mut key = self.read(What::Keys, start);
        while !self.room.is_empty(key) {
            let dated = self.dated(key);
            let time = self.room.number(dated);
            self.room.take_back(dated);
            if is_all || self.now > time + KEPT_MS || self.now + CLOCK_MS < time {
                self.forget(key);
            }
            key = self.room.next(key);
        }
    }
}
