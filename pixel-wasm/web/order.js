// An order as a page wrote it, as the collector reads it.

// In the core's order: `pixel-wasm/src/order.rs` says which may be what.
const ORDER = ["id", "value", "currency", "tax", "shipping", "coupon", "new_customer", "key", "sig", "source"];
const LINE = ["sku", "name", "category", "qty", "price"];
const LINES_MAX = 50;

// Floats come with residue such as 0.30000000000000004; no amount has more than six true decimals.
// What separates fields is the one character that may not pass.
const text = (value) => String(value.toFixed ? +value.toFixed(6) : value).replace(/\x1f/g, "").trim().slice(0, 200);

/** The order that goes out, and the names and texts of the fields that the core must check. */
export const readOrder = (given) => {
  const fields = [];
  const read = (names, given) => {
    const part = {};
    for (const name of names) {
      const value = text(given?.[name] ?? "");
      fields.push([name, value]);
      if (value) part[name] = name == "new_customer" ? value == "true" : value;
    }
    return part;
  };
  const order = read(ORDER, given);
  order.items = [].concat(given.items ?? []).slice(0, LINES_MAX).map((line) => read(LINE, line));
  // What the data layer says beside the id only decorates a claim: the server judges it.
  if (given.source) fields.length = 1;
  return [order, fields];
};
