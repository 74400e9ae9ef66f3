// What a browser may refuse, and some do: each function makes this one do so.
function refuse() { throw new DOMException("refused by the test", "SecurityError"); }

// refuseCalls is a browser that throws, and lacks what older ones lack.
function refuseCalls() {
	window.matchMedia = refuse;
	delete window.CSS;
	navigator.locks.request = () => Promise.reject(new DOMException("refused by the test", "SecurityError"));
	const Format = Intl.DateTimeFormat;
	Intl.DateTimeFormat = function (language, options) {
		if (!language) throw new RangeError("Incorrect locale information provided");
		return new Format(language, options);
	};
	window.Notification = class { static permission = "default"; static requestPermission() { refuse(); } };
	refuseHistory();
}

// refuseHistory keeps the address as it is, until allowHistory.
function refuseHistory() {
	const {pushState, replaceState} = History.prototype;
	History.prototype.pushState = History.prototype.replaceState = refuse;
	window.allowHistory = () => { Object.assign(History.prototype, {pushState, replaceState}); };
}

// setClipboard puts another clipboard in the place of the browser's. It notes what was
// copied.
var copied = [];
function setClipboard(kind) {
	const clipboards = {
		none: undefined,
		throwing: {writeText: refuse},
		denied: {writeText: () => Promise.reject(new DOMException("refused by the test", "NotAllowedError"))},
		allowed: {writeText: async text => { copied.push(text); }},
	};
	Object.defineProperty(navigator, "clipboard", {value: clipboards[kind], configurable: true});
}

// blockStorage is a browser without storage: it has none, does not give it out, or cannot
// read it.
function blockStorage(kind) {
	for (const name of ["localStorage", "sessionStorage"]) {
		if (kind !== "broken") Object.defineProperty(window, name, {get: kind === "none" ? () => null : refuse});
	}
	if (kind === "broken") {
		for (const call of ["getItem", "setItem", "removeItem", "clear", "key"]) Storage.prototype[call] = refuse;
	}
}

// fillStorage leaves no space for one character.
function fillStorage() {
	let junk = localStorage.getItem("junk") ?? "";
	for (let more = "x".repeat(1 << 20); more;) {
		try {
			localStorage.setItem("junk", junk + more);
			junk += more;
		} catch {
			more = more.slice(more.length >> 1 || 1);
		}
	}
}

// asksToStay reports whether the page wants to be asked before it is closed.
function asksToStay() { return !dispatchEvent(new Event("beforeunload", {cancelable: true})); }

// leave and comeBack are a visit to the browser's back/forward cache.
function leave() { dispatchEvent(new PageTransitionEvent("pagehide", {persisted: true})); }
function comeBack() { dispatchEvent(new PageTransitionEvent("pageshow", {persisted: true})); }
