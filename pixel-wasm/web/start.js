// Starts the core: as WebAssembly, or, where a page's policy or the browser forbids that, as the
// same core in JavaScript.

/** The core, once it runs: `check`, and the memory through which fields and ids cross. */
export const start = (response, load) =>
  Promise.resolve(response)
    .then((answer) => WebAssembly.instantiateStreaming(answer))
    .then(({ instance }) => instance.exports)
    .catch(
      () =>
        new Promise((resolve, reject) => {
          const plain = load("__PLAIN__", "__PLAIN_INTEGRITY__");
          plain.onload = () => resolve(plain.core);
          plain.onerror = reject;
        }),
    );
