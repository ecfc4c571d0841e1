//! What the pixel decides, scenario by scenario, against a page that is none. The scenarios of real
//! browsers are in `dev/demo/tests`.

mod fake;

use std::cell::RefCell;
use std::rc::Rc;

use fake::{Browser, PLAIN, TOKEN, Tab, Tag, part};
use pixel_wasm::pixel::Input;
use pixel_wasm::pixel::page::Timer;

fn landing() -> String {
    format!("https://shop.example/?color=red&ac={TOKEN}#top")
}

/// A page whose visitor has answered nothing yet.
fn asked(address: &str) -> Tab {
    let browser = Rc::new(RefCell::new(Browser { now: 1_796_118_120_000, ..Browser::default() }));
    let mut tab = Tab::new(&browser, address);
    tab.page().is_allowed = false;
    tab.start(Tag { consent: "unknown", ..PLAIN });
    tab.look("");
    tab
}

#[test]
fn a_landing_is_one_session_and_its_token_is_kept_and_leaves_the_address() {
    let mut tab = Tab::open(&landing(), PLAIN);
    assert_eq!(tab.names(), ["session"]);
    assert_eq!(tab.page().address, "https://shop.example/?color=red#top");
    assert_eq!(tab.page().token, TOKEN);
    let body = tab.answer("204  ").expect("a request");
    assert_eq!(part(&body, "\"t\":\""), TOKEN);
    assert_eq!(part(&body, "\"u\":\""), "https://shop.example/?color=red#top");
    assert_eq!(tab.kept(), ["t"]);
    tab.look("");
    assert!(tab.names().is_empty(), "the page is counted once");
    tab.page().address = "https://shop.example/lamps".into();
    tab.look("");
    assert_eq!(tab.names(), ["page"]);
}

#[test]
fn a_visit_without_a_click_sends_nothing_and_keeps_nothing() {
    let mut tab = Tab::open("https://shop.example/?ac=1", PLAIN);
    assert!(tab.names().is_empty() && tab.kept().is_empty());
    assert_eq!(tab.page().address, "https://shop.example/?ac=1");
}

#[test]
fn a_code_opens_one_visit_of_a_tab_and_goes_with_every_event() {
    let mut tab = Tab::open("https://shop.example/?code=ANNA%2015", PLAIN);
    let body = tab.answer("204  ").expect("a request");
    assert_eq!(
        (part(&body, "\"n\":\""), part(&body, "\"code\":\"")),
        ("session".into(), "ANNA 15".into())
    );
    assert!(body.contains("\"code_at\":1796118120000"), "{body}");
    tab.call("code", "ANNA 15", &[]);
    assert!(tab.names().is_empty(), "the same code is the same visit");
    tab.call("code", "BEN10", &[]);
    let body = tab.answer("204  ").expect("a request");
    assert_eq!(
        (part(&body, "\"n\":\""), part(&body, "\"code\":\"")),
        ("session".into(), "BEN10".into())
    );
    tab.call("code", "", &[]);
    assert!(tab.names().is_empty());
}

#[test]
fn a_click_that_leads_to_an_address_with_a_code_is_a_click() {
    let mut tab = Tab::open(&format!("https://shop.example/?ac={TOKEN}&code=EVE"), PLAIN);
    assert_eq!(part(&tab.answer("204  ").expect("a request"), "\"code\":\""), "");
    tab.call("code", "EVE", &[]);
    assert!(tab.names().is_empty(), "this tab has seen it");
}

#[test]
fn early_calls_all_run_with_consent_first() {
    let browser = Rc::new(RefCell::new(Browser::default()));
    let mut tab = Tab::new(&browser, &landing());
    tab.start(Tag { consent: "denied", ..PLAIN });
    tab.buy("1");
    tab.call("consent", "granted", &[]);
    tab.call("lead", "", &[("K", "L1")]);
    assert!(tab.names().is_empty() && tab.kept().is_empty(), "nobody was asked yet");
    tab.look("");
    assert_eq!(tab.names(), ["purchase", "lead", "session"]);
    assert!(tab.page().sent.iter().all(|(_, body)| body.contains("\"c\":\"granted\"")));
}

#[test]
fn denied_consent_forgets_everything_and_granted_begins_again() {
    let mut tab = Tab::open(&landing(), PLAIN);
    tab.buy("1");
    tab.consent("denied");
    assert!(tab.kept().is_empty() && tab.page().tab.is_empty());
    assert_eq!(tab.page().token, "");
    tab.buy("2");
    tab.call("getToken", "0", &[]);
    assert_eq!(tab.page().answers, [("0".to_owned(), String::new())]);
    while tab.answer("503  ").is_some() {}
    tab.pass(10_000);
    assert!(tab.page().sent.is_empty(), "what was under way is not tried again");
    tab.consent("granted");
    assert_eq!(tab.names(), ["session"], "of the same landing");
    assert_eq!(tab.page().token, TOKEN);
}

#[test]
fn unknown_consent_waits_and_granted_sends_what_waited() {
    let mut tab = asked(&landing());
    tab.call("lead", "", &[("K", "L1")]);
    tab.call("getToken", "0", &[]);
    assert!(tab.kept().is_empty() && tab.page().answers.is_empty());
    assert!(tab.page().address.contains("ac="), "a reload still needs the token");
    tab.consent("granted");
    assert_eq!(tab.names(), ["lead", "session"]);
    assert_eq!(tab.page().answers, [("0".to_owned(), TOKEN.to_owned())]);
    assert_eq!(tab.page().address, "https://shop.example/?color=red#top");
}

#[test]
fn twenty_calls_wait_at_most_and_one_too_large_costs_no_other() {
    let mut tab = asked("https://shop.example/");
    tab.call("lead", "", &[("K", "L1")]);
    tab.call("lead", "", &[("P", &"x".repeat(70_000))]);
    for id in 2..30 {
        tab.call("lead", "", &[("K", &format!("L{id}"))]);
    }
    tab.consent("granted");
    assert_eq!(tab.names(), ["lead"; 20]);
}

#[test]
fn global_privacy_control_and_a_token_that_says_no_are_a_no() {
    let browser = Rc::new(RefCell::new(Browser::default()));
    let flagged = landing().replace("ac=AQEBA", "ac=AQEBg").replace("ac=AQEBgA", "ac=AQEBAg");
    for (address, control) in [(landing(), true), (flagged, false)] {
        let mut tab = Tab::new(&browser, &address);
        tab.page().is_allowed = false;
        let flags = [control, false, false, true, true];
        tab.start(Tag { consent: "granted", flags });
        tab.look("");
        assert!(tab.kept().is_empty() && tab.names().is_empty(), "{address}");
        assert!(!tab.page().address.contains("ac="), "nobody shares the click");
        tab.consent("granted");
        assert_eq!(tab.names(), ["session"]);
        tab.consent("denied");
    }
}

#[test]
fn googles_consent_mode_is_heard() {
    let mut tab = Tab::open(&landing(), PLAIN);
    tab.answer("204  ");
    let mut say = |kind: &str, names: &str, is_allowed| {
        tab.input(Input::Entry, 0, &format!("H=consent\u{1f}I={kind}\u{1f}@0=\u{1f}{names}"));
        tab.page().is_allowed = is_allowed;
        tab.look("");
        tab.kept()
    };
    say("default", "@0`=denied\u{1f}@0a=denied\u{1f}", false);
    say("update", "@0`=granted\u{1f}@0a=granted\u{1f}", true);
    say("default", "@0`=denied\u{1f}", true);
    assert_eq!(say("update", "@0a=denied\u{1f}", false), [""; 0]);
}

#[test]
fn a_tcf_answer_waits_for_the_visitor() {
    let mut tab = Tab::open("https://shop.example/", PLAIN);
    tab.page().is_allowed = false;
    tab.input(Input::Tcf, 0, "c=cmpuishown\u{1f}");
    tab.buy("1");
    tab.page().is_allowed = true;
    tab.input(Input::Tcf, 0, "c=useractioncomplete\u{1f}F0=\u{1f}F0G0=\u{1f}F0G0I=true\u{1f}");
    assert_eq!(tab.names(), ["purchase"]);
}

#[test]
fn shopifys_privacy_is_heard() {
    let browser = Rc::new(RefCell::new(Browser::default()));
    let mut tab = Tab::new(&browser, &landing());
    tab.page().is_allowed = false;
    tab.start(PLAIN);
    tab.look("-");
    tab.look("01");
    assert!(tab.kept().is_empty());
    tab.page().is_allowed = true;
    tab.look("10");
    assert_eq!(tab.names(), ["session"]);
    tab.page().is_allowed = false;
    tab.look("00");
    assert!(tab.kept().is_empty());
}

#[test]
fn a_reloaded_thank_you_page_sends_once() {
    let mut tab = Tab::open("https://shop.example/thanks", PLAIN);
    tab.buy("1001");
    tab.buy("1001");
    let browser = Rc::clone(&tab.page().browser);
    let mut again = Tab::new(&browser, "https://shop.example/thanks");
    again.start(PLAIN);
    again.look("");
    again.buy("1001");
    assert_eq!((tab.names(), again.names()), (vec!["purchase".to_owned()], vec![]));
}

#[test]
fn a_malformed_call_warns_once_and_is_not_sent() {
    let mut tab = Tab::open("https://shop.example/", PLAIN);
    tab.call("purchase", "", &[("K", "{{order_id}}")]);
    tab.call("purchaze", "", &[]);
    tab.call("consent", "maybe", &[]);
    assert_eq!(
        tab.page().warnings,
        [
            "purchase not sent: id \"{{order_id}}\" cannot be used",
            "purchaze \"\" is no call",
            "consent \"maybe\" is no call"
        ]
    );
    assert!(tab.names().is_empty() && tab.kept().is_empty());
    tab.call("purchase", "", &[("K", "7")]);
    assert_eq!(tab.names(), ["purchase"], "it may be said again, rightly");
}

#[test]
fn an_event_is_tried_again_with_its_id_at_growing_intervals() {
    let mut tab = Tab::open("https://shop.example/", PLAIN);
    tab.buy("1");
    let first = tab.answer("503  ").expect("a request");
    let mut waits = Vec::new();
    for _ in 0..12 {
        let now = tab.page().browser.borrow().now;
        let due =
            tab.page().timers.iter().find(|(timer, ..)| *timer == Timer::Retry).expect("a timer").1;
        waits.push(due - now);
        tab.pass(due - now);
        tab.give_turn(0);
        assert_eq!(tab.answer("0").as_deref(), Some(first.as_str()));
        tab.end_turn(0);
    }
    assert!((500..=1_500).contains(&waits[0]), "{waits:?}");
    assert!(waits.iter().all(|wait| *wait <= 300_000) && waits[11] >= 150_000, "{waits:?}");
}

#[test]
fn a_server_that_asks_for_patience_gets_it_whatever_happens() {
    let mut tab = Tab::open("https://shop.example/", PLAIN);
    tab.buy("1");
    tab.answer("503 40 away");
    tab.pass(39_000);
    tab.input(Input::Back, 0, "");
    assert!(!tab.page().asks_turn, "the connection is back, and the server still asks to wait");
    tab.pass(1_000);
    assert!(tab.page().asks_turn);
    tab.give_turn(0);
    tab.answer("503 86400 away");
    tab.end_turn(0);
    tab.pass(300_000);
    assert!(tab.page().asks_turn, "nobody waits longer than five minutes");
}

#[test]
fn a_body_the_server_will_never_take_is_not_sent_again() {
    let mut tab = Tab::open("https://shop.example/", PLAIN);
    tab.call("lead", "", &[]);
    tab.answer("400  e[0].u: too odd");
    assert_eq!(tab.page().warnings, ["e[0].u: too odd"]);
    assert!(tab.kept().is_empty());
}

#[test]
fn a_purchase_is_not_pushed_out_by_pages_and_goes_only_for_another() {
    let mut tab = Tab::open("https://shop.example/", PLAIN);
    tab.buy("1");
    tab.call("lead", "", &[]);
    for _ in 0..60 {
        tab.call("page", "", &[]);
        tab.answer("503  ");
        tab.page().browser.borrow_mut().now += 1;
    }
    let kept = |tab: &mut Tab, name: &str| {
        let browser = tab.page().browser.borrow();
        browser.local.values().filter(|body| body.contains(name)).count()
    };
    assert_eq!(
        (kept(&mut tab, "purchase"), kept(&mut tab, "lead"), kept(&mut tab, "page")),
        (1, 1, 18)
    );
    for id in 2..23 {
        tab.page().browser.borrow_mut().now += 1;
        tab.buy(&id.to_string());
    }
    let browser = tab.page().browser.borrow();
    let mut events: Vec<_> = browser.local.iter().filter(|(key, _)| key.contains(".e.")).collect();
    events.sort();
    assert_eq!(events.len(), 20);
    assert!(events[0].1.contains("\"id\":\"3\""), "{:?}", events[0]);
}

#[test]
fn events_of_one_millisecond_sort_by_their_order() {
    let mut tab = Tab::open("https://shop.example/", PLAIN);
    for id in 1..30 {
        tab.buy(&id.to_string());
    }
    let browser = tab.page().browser.borrow();
    let events = browser.local.iter().filter(|(key, _)| key.contains(".e."));
    let orders: Vec<_> = events.map(|(_, body)| part(body, "\"o\":{\"id\":\"")).collect();
    assert_eq!(orders, (10..30).map(|id| id.to_string()).collect::<Vec<_>>());
}

#[test]
fn limits_count_bytes() {
    let mut tab = Tab::open("https://shop.example/", PLAIN);
    // 200 characters of three bytes in each of 50 lines: more than a body may have.
    let name = "€".repeat(200);
    let mut order = vec![("K".to_owned(), "huge".to_owned())];
    for line in 0..50 {
        let place = char::from(b'0' + line);
        order.push((format!("E{place}"), String::new()));
        order.push((format!("E{place}U"), name.clone()));
    }
    let order: Vec<_> = order.iter().map(|(path, value)| (path.as_str(), value.as_str())).collect();
    tab.call("purchase", "", &order);
    let body = tab.answer("503  ").expect("a request");
    assert!(body.contains("\"id\":\"huge\"") && !body.contains('€'), "it goes without its lines");
    for id in 0..8 {
        let id = format!("P{id}");
        let mut order = vec![("K", id.as_str())];
        order.extend([("E0", ""), ("E0U", &name), ("E1", ""), ("E1U", &name)]);
        let coupon = "€".repeat(1_000);
        order.push(("P", &coupon));
        tab.call("purchase", "", &order);
        tab.page().browser.borrow_mut().now += 1;
    }
    let browser = tab.page().browser.borrow();
    let bytes: usize = browser
        .local
        .iter()
        .filter(|(key, _)| key.contains(".e."))
        .map(|(_, text)| text.len())
        .sum();
    assert!((16_000..33_100).contains(&bytes), "{bytes}");
    assert!(browser.local.values().any(|text| text.contains("\"P7\"")), "the newest stays");
}

#[test]
fn to_record_reads_each_event_once() {
    let mut tab = Tab::open("https://shop.example/", PLAIN);
    for _ in 0..20 {
        tab.call("page", "", &[]);
    }
    tab.page().reads = 0;
    tab.call("page", "", &[]);
    assert!(tab.page().reads <= 22, "{} reads", tab.page().reads);
}

#[test]
fn what_a_clock_ahead_has_dated_does_not_stay_for_ever() {
    let now = 1_796_118_120_000_i64;
    let browser = Rc::new(RefCell::new(Browser { now: 1_796_118_120_000, ..Browser::default() }));
    for (name, hours) in [("old", -31 * 24), ("young", -29 * 24), ("soon", 12), ("ahead", 400 * 24)]
    {
        let time = now + hours * 3_600_000;
        browser.borrow_mut().local.insert(format!("ac.k1.o.purchase.{name}"), format!("{time} 1"));
    }
    let mut tab = Tab::new(&browser, "https://shop.example/");
    tab.start(PLAIN);
    tab.look("");
    assert_eq!(tab.kept(), ["o.purchase.soon", "o.purchase.young"]);
}

#[test]
fn a_hidden_page_leaves_its_body_to_the_browser_and_sends_it_again_when_shown() {
    let mut tab = Tab::open("https://shop.example/", PLAIN);
    tab.page().is_hidden = true;
    tab.buy("1");
    assert_eq!((tab.page().left.len(), tab.page().sent.len()), (1, 0));
    tab.page().is_hidden = false;
    tab.input(Input::Back, 0, "");
    tab.give_turn(0);
    let left = tab.page().left[0].clone();
    assert_eq!(tab.answer("204  "), Some(left), "with the same id");
    assert_eq!(tab.kept(), ["o.purchase.1"]);
}

#[test]
fn a_page_nobody_looks_at_is_no_visit_and_a_frame_is_none_either() {
    let browser = Rc::new(RefCell::new(Browser::default()));
    let mut tab = Tab::new(&browser, &landing());
    tab.page().is_hidden = true;
    tab.start(PLAIN);
    tab.look("");
    assert!(tab.names().is_empty());
    assert_eq!(tab.kept(), ["t"], "the token is safe");
    let mut frame =
        Tab::open(&landing(), Tag { flags: [false, false, false, false, true], ..PLAIN });
    assert!(frame.names().is_empty());
    frame.buy("1");
    assert_eq!(frame.names(), ["purchase"]);
}

#[test]
fn a_page_from_the_cache_is_a_page_again() {
    let mut tab = Tab::open(&landing(), PLAIN);
    tab.answer("204  ");
    tab.input(Input::Back, 0, "");
    assert!(tab.names().is_empty());
    tab.input(Input::Back, 1, "");
    assert_eq!(tab.names(), ["page"]);
}

#[test]
fn one_tab_sends_what_waits_one_event_at_a_time() {
    let mut one = Tab::open("https://shop.example/", PLAIN);
    for id in 1..4 {
        one.buy(&id.to_string());
        one.answer("0");
    }
    let browser = Rc::clone(&one.page().browser);
    let mut other = Tab::new(&browser, "https://shop.example/");
    other.start(PLAIN);
    other.look("");
    other.give_turn(1);
    for _ in 0..5 {
        one.input(Input::Back, 0, "");
        one.give_turn(0);
        other.input(Input::Back, 0, "");
    }
    assert_eq!((one.page().sent.len(), other.page().sent.len()), (0, 1));
    for _ in 0..3 {
        other.answer("204  ");
        other.end_turn(1);
        other.give_turn(1);
    }
    assert!(!one.kept().iter().any(|key| key.starts_with("e.")), "{:?}", one.kept());
}

#[test]
fn what_is_under_way_is_not_sent_again() {
    let mut tab = Tab::open("https://shop.example/", PLAIN);
    tab.buy("1");
    for _ in 0..3 {
        tab.input(Input::Back, 0, "");
        tab.give_turn(0);
        tab.end_turn(0);
    }
    assert_eq!(tab.page().sent.len(), 1);
    tab.answer("0");
    tab.pass(2_000);
    tab.give_turn(0);
    assert_eq!(tab.page().sent.len(), 1, "once it has failed it is");
}

#[test]
fn a_page_left_alone_is_looked_at_once_a_second_and_only_where_needed() {
    let looks = |tab: &mut Tab| {
        tab.page().timers.iter().filter(|(timer, ..)| *timer == Timer::Look).count()
    };
    let mut tab = Tab::open("https://shop.example/", PLAIN);
    for _ in 0..60 {
        assert_eq!(looks(&mut tab), 1);
        let now = tab.page().browser.borrow().now;
        assert!(tab.page().timers.iter().all(|(_, due, _)| *due == now + 1_000));
        tab.pass(1_000);
    }
    tab.consent("granted");
    tab.pass(1_000);
    assert_eq!(looks(&mut tab), 0, "events tell everything");
    let mut reading = Tab::open(
        "https://shop.example/",
        Tag { consent: "", flags: [false, true, false, true, true] },
    );
    reading.consent("granted");
    reading.pass(1_000);
    assert_eq!(looks(&mut reading), 1);
    reading.page().is_hidden = true;
    reading.input(Input::Back, 0, "");
    reading.pass(1_000);
    assert_eq!(looks(&mut reading), 0, "nobody looks at it");
}

#[test]
fn a_purchase_of_the_data_layer_is_reported_after_what_is_said_of_consent() {
    let mut tab = Tab::open(
        "https://shop.example/thanks?key=wc_order_58d",
        Tag { flags: [false, true, false, true, true], ..PLAIN },
    );
    tab.page().is_allowed = false;
    tab.input(Input::Entry, 0, "J=purchase\u{1f}A0=\u{1f}A0Y=T1\u{1f}A0L=1,234\u{1f}");
    tab.input(Input::Entry, 0, "H=consent\u{1f}I=update\u{1f}@0=\u{1f}@0`=denied\u{1f}");
    tab.look("");
    assert!(tab.names().is_empty(), "an answer in the same breath counts");
    tab.page().is_allowed = true;
    tab.input(Input::Entry, 0, "H=consent\u{1f}I=update\u{1f}@0=\u{1f}@0`=granted\u{1f}");
    tab.input(Input::Entry, 0, "J=purchase\u{1f}A0=\u{1f}A0Y=T2\u{1f}A0L=1,234\u{1f}");
    tab.look("");
    let body = tab.answer("204  ").expect("a request");
    assert!(
        body.contains(
            r#""o":{"id":"T2","value":"1,234","key":"wc_order_58d","source":"ga4","items":[]}"#
        ),
        "{body}"
    );
}

#[test]
fn the_cart_is_filled_once_a_tab() {
    let tag = Tag { flags: [false, false, true, true, true], ..PLAIN };
    let mut tab = Tab::open(&landing(), tag);
    assert_eq!(tab.page().carts, [TOKEN]);
    let (browser, kept) = (Rc::clone(&tab.page().browser), tab.page().tab.clone());
    let mut next = Tab::new(&browser, "https://shop.example/next");
    next.page().tab = kept;
    next.start(tag);
    next.look("");
    assert!(next.page().carts.is_empty());
    assert_eq!(next.page().token, TOKEN);
}

#[test]
fn a_full_storage_loses_no_purchase_of_this_page() {
    let browser = Rc::new(RefCell::new(Browser { is_full: true, ..Browser::default() }));
    let mut tab = Tab::new(&browser, &landing());
    tab.start(PLAIN);
    tab.look("");
    tab.buy("9");
    assert_eq!(tab.names(), ["session", "purchase"]);
    assert!(tab.page().sent.iter().all(|(_, body)| part(body, "\"t\":\"") == TOKEN));
}

#[test]
fn texts_of_the_page_cannot_break_out_of_a_body() {
    let mut tab = Tab::open("https://shop.example/", PLAIN);
    tab.call("purchase", "", &[("K", "7"), ("P", "A\"},\\\n\u{7f}é")]);
    let body = tab.answer("204  ").expect("a request");
    assert!(body.contains("\"coupon\":\"A\\u0022},\\u005c\\u000a\u{7f}é\""), "{body}");
}
