//! What the page says: its calls, and the orders in its data layer. Makes events of them.

use super::address::{proof_in, without_token};
use super::consent::Word;
use super::entry::{self, name};
use super::order::{ID, LINES_MAX, Shape};
use super::page::{Act, Page, What};
use super::state::Pixel;
use super::text::Text;
use super::uuid::{ID_CHARS, spell_v7};

const BODY_BYTES_MAX: u32 = 16_384;
/// What stands in a body before the texts of an event.
const WORDS: [&str; 8] = [
    "{\"v\":1,\"k\":",
    ",\"t\":",
    ",\"c\":",
    ",\"e\":[{\"id\":",
    ",\"n\":",
    ",\"u\":",
    ",\"r\":",
    ",\"code\":",
];

/// The kind of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// A visit.
    Session,
    /// A page of a visit.
    Page,
    /// A sign-up or a form.
    Lead,
    /// An order.
    Purchase,
}

impl Event {
    fn as_str(self) -> &'static str {
        match self {
            Self::Session => "session",
            Self::Page => "page",
            Self::Lead => "lead",
            Self::Purchase => "purchase",
        }
    }
}

impl<P: Page> Pixel<P> {
    /// Lets the calls run that waited for the visitor's answer.
    pub(super) fn run_held(&mut self) {
        let mut call = Text::CALLS.0;
        while self.room.byte(call) != 0 {
            self.run(Text(call));
            while self.room.byte(call) != 0 {
                call += 1;
            }
            call += 1;
        }
        self.room.drop_calls();
    }

    /// Does what the page, or its data layer, says.
    pub(super) fn run(&mut self, text: Text) {
        let call = entry::of_top(text, name::CALL, &self.room);
        let word = entry::of_top(text, name::ONE, &self.room);
        let found = Shape::of_entry(text, &self.room);
        let is = |words| self.room.is(call, words);
        let own = Word::read(word, &self.room);
        if let (true, Some(own)) = (is("consent"), own) {
            self.consent.say_own(own);
            if self.followed.is_some() {
                self.settle();
            }
            return;
        }
        let (is_lead, is_page, is_code, asks_token) =
            (is("lead"), is("page"), is("code"), is("getToken"));
        let is_known = is_lead || is_page || is_code || asks_token || is("purchase");
        if !is_known && found == Shape::None {
            let warning = self.room.begin();
            self.room.copy(call);
            self.room.add(" \"");
            self.room.copy(word);
            self.room.add("\" is no call\0");
            return self.act(Act::Warn, warning);
        }
        if matches!(self.followed, None | Some(Word::Unknown)) {
            return self.room.hold_call(text);
        }
        if asks_token {
            return self.act(Act::Answer, word);
        }
        if !self.is_active() {
            return;
        }
        let shape = if found == Shape::None { Shape::Call } else { found };
        let has_id = shape.first(text, ID, &self.room).is_some();
        if is_code {
            self.open(word, true);
            self.count();
        } else if is_page {
            self.record(Event::Page, Shape::None, text);
        } else if is_lead && !has_id {
            self.record(Event::Lead, Shape::None, text);
        } else {
            self.report(if is_lead { Event::Lead } else { Event::Purchase }, shape, text);
        }
    }

    /// Reports an order or a lead once: a thank-you page is reloaded, and restored with its tab.
    fn report(&mut self, event: Event, shape: Shape, entry: Text) {
        let key = self.key("o.");
        self.room.reopen(key);
        self.room.add(event.as_str());
        self.room.push(b'.');
        self.room.copy(shape.first(entry, ID, &self.room));
        self.room.close();
        let reported = self.kept(key);
        if self.room.is_empty(reported) && self.record(event, shape, entry) {
            let done = self.word("1");
            self.keep(key, done);
        }
    }

    /// Makes an event and adds it to those that are sent. Returns whether it could be made.
    pub(super) fn record(&mut self, event: Event, shape: Shape, entry: Text) -> bool {
        let start = self.room.begin();
        let wrong = self.make(event, shape, entry);
        if wrong.is_some() {
            let warning = self.word(event.as_str());
            self.room.reopen(warning);
            self.room.add(" not sent: ");
            self.room.copy(wrong);
            self.room.add("\" cannot be used\0");
            self.act(Act::Warn, warning);
        }
        self.room.take_back(start);
        !wrong.is_some()
    }

    fn make(&mut self, event: Event, shape: Shape, entry: Text) -> Text {
        let key = self.key("e.");
        let id = self.room.reopen(key);
        let page = &mut self.page;
        self.room.fill(Text::NONE, ID_CHARS as usize, |_, bytes| {
            page.fill_random(bytes);
            bytes.len()
        });
        // Events of one millisecond sort by their order, too.
        self.newest_id = self.now.max(self.newest_id + 1);
        spell_v7(self.newest_id, id, &mut self.room);
        let address = self.read(What::Address, Text::NONE);
        let proof = proof_in(address, &mut self.room);
        let url = without_token(address, &mut self.room);
        let referrer = self.read(What::Referrer, Text::NONE);
        let code_key = self.key("d");
        let code_dated = self.dated(code_key);
        let code = self.room.behind_blank(code_dated);
        let own_token = shape.first(entry, &[name::TOKEN], &self.room);
        let token = if own_token.is_some() { own_token } else { Text::TOKEN };
        let name = self.word(event.as_str());
        let consent = self.word(self.followed.unwrap_or(Word::Nobody).as_str());
        let texts = [Text::MERCHANT, token, consent, id, name, url, referrer, code];
        // Lines are dear, and the order's id and amounts are what counts.
        for lines_max in [LINES_MAX, 0] {
            let room = &mut self.room;
            let body = room.begin();
            for (words, text) in WORDS.iter().zip(texts) {
                room.add(words);
                room.quote(text);
            }
            room.add(",\"ts\":");
            room.add_number(self.now);
            if !room.is_empty(code) {
                room.add(",\"code_at\":");
                room.add_number(room.number(code_dated));
            }
            if shape != Shape::None {
                room.add(",\"o\":");
                let wrong = shape.write(entry, lines_max, proof, room);
                if wrong.is_some() {
                    return wrong;
                }
            }
            room.add("}]}");
            room.close();
            if room.begin().0 - body.0 <= BODY_BYTES_MAX || lines_max == 0 {
                self.add(key, body);
                break;
            }
            room.take_back(body);
        }
        Text::NONE
    }
}
