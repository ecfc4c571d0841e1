// `px.js`: what a shop's page embeds. Finds its own tag, takes over `afterclick(…)`, and starts
// shell and core at once.
//
// Never throws into the page, and asks for nothing that the page's policy forbids. Holds nothing that changes with the product but the names of shell
// and core, which are immutable and named by their hash; this file alone is asked for again.
// `cargo xtask pixel` fills in the names.

const script = document.currentScript || document.querySelector("script[data-key]");
const settings = script ? script.dataset : {};
const name = settings.name || "afterclick";
const api = (window[name] = window[name] || function () {
  (api.q = api.q || []).push(arguments);
});
let origin;
let policy;

// Where a page demands trusted types, an address must come from a policy.
const trusted = (address) => {
  const types = window.trustedTypes;
  policy ||= types && types.createPolicy("afterclick", { createScriptURL: (address) => address });
  return policy ? policy.createScriptURL(address) : address;
};

const load = (path, integrity, boot) => {
  const element = document.createElement("script");
  element.crossOrigin = "";
  element.integrity = integrity;
  element.nonce = script.nonce;
  element.src = trusted(origin + path);
  element.boot = boot;
  document.head.append(element);
  return element;
};

// Whether the page's policy and the browser let WebAssembly run: an empty module tells.
const runsCore = () => {
  try {
    return new WebAssembly.Module(Uint8Array.of(0, 97, 115, 109, 1, 0, 0, 0));
  } catch {}
};

const start = () => {
  origin = new URL(script.src).origin;
  const core = runsCore() && fetch(origin + "__CORE__", { integrity: "__CORE_INTEGRITY__" });
  // The shell waits for the core; until then nobody does, and a failure must not show as unhandled.
  core?.catch(() => {});
  try {
    load("__SHELL__", "__SHELL_INTEGRITY__", [core, load, origin, settings, api]);
  } catch (error) {
    console.warn("afterclick: the policy needs `trusted-types afterclick`: " + error);
  }
};

// A snippet that is included twice is harmless. A second merchant needs a name of its own.
if (!settings.key || (api.key && api.key != settings.key)) console.warn("afterclick: data-key is missing, or a second one has no data-name");
else if (!api.key) {
  api.key = settings.key;
  // A prerendered page has no visitor yet.
  if (document.prerendering) document.addEventListener("prerenderingchange", start, { once: true });
  else start();
}
