// Fetches and runs the wasm, and explains what went wrong if that fails. The page has no
// other JavaScript of its own. wasm_exec.js, which is part of Go, is loaded before it.
"use strict";

(async (address) => {
  const fail = (why) => {
    const at = document.getElementById("boot-error");
    at.textContent = why;
    at.hidden = false;
  };
  let blocked = "";
  document.addEventListener("securitypolicyviolation", (event) => { blocked = event.effectiveDirective; });

  if (typeof WebAssembly !== "object" || !WebAssembly.instantiateStreaming) {
    return fail("This browser cannot run WebAssembly. A current Firefox, Chrome, Edge or Safari can.");
  }
  if (typeof Go !== "function") {
    return fail("Part of this page failed to load (wasm_exec.js). Please reload.");
  }
  let type = "";
  try {
    // The page's own address may have a user and a password, which fetch refuses.
    const response = await fetch(location.origin + address);
    if (!response.ok) {
      return fail(`The server did not send this page's program (status ${response.status}). Please reload.`);
    }
    type = (response.headers.get("Content-Type") || "none").split(";")[0];
    const go = new Go();
    const { instance } = await WebAssembly.instantiateStreaming(response, go.importObject);
    await go.run(instance);
    fail("This page's program has stopped. The browser's console may say why. Please reload.");
  } catch (error) {
    console.error(error);
    await new Promise((done) => setTimeout(done)); // the report of a violation comes after the error
    if (blocked || /content security policy|\bCSP\b|unsafe-eval/i.test(error.message)) {
      fail(`The Content-Security-Policy of this page blocks WebAssembly (${blocked || "script-src"}). Something between the server and this browser has changed the policy.`);
    } else if (type === "") {
      fail("This page's program could not be loaded: the network or the server is unavailable. Please reload.");
    } else if (type !== "application/wasm") {
      fail(`This page's program arrived with the wrong MIME type, ${type} instead of application/wasm. Something between the server and this browser has changed it.`);
    } else if (error instanceof WebAssembly.LinkError || /\bimport\b/i.test(error.message)) {
      fail("Parts of this page have different versions: wasm_exec.js does not match the program. Please reload.");
    } else {
      fail(`This page's program could not be started: ${error.message}`);
    }
  }
})(document.currentScript.dataset.wasm);
