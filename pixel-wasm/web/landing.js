// What a landing page's address says of the visit: the click token, or a discount code.
//
// Of the token only what has its shape is taken: a shop may use a parameter of the same name for
// something else. Version 1 has 76 characters; later ones may differ.

export const LANDING = /^([^#]*[?&])ac=([\w-]{40,256})(?=[&#]|$)&?/;

// Sign-ins come back with a `code` of their own, and a `state` beside it: that one is nobody's.
const CODE = /^[^#]*[?&](?:(?:coupon|discount)(?:[_-]code)?|code)=([^&#]+)/;
const CODE_CHARS_MAX = 128;

/** The discount code in an address, as people read it. */
export const codeIn = (address) => {
  // Most addresses have no query, and to prepare the expressions takes time.
  const code = address.includes("?") && !/[?&]state=/.test(address) && CODE.exec(address)?.[1];
  try {
    return code && code.length <= CODE_CHARS_MAX && decodeURIComponent(code.replace(/\+/g, " "));
  } catch {}
};
