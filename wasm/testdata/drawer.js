function tripOf(type) {
	const row = Array.from(document.querySelectorAll("#drawer-list summary")).find(row => row.querySelector("b").textContent === type);
	return row.querySelector(".trip").textContent;
}

function noFilter() {
	byId("drawer-filter").value = "";
	byId("drawer-filter").dispatchEvent(new Event("input"));
}

// pings sends n.
function pings(n) { for (let i = 0; i < n; i++) sendEvent("ping"); }

// lastHundred reports whether the drawer has the last hundred events of 60 pings
// and their pongs, and of what else went past: all pongs are there, and of those
// that were dropped all that were not pings went past.
function lastHundred() {
	const rows = eventRows(), count = what => rows.filter(row => row === what).length;
	const dropped = Number(/^100, (2\d) older dropped$/.exec(says("drawer-words"))?.[1]);
	return rows.length === 100 && count("received pong") === 60 && dropped >= 60 - count("sent ping");
}
