//! What happens in the page, one input after the other.

use super::address::code_in;
use super::consent::Word;
use super::order::Shape;
use super::page::{Page, What};
use super::state::Pixel;
use super::text::Text;

/// What happens. The adapter knows each by its number; a text or a number comes with some.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Input {
    /// The script starts. The text has what does not change any more, with a separator between: the
    /// merchant key, the tag's word on consent; and as `1` where it is so: Global Privacy Control,
    /// reading orders from the data layer, filling Shopify's cart, that the page is no frame, that
    /// the browser tells when an address changes.
    Start,
    /// The page calls. The text is the call, as `entry` reads it.
    Call,
    /// The data layer has a new entry, which is the text.
    Entry,
    /// Something may have changed. The text is what Shopify's privacy says.
    Look,
    /// The consent platform answers; the text is its answer, as `entry` reads it.
    Tcf,
    /// The page is shown or hidden, or the connection is there again. The number is 1 where the page
    /// comes back from the browser's cache.
    Back,
    /// It is time to send again what waits. The number is the timer's ticket.
    Retry,
    /// It is time to look again. The number is the timer's ticket.
    Looked,
    /// The answer to [`Act::AskTurn`](super::page::Act::AskTurn). The number is 1 where this tab has
    /// the turn, and not another one.
    Turn,
    /// That turn is over.
    TurnOver,
    /// The server has answered. The number is the slot; the text has status, seconds to wait, words.
    Answered,
}

impl Input {
    /// The input with this number.
    pub fn numbered(number: u32) -> Option<Self> {
        Some(match number {
            0 => Self::Start,
            1 => Self::Call,
            2 => Self::Entry,
            3 => Self::Look,
            4 => Self::Tcf,
            5 => Self::Back,
            6 => Self::Retry,
            7 => Self::Looked,
            8 => Self::Turn,
            9 => Self::TurnOver,
            10 => Self::Answered,
            _ => return None,
        })
    }
}

impl<P: Page> Pixel<P> {
    /// Takes an input with its number.
    pub fn take(&mut self, input: Input, number: u32) {
        self.now = self.page.now();
        self.room.empty();
        let text = self.read(What::Input, Text::NONE);
        match input {
            Input::Start => self.start(text),
            Input::Call => self.run(text),
            Input::Entry => {
                self.consent.say_google(text, &self.room);
                // What the next entries say about consent counts already: the look that follows
                // them reports it.
                if self.reads_orders && Shape::of_entry(text, &self.room) != Shape::None {
                    self.room.hold_call(text);
                }
            }
            Input::Look => {
                self.consent.say_shop(text, &self.room);
                self.settle();
            }
            Input::Tcf => {
                self.consent.say_tcf(text, &self.room);
                if self.followed.is_some() {
                    self.settle();
                }
            }
            Input::Back => {
                if number == 1 {
                    self.counted = 0;
                    self.count();
                }
                self.watch();
                if !self.page.is_hidden() {
                    self.flush();
                }
            }
            Input::Retry => self.retry(number),
            Input::Looked if number == self.look => self.watch(),
            Input::Looked => {}
            Input::Turn => self.take_turn(number == 1),
            Input::TurnOver => self.end_turn(),
            Input::Answered => self.answered(number, text),
        }
    }

    fn start(&mut self, text: Text) {
        let address = self.read(What::Address, Text::NONE);
        self.land(address);
        let code = code_in(address, &mut self.room);
        let decoded = self.read(What::Decoded, code);
        self.room.hold(Text::TYPED, decoded);
        let endpoint = self.read(What::Endpoint, Text::NONE);
        self.room.hold(Text::ENDPOINT, endpoint);
        self.room.hold(Text::MERCHANT, text);
        let prefix = self.room.joined("ac.", text);
        self.room.reopen(prefix);
        self.room.add(".\0");
        self.room.hold(Text::PREFIX, prefix);
        let tag = Text(self.room.end_of(text) + 1);
        let flags = self.room.end_of(tag) + 1;
        let has = |place: u32| self.room.byte(flags + 2 * place) == b'1';
        (self.reads_orders, self.fills_cart) = (has(1), has(2));
        (self.is_top, self.is_told_of_addresses) = (has(3), has(4));
        // Global Privacy Control is a no, whether the browser says it here or said it when the link
        // was clicked: then the token's sixth character, which holds its flags, lies above `f`.
        let is_no = has(0) || self.room.byte(Text::LANDED.0 + 5) > b'f';
        let word = Word::read(tag, &self.room).unwrap_or(Word::Nobody);
        self.consent.say_tag(if is_no { Word::Denied } else { word });
        self.watch();
    }
}
