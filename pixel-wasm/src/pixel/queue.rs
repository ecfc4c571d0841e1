//! The events that wait to be sent: which go first, which make room, when to try again, and what
//! one tab may send while another does.
//!
//! An event is kept before it is sent, and forgotten when the server has it, or never wants it. A
//! server that is away or asks for patience is not stormed: one event at a time, the oldest first,
//! one tab alone.

use super::page::{Act, Page, Timer, What};
use super::state::Pixel;
use super::text::{Room, Text};

const EVENTS_MAX: u32 = 20;
/// More than can wait, even when some tabs add one at the same moment.
const SEEN_MAX: usize = 40;
/// Browsers count bytes, and let 64 KB be under way.
const EVENTS_BYTES_MAX: u32 = 32_768;
const DELAY_MS: u32 = 1_000;
const DELAY_MS_MAX: u32 = 300_000;

/// An event that waits, or none: its key, its bytes, what it is worth.
#[derive(Clone, Copy)]
struct Waiting(Text, u32, u8);

/// Of the events that wait, those with the lower worth make room first. An order makes room only
/// for another order.
fn worth(body: Text, room: &Room) -> u8 {
    let mut at = body.0;
    while !room.is_end(at) {
        if room.has_at(at, "\"n\":\"") {
            return match (room.byte(at + 5), room.byte(at + 6)) {
                (b's', _) => 1,
                (b'l', _) => 2,
                (_, b'u') => 3,
                _ => 0,
            };
        }
        at += 1;
    }
    0
}

impl<P: Page> Pixel<P> {
    /// Keeps an event and sends it at once.
    pub(super) fn add(&mut self, key: Text, body: Text) {
        self.make_room(self.room.end_of(body) - body.0);
        self.keep(key, body);
        self.send(key, body);
    }

    /// Sends what waits, the oldest event first, unless the server has asked for patience.
    pub(super) fn flush(&mut self) {
        if !self.queue.is_patient && !self.queue.has_turn && self.oldest().is_some() {
            self.queue.is_armed = false;
            self.queue.has_turn = true;
            self.act(Act::AskTurn, Text::NONE);
        }
    }

    /// It is time to try again.
    pub(super) fn retry(&mut self, ticket: u32) {
        if self.queue.is_armed && ticket == self.queue.ticket {
            self.queue.is_armed = false;
            self.queue.is_patient = false;
            self.flush();
        }
    }

    /// The turn of this tab has come, or another tab has it.
    pub(super) fn take_turn(&mut self, is_ours: bool) {
        let key = self.oldest();
        if key.is_some() && is_ours {
            let body = self.kept(key);
            self.send(key, body);
        } else if key.is_some() {
            self.arm(self.queue.delay_ms);
        }
    }

    /// The turn is over. A body that was left to the browser stays where it was.
    pub(super) fn end_turn(&mut self) {
        self.queue.has_turn = false;
        if !self.queue.is_armed && !self.page.is_hidden() {
            self.flush();
        }
    }

    /// The server has answered: its status (0 where it could not be reached), the seconds that it
    /// asks us to wait, and its words, with blanks between them.
    pub(super) fn answered(&mut self, slot: u32, answer: Text) {
        let key = Text::under_way(slot % Room::SLOTS);
        if self.room.is_empty(key) {
            return;
        }
        let status = self.room.number(answer);
        let asked = self.room.behind_blank(answer);
        // These will not change: such a body is not sent again.
        let is_refused = matches!(status, 400 | 413);
        if is_refused {
            let words = self.room.behind_blank(asked);
            self.act(Act::Warn, words);
        }
        if is_refused || matches!(status, 200..=299) {
            self.forget(key);
            self.room.hold(key, Text::NONE);
            self.queue.delay_ms = DELAY_MS;
            return self.flush();
        }
        self.room.hold(key, Text::NONE);
        // A server that asks for patience gets it.
        let asked_ms = self.room.number(asked).min(300) as u32 * 1_000;
        if asked_ms > 0 {
            self.queue.is_patient = true;
            self.queue.is_armed = false;
        }
        let mut random = [0];
        self.page.fill_random(&mut random);
        let delay = self.queue.delay_ms;
        let wait = delay / 2 + delay / 256 * u32::from(random[0]);
        self.arm(wait.max(asked_ms).min(DELAY_MS_MAX));
        self.queue.delay_ms = DELAY_MS_MAX.min(delay * 2);
    }

    fn arm(&mut self, ms: u32) {
        if !self.queue.is_armed {
            self.queue.is_armed = true;
            self.queue.ticket += 1;
            self.page.wake(Timer::Retry, ms, self.queue.ticket);
        }
    }

    /// A hidden page may be gone before an answer. What is left to the browser gets none, so the
    /// event stays, and is sent again later.
    fn send(&mut self, key: Text, body: Text) {
        if self.page.is_hidden() && self.page.leave(body, &self.room) {
            return;
        }
        let is_free = |slot: &u32| self.room.is_empty(Text::under_way(*slot));
        match (0..Room::SLOTS).find(is_free) {
            Some(slot) => {
                self.room.hold(Text::under_way(slot), key);
                self.page.send(slot, body, &self.room);
            }
            None => self.arm(self.queue.delay_ms),
        }
    }

    fn is_under_way(&self, key: Text) -> bool {
        (0..Room::SLOTS).any(|slot| self.room.compare(Text::under_way(slot), key) == 0)
    }

    /// The key of the oldest event that is not under way.
    fn oldest(&mut self) -> Text {
        let mut oldest = Text::NONE;
        if self.is_active() {
            let mut key = self.event_keys();
            while !self.room.is_empty(key) {
                let is_older = !oldest.is_some() || self.room.compare(key, oldest) < 0;
                if is_older && !self.is_under_way(key) {
                    oldest = key;
                }
                key = self.room.next(key);
            }
        }
        oldest
    }

    fn event_keys(&mut self) -> Text {
        let start = self.key("e.");
        self.read(What::Keys, start)
    }

    /// Makes room for one more event of this size: of those that are worth least the oldest goes
    /// first.
    fn make_room(&mut self, size: u32) {
        let mut waiting = [Waiting(Text::NONE, 0, u8::MAX); SEEN_MAX];
        let (mut count, mut bytes) = (1, size);
        let mut key = self.event_keys();
        for event in &mut waiting {
            if self.room.is_empty(key) {
                break;
            }
            let body = self.kept(key);
            let size = self.room.end_of(body) - body.0;
            *event = Waiting(key, size, worth(body, &self.room));
            count += 1;
            bytes += size;
            key = self.room.next(key);
        }
        while count > EVENTS_MAX || bytes > EVENTS_BYTES_MAX {
            let mut least = &mut Waiting(Text::NONE, 0, u8::MAX);
            for event in &mut waiting {
                if event.2 < least.2
                    || event.2 == least.2 && self.room.compare(event.0, least.0) < 0
                {
                    least = event;
                }
            }
            let Waiting(key, size, _) = *least;
            if !key.is_some() {
                return;
            }
            least.2 = u8::MAX;
            least.0 = Text::NONE;
            self.forget(key);
            count -= 1;
            bytes -= size;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_event_is_worth_is_read_in_its_body() {
        for (name, expected) in [("page", 0), ("session", 1), ("lead", 2), ("purchase", 3)] {
            let mut room = Box::new(Room::NEW);
            let body = room.begin();
            room.add("{\"v\":1,\"k\":\"\\u0022n\",\"e\":[{\"id\":\"x\",\"n\":\"");
            room.add(name);
            room.add("\"}]}\0no body of ours\0");
            assert_eq!(worth(body, &room), expected, "{name}");
            assert_eq!(worth(Text(room.end_of(body) + 1), &room), 0);
        }
    }
}
