//! Texts, and the room in which all of them lie.
//!
//! A text is the place where it begins; it ends before the next zero or [`SEPARATOR`]. So a part of a
//! text that was read is a text without being copied, and nothing is ever freed: the texts of a turn
//! go with it. What does not fit is cut off; nothing here can panic.

/// The byte between two parts of a text. Pages cannot send it: the adapter removes it.
pub const SEPARATOR: u8 = 0x1f;

const ROOM_BYTES: usize = 1 << 19;
/// How much a text may hold that outlives its turn, with the zero behind it.
const HELD_BYTES: u32 = 264;
/// How much the calls may hold that wait for the visitor's answer.
const CALLS_BYTES: u32 = 1 << 16;

/// Where they end, with room for two zeros behind them.
const CALLS_END: u32 = 8 * HELD_BYTES + CALLS_BYTES - 2;
/// Addresses are cut here; no other text is as long.
const QUOTED_BYTES_MAX: u32 = 2_048;

/// The place in the room where a text begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Text(pub u32);

/// The number of bytes of something that lies in the room, or is far smaller.
#[expect(clippy::cast_possible_truncation, reason = "the room has half a megabyte")]
pub fn size(bytes: usize) -> u32 {
    bytes as u32
}

impl Text {
    /// No text, and an empty one.
    pub const NONE: Self = Self(0);
    /// The merchant key.
    pub const MERCHANT: Self = Self(HELD_BYTES);
    /// What stands in front of all keys under which we keep something.
    pub const PREFIX: Self = Self(6 * HELD_BYTES);
    /// The token that opened this page.
    pub const LANDED: Self = Self(2 * HELD_BYTES);
    /// The code in this page's address.
    pub const TYPED: Self = Self(3 * HELD_BYTES);
    /// The token of this visit.
    pub const TOKEN: Self = Self(4 * HELD_BYTES);
    /// The token or the code that opened a visit which is not counted yet.
    pub const OPENER: Self = Self(5 * HELD_BYTES);
    /// The collector's address.
    pub const ENDPOINT: Self = Self(7 * HELD_BYTES);
    /// The calls that wait, one behind the other.
    pub const CALLS: Self = Self(8 * HELD_BYTES);

    /// The key of the event under way in a slot.
    pub fn under_way(slot: u32) -> Self {
        Self(8 * HELD_BYTES + CALLS_BYTES + slot * HELD_BYTES)
    }

    /// Whether there is a text.
    pub fn is_some(self) -> bool {
        self != Self::NONE
    }
}

/// All texts: in front those that outlive a turn, each in its place, then those of the turn.
#[repr(C)]
pub struct Room {
    end: u32,
    calls_end: u32,
    bytes: [u8; ROOM_BYTES],
}

impl Room {
    /// The number of slots for events under way.
    pub const SLOTS: u32 = 20;
    const TURN: u32 = 8 * HELD_BYTES + CALLS_BYTES + Self::SLOTS * HELD_BYTES;

    /// An empty room.
    pub const NEW: Self =
        Self { bytes: [0; ROOM_BYTES], end: Self::TURN, calls_end: Text::CALLS.0 };

    /* Reading. */

    /// The byte at a place.
    #[inline(never)]
    pub fn byte(&self, at: u32) -> u8 {
        self.bytes.get(at as usize).copied().unwrap_or(0)
    }

    /// Whether a text ends at a place.
    #[inline(never)]
    pub fn is_end(&self, at: u32) -> bool {
        matches!(self.byte(at), 0 | SEPARATOR)
    }

    /// Whether a text is empty, or none.
    #[inline(never)]
    pub fn is_empty(&self, text: Text) -> bool {
        self.is_end(text.0)
    }

    /// The place of the first such byte in a text, or of its end.
    pub fn find(&self, text: Text, byte: u8) -> u32 {
        let mut at = text.0;
        while !self.is_end(at) && self.byte(at) != byte {
            at += 1;
        }
        at
    }

    /// The place behind a text.
    #[inline(never)]
    pub fn end_of(&self, text: Text) -> u32 {
        self.find(text, 0)
    }

    /// The text behind a separator; none behind the last one.
    pub fn next(&self, text: Text) -> Text {
        let end = self.end_of(text);
        if self.byte(end) == SEPARATOR { Text(end + 1) } else { Text::NONE }
    }

    /// The part of a text behind the first blank.
    pub fn behind_blank(&self, text: Text) -> Text {
        let blank = self.find(text, b' ');
        Text(if self.is_end(blank) { blank } else { blank + 1 })
    }

    /// The bytes of a text.
    pub fn bytes(&self, text: Text) -> &[u8] {
        self.bytes.get(text.0 as usize..self.end_of(text) as usize).unwrap_or_default()
    }

    /// How the bytes at two places compare, up to the first difference: below 0 if the first ones
    /// come first, 0 if both texts are the same.
    pub fn compare(&self, one: Text, other: Text) -> i32 {
        let (mut one, mut other) = (one.0, other.0);
        loop {
            let ended = self.is_end(one);
            let first = if ended { 0 } else { self.byte(one) };
            let second = if self.is_end(other) { 0 } else { self.byte(other) };
            if first != second || ended {
                return i32::from(first) - i32::from(second);
            }
            one += 1;
            other += 1;
        }
    }

    /// Whether these words stand at a place.
    pub fn has_at(&self, at: u32, words: &str) -> bool {
        let mut at = at;
        words.bytes().all(|byte| {
            at += 1;
            self.byte(at - 1) == byte
        })
    }

    /// Whether a text is these words.
    pub fn is(&self, text: Text, words: &str) -> bool {
        self.has_at(text.0, words) && self.is_end(text.0 + size(words.len()))
    }

    /// The number in front of a text; 0 if there is none.
    pub fn number(&self, text: Text) -> u64 {
        let (mut at, mut number) = (text.0, 0_u64);
        while self.byte(at).is_ascii_digit() {
            number = number.wrapping_mul(10).wrapping_add(u64::from(self.byte(at) & 15));
            at += 1;
        }
        number
    }

    /* Writing. */

    /// Begins a text: what is written next.
    pub fn begin(&self) -> Text {
        Text(self.end)
    }

    /// Ends the text that was begun.
    #[inline(never)]
    pub fn close(&mut self) {
        self.push(0);
    }

    /// Goes back to the place where a text was begun: this one and all later ones are gone.
    pub fn take_back(&mut self, text: Text) {
        self.end = text.0;
    }

    /// Goes on with the text that was closed last, and returns its end.
    pub fn reopen(&mut self, text: Text) -> Text {
        self.end = self.end_of(text);
        self.begin()
    }

    /// Writes one byte.
    #[inline(never)]
    pub fn push(&mut self, byte: u8) {
        if let Some(place) = self.bytes.get_mut(self.end as usize) {
            *place = byte;
            self.end += 1;
        }
    }

    /// Writes words.
    pub fn add(&mut self, words: &str) {
        words.bytes().for_each(|byte| self.push(byte));
    }

    /// Writes what stands from a place up to another one.
    pub fn copy_range(&mut self, from: u32, to: u32) {
        (from..to).for_each(|at| self.push(self.byte(at)));
    }

    /// Writes a text.
    #[inline(never)]
    pub fn copy(&mut self, text: Text) {
        self.copy_range(text.0, self.end_of(text));
    }

    /// Writes a text that has these words in front.
    pub fn joined(&mut self, words: &str, text: Text) -> Text {
        let joined = self.begin();
        self.add(words);
        self.copy(text);
        self.close();
        joined
    }

    /// Writes a number in decimal.
    pub fn add_number(&mut self, number: u64) {
        if number > 9 {
            self.add_number(number / 10);
        }
        self.push(b'0' + (number % 10) as u8);
    }

    /// Writes a digit.
    pub fn add_digit(&mut self, digit: u8) {
        self.push(if digit < 10 { b'0' + digit } else { b'a' - 10 + digit });
    }

    /// Writes a text between quotes, as JSON spells it: as many whole characters as an address may
    /// have bytes.
    pub fn quote(&mut self, text: Text) {
        let mut end = self.end_of(text).min(text.0 + QUOTED_BYTES_MAX);
        // Up to the beginning of a character.
        while self.byte(end) & 0xc0 == 0x80 {
            end -= 1;
        }
        self.push(b'"');
        for at in text.0..end {
            let byte = self.byte(at);
            if matches!(byte, b'"' | b'\\' | ..b' ') {
                self.add("\\u00");
                self.add_digit(byte >> 4);
                self.add_digit(byte & 15);
            } else {
                self.push(byte);
            }
        }
        self.push(b'"');
    }

    /// Writes a comma, unless a list or an object has just begun.
    pub fn add_comma(&mut self) {
        if !matches!(self.byte(self.end - 1), b'{' | b'[') {
            self.push(b',');
        }
    }

    /// Gives the place that follows to somebody who writes this many bytes at most, and says how
    /// many it was. They see a text of this room meanwhile.
    pub fn fill(
        &mut self,
        seen: Text,
        bytes_max: usize,
        write: impl FnOnce(&[u8], &mut [u8]) -> usize,
    ) {
        let seen = seen.0 as usize..self.end_of(seen) as usize;
        let end = self.end as usize;
        if let Some((before, behind)) = self.bytes.split_at_mut_checked(end)
            && let Some(place) = behind.get_mut(..bytes_max)
        {
            self.end += size(write(before.get(seen).unwrap_or_default(), place));
        }
    }

    /* What outlives a turn. */

    /// Forgets the texts of the turn that is over.
    pub fn empty(&mut self) {
        self.end = Self::TURN;
    }

    /// Puts what stands from a place up to another one into the place of a held text; nothing if it
    /// is too long.
    pub fn hold_range(&mut self, held: Text, from: u32, to: u32) {
        let turn = core::mem::replace(&mut self.end, held.0);
        if to - from < HELD_BYTES {
            self.copy_range(from, to);
        }
        self.close();
        self.end = turn;
    }

    /// Puts a text into the place of a held one.
    pub fn hold(&mut self, held: Text, text: Text) {
        self.hold_range(held, text.0, self.end_of(text));
    }

    /// Lets a call wait: all its parts, up to the zero. One that has no room is not held.
    pub fn hold_call(&mut self, call: Text) {
        let mut end = call.0;
        while self.byte(end) != 0 {
            end += 1;
        }
        if end - call.0 < CALLS_END - self.calls_end {
            let turn = core::mem::replace(&mut self.end, self.calls_end);
            self.copy_range(call.0, end);
            self.close();
            self.calls_end = self.end;
            // Behind the last call stands an empty one.
            self.close();
            self.end = turn;
        }
    }

    /// No call waits any more.
    pub fn drop_calls(&mut self) {
        self.calls_end = Text::CALLS.0;
        self.hold(Text::CALLS, Text::NONE);
    }
}
