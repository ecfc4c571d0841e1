// Hands the click token to the cart or checkout, so that it comes back with the order from the
// shop's own server.
//
// Fills only what is there for it: an empty field, a link or an element of Stripe's without a
// reference of the shop's.

const REFERENCE = "client_reference_id";
const ELEMENT_REFERENCE = "client-reference-id";

const PLACES = `input[name=_ac],a[href*="//buy.stripe.com/"],stripe-buy-button,stripe-pricing-table`;

/** Puts the token into a place that a page has for it, and into those within. */
export const handOver = (token, within) => {
  const places = [...within.querySelectorAll(PLACES)];
  if (within.matches?.(PLACES)) places.push(within);
  for (const place of places)
    if (place.href) place.search.includes(REFERENCE) || (place.search += `&${REFERENCE}=${token}`);
    else if (place.name) place.value ||= token;
    else place.hasAttribute(ELEMENT_REFERENCE) || place.setAttribute(ELEMENT_REFERENCE, token);
};
