// The shell: what the pixel does in a page. Keeps the click token or the discount code that opened
// the visit, counts the visit, reports leads and purchases.
//
// Never throws into the page, never touches a navigation or anything that is the page's own, and
// once consent is denied it stores nothing and sends nothing. Every event is kept before it is
// sent, and goes out with one id.

import { consent, DENIED, isOwn, sayGoogle, sayOwn, sayTag, UNKNOWN } from "./consent.js";
import { checker } from "./core.js";
import { handOver, handToShopify } from "./hand-over.js";
import { codeIn, LANDING } from "./landing.js";
import { freshEntries, purchaseOf } from "./layer.js";
import { readOrder } from "./order.js";
import { start } from "./start.js";
import { drop, keep, keptKeys, keptText, keptTime, mark, setMark } from "./store.js";

// Nothing older can earn a commission.
const KEPT_MS = 2592e6;
// How far a clock may be turned back before what it dated is taken for old.
const CLOCK_MS = 864e5;
const EVENTS_MAX = 20;
// Browsers count bytes, and let 64 KB be under way.
const EVENTS_BYTES_MAX = 32768;
const BODY_BYTES_MAX = 16384;
const URL_CHARS_MAX = 2048;
const CODE_CHARS_MAX = 128;
const LOOK_MS = 1e3;
const DELAY_MS = 1e3;
const DELAY_MS_MAX = 3e5;
// Of the events that wait, those in front make room for those behind.
const WORTH = ["page", "session", "lead", "purchase"];

const [response, load, origin, settings, api] = document.currentScript.boot;
const prefix = `ac.${settings.key}.`;
const endpoint = settings.endpoint || origin + "/_ac/e";
const landed = location.href.match(LANDING)?.[2];
const typed = codeIn(location.href);
// Here the code is kept that last opened a visit; a tab keeps which one it has seen.
const codeKey = prefix + "d";
// WooCommerce's thank-you page has the order's key in its address.
const KEY = /wc_order_\w+/;

// Pages may have put anything in the place of `console.warn`.
const warn = (text) => void console.warn("afterclick: " + text);

/* What is sent. */

const flying = {};
let check;
let timer;
let hasTurn;
let delay = DELAY_MS;

const bytes = (text) => new Blob([text]).size;
const events = () => keptKeys(prefix + "e.").sort();
const oldest = () => isActive && events().find((key) => !flying[key]);

// Tabs share what waits. The one whose event is under way shares a lock as long as that lasts; the
// one that sends what waits needs it for itself.
const locked = (options, send) => navigator.locks?.request(prefix, options, send);

/** Sends an event. What is returned ends when it has arrived, or must be tried again. */
const send = (key, body) => {
  // A hidden page may be gone before an answer. A beacon has none, so the event stays, and is sent
  // again later.
  if (document.hidden && navigator.sendBeacon(endpoint, body)) return;
  flying[key] = 1;
  // A text needs no preflight. A page's own `fetch` may throw at once.
  return new Promise((resolve) => resolve(fetch(endpoint, { method: "POST", body, credentials: "include", keepalive: true })))
    .then((answer) => {
      // 400 and 413 will not change: such a body is not sent again.
      if (/400|413/.test(answer.status)) answer.text().then(warn);
      else if (!answer.ok) throw answer;
      drop(key);
      delay = DELAY_MS;
      again();
    })
    .catch((answer) => {
      flying[key] = 0;
      // A server that asks for patience gets it.
      const asked = answer?.headers?.get("retry-after") * 1e3 || 0;
      again(Math.min(Math.max(delay * (0.5 + Math.random()), asked), DELAY_MS_MAX));
      delay = Math.min(delay * 2, DELAY_MS_MAX);
    });
};

const again = (ms) => (timer ||= setTimeout(flush, ms));

// One at a time, the oldest first, and one tab alone: a server that comes back is not stormed.
const sendOldest = (lock) => {
  const key = lock !== null && oldest();
  return key ? send(key, keptText(key)) : oldest() && again(delay);
};

const flush = () => {
  clearTimeout(timer);
  timer = 0;
  if (hasTurn || !oldest()) return;
  hasTurn = 1;
  const turn = locked({ ifAvailable: true }, sendOldest) || sendOldest();
  // A sandbox has no locks, and says so when it is asked.
  Promise.resolve(turn)
    .catch(sendOldest)
    .then(() => {
      hasTurn = 0;
      // A beacon leaves its event where it was.
      document.hidden || (oldest() && again());
    });
};

// Pages go first, then visits, then leads; an order only for another order. Of equals the oldest.
const makeRoom = (size) => {
  const kept = events()
    .map((key) => [key, keptText(key)])
    .map(([key, text]) => [key, bytes(text), WORTH.indexOf(/"n":"(\w+)/.exec(text)?.[1])])
    .sort((one, other) => one[2] - other[2]);
  let sum = kept.reduce((sum, event) => sum + event[1], size);
  while (kept.length >= EVENTS_MAX || sum > EVENTS_BYTES_MAX) {
    const [key, bytes] = kept.shift();
    drop(key);
    sum -= bytes;
  }
};

const record = (event, given) => {
  const now = Date.now();
  const [order, fields] = given ? readOrder({ ...given, key: given.key || location.href.match(KEY)?.[0] }) : [undefined, [[0, 1]]];
  const id = check(
    fields.map((field) => field[1]),
    now,
  );
  if (fields[id]) return warn(`${event} not sent: ${fields[id][0]} "${fields[id][1]}" cannot be used`);
  const code = keptText(codeKey);
  const opened = code && { code, code_at: keptTime(codeKey) };
  const page = { id, n: event, ts: now, u: url().slice(0, URL_CHARS_MAX), r: document.referrer.slice(0, URL_CHARS_MAX), o: order, ...opened };
  const write = () => JSON.stringify({ v: 1, k: settings.key, t: token, c: said || UNKNOWN, e: [page] });
  // Lines are dear, and the order's id and amounts are what counts.
  if (bytes(write()) > BODY_BYTES_MAX) order.items = [];
  const body = write();
  makeRoom(bytes(body));
  const key = prefix + "e." + id;
  keep(key, now, body);
  const sent = send(key, body);
  locked({ mode: "shared" }, () => sent)?.catch(() => {});
  return 1;
};

/* What the visitor and the page do. */

let token = "";
// `null` until somebody was asked; nothing where nobody asks.
let said = null;
let isActive;
let path;
// The token or the code that opened a visit which is not counted yet.
let opener = landed;
let looking;
let waiting = [];

const url = () => location.href.replace(LANDING, "$1").replace(/[?&](?=#|$)/, "");
const place = (within) => token && within && handOver(token, within);

// A code opens one visit in a tab, however often the page is loaded or says it again.
const open = (code, isKept) => {
  if (!code || mark(codeKey) == code) return;
  setMark(codeKey, code);
  if (isKept) {
    keep(codeKey, Date.now(), (opener = code));
    path = 0;
  }
};

const begin = () => {
  const now = Date.now();
  for (const key of keptKeys(prefix)) {
    const age = now - keptTime(key);
    (age < KEPT_MS && age > -CLOCK_MS) || drop(key);
  }
  if (landed) keep(prefix + "t", now, landed);
  // Where nothing can be kept, the landing's token still serves this page.
  token = landed || keptText(prefix + "t");
  // A click that leads to an address with a code is a click, and a frame is no visit.
  open(typed, !landed && top == self);
  waiting.splice(0).forEach(run);
  flush();
  place(document);
  if (settings.cart == "shopify" && token && mark(prefix + "c") != token) {
    setMark(prefix + "c", token);
    handToShopify(token);
  }
};

const settle = () => {
  const word = consent(tick);
  if (word === said) return;
  const wasActive = isActive;
  said = word;
  isActive = word != UNKNOWN && word != DENIED;
  if (word == DENIED) {
    keptKeys(prefix).concat(prefix + "s", prefix + "c", codeKey).forEach(drop);
    token = "";
    opener = landed;
    waiting = [];
  }
  if (!wasActive && isActive) begin();
  // A visitor who shares the address must not share the click. While nothing may be kept, a reload
  // still needs it. Last, since browsers may refuse it.
  if (word != UNKNOWN && LANDING.test(location.href)) history.replaceState(history.state, "", url());
};

const report = (call, detail) => {
  if (call == "code") {
    open(detail.trim?.().slice(0, CODE_CHARS_MAX), 1);
    return count();
  }
  if (call == "page" || (call == "lead" && !detail.id)) return record(call);
  // A thank-you page is reloaded, and restored with its tab.
  const reported = `${prefix}o.${call}.${detail.id}`;
  if (!keptText(reported) && record(call, detail)) keep(reported, Date.now(), 1);
};

const run = (words) => {
  try {
    const [call, detail] = words;
    if (call == "consent" && /^(granted|denied|unknown)$/.test(detail)) {
      sayOwn(detail);
      settle();
    } else if (!/^(page|lead|purchase|code|getToken)$/.test(call)) warn(`${call} "${detail}" is no call`);
    else if (said == UNKNOWN || (!check && call != "getToken")) waiting.length < EVENTS_MAX && waiting.push(words);
    else if (call == "getToken") detail(token);
    else if (isActive) report(call, detail || {});
  } catch (error) {
    warn(`${words[0]} failed: ${error}`);
  }
};

// A visit is counted once it is looked at, and its pages as the address changes; a frame is no
// visit.
const count = () => {
  if (!check || !isActive || document.hidden || top != self || path == location.pathname) return;
  path = location.pathname;
  place(document);
  const counted = (token || keptText(codeKey)) && mark(prefix + "s");
  if (opener && counted != opener) {
    setMark(prefix + "s", opener);
    record("session");
  } else if (counted) record("page");
  opener = "";
};

// Looks, and changes nothing: pages patch their own functions, and replace their data layer.
const tick = () => {
  try {
    const fresh = freshEntries(window[settings.ga4 || "dataLayer"] || []);
    fresh.forEach(sayGoogle);
    settle();
    if (settings.ga4 != null) fresh.map(purchaseOf).forEach((order) => order && run(["purchase", order]));
    count();
  } catch (error) {
    warn(error);
  }
};

// Looks once a second while the page is shown, where something can change that no event tells:
// consent of which others speak, the data layer, an address without the Navigation API.
const watch = () => {
  clearTimeout(looking);
  if (!document.hidden && !(isOwn() && settings.ga4 == null && window.navigation))
    looking = setTimeout(() => {
      tick();
      watch();
    }, LOOK_MS);
};

// Global Privacy Control is a no, whether the browser says it here or said it when the link was
// clicked: then the token's sixth character, which holds its flags, lies above `f`.
sayTag(navigator.globalPrivacyControl || landed?.[5] > "f" ? DENIED : settings.consent);
// Consent comes first, however the page ordered its calls: nothing may be stored before it is known.
const early = [...(api.q || [])];
const sayConsent = (calls) => calls.forEach((words) => words[0] == "consent" && run(words));
sayConsent(early);
api.getToken = () => token;
// The landing's token is kept and handed on before the core is there; what is reported waits.
tick();

start(response, load).then(
  (core) => {
    check = checker(core);
    const queue = [...(api.q || [])];
    // Pages may hold the queueing function: what it pushes from now on is run at once. What was said
    // about consent just before counts already.
    api.q = { push: (words) => tick() || run(words) };
    sayConsent(queue.slice(early.length));
    waiting.splice(0).forEach(run);
    tick();
    queue.forEach((words) => words[0] == "consent" || run(words));
    watch();
    addEventListener("visibilitychange", () => {
      tick();
      watch();
      document.hidden || flush();
    });
    addEventListener("online", flush);
    addEventListener("pageshow", (event) => {
      if (event.persisted) path = 0;
      tick();
      flush();
    });
    window.navigation?.addEventListener("currententrychange", tick);
    document.addEventListener("visitorConsentCollected", tick);
    addEventListener("load", () => place(document));
    addEventListener("click", (event) => place(event.target.closest?.("a,form")), true);
    addEventListener("submit", (event) => place(event.target), true);
  },
  () => warn(`the policy needs script-src ${origin} 'wasm-unsafe-eval'; connect-src ${origin}`),
);
