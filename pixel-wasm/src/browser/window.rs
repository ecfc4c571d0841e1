//! The port to the page over web-sys: storage, network, visibility, history, clock.

use core::mem::forget;

use js_sys::{Date, Promise};
use wasm_bindgen::prelude::*;
use web_sys::{Document, History, Navigator, RequestInit, Storage, Window};

use crate::pixel::page::{Act, Page, Timer, What};
use crate::pixel::text::{Room, Text};

#[wasm_bindgen(module = "adapter")]
extern "C" {
    /// One of the page's objects. The adapter knows it by its number.
    fn part(number: usize) -> JsValue;
    /// Writes a text of the page as UTF-8 and returns the number of bytes.
    fn read(what: u32, name: &str, into: &mut [u8]) -> usize;
    /// Does what needs the page's own objects.
    fn act(act: u32, text: &str);
    /// Brings an input after some time.
    fn later(input: u32, ms: u32, number: u32);
    /// Brings the answer as an input, and lets other tabs know until then that it is under way. Takes
    /// the request, so that nothing here has to drop it.
    fn settle(answer: Promise, request: RequestInit, slot: u32);
}

#[wasm_bindgen]
extern "C" {
    /// `Crypto`: that of web-sys gives back the bytes as an object, which would have to be dropped.
    type Random;
    #[wasm_bindgen(method, js_name = getRandomValues)]
    fn fill(this: &Random, bytes: &mut [u8]);
}

/// Texts of the page are cut here.
const READ_BYTES_MAX: usize = 1 << 18;

const WINDOW: usize = 0;
const DOCUMENT: usize = 1;
const NAVIGATOR: usize = 2;
const HISTORY: usize = 3;
const CRYPTO: usize = 4;
/// What the browser keeps, or an empty object where it refuses that.
const STORAGE: usize = 5;
/// What the tab keeps.
const TAB_STORAGE: usize = 6;
const PARTS: usize = 7;
/// The page's own state of its history. Others change it, so it is asked for each time.
const HISTORY_STATE: usize = 7;
/// A new request to the collector, all but the body.
const REQUEST: usize = 8;

/// The browser as the page sees it: its parts, once they are asked for.
pub(super) struct Browser {
    parts: [JsValue; PARTS],
    is_known: [bool; PARTS],
}

impl Browser {
    /// Nothing is defined before it is asked for.
    pub(super) const NEW: Self =
        Self { parts: [JsValue::UNDEFINED; PARTS], is_known: [false; PARTS] };

    /// A part. The first look at a storage costs more than all the rest of a start, so each is asked
    /// for when it is needed.
    fn part<T: JsCast>(&mut self, number: usize) -> &T {
        let place = number % PARTS;
        if !core::mem::replace(&mut self.is_known[place], true) {
            // There was `undefined`, of which nothing is left to drop.
            forget(core::mem::replace(&mut self.parts[place], part(number)));
        }
        self.parts[place].unchecked_ref()
    }
}

/// Bytes that the browser's own encoder wrote, as its decoder takes them.
fn as_str(bytes: &[u8]) -> &str {
    #[expect(unsafe_code, reason = "the check would be larger than what it checks")]
    // SAFETY: all that is written comes from `TextEncoder` or from words of ours, whole characters
    // in UTF-8. Nothing of Rust reads it as characters; what does is `TextDecoder`, which takes any
    // bytes.
    unsafe {
        core::str::from_utf8_unchecked(bytes)
    }
}

impl Page for Browser {
    fn read(&mut self, what: What, name: Text, room: &mut Room) {
        room.fill(name, READ_BYTES_MAX, |name, place| read(what as u32, as_str(name), place));
    }

    #[expect(clippy::cast_possible_truncation, reason = "whole milliseconds, for ages to come")]
    fn now(&mut self) -> u64 {
        Date::now() as u64
    }

    fn fill_random(&mut self, bytes: &mut [u8]) {
        self.part::<Random>(CRYPTO).fill(bytes);
    }

    fn is_hidden(&mut self) -> bool {
        self.part::<Document>(DOCUMENT).hidden()
    }

    fn keep(&mut self, in_tab: bool, key: Text, text: Text, room: &Room) {
        let storage = self.part::<Storage>(if in_tab { TAB_STORAGE } else { STORAGE });
        // No room left: what was to be kept is sent all the same, once.
        forget(storage.set(as_str(room.bytes(key)), as_str(room.bytes(text))));
    }

    fn forget(&mut self, key: Text, room: &Room) {
        for storage in [STORAGE, TAB_STORAGE] {
            forget(self.part::<Storage>(storage).delete(as_str(room.bytes(key))));
        }
    }

    fn send(&mut self, slot: u32, body: Text, room: &Room) {
        // Each has one of its own: a page's own `fetch` may read it later.
        let request: RequestInit = part(REQUEST).unchecked_into();
        request.set_body_opt_str(Some(as_str(room.bytes(body))));
        let endpoint = as_str(room.bytes(Text::ENDPOINT));
        let answer = self.part::<Window>(WINDOW).fetch_with_str_and_init(endpoint, &request);
        settle(answer, request, slot);
    }

    fn leave(&mut self, body: Text, room: &Room) -> bool {
        let (endpoint, body) = (as_str(room.bytes(Text::ENDPOINT)), as_str(room.bytes(body)));
        let navigator = self.part::<Navigator>(NAVIGATOR);
        let taken = navigator.send_beacon_with_opt_str(endpoint, Some(body));
        let is_taken = matches!(taken, Ok(true));
        // An exception ends in the glue, so there is none to drop.
        forget(taken);
        is_taken
    }

    fn wake(&mut self, timer: Timer, ms: u32, ticket: u32) {
        later(timer as u32, ms, ticket);
    }

    fn show(&mut self, address: Text, room: &Room) {
        let state = part(HISTORY_STATE);
        let history = self.part::<History>(HISTORY);
        forget(history.replace_state_with_url(&state, "", Some(as_str(room.bytes(address)))));
        // It happens once or twice in a page; to drop it would cost more than to keep it.
        forget(state);
    }

    fn act(&mut self, what: Act, text: Text, room: &Room) {
        act(what as u32, as_str(room.bytes(text)));
    }
}
