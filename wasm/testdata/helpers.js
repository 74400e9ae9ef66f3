// Runs in every page of the tests, before the page's own scripts: the words in
// which the tests ask a page.
"use strict";

// What has broken the page's policy.
var violations = [];
document.addEventListener("securitypolicyviolation", event => violations.push(event.violatedDirective + " " + event.blockedURI));

// The program's memory, once it runs.
var memory;
if (typeof WebAssembly === "object") {
	const instantiate = WebAssembly.instantiateStreaming;
	WebAssembly.instantiateStreaming = async (...args) => {
		const program = await instantiate.apply(WebAssembly, args);
		memory = program.instance.exports.mem;
		return program;
	};
}
function memoryMiB() { return memory.buffer.byteLength / (1 << 20); }

// A test may ask while the page is still being parsed: what is not there yet is
// undefined, and neither visible nor anything else.
function byId(id) { return document.getElementById(id); }
function says(id) { return byId(id)?.textContent; }
function visible(id) { return byId(id)?.checkVisibility() ?? false; }
function isTopic(text) { return says("topic") === text; }
function focused(id) { return document.activeElement?.id === id; }
function pressed(id) { return byId(id)?.getAttribute("aria-pressed") === "true"; }

// focusOn moves the focus as soon as the element can have it.
function focusOn(id) {
	const field = byId(id);
	if (!field?.checkVisibility()) return false;
	field.focus();
	return document.activeElement === field;
}

function connected() { return byId("connection")?.dataset.state === "connected" && document.body.dataset.boot === "ready"; }
function disconnected() { return byId("connection") !== null && byId("connection").dataset.state !== "connected"; }
function reloaded() { return !window.before && document.readyState === "complete"; }
function myName() { return document.querySelector("#me .name")?.textContent; }
function named(name) { return byId("name-dialog")?.open === false && myName() === name; }

// The timeline.
function rows() { return document.querySelectorAll("#messages > li").length; }
function messages() { return Array.from(document.querySelectorAll("#messages li.message")); }
function bodyOf(message) { return message.querySelector(".body").textContent; }
function texts() { return messages().map(bodyOf); }
function shows(text) { return texts().includes(text); }
function lastText() { return texts().at(-1); }
function settled() { return !document.querySelector('#messages li.message[data-state="pending"]'); }
function dividers() { return Array.from(document.querySelectorAll("#messages .divider"), e => bodyOf(e.nextElementSibling)).join(); }
function atEnd() { return byId("latest")?.hidden === true; }
function scrolledToEnd(id) {
	const box = byId(id);
	return box.scrollHeight - box.scrollTop - box.clientHeight < 2;
}

// The banner's words; none while it is not there.
function banner() { return byId("banner")?.hidden ? "" : byId("banner")?.innerText.replace(/\s+/g, " ").trim(); }

// The rooms as a screen reader says them.
function roomRows() {
	return Array.from(document.querySelectorAll("#room-list a"), a => a.querySelector(".name").textContent + a.querySelector(".unseen").textContent);
}
function listsRooms(list) { return JSON.stringify(roomRows()) === JSON.stringify(list); }
function inRoom(name) { return says("room-name") === name && location.pathname === "/r/" + name; }
function roomLink(name) { return document.querySelector(`#room-list a[href="/r/${name}"]`); }

// The events in the drawer as a screen reader says them.
function eventRows() {
	return Array.from(document.querySelectorAll("#drawer-list summary"), row =>
		[".way .unseen", "b", ".seq"].map(part => row.querySelector(part).textContent).join(" ").trim());
}

// The messages that the browser keeps for this site until they are sent.
function outbox() { return Object.keys(localStorage).filter(key => /^outbox\/.+\//.test(key)).length; }

// send sends a message, sendAll n: text with 0, 1, 2, … behind it.
function send(text) { sendEvent("send_message", {message: text}); }
function sendAll(text, n) { for (let i = 0; i < n; i++) send(text + i); }

// frames waits until the page was drawn n times.
function frames(n) {
	return new Promise(done => {
		const next = () => n-- > 0 ? requestAnimationFrame(next) : done();
		next();
	});
}

// holdFrames keeps the page from drawing until letFrames is called.
function holdFrames() {
	const frame = window.requestAnimationFrame.bind(window), held = [];
	window.requestAnimationFrame = draw => held.push(draw);
	window.letFrames = () => { window.requestAnimationFrame = frame; held.forEach(frame); };
}
