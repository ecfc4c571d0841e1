//! The pixel itself: what the loader makes once per page, and what `afterclick(…)` on the page leads to.
//!
//! Never sends or stores anything while consent is denied, and keeps every event before it sends it.

use shared::event::{Consent, EventName, Order, is_order_id};
use wasm_bindgen::prelude::*;
use web_sys::Window;

use crate::body::{self, Visit};
use crate::kept::{self, Keys};
use crate::landing::{self, Landing};
use crate::page::{self, Page};
use crate::text;
use crate::uuid;

/// The pixel of one merchant on one page.
#[wasm_bindgen]
pub struct Pixel {
    page: Page,
    keys: Keys,
    visit: Visit,
    landed: Option<String>,
}

#[wasm_bindgen]
impl Pixel {
    /// Reads the page's address and takes the click token out of it. Stores and sends nothing yet.
    #[wasm_bindgen(constructor)]
    pub fn new(window: Window, merchant_key: String, endpoint: String, consent: &str) -> Self {
        let page = Page::new(window, endpoint);
        let landing = Landing::read(&page.href());
        if landing.token.is_some() {
            // A visitor who shares the address must not share the click.
            page.replace_href(&landing.url);
        }
        let keys = Keys::new(&merchant_key);
        let referrer = page.referrer();
        let token = String::new();
        let visit = Visit { merchant_key, token, consent: Consent::Unknown, url: landing.url, referrer };
        let mut pixel = Self { page, keys, visit, landed: landing.token };
        pixel.set_consent(consent);
        pixel
    }

    /// Begins the visit, once the page's first words about consent are known: drops what has expired, keeps the
    /// token, sends what is still waiting, and reports a session if one begins.
    pub fn begin(&mut self) {
        if self.is_denied() {
            return;
        }
        let now_ms = self.page.now_ms();
        self.sweep(now_ms);
        self.take_token(now_ms);
        self.flush();
        let mark = self.page.mark(&self.keys.session());
        if landing::begins_session(mark.as_deref(), self.landed.as_deref(), self.page.can_mark()) {
            self.page.set_mark(&self.keys.session(), &self.visit.token);
            self.record(EventName::Session, None);
        }
    }

    /// Sends every waiting event again: after a page load, and when the connection is back.
    pub fn flush(&self) {
        if self.is_denied() {
            return;
        }
        let now_ms = self.page.now_ms();
        for key in self.waiting() {
            let kept = self.page.kept(&key);
            if let Some(body) = kept.as_deref().and_then(|value| kept::unstamp(value, now_ms)) {
                self.page.send(&key, body);
            }
        }
    }

    /// One call of `afterclick(name, detail)` on the page.
    pub fn call(&mut self, name: &str, detail: &JsValue) {
        match name {
            "purchase" => self.purchase(detail),
            "lead" => self.lead(detail),
            "page" => self.record(EventName::Page, None),
            "consent" => self.consent(&detail.as_string().unwrap_or_default()),
            other => self.page.warn(&text::join(&["`", other, "` is not purchase, lead, page or consent"])),
        }
    }

    fn purchase(&self, detail: &JsValue) {
        let order = self.read_order("purchase", detail);
        if is_order_id(&order.id) {
            self.record_once(EventName::Purchase, order);
        } else {
            let text =
                "` is not an order id, so the purchase was not sent; pass the shop's own, e.g. id: '1001'";
            self.page.warn(&text::join(&["purchase: id `", &order.id, text]));
        }
    }

    fn lead(&self, detail: &JsValue) {
        if !detail.is_object() {
            return self.record(EventName::Lead, None);
        }
        let order = self.read_order("lead", detail);
        if is_order_id(&order.id) {
            self.record_once(EventName::Lead, order);
        } else {
            self.record(EventName::Lead, Some(order));
        }
    }

    fn read_order(&self, call: &str, detail: &JsValue) -> Order {
        let (order, complaints) = page::read_order(detail);
        if !complaints.is_empty() {
            self.page.warn(&text::join(&[call, ": ", &complaints]));
        }
        order
    }

    /// Reports an order unless this browser has done so: a thank-you page is reloaded, and restored with its tab.
    fn record_once(&self, name: EventName, order: Order) {
        let mark = self.keys.reported(name.as_str(), &order.id);
        if self.is_denied() || self.page.kept(&mark).is_some() {
            return;
        }
        self.page.keep(&mark, &kept::stamp(self.page.now_ms(), ""));
        self.record(name, Some(order));
    }

    /// Keeps an event, then sends it.
    fn record(&self, name: EventName, order: Option<Order>) {
        if self.is_denied() {
            return;
        }
        let now_ms = self.page.now_ms();
        let id = uuid::v7(now_ms, self.page.random());
        let body = body::write(&self.visit, name, &id, now_ms, order);
        let mut waiting = self.waiting();
        while let Some(oldest) = kept::take_excess(&mut waiting, 1) {
            self.page.forget(&oldest);
        }
        let key = self.keys.event(&id);
        self.page.keep(&key, &kept::stamp(now_ms, &body));
        self.page.send(&key, &body);
    }

    /// The page's word on consent during the visit. Granting it begins what denial had held back.
    fn consent(&mut self, text: &str) {
        let was_denied = self.is_denied();
        self.set_consent(text);
        if was_denied && !self.is_denied() {
            self.begin();
        }
    }

    fn set_consent(&mut self, text: &str) {
        self.visit.consent = match text {
            "granted" => Consent::Granted,
            "denied" => Consent::Denied,
            "unknown" | "" => Consent::Unknown,
            other => {
                return self.page.warn(&text::join(&[
                    "consent `",
                    other,
                    "` is not granted, denied or unknown",
                ]));
            }
        };
        if self.is_denied() {
            self.forget_all();
        }
    }

    fn is_denied(&self) -> bool {
        self.visit.consent == Consent::Denied
    }

    /// Keeps the landing's token, or takes the one that an earlier page kept.
    fn take_token(&mut self, now_ms: i64) {
        let key = self.keys.token();
        if let Some(token) = &self.landed {
            self.page.keep(&key, &kept::stamp(now_ms, token));
        }
        let kept = self.page.kept(&key);
        let kept = kept.as_deref().and_then(|value| kept::unstamp(value, now_ms));
        self.visit.token = landing::pick_token(self.landed.as_deref(), kept);
    }

    fn sweep(&self, now_ms: i64) {
        for key in self.page.kept_keys().iter().filter(|key| self.keys.owns(key)) {
            let kept = self.page.kept(key);
            if kept.is_some_and(|value| kept::unstamp(&value, now_ms).is_none()) {
                self.page.forget(key);
            }
        }
    }

    fn forget_all(&self) {
        for key in self.page.kept_keys().iter().filter(|key| self.keys.owns(key)) {
            self.page.forget(key);
        }
        self.page.unmark(&self.keys.session());
    }

    fn waiting(&self) -> Vec<String> {
        self.page.kept_keys().into_iter().filter(|key| self.keys.is_event(key)).collect()
    }
}
