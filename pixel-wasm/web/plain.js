// The core in JavaScript, as a file of its own: loaded only where a page may not run WebAssembly.

import { core } from "core";

document.currentScript.core = core;
