// What is new in Google's data layer, which is read and never changed.

let read = 0;
let last;

/** The entries that came since the last call. A layer that was replaced or cut is read again. */
export const freshEntries = (layer) => {
  const from = layer[read - 1] === last ? read : 0;
  read = layer.length;
  last = layer[read - 1];
  return [].slice.call(layer, from).filter((entry) => Object(entry) === entry);
};
