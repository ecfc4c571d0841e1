// Google's data layer, read and never changed: what is new in it, and purchases in all their shapes.

let read = 0;
let last;

/** The entries that came since the last call. A layer that was replaced or cut is read again. */
export const freshEntries = (layer) => {
  const from = layer[read - 1] === last ? read : 0;
  read = layer.length;
  last = layer[read - 1];
  return [].slice.call(layer, from).filter((entry) => Object(entry) === entry);
};

/** The purchase in an entry, in our words; nothing for any other entry. */
export const purchaseOf = (entry) => {
  const legacy = entry.ecommerce?.purchase;
  const order =
    legacy?.actionField ||
    (entry[0] == "event" && entry[1] == "purchase" ? entry[2] : entry.event == "purchase" && (entry.ecommerce || entry));
  return order && {
    id: order.transaction_id ?? order.id,
    value: order.value ?? order.revenue,
    currency: order.currency ?? entry.ecommerce?.currencyCode,
    tax: order.tax,
    shipping: order.shipping,
    coupon: order.coupon,
    key: order.key,
    source: "ga4",
    items: [].concat(legacy?.products || order.items).filter(Boolean).map((item) => ({
      sku: item.item_id ?? item.id,
      name: item.item_name ?? item.name,
      category: item.item_category ?? item.category,
      qty: item.quantity,
      price: item.price,
    })),
  };
};
