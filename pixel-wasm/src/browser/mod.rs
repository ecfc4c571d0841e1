//! The page over web-sys: storage, network, visibility, history, clock. Does what `pixel` says, and
//! decides nothing.
//!
//! What web-sys calls may throw, since pages put their own functions in the place of the browser's.
//! `web/adapter.js` catches it around every import; such a call answers nothing. The imports of
//! `adapter` read texts into the room of the turn (web-sys would allocate each of them), and reach
//! what belongs to the page itself.

mod memory;
mod window;

use wasm_bindgen::prelude::*;

use crate::pixel::Input;

/// Takes an input. The adapter never calls it while a call is under way.
#[wasm_bindgen]
#[expect(unreachable_pub, reason = "JavaScript calls it")]
pub fn wake(input: u32, number: u32) {
    if let Some(input) = Input::numbered(input) {
        memory::pixel().take(input, number);
    }
}
