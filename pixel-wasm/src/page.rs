//! The browser as the pixel sees it: storage, address, clock, transport and console of one page.
//!
//! Never throws: every storage or network error becomes "not there", since a page must work without the pixel.

use js_sys::{Array, Date};
use shared::event::Order;
use wasm_bindgen::prelude::*;
use web_sys::{Document, Storage, Window, console};

use crate::order::{self, RawItem, RawOrder};
use crate::text;
use crate::uuid::RANDOM_BYTES;

// The loader has these, beside the glue: reading foreign objects and waiting for an
// answer from here costs several times their size.
#[wasm_bindgen]
extern "C" {
    /// A field of an object as text; nothing for null, undefined or no object at all.
    #[wasm_bindgen(js_name = afterclickField)]
    fn field(object: &JsValue, name: &str) -> Option<String>;
    /// The elements of an object's `items`, or an empty array.
    #[wasm_bindgen(js_name = afterclickItems)]
    fn items(object: &JsValue) -> Array;
    /// Sends a body and removes the kept value under the key once the server has answered for it.
    #[wasm_bindgen(js_name = afterclickSend)]
    fn send(endpoint: &str, key: &str, body: &str);
}

/// One page.
pub(crate) struct Page {
    window: Window,
    document: Option<Document>,
    endpoint: String,
    local: Option<Storage>,
    session: Option<Storage>,
}

impl Page {
    /// Takes hold of a page. Reading `localStorage` throws where the visitor blocks it: it is then absent.
    pub(crate) fn new(window: Window, endpoint: String) -> Self {
        let local = window.local_storage().ok().flatten();
        let session = window.session_storage().ok().flatten();
        Self { document: window.document(), window, endpoint, local, session }
    }

    /// The address in the address bar.
    pub(crate) fn href(&self) -> String {
        self.window.location().href().unwrap_or_default()
    }

    /// Puts another address of the same origin into the address bar, without a navigation.
    pub(crate) fn replace_href(&self, url: &str) {
        if let Ok(history) = self.window.history() {
            let state = history.state().unwrap_or(JsValue::NULL);
            _ = history.replace_state_with_url(&state, "", Some(url));
        }
    }

    /// Where the visitor came from.
    pub(crate) fn referrer(&self) -> String {
        self.document.as_ref().map(Document::referrer).unwrap_or_default()
    }

    /// Milliseconds since the Unix epoch, by the visitor's clock.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a time in milliseconds fits i64, and the cast saturates"
    )]
    pub(crate) fn now_ms(&self) -> i64 {
        Date::now() as i64
    }

    /// Bytes for an event id; zeros where the browser has no random source.
    pub(crate) fn random(&self) -> [u8; RANDOM_BYTES] {
        let mut bytes = [0; RANDOM_BYTES];
        if let Ok(crypto) = self.window.crypto() {
            _ = crypto.get_random_values_with_u8_array(&mut bytes);
        }
        bytes
    }

    /// Tells the page's developer what to mend.
    pub(crate) fn warn(&self, warning: &str) {
        console::warn_1(&text::join(&["afterclick: ", warning]).into());
    }

    /// A value from the storage that survives the visit.
    pub(crate) fn kept(&self, key: &str) -> Option<String> {
        self.local.as_ref()?.get_item(key).ok()?
    }

    /// Keeps a value beyond the visit, if the browser lets us.
    pub(crate) fn keep(&self, key: &str, value: &str) {
        if let Some(storage) = &self.local {
            _ = storage.set_item(key, value);
        }
    }

    /// Removes a kept value.
    pub(crate) fn forget(&self, key: &str) {
        if let Some(storage) = &self.local {
            _ = storage.remove_item(key);
        }
    }

    /// The keys of all kept values, the shop's own among them.
    pub(crate) fn kept_keys(&self) -> Vec<String> {
        let Some(storage) = &self.local else { return Vec::new() };
        let count = storage.length().unwrap_or(0);
        (0..count).filter_map(|index| storage.key(index).ok()?).collect()
    }

    /// Whether marks for this visit can be kept.
    pub(crate) const fn can_mark(&self) -> bool {
        self.session.is_some()
    }

    /// A mark of this visit.
    pub(crate) fn mark(&self, key: &str) -> Option<String> {
        self.session.as_ref()?.get_item(key).ok()?
    }

    /// Sets a mark for this visit.
    pub(crate) fn set_mark(&self, key: &str, value: &str) {
        if let Some(storage) = &self.session {
            _ = storage.set_item(key, value);
        }
    }

    /// Removes a mark of this visit.
    pub(crate) fn unmark(&self, key: &str) {
        if let Some(storage) = &self.session {
            _ = storage.remove_item(key);
        }
    }

    /// Sends a body now. The kept value goes once the server has answered for it; until then it is tried again by
    /// later pages, with the same event id.
    pub(crate) fn send(&self, key: &str, body: &str) {
        send(&self.endpoint, key, body);
    }
}

/// Reads the order that a page's script gave.
pub(crate) fn read_order(detail: &JsValue) -> (Order, String) {
    let get = |name| field(detail, name);
    order::read(RawOrder {
        id: get("id"),
        value: get("value"),
        currency: get("currency"),
        tax: get("tax"),
        shipping: get("shipping"),
        coupon: get("coupon"),
        new_customer: get("new_customer"),
        sig: get("sig"),
        items: items(detail).iter().map(|item| read_item(&item)).collect(),
    })
}

fn read_item(item: &JsValue) -> RawItem {
    let get = |name| field(item, name);
    RawItem {
        sku: get("sku"),
        name: get("name"),
        category: get("category"),
        qty: get("qty"),
        price: get("price"),
    }
}
