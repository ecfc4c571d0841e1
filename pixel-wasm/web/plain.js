// The core in JavaScript, as a file of its own: loaded only where a page may not run WebAssembly.

import { check, memory } from "core";

document.currentScript.core = { check, memory };
