// What the visitor allowed, from everybody who may say so. Decides nothing about what follows from
// it.
//
// The page's own call has the last word, then Global Privacy Control. Of the others (the tag's
// attribute, Google's Consent Mode, IAB TCF, Shopify) one denial is enough, one that has not been
// answered makes us wait, and where nobody asks, nobody waits.

export const GRANTED = "granted";
export const DENIED = "denied";
export const UNKNOWN = "unknown";

const said = {};
let own;

/** Whether the page has spoken: then nobody else is listened to. */
export const isOwn = () => own;
/** What the page's own call says, and what the tag's attribute or Global Privacy Control does. */
export const sayOwn = (word) => (own = word);
export const sayTag = (word) => (said.tag = word);

const google = {};
let isAnswered;

/** Reads an entry of the data layer, in case it is one of Consent Mode's. */
export const sayGoogle = ({ 0: call, 1: kind, 2: words }) => {
  const isUpdate = kind == "update";
  // Defaults stand until the banner is answered, and count for nothing afterwards. One for some
  // regions counts everywhere, since we do not know the region: so no default takes a denial back.
  if (call != "consent" || (isAnswered && !isUpdate)) return;
  for (const name of ["ad_storage", "ad_user_data"])
    if (words?.[name] && (isUpdate || google[name] != DENIED)) {
      google[name] = words[name];
      isAnswered = isUpdate;
      said.google = Object.values(google).includes(DENIED) ? (isUpdate ? DENIED : UNKNOWN) : GRANTED;
    }
};

/**
 * What all of them say now: a word, or nothing where nobody asks. `heard` is called when one of them
 * answers later.
 */
export const consent = (heard) => {
  const shop = window.Shopify;
  const privacy = shop?.customerPrivacy;
  if (window.__tcfapi && !said.tcf) {
    said.tcf = UNKNOWN;
    // Purpose 1 is storage on the visitor's device. Without purposes there is no answer yet.
    __tcfapi("addEventListener", 2, (data, isRead) => {
      if (isRead)
        said.tcf =
          data.gdprApplies === false ? GRANTED : data.eventStatus == "cmpuishown" || !data.purpose ? UNKNOWN : data.purpose.consents?.[1] ? GRANTED : DENIED;
      heard();
    });
  }
  if (shop?.loadFeatures) {
    if (!said.shop && !privacy) shop.loadFeatures([{ name: "consent-tracking-api", version: "0.1" }], () => {});
    said.shop = privacy?.marketingAllowed() ? GRANTED : !privacy || privacy.shouldShowBanner() ? UNKNOWN : DENIED;
  }
  return own || [DENIED, UNKNOWN, GRANTED].find((word) => Object.values(said).includes(word));
};
