// `px.js`: what a shop's page embeds. Finds its own tag, takes over `afterclick(…)`, and starts the
// core: as WebAssembly, or, where a page's policy or the browser forbids that, as the same core in
// JavaScript.
//
// Never throws into the page, and asks for nothing that the page's policy forbids. The files that it
// names are immutable and named by their hash; this file alone is asked for again. `cargo xtask
// pixel` fills in the names.

import { getToken, given, run, warn } from "./adapter.js";

const script = document.currentScript || document.querySelector("script[data-key]");
const settings = script ? script.dataset : {};
const name = settings.name || "afterclick";
const api = (window[name] = window[name] || function () {
  (api.q = api.q || []).push(arguments);
});

const plain = (address) =>
  new Promise((resolve, reject) => {
    const element = document.createElement("script");
    const types = window.trustedTypes;
    element.crossOrigin = "";
    element.integrity = "__PLAIN_INTEGRITY__";
    element.nonce = script.nonce;
    // Where a page demands trusted types, an address must come from a policy.
    element.src = types ? types.createPolicy("afterclick", { createScriptURL: (address) => address }).createScriptURL(address) : address;
    element.onload = () => resolve(element.core(given));
    element.onerror = reject;
    document.head.append(element);
  });

const start = async () => {
  const { origin } = new URL(script.src);
  let core;
  try {
    try {
      // Whether the page's policy and the browser let WebAssembly run: an empty module tells.
      new WebAssembly.Module(Uint8Array.of(0, 97, 115, 109, 1, 0, 0, 0));
      core = (await WebAssembly.instantiateStreaming(fetch(origin + "__CORE__", { integrity: "__CORE_INTEGRITY__" }), given)).instance.exports;
    } catch {
      core = await plain(origin + "__PLAIN__");
    }
    run(core, window, settings, api, settings.endpoint || origin + "/_ac/e");
  } catch {
    warn(`the policy needs script-src ${origin} 'wasm-unsafe-eval' (or trusted-types afterclick); connect-src ${origin}`);
  }
};

// A snippet that is included twice is harmless. A second merchant needs a name of its own.
if (!settings.key || (api.key && api.key != settings.key)) warn("data-key is missing, or a second one has no data-name");
else if (!api.key) {
  api.key = settings.key;
  api.getToken = getToken;
  // A prerendered page has no visitor yet.
  if (document.prerendering) document.addEventListener("prerenderingchange", start, { once: true });
  else start();
}
