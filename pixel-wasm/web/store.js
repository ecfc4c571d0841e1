// What the pixel keeps in the browser, each with its time in front: `<milliseconds> <text>`.
//
// One entry an event: two open tabs share the storage, and a list that both rewrite would lose
// some. A browser may refuse its storage; then the page's memory has to do. Nothing here throws.

const opened = {};
// Opened when it is needed: the first look at a storage costs more than all the rest of a start.
const open = (storage) => {
  try {
    return (opened[storage] ||= window[storage] || {});
  } catch {
    return (opened[storage] = {});
  }
};
const local = () => open("localStorage");
const tab = () => open("sessionStorage");

const put = (storage, key, value) => {
  try {
    storage[key] = value;
  } catch {
    // No room left: what was to be kept is sent all the same, once.
  }
};

export const keep = (key, now, text) => put(local(), key, now + " " + text);
export const keptKeys = (prefix) => Object.keys(local()).filter((key) => key.startsWith(prefix));
export const keptText = (key) => (local()[key] || "").replace(/^\d+ /, "");
export const keptTime = (key) => parseInt(local()[key]);
export const drop = (key) => delete local()[key] & delete tab()[key];

/** A mark of this tab's visit. */
export const mark = (key) => tab()[key];
export const setMark = (key, value) => put(tab(), key, value);
