// The click token in a landing page's address.
//
// Only what has a token's shape is taken: a shop may use a parameter of the same name for something
// else. Version 1 has 76 characters; later ones may differ.

export const LANDING = /^([^#]*[?&])ac=([\w-]{40,256})(?=[&#]|$)&?/;
