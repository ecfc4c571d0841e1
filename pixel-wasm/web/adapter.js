// The adapter: brings what happens in the page to the core as numbers and text, and does for it what
// only JavaScript can. Decides nothing.
//
// Whatever the page's own functions throw ends here. A call that comes back while one is under way
// waits until that one is over.

import { imports, setCore, wake } from "glue";
import { flat } from "./flat.js";
import { handOver } from "./hand-over.js";
import { freshEntries } from "./layer.js";

// The inputs that the core knows by these numbers: `pixel::Input` in Rust.
const START = 0;
const CALL = 1;
const ENTRY = 2;
const LOOK = 3;
const TCF = 4;
const BACK = 5;
const TURN = 8;
const TURN_OVER = 9;
const ANSWERED = 10;

// What the adapter was started with: the page (its `window`, or what stands for it), the tag's
// settings, the page's function, where events go.
let page;
let settings;
let api;
let endpoint;

// Pages may have put anything in the place of `console.warn`.
export const warn = (text) => {
  try {
    console.warn("afterclick: " + text);
  } catch {}
};

/* What the core uses. */

/** The imports of the core. What one of them throws answers nothing. */
export const given = { p: {} };
for (const name in imports)
  given.p[name] = (...words) => {
    try {
      return imports[name](...words);
    } catch {}
  };

const storages = {};
// A browser may refuse its storage; then the page's memory has to do. Opened when it is needed: the
// first look costs more than all the rest of a start.
const open = (name) => {
  try {
    return (storages[name] ||= page[name] || {});
  } catch {
    return (storages[name] = {});
  }
};
const storage = (isOfTab) => open(isOfTab ? "sessionStorage" : "localStorage");

// In the order of the numbers in `browser/mod.rs`.
const parts = [
  () => page,
  () => page.document,
  () => page.navigator,
  () => page.history,
  () => page.crypto,
  () => storage(),
  () => storage(1),
  () => page.history.state,
  () => ({ method: "POST", credentials: "include", keepalive: true }),
];
export const part = (number) => parts[number]();

// In the order of `page::What` in Rust.
const texts = [
  (key) => storage()[key],
  (key) => storage(1)[key],
  (prefix) => Object.keys(storage()).filter((key) => key.startsWith(prefix)).join("\x1f"),
  () => page.location.href,
  () => page.document.referrer,
  (code) => decodeURIComponent(code.replace(/\+/g, " ")),
  () => input,
  () => endpoint,
];
const encoder = new TextEncoder();
export const read = (what, name, into) => encoder.encodeInto(texts[what](name) || "", into).written;

let token = "";
/** The click token, or an empty text as long as nothing may be known of it. */
export const getToken = () => token;
const asked = [];
const place = (within) => token && within && handOver(token, within);

// In the order of `page::Act` in Rust.
const acts = [
  warn,
  (text) => {
    token = text;
    place(page.document);
  },
  (index) => {
    try {
      asked[index](token);
    } catch (error) {
      warn("getToken failed: " + error);
    }
  },
  () =>
    page
      .fetch((page.Shopify?.routes?.root || "/") + "cart/update.js", { method: "POST", body: new URLSearchParams({ "attributes[_ac]": token }) })
      .catch(() => {}),
  async () => {
    try {
      await lock({ ifAvailable: true }, take);
    } catch (error) {
      // A sandbox has no locks.
      await take(error);
    }
    tell(TURN_OVER);
  },
];
export const act = (what, text) => void acts[what](text);

const hear = (input, number) => (event) => {
  look();
  tell(input, event?.persisted ? 1 : number);
};
export const later = (input, ms, number) => void page.setTimeout(hear(input, number), ms);

// Tabs share what waits. The one whose event is under way shares a lock as long as that lasts; the
// one that sends what waits needs it for itself.
const lock = async (options, run) => page.navigator.locks.request(`ac.${settings.key}.`, options, run);
let last;
const take = (lock) => {
  tell(TURN, +(lock !== null));
  return last;
};
export const settle = (answer, _request, slot) => {
  const done = (last = answered(answer, slot));
  lock({ mode: "shared" }, () => done).catch(() => {});
};
const answered = async (answer, slot) => {
  let text = "0";
  try {
    answer = await answer;
    text = [answer.status, answer.headers.get("retry-after"), await answer.text()].join(" ");
  } catch {}
  tell(ANSWERED, slot, text);
};

/* What the core is told. */

let input;
// What happens before the core is there waits, too.
let isBusy = 1;
const inbox = [];

const tell = (...words) => {
  inbox.push(words);
  if (isBusy) return;
  isBusy = 1;
  try {
    while (inbox[0]) {
      const [kind, number, text] = inbox.shift();
      input = text;
      wake(kind, number);
    }
  } catch (error) {
    warn(error);
  }
  isBusy = 0;
};

const say = ([call, detail]) => {
  try {
    if (typeof detail == "function") detail = asked.push(detail) - 1 + "";
    tell(CALL, 0, flat({ 0: call + "", [typeof detail == "string" ? 1 : 2]: detail }));
  } catch (error) {
    warn(`${call} failed: ${error}`);
  }
};

let isTcfHeard;
let isShopAsked;
// Looks, and changes nothing: pages patch their own functions, and replace their data layer.
const look = () => {
  try {
    freshEntries(page[settings.ga4 || "dataLayer"] || []).forEach((entry) => tell(ENTRY, 0, flat(entry)));
    if (page.__tcfapi && !isTcfHeard) {
      isTcfHeard = 1;
      tell(TCF);
      page.__tcfapi("addEventListener", 2, (answer, isRead) => isRead && tell(TCF, 0, flat(answer)));
    }
    const shop = page.Shopify;
    const privacy = shop?.customerPrivacy;
    if (shop?.loadFeatures && !privacy && !isShopAsked) isShopAsked = shop.loadFeatures([{ name: "consent-tracking-api", version: "0.1" }], look) || 1;
    tell(LOOK, 0, shop?.loadFeatures && (privacy ? "" + +!!privacy.marketingAllowed() + +!!privacy.shouldShowBanner() : "-"));
  } catch (error) {
    warn(error);
  }
};

/** Starts the core in a page. */
export const run = (core, ...its) => {
  [page, settings, api, endpoint] = its;
  const { document, navigator, navigation } = page;
  setCore(core);
  isBusy = 0;
  tell(
    START,
    0,
    [settings.key, settings.consent, ...[navigator.globalPrivacyControl, settings.ga4 != null, settings.cart == "shopify", page.top == page, navigation].map((is) => +!!is)].join("\x1f"),
  );
  // Pages may hold the queueing function: what it pushes from now on is run at once.
  const queue = api.q || [];
  api.q = {
    push: (words) => {
      look();
      say(words);
    },
  };
  [].forEach.call(queue, say);
  look();
  navigation?.addEventListener("currententrychange", look);
  document.addEventListener("visitorConsentCollected", look);
  for (const event of ["visibilitychange", "online", "pageshow"]) page.addEventListener(event, hear(BACK, 0));
  page.addEventListener("load", () => place(document));
  page.addEventListener("click", (event) => place(event.target.closest?.("a,form")), true);
  page.addEventListener("submit", (event) => place(event.target), true);
};
