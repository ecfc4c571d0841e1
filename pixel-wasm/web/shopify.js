// For Shopify's checkout, where pages' own scripts do not run: a custom pixel (a sandboxed frame
// whose origin is `null`) or an app's pixel (a worker) calls `afterclickShopify(…)` with what
// Shopify gives it. docs/shops/shopify.md has the lines.
//
// There is no page, and Shopify's storage answers later. So this stands for a page, and for its
// storages: what the core keeps is read once and written back whole. The cookie does not travel from
// there: the click token comes with the cart's attribute, or from the landing page's address.
// Decides nothing.

import { core } from "core";
import { given, run } from "./adapter.js";

const nothing = () => {};
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
  token: checkout.attributes?.find((attribute) => /^_?ac$/.test(attribute.key))?.value,
  items: checkout.lineItems?.map((line) => ({
    sku: line.variant?.sku,
    name: line.title,
    category: line.variant?.product?.type,
    qty: line.quantity,
    price: amount(line.variant?.price),
  })),
});

/** What stands for a storage: an object, and a function that reads what other pages have kept. */
const open = (storage, name) => {
  const kept = {};
  let last = Promise.resolve();
  const save = () => {
    last = last.then(() => storage.setItem(name, JSON.stringify(kept))).catch(nothing);
    return true;
  };
  return {
    read: async () => Object.assign(kept, JSON.parse((await storage.getItem(name)) || "{}")),
    object: new Proxy(kept, {
      set: (_, key, text) => ((kept[key] = text), save()),
      deleteProperty: (_, key) => (delete kept[key], save()),
    }),
  };
};

// As long as marketing is not allowed, events wait.
const wordOf = (privacy) => (privacy ? (privacy.marketingAllowed ? "granted" : "unknown") : "");

globalThis.afterclickShopify = ({ key, origin, analytics, browser, init, customerPrivacy }) => {
  const [local, tab] = [browser.localStorage, browser.sessionStorage].map((storage) => open(storage, "ac." + key));
  const settings = { key, consent: wordOf(init?.customerPrivacy) };
  const api = {};
  let look;
  const page = {
    document: { addEventListener: nothing, querySelectorAll: () => [] },
    location: {},
    navigator: {},
    navigation: { addEventListener: (_, listener) => (look = listener) },
    history: { replaceState: nothing },
    localStorage: local.object,
    sessionStorage: tab.object,
    crypto,
    // No cookie travels from a sandbox, and the collector asks for none.
    fetch: (address, request) => fetch(address, { ...request, credentials: "omit" }),
    setTimeout: (...words) => setTimeout(...words),
    addEventListener: nothing,
  };
  page.top = page;

  // One after the other, since Shopify's storage answers later. An order is reported from a page
  // that is no page of the visit.
  let last = Promise.resolve();
  const take = (event, order) => {
    last = last
      .then(() => Promise.all([local.read(), tab.read()]))
      .then(() => {
        const { location, referrer } = event.context.document;
        page.location.href = location.href;
        page.document.referrer = referrer;
        page.document.hidden = !!order;
        look ? look() : run(core(given), page, settings, api, origin + "/_ac/e");
        if (order) api.q.push(["purchase", order]);
        page.document.hidden = false;
      })
      .catch((error) => console.warn("afterclick: " + error));
  };
  customerPrivacy?.subscribe("visitorConsentCollected", (event) => {
    settings.consent = wordOf(event.customerPrivacy);
    if (look) api.q.push(["consent", settings.consent]);
  });
  analytics.subscribe("page_viewed", (event) => take(event));
  analytics.subscribe("checkout_completed", (event) => take(event, orderOf(event.data.checkout)));
};
