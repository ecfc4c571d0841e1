// Writes foreign objects down as text for the core: calls of the page, entries of its data layer,
// answers of a consent platform. `pixel-wasm/src/pixel/entry.rs` reads it, and says what it looks
// like.
//
// Reads these names and no others, and only so deep: a data layer also holds elements and cycles.
// Knows no meaning.

// The first eight are objects or lists, the others are texts.
const NAMES =
  "2 ecommerce purchase actionField products items purpose consents 0 1 event id value currency tax shipping coupon new_customer key sig sku name category qty price transaction_id revenue currencyCode item_id item_name item_category quantity ad_storage ad_user_data gdprApplies eventStatus token".split(" ");
const OBJECTS = 8;
const LINES_MAX = 50;

// Floats come with residue such as 0.30000000000000004; no amount has more than six true decimals.
// What separates texts is what may not pass.
const text = (value) =>
  String(value.toFixed ? +value.toFixed(6) : value)
    .replace(/[\0\x1f]/g, "")
    .trim()
    .slice(0, 200);

/** The values in an object, each with its path. */
export const flat = (from, path = "") =>
  NAMES.map((name, index) => {
    const value = from[name];
    const at = path + String.fromCharCode(64 + index);
    if (value == null || path[6]) return "";
    if (index >= OBJECTS) return `${at}=${text(value)}\x1f`;
    const parts = [].concat(value).slice(0, LINES_MAX);
    return parts.map((part, place) => ((place = at + String.fromCharCode(48 + place)), place + "=\x1f" + flat(Object(part), place))).join("");
  }).join("");
