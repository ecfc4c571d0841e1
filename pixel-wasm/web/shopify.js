// For Shopify's checkout, where pages' own scripts do not run: a custom pixel (a sandboxed frame
// whose origin is `null`) or an app's pixel (a worker) calls `afterclickShopify(…)` with what
// Shopify gives it. docs/shops/shopify.md has the lines.
//
// The cookie does not travel from there. The click token comes with the cart's attribute, or from
// the landing page's address. Without the visitor's consent nothing is stored and nothing sent.

import { check, memory } from "core";
import { checker } from "./core.js";
import { codeIn, LANDING } from "./landing.js";
import { readOrder } from "./order.js";

const KEPT_MS = 2592e6;
const EVENTS_MAX = 20;
const idOf = checker({ check, memory });

const amount = (money) => money?.amount;

/** The order of a `checkout_completed`, in our words. */
const orderOf = (checkout) => ({
  // Its last part is the number that webhooks call the order's id.
  id: checkout.order?.id?.split("/").pop(),
  value: amount(checkout.totalPrice),
  currency: checkout.currencyCode,
  tax: amount(checkout.totalTax),
  shipping: amount(checkout.shippingLine?.price),
  coupon: checkout.discountApplications?.find((discount) => discount.type == "DISCOUNT_CODE")?.title,
  new_customer: checkout.order?.customer?.isFirstOrder,
  key: checkout.token,
  items: checkout.lineItems?.map((line) => ({
    sku: line.variant?.sku,
    name: line.title,
    category: line.variant?.product?.type,
    qty: line.quantity,
    price: amount(line.variant?.price),
  })),
});

globalThis.afterclickShopify = ({ key, origin, analytics, browser, init, customerPrivacy }) => {
  const prefix = `ac.${key}.`;
  const { localStorage: local, sessionStorage: tab } = browser;
  let allowed = init?.customerPrivacy?.marketingAllowed;
  let waiting = [];

  // What is kept under a name, and since when.
  const entry = async (name) => {
    const [, time, text] = /^(\d+) ([^]*)/.exec((await local.getItem(prefix + name)) || "") || [];
    return Date.now() - time < KEPT_MS ? [text, +time] : [""];
  };
  const kept = async (name) => (await entry(name))[0];
  const keep = (name, text) => local.setItem(prefix + name, Date.now() + " " + text);

  // Kept before it is sent, and sent again with the next event until the collector has it.
  const send = async (body) => {
    const bodies = JSON.parse((await kept("q")) || "[]").concat(body).slice(-EVENTS_MAX);
    await keep("q", JSON.stringify(bodies));
    for (const body of bodies.slice()) {
      const answer = await fetch(origin + "/_ac/e", { method: "POST", body, keepalive: true }).catch(() => ({}));
      // 400 and 413 will not change: such a body is not sent again.
      if (!answer.ok && answer.status != 400 && answer.status != 413) break;
      bodies.shift();
      await keep("q", JSON.stringify(bodies));
    }
  };

  const record = async (name, event, token, given) => {
    const now = Date.now();
    const [order, fields] = given ? readOrder(given) : [undefined, [[0, 1]]];
    const id = idOf(
      fields.map((field) => field[1]),
      now,
    );
    if (fields[id]) return console.warn(`afterclick: ${name} not sent: ${fields[id][0]} "${fields[id][1]}" cannot be used`);
    const { location, referrer } = event.context.document;
    const [code, code_at] = await entry("d");
    const page = { id, n: name, ts: now, u: location.href.replace(LANDING, "$1"), r: referrer, o: order, ...(code && { code, code_at }) };
    await send(JSON.stringify({ v: 1, k: key, t: token, c: allowed ? "granted" : "unknown", e: [page] }));
  };

  const viewed = async (event) => {
    const { href } = event.context.document.location;
    const landed = LANDING.exec(href)?.[2];
    const typed = codeIn(href);
    const counted = await tab.getItem(prefix + "s");
    // A code opens one visit in a tab; a click that leads to an address with one is a click.
    const isNew = typed && typed != (await tab.getItem(prefix + "d"));
    if (landed) await keep("t", landed);
    if (isNew) await tab.setItem(prefix + "d", typed);
    if (isNew && !landed) await keep("d", typed);
    const opener = landed || (isNew && typed);
    const token = await kept("t");
    if (opener && opener != counted) {
      await tab.setItem(prefix + "s", opener);
      await record("session", event, token);
    } else if (counted) await record("page", event, token);
  };

  const completed = async (event) => {
    const { checkout } = event.data;
    const order = orderOf(checkout);
    if (await kept("o." + order.id)) return;
    const handed = checkout.attributes?.find((attribute) => /^_?ac$/.test(attribute.key))?.value;
    await record("purchase", event, handed || (await kept("t")), order);
    await keep("o." + order.id, 1);
  };

  // One after the other: Shopify's storage answers later, and two that read it at once would lose
  // one of their events.
  let last = Promise.resolve();
  const run = (handle, event) => {
    if (allowed === false) waiting.push([handle, event]);
    else last = last.then(() => handle(event)).catch((error) => console.warn("afterclick: " + error));
  };
  customerPrivacy?.subscribe("visitorConsentCollected", (event) => {
    allowed = event.customerPrivacy.marketingAllowed;
    if (allowed) waiting.splice(0).forEach((words) => run(...words));
  });
  analytics.subscribe("page_viewed", (event) => run(viewed, event));
  analytics.subscribe("checkout_completed", (event) => run(completed, event));
};
