//! Whatever comes in whatever order, in two tabs of one browser: nothing is kept or sent while the
//! visitor has not allowed it (the page that is none checks that on every step), no purchase is
//! lost, and none is sent under two ids.

mod fake;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use fake::{Browser, PLAIN, TOKEN, Tab, part};
use pixel_wasm::pixel::Input;
use proptest::prelude::*;

/// What may happen.
#[derive(Debug, Clone, Copy)]
enum Step {
    Consent(&'static str),
    Buy(u8),
    Lead,
    Page,
    Go(u8),
    /// The oldest request is answered so.
    Answer(&'static str),
    Hide(bool),
    Back,
    Pass(u64),
    Turn,
    EndTurn,
    /// The tab dies, and the customer goes on in another one.
    Die,
    Stray(u8, u32),
}

fn step() -> impl Strategy<Value = Step> {
    let word = prop::sample::select(vec!["granted", "granted", "granted", "unknown", "denied"]);
    let answer = prop::sample::select(vec!["204  ", "204  ", "503  ", "503 4 wait", "0", "500  "]);
    prop_oneof![
        2 => word.prop_map(Step::Consent),
        4 => (0_u8..6).prop_map(Step::Buy),
        1 => Just(Step::Lead),
        3 => Just(Step::Page),
        1 => (0_u8..3).prop_map(Step::Go),
        4 => answer.prop_map(Step::Answer),
        1 => any::<bool>().prop_map(Step::Hide),
        2 => Just(Step::Back),
        3 => (1_u64..4_000).prop_map(Step::Pass),
        3 => Just(Step::Turn),
        2 => Just(Step::EndTurn),
        1 => Just(Step::Die),
        1 => (0_u8..12, 0_u32..30).prop_map(|(input, number)| Step::Stray(input, number)),
    ]
}

/// Two tabs, a server, and what the test knows of the purchases.
struct World {
    browser: Rc<RefCell<Browser>>,
    tabs: Vec<Tab>,
    words: [&'static str; 2],
    /// Orders that were said while they could be kept, since all was last forgotten.
    told: BTreeSet<String>,
    /// Orders that wait in a tab for the visitor's answer.
    waiting: [BTreeSet<String>; 2],
    /// Under which ids the server has seen an order, since all was last forgotten.
    seen: BTreeMap<String, BTreeSet<String>>,
    /// Ids of events from before all was last forgotten.
    forgotten: BTreeSet<String>,
}

impl World {
    fn new() -> Self {
        let browser =
            Rc::new(RefCell::new(Browser { now: 1_796_118_120_000, ..Browser::default() }));
        let tabs = (0..2).map(|_| Self::tab(&browser, "granted")).collect();
        Self {
            browser,
            tabs,
            words: ["granted"; 2],
            told: BTreeSet::new(),
            waiting: Default::default(),
            seen: BTreeMap::new(),
            forgotten: BTreeSet::new(),
        }
    }

    fn tab(browser: &Rc<RefCell<Browser>>, word: &'static str) -> Tab {
        let mut tab = Tab::new(browser, &format!("https://shop.example/?ac={TOKEN}"));
        tab.start(PLAIN);
        tab.consent(word);
        tab.look("");
        tab
    }

    fn see(&mut self, body: &str) {
        let (id, order) = (part(body, "\"e\":[{\"id\":\""), part(body, "\"o\":{\"id\":\""));
        if part(body, "\"n\":\"") == "purchase" && !self.forgotten.contains(&id) {
            self.seen.entry(order).or_default().insert(id);
        }
    }

    /// Everything is forgotten: what is under way may arrive, and nothing more is owed.
    fn forget(&mut self) {
        self.told.clear();
        for tab in &mut self.tabs {
            let page = tab.page();
            let bodies = page.left.iter().chain(page.sent.iter().map(|(_, body)| body));
            self.forgotten.extend(bodies.map(|body| part(body, "\"e\":[{\"id\":\"")));
        }
        self.forgotten.extend(std::mem::take(&mut self.seen).into_values().flatten());
    }

    fn consent(&mut self, number: usize, word: &'static str) {
        if word == "denied" && self.words[number] != "denied" {
            self.forget();
        }
        let waited = std::mem::take(&mut self.waiting[number]);
        self.words[number] = word;
        match word {
            "granted" => self.told.extend(waited),
            "unknown" => self.waiting[number] = waited,
            _ => {}
        }
        self.tabs[number].consent(word);
    }

    fn take(&mut self, number: usize, step: Step) {
        match step {
            Step::Consent(word) => return self.consent(number, word),
            Step::Buy(id) => {
                let id = format!("P{id}");
                // At most twenty calls wait; these are fewer.
                let waits = self.words[number] == "unknown" && self.waiting[number].len() < 6;
                if waits {
                    self.waiting[number].insert(id.clone());
                } else if self.words[number] == "granted" {
                    self.told.insert(id.clone());
                }
                return self.tabs[number].buy(&id);
            }
            Step::Die => {
                self.waiting[number].clear();
                if self.browser.borrow().turn == Some(number) {
                    self.browser.borrow_mut().turn = None;
                }
                // What was under way may have arrived, or not.
                if let Some((_, body)) = self.tabs[number].page().sent.first().cloned() {
                    self.see(&body);
                }
                self.words[number] = "granted";
                self.tabs[number] = Self::tab(&self.browser, "granted");
                return;
            }
            _ => {}
        }
        let tab = &mut self.tabs[number];
        match step {
            Step::Lead => tab.call("lead", "", &[]),
            Step::Page => tab.call("page", "", &[]),
            Step::Go(page) => {
                tab.page().address = format!("https://shop.example/{page}");
                tab.look("");
            }
            Step::Answer(answer) => {
                if let Some(body) = tab.answer(answer)
                    && answer != "0"
                {
                    self.see(&body);
                }
            }
            Step::Hide(is_hidden) => {
                tab.page().is_hidden = is_hidden;
                tab.input(Input::Back, 0, "");
            }
            Step::Back => tab.input(Input::Back, 1, ""),
            Step::Pass(ms) => tab.pass(ms),
            Step::Turn => tab.give_turn(number),
            Step::EndTurn => tab.end_turn(number),
            // Nothing that a page could bring by mistake may break it.
            Step::Stray(input, stray) => {
                let harmless =
                    [Input::Retry, Input::Looked, Input::TurnOver, Input::Look, Input::Back];
                tab.input(harmless[usize::from(input) % harmless.len()], stray, "");
            }
            Step::Consent(_) | Step::Buy(_) | Step::Die => unreachable!("taken above"),
        }
    }

    /// The server is back, and the customer looks at the first tab for a while.
    fn settle(&mut self) {
        for tab in &mut self.tabs {
            tab.page().is_hidden = false;
        }
        let alive: Vec<_> =
            self.words.iter().enumerate().filter(|(_, word)| **word == "granted").collect();
        let Some((number, _)) = alive.first().copied() else { return };
        self.browser.borrow_mut().turn = None;
        for _ in 0..200 {
            while let Some(body) = self.tabs[number].answer("204  ") {
                self.see(&body);
            }
            self.tabs[number].end_turn(number);
            self.tabs[number].give_turn(number);
            self.tabs[number].pass(2_000);
        }
        for tab in &mut self.tabs {
            for body in std::mem::take(&mut tab.page().left) {
                let id = part(&body, "\"e\":[{\"id\":\"");
                let order = part(&body, "\"o\":{\"id\":\"");
                if part(&body, "\"n\":\"") == "purchase"
                    && !self.forgotten.contains(&id)
                    && self.told.contains(&order)
                {
                    self.seen.entry(order).or_default().insert(id);
                }
            }
        }
        for order in &self.told {
            let ids = self.seen.get(order);
            assert!(ids.is_some(), "{order} is lost; kept: {:?}", self.browser.borrow().local);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn no_purchase_is_lost_or_doubled_and_consent_is_heeded(
        steps in prop::collection::vec((0_usize..2, step()), 1..60)
    ) {
        let mut world = World::new();
        for (number, step) in steps {
            world.take(number, step);
        }
        world.settle();
        for (order, ids) in &world.seen {
            prop_assert!(ids.len() == 1, "{order} has the ids {ids:?}");
        }
    }

    #[test]
    fn any_text_and_any_number_is_survived(
        inputs in prop::collection::vec((0_u32..12, any::<u32>(), "[\\PC\u{1f}=@A-J0-9&?#]{0,60}"), 1..40)
    ) {
        let mut tab = Tab::open(&format!("https://shop.example/?ac={TOKEN}"), PLAIN);
        for (input, number, text) in inputs {
            if let Some(input) = Input::numbered(input) {
                // What the text allows is not for this test to know.
                tab.page().is_allowed = true;
                tab.page().sent.clear();
                tab.page().address = text.clone();
                tab.input(input, number, &text);
            }
        }
    }
}
