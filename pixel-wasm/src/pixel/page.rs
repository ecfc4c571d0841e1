//! The port to the page: all that the pixel reads of it, and all that it makes it do.
//!
//! A page answers at once and never fails: what it cannot read is empty, what it cannot do is left
//! undone. Nothing here decides.

use super::text::{Room, Text};

/// A text that the page has. The adapter knows it by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum What {
    /// What the browser keeps under a key.
    Kept,
    /// What this tab keeps under a key.
    Mark,
    /// The keys that the browser keeps and that begin so, with a separator between them.
    Keys,
    /// The page's address.
    Address,
    /// The address from which the visitor came.
    Referrer,
    /// A part of an address as people read it; empty if it cannot be read.
    Decoded,
    /// What came with the input.
    Input,
    /// The collector's address.
    Endpoint,
}

/// What the page calls back for after some time: the number of the input that it brings then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Timer {
    /// To send what waits.
    Retry = 6,
    /// To look what has changed.
    Look = 7,
}

/// What the adapter does with a text. It knows each by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Act {
    /// Tells the page's developer.
    Warn,
    /// Hands the click token to whoever asks, and to forms and links.
    HandOver,
    /// Answers the call with this number that asked for the token.
    Answer,
    /// Writes the token into the cart.
    FillCart,
    /// Asks for the turn to send what waits: of all tabs one has it.
    AskTurn,
}

/// A page. The keys are short: it puts the merchant's name in front of them.
pub trait Page {
    /// Writes a text of the page into the room.
    fn read(&mut self, what: What, name: Text, room: &mut Room);
    /// Milliseconds since the Unix epoch by the visitor's clock.
    fn now(&mut self) -> u64;
    /// Fills with random bytes.
    fn fill_random(&mut self, bytes: &mut [u8]);
    /// Whether nobody looks at the page.
    fn is_hidden(&mut self) -> bool;
    /// Keeps a text in the browser, or in this tab only.
    fn keep(&mut self, in_tab: bool, key: Text, text: Text, room: &Room);
    /// Forgets what browser and tab keep under a key.
    fn forget(&mut self, key: Text, room: &Room);
    /// Sends a body. The answer comes as an input with this slot.
    fn send(&mut self, slot: u32, body: Text, room: &Room);
    /// Leaves a body to the browser, which says no more than whether it took it.
    fn leave(&mut self, body: Text, room: &Room) -> bool;
    /// Calls back with this ticket.
    fn wake(&mut self, timer: Timer, ms: u32, ticket: u32);
    /// Shows another address for the same page.
    fn show(&mut self, address: Text, room: &Room);
    /// Does what needs the page's own objects.
    fn act(&mut self, act: Act, text: Text, room: &Room);
}
