// The loader: finds its own script tag, takes over `afterclick(…)` and starts the core.
//
// It never throws into the page and never touches a navigation. `cargo xtask pixel` puts it behind wasm-bindgen's
// glue (which defines `wasm_bindgen`) inside one function scope, and fills in __CORE__, the name of the core.

// The core imports these functions by name from this scope.
function afterclickField(object, name) {
  const value = object == null ? null : object[name];
  return value == null ? undefined : String(value);
}

function afterclickItems(object) {
  return object != null && Array.isArray(object.items) ? object.items : [];
}

function afterclickSend(endpoint, key, body) {
  // A hidden page may be gone before an answer. A beacon has none, so the kept value stays and is sent again.
  if (document.visibilityState === "hidden" && navigator.sendBeacon(endpoint, body)) return;
  // A text body needs no preflight. Browsers refuse more than 64 KiB under way with keepalive.
  const request = { method: "POST", body, credentials: "include", keepalive: body.length < 60000 };
  fetch(endpoint, request)
    .then((answer) => {
      // 400 and 413 will not change: such a body is not sent again.
      if (answer.ok || answer.status === 400 || answer.status === 413) localStorage.removeItem(key);
    })
    .catch(() => {});
}

(function () {
  const script = document.currentScript || document.querySelector("script[data-key][src*='/_ac/px.js']");
  const warn = (text) => console.warn("afterclick: " + text);
  const api = (window.afterclick =
    window.afterclick ||
    function () {
      (api.q = api.q || []).push(arguments);
    });
  // A snippet that is included twice is harmless.
  if (!script || api.loaded) return;
  api.loaded = true;
  const settings = script.dataset;
  if (!settings.key) return warn("data-key is missing on the script tag; set it to the merchant key");
  const origin = new URL(script.src).origin;

  function run() {
    const endpoint = settings.endpoint || origin + "/_ac/e";
    const pixel = new wasm_bindgen.Pixel(window, settings.key, endpoint, settings.consent || "");
    const call = (words) => {
      try {
        pixel.call(String(words[0]), words[1]);
      } catch (error) {
        warn("`" + words[0] + "` failed: " + error);
      }
    };
    // Consent comes first, however the page ordered its calls: nothing may be stored before it is known.
    const isConsent = (words) => words[0] === "consent";
    const queue = Array.from(api.q || []);
    queue.filter(isConsent).forEach(call);
    pixel.begin();
    queue.filter((words) => !isConsent(words)).forEach(call);
    // Pages may still hold the queueing function: what it pushes from now on is run at once.
    api.q = { push: call };
    window.afterclick = function () {
      call(arguments);
    };
    window.afterclick.loaded = true;
    window.afterclick.q = api.q;
    addEventListener("online", () => pixel.flush());
  }

  function refuse(error) {
    warn(
      "the core could not start (" + error + "). A Content-Security-Policy must allow: script-src " + origin +
        " 'wasm-unsafe-eval'; connect-src " + origin,
    );
  }

  function start() {
    wasm_bindgen({ module_or_path: new URL("__CORE__", script.src) }).then(run).catch(refuse);
  }

  // A prerendered page has no visitor yet.
  if (document.prerendering) document.addEventListener("prerenderingchange", start, { once: true });
  else start();
})();
