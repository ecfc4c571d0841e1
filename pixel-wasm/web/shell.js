// The shell: what the pixel does in a page. Keeps the click token, counts the visit, reports leads
// and purchases.
//
// Never throws into the page, never touches a navigation or anything that is the page's own, and
// once consent is denied it stores nothing and sends nothing. Every event is kept before it is
// sent, and goes out with one id.

import { consent, DENIED, sayGoogle, sayOwn, sayTag, UNKNOWN } from "./consent.js";
import { checker } from "./core.js";
import { handOver, handToShopify } from "./hand-over.js";
import { LANDING } from "./landing.js";
import { purchaseOf } from "./layer.js";
import { readOrder } from "./order.js";
import { start } from "./start.js";
import { drop, keep, keptKeys, keptText, keptTime, mark, setMark } from "./store.js";

// Nothing older can earn a commission.
const KEPT_MS = 2592e6;
const EVENTS_MAX = 20;
const EVENTS_CHARS_MAX = 32768;
const BODY_CHARS_MAX = 16384;
const URL_CHARS_MAX = 2048;
const TICK_MS = 250;
const DELAY_MS = 1e3;
const DELAY_MS_MAX = 3e5;

const [response, load, origin, settings, api] = document.currentScript.boot;
const prefix = `ac.${settings.key}.`;
const endpoint = settings.endpoint || origin + "/_ac/e";
const landed = location.href.match(LANDING)?.[2];
// WooCommerce's thank-you page has the order's key in its address.
const KEY = /wc_order_\w+/;

// Pages may have put anything in the place of `console.warn`.
const warn = (text) => void console.warn("afterclick: " + text);

/* What is sent. */

const flying = {};
let check;
let timer;
let delay = DELAY_MS;

const events = () => keptKeys(prefix + "e.").sort();

const send = (key, body) => {
  // A hidden page may be gone before an answer. A beacon has none, so the event stays, and is sent
  // again later.
  if (document.hidden && navigator.sendBeacon(endpoint, body)) return;
  flying[key] = 1;
  // A text needs no preflight. A page's own `fetch` may throw at once.
  new Promise((resolve) => resolve(fetch(endpoint, { method: "POST", body, credentials: "include", keepalive: true })))
    .then((answer) => {
      // 400 and 413 will not change: such a body is not sent again.
      if (/400|413/.test(answer.status)) answer.text().then(warn);
      else if (!answer.ok) throw 0;
      drop(key);
      delay = DELAY_MS;
      again();
    })
    .catch(() => {
      flying[key] = 0;
      again(delay * (0.5 + Math.random()));
      delay = Math.min(delay * 2, DELAY_MS_MAX);
    });
};

const again = (ms) => (timer ||= setTimeout(flush, ms));

// One at a time, the oldest first: a server that comes back is not stormed.
const flush = () => {
  timer = 0;
  const key = isActive && events().find((key) => !flying[key]);
  if (key) send(key, keptText(key));
};

const record = (event, given) => {
  const now = Date.now();
  const [order, fields] = given ? readOrder({ ...given, key: given.key || location.href.match(KEY)?.[0] }) : [undefined, [[0, 1]]];
  const id = check(
    fields.map((field) => field[1]),
    now,
  );
  if (fields[id]) return warn(`${event} not sent: ${fields[id][0]} "${fields[id][1]}" cannot be used`);
  const page = { id, n: event, ts: now, u: url().slice(0, URL_CHARS_MAX), r: document.referrer.slice(0, URL_CHARS_MAX), o: order };
  const write = () => JSON.stringify({ v: 1, k: settings.key, t: token, c: said || UNKNOWN, e: [page] });
  // Lines are dear, and the order's id and amounts are what counts.
  if (write().length > BODY_CHARS_MAX) order.items = [];
  const body = write();
  const kept = events();
  while (kept.length >= EVENTS_MAX || (kept.map(keptText) + body).length > EVENTS_CHARS_MAX) drop(kept.shift());
  const key = prefix + "e." + id;
  keep(key, now, body);
  send(key, body);
  return 1;
};

/* What the visitor and the page do. */

let token = "";
// `null` until somebody was asked; nothing where nobody asks.
let said = null;
let isActive;
let path;
let waiting = [];
const seen = new WeakSet();

const url = () => location.href.replace(LANDING, "$1").replace(/[?&](?=#|$)/, "");
const place = () => token && handOver(token);

const begin = () => {
  const now = Date.now();
  for (const key of keptKeys(prefix)) now - keptTime(key) < KEPT_MS || drop(key);
  if (landed) keep(prefix + "t", now, landed);
  // Where nothing can be kept, the landing's token still serves this page.
  token = landed || keptText(prefix + "t");
  waiting.splice(0).forEach(run);
  flush();
  place();
  if (settings.cart == "shopify" && token && mark(prefix + "c") != token) {
    setMark(prefix + "c", token);
    handToShopify(token);
  }
};

const settle = () => {
  const word = consent();
  if (word === said) return;
  const wasActive = isActive;
  said = word;
  isActive = word != UNKNOWN && word != DENIED;
  if (word == DENIED) {
    keptKeys(prefix).concat(prefix + "s", prefix + "c").forEach(drop);
    token = "";
    waiting = [];
  }
  if (!wasActive && isActive) begin();
  // A visitor who shares the address must not share the click. While nothing may be kept, a reload
  // still needs it. Last, since browsers may refuse it.
  if (word != UNKNOWN && LANDING.test(location.href)) history.replaceState(history.state, "", url());
};

const report = (call, detail) => {
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
    } else if (!/^(page|lead|purchase|getToken)$/.test(call)) warn(`${call} "${detail}" is no call`);
    else if (said == UNKNOWN) waiting.length < EVENTS_MAX && waiting.push(words);
    else if (call == "getToken") detail(token);
    else if (isActive) report(call, detail || {});
  } catch (error) {
    warn(`${words[0]} failed: ${error}`);
  }
};

// A visit is counted once it is looked at, and its pages as the address changes; a frame is no
// visit.
const count = () => {
  if (!isActive || document.hidden || top != self || path == location.pathname) return;
  path = location.pathname;
  const counted = token && mark(prefix + "s");
  if (landed && counted != landed) {
    setMark(prefix + "s", landed);
    record("session");
  } else if (counted) record("page");
};

// Looks, and changes nothing: pages patch their own functions, and replace their data layer.
const tick = () => {
  try {
    const fresh = Array.from(window[settings.ga4 || "dataLayer"] || []).filter((entry) => Object(entry) === entry && !seen.has(entry));
    fresh.forEach((entry) => sayGoogle(seen.add(entry) && entry));
    settle();
    if (settings.ga4 != null) fresh.map(purchaseOf).forEach((order) => order && run(["purchase", order]));
    count();
  } catch (error) {
    warn(error);
  }
};

start(response, load).then(
  (core) => {
    check = checker(core);
    // Global Privacy Control is a no, whether the browser says it here or said it when the link was
    // clicked: then the token's sixth character, which holds its flags, lies above `f`.
    sayTag(navigator.globalPrivacyControl || landed?.[5] > "f" ? DENIED : settings.consent);
    const queue = [...(api.q || [])];
    // Pages may hold the queueing function: what it pushes from now on is run at once.
    api.q = { push: run };
    api.getToken = () => token;
    // Consent comes first, however the page ordered its calls: nothing may be stored before it is
    // known.
    queue.forEach((words) => words[0] == "consent" && run(words));
    tick();
    queue.forEach((words) => words[0] == "consent" || run(words));
    setInterval(tick, TICK_MS);
    addEventListener("visibilitychange", tick);
    addEventListener("online", flush);
    addEventListener("pageshow", (event) => {
      if (event.persisted) path = 0;
      tick();
      flush();
    });
    addEventListener("click", place, true);
    addEventListener("submit", place, true);
  },
  () => warn(`the policy needs script-src ${origin} 'wasm-unsafe-eval'; connect-src ${origin}`),
);
