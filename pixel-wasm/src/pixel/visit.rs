//! The visit: what follows from consent, what opens a visit, what counts as one and as its pages.

use super::address::{end_of_word, hash_of_page, token_in, without_token};
use super::consent::Word;
use super::order::Shape;
use super::page::{Act, Page, Timer, What};
use super::report::Event;
use super::state::Pixel;
use super::text::Text;

const LOOK_MS: u32 = 1_000;

impl<P: Page> Pixel<P> {
    /// Follows what everybody says now. Before the first look nobody was asked.
    pub(super) fn settle(&mut self) {
        let word = self.consent.word();
        let was_active = self.is_active();
        if self.followed != Some(word) {
            self.followed = Some(word);
            if word == Word::Denied {
                self.end_visit();
            }
            if self.is_active() && !was_active {
                self.begin_visit();
            }
            // A visitor who shares the address must not share the click. While nothing may be kept,
            // a reload still needs it.
            let address = self.read(What::Address, Text::NONE);
            if word != Word::Unknown && token_in(address, &self.room) != 0 {
                let clean = without_token(address, &mut self.room);
                self.page.show(clean, &self.room);
            }
        }
        if word != Word::Unknown {
            self.run_held();
            self.count();
        }
    }

    /// Forgets all of it.
    fn end_visit(&mut self) {
        self.sweep(true);
        for of_the_tab in ["s", "c", "d"] {
            let key = self.key(of_the_tab);
            self.forget(key);
        }
        self.room.hold(Text::OPENER, Text::LANDED);
        self.counted = 0;
        self.hand_over(Text::NONE);
    }

    /// Keeps what opened this page, and goes on with the visit that is kept.
    fn begin_visit(&mut self) {
        self.sweep(false);
        let key = self.key("t");
        let is_click = !self.room.is_empty(Text::LANDED);
        // Where nothing can be kept, the landing's token still serves this page.
        let mut token = Text::LANDED;
        if is_click {
            self.keep(key, token);
        } else {
            token = self.kept(key);
        }
        self.hand_over(token);
        // A click that leads to an address with a code is a click, and a frame is no visit.
        self.open(Text::TYPED, !is_click && self.is_top);
        self.flush();
        let key = self.key("c");
        if self.fills_cart && !self.room.is_empty(token) && !self.is_marked(key, token) {
            self.mark(key, token);
            self.act(Act::FillCart, token);
        }
    }

    fn hand_over(&mut self, token: Text) {
        self.room.hold(Text::TOKEN, token);
        self.act(Act::HandOver, token);
    }

    fn is_marked(&mut self, key: Text, text: Text) -> bool {
        let mark = self.read(What::Mark, key);
        self.room.compare(mark, text) == 0
    }

    /// A code opens one visit in a tab, however often the page is loaded or says it again.
    pub(super) fn open(&mut self, code: Text, is_visit: bool) {
        let key = self.key("d");
        if self.room.is_empty(code) || self.is_marked(key, code) {
            return;
        }
        self.mark(key, code);
        if is_visit {
            self.keep(key, code);
            self.room.hold(Text::OPENER, code);
            self.counted = 0;
        }
    }

    /// Counts a visit once it is looked at, and its pages as the address changes; a frame is no
    /// visit.
    pub(super) fn count(&mut self) {
        if !self.is_active() || !self.is_top || self.page.is_hidden() {
            return;
        }
        let address = self.read(What::Address, Text::NONE);
        let page = hash_of_page(address, &self.room);
        if self.counted == page {
            return;
        }
        self.counted = page;
        self.act(Act::HandOver, Text::TOKEN);
        let code = self.key("d");
        if self.room.is_empty(Text::TOKEN) && {
            let code = self.kept(code);
            self.room.is_empty(code)
        } {
            return;
        }
        let key = self.key("s");
        let counted = self.read(What::Mark, key);
        if !self.room.is_empty(Text::OPENER) && self.room.compare(counted, Text::OPENER) != 0 {
            self.mark(key, Text::OPENER);
            self.record(Event::Session, Shape::None, Text::NONE);
        } else if !self.room.is_empty(counted) {
            self.record(Event::Page, Shape::None, Text::NONE);
        }
        self.room.hold(Text::OPENER, Text::NONE);
    }

    /// Looks once a second while the page is shown, where something can change that no event tells:
    /// consent of which others speak, the data layer, an address.
    pub(super) fn watch(&mut self) {
        self.look += 1;
        let is_told = self.consent.is_own() && !self.reads_orders && self.is_told_of_addresses;
        if !is_told && !self.page.is_hidden() {
            self.page.wake(Timer::Look, LOOK_MS, self.look);
        }
    }

    /// Holds the token in the page's address.
    pub(super) fn land(&mut self, address: Text) {
        let token = token_in(address, &self.room);
        if token != 0 {
            self.room.hold_range(Text::LANDED, token, end_of_word(token, &self.room));
        }
        self.room.hold(Text::OPENER, Text::LANDED);
    }
}
