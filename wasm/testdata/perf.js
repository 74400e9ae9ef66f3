// What the measurements note in a page, in milliseconds since it was asked for.
var probe = {};
// The longest task of the page's main thread since it was last set to 0.
var longest = 0;
{
	const instantiate = WebAssembly.instantiateStreaming;
	WebAssembly.instantiateStreaming = async (...args) => {
		const program = await instantiate.apply(WebAssembly, args);
		probe.compiled = performance.now();
		return program;
	};

	// cut ends the connection and lets no other come about until mend.
	const Socket = window.WebSocket;
	let socket, none = false;
	window.WebSocket = class extends Socket {
		constructor(url, ...rest) {
			super(none ? url.replace("/ws", "/none") : url, ...rest);
			socket = this;
			probe.dialled ??= performance.now();
			this.addEventListener("open", () => { probe.connected ??= performance.now(); });
		}
	};
	window.cut = () => { none = true; socket.close(4000); };
	window.mend = () => { none = false; window.dispatchEvent(new Event("online")); };

	new MutationObserver((_, observer) => {
		if (document.body?.dataset.boot === "ready") {
			probe.ready = performance.now();
			observer.disconnect();
		}
	}).observe(document, {subtree: true, attributeFilter: ["data-boot"]});
	new PerformanceObserver(list => list.getEntries().forEach(e => longest = Math.max(longest, e.duration))).observe({type: "longtask", buffered: true});
}

function loaded() { return probe.ready > 0 && performance.getEntriesByName("first-contentful-paint").length > 0; }
function timing() {
	return {
		...probe,
		painted: performance.getEntriesByName("first-contentful-paint")[0].startTime,
		fetched: performance.getEntriesByType("resource").find(r => r.name.endsWith(".wasm")).responseEnd,
		memory: memoryMiB(),
	};
}

// shown waits until the last row has this text. It looks at nothing else: the time
// that it takes is the page's.
async function shown(text) {
	while (byId("messages").lastElementChild?.querySelector(".body")?.textContent !== text) await frames(1);
	return true;
}

// catchUp mends the connection and returns how long it then took to show what the
// page has missed.
async function catchUp() {
	messages().at(-1).querySelector(".body").textContent = "what was the very last"; // there will be another one
	longest = 0;
	const begin = performance.now();
	mend();
	await shown("the very last");
	return performance.now() - begin;
}

// openRoom goes to a room and returns how long it took to show its last message.
async function openRoom(name) {
	const begin = performance.now();
	roomLink(name).click();
	await shown("the very last");
	return performance.now() - begin;
}

// longestTask gives the browser the time to report the last one.
function longestTask() { return new Promise(done => setTimeout(() => done(longest), 100)); }
