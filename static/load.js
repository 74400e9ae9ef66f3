// The only JavaScript of ours: fetch the wasm and run it, and say in words what
// went wrong when that fails. wasm_exec.js, which is Go's own, comes before it.
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
    return fail("Half of this page did not arrive (wasm_exec.js). Please reload.");
  }
  let type = "";
  try {
    const response = await fetch(address);
    if (!response.ok) {
      return fail(`The server did not give out this page's program (status ${response.status}). Please reload.`);
    }
    type = (response.headers.get("Content-Type") || "none").split(";")[0];
    const go = new Go();
    const { instance } = await WebAssembly.instantiateStreaming(response, go.importObject);
    await go.run(instance);
    fail("The program of this page has stopped; the browser's console may tell why. Please reload.");
  } catch (error) {
    console.error(error);
    await new Promise((done) => setTimeout(done)); // the report of a violation comes after the error
    if (blocked || /content security policy|\bCSP\b|unsafe-eval/i.test(error.message)) {
      fail(`This page's Content-Security-Policy forbids it to run WebAssembly (${blocked || "script-src"}). Something between the server and this browser has changed the policy.`);
    } else if (type === "") {
      fail("The program of this page could not be fetched: the network or the server is away. Please reload.");
    } else if (type !== "application/wasm") {
      fail(`The program of this page arrived with the wrong MIME type, ${type} instead of application/wasm. Something between the server and this browser has changed it.`);
    } else if (error instanceof WebAssembly.LinkError || /\bimport\b/i.test(error.message)) {
      fail("Two versions of this page were mixed: wasm_exec.js is not the one its program was built with. Please reload.");
    } else {
      fail(`The program of this page could not be started: ${error.message}`);
    }
  }
})(document.currentScript.dataset.wasm);
