// The last row, and what became of its message.
function lastRow() { return messages().at(-1); }
function stateOf(row) { return row.dataset.state + ": " + row.querySelector(".state span").textContent; }
function rowOf(id) { return document.querySelector(`[data-key="${id}"]`); }
function offers(id) {
	return Array.from(rowOf(id).querySelector(".state").children).filter(e => e.checkVisibility()).map(e => e.textContent).join(" · ");
}

// keep puts a message into the outbox, as an earlier page has left it.
function keep(id, message) {
	localStorage.setItem("outbox/gone/" + id, JSON.stringify({v: 1, order: 1, room: "general", user: "", written: "2026-01-02T03:04:05Z", ...message}));
}

// countTaken counts the rows that are taken out of the timeline.
var taken = 0;
function countTaken() {
	new MutationObserver(changes => changes.forEach(c => taken += c.removedNodes.length)).observe(byId("messages"), {childList: true});
}

// listen notes in aloud the messages that a screen reader reads out.
var aloud = [];
function listen() {
	new MutationObserver(changes => changes.forEach(c => c.addedNodes.forEach(e => {
		const body = e.querySelector(".body");
		if (body && !e.closest("[aria-live=off]")) aloud.push(body.textContent);
	}))).observe(byId("messages"), {childList: true});
}

// scrollTimeline scrolls the timeline, and not beyond its beginning.
function scrollTimeline(pixels) { byId("scroll").scrollTop = Math.max(0, byId("scroll").scrollTop + pixels); }

// edgeRow is the message at the upper edge of what is in sight.
function edgeRow() {
	const edge = byId("scroll").getBoundingClientRect().top;
	return messages().find(e => e.getBoundingClientRect().top >= edge);
}
function placeOf(row) { return row.getBoundingClientRect().bottom; } // its head may go

// A journey scrolls to one end of the room. It has the texts that were in the page,
// how many steps it took, how many rows there were at most, and how far the message
// at the upper edge jumped at most, in CSS pixels, when rows were put in or taken
// out after a step.
var journey;
function setOut() { journey = {there: false, steps: 0, rows: 0, jump: 0, where: "", seen: new Set(texts())}; }

// travel goes on with the journey, some steps at most, until it is at the end.
async function travel(pixels) {
	const there = () => pixels < 0
		? texts()[0] === "the very first" && byId("scroll").scrollTop === 0
		: lastText() === "the very last" && atEnd();
	for (let i = 0; i < 20 && !there(); i++) {
		journey.steps++;
		scrollTimeline(pixels);
		const row = edgeRow(), was = placeOf(row), text = bodyOf(row);
		await frames(2);
		if (!atEnd()) {
			const far = row.isConnected && bodyOf(row) === text ? Math.abs(placeOf(row) - was) : 9999;
			if (far > journey.jump) {
				journey.jump = far;
				journey.where = `in step ${journey.steps} at ${text}, from ${was} to ${placeOf(row)}`;
			}
		}
		journey.rows = Math.max(journey.rows, rows());
		texts().forEach(text => journey.seen.add(text));
	}
	journey.there = there();
	return {...journey, seen: journey.seen.size};
}

// countHistory counts what is asked of the room's history, and answered.
var asked = 0, answered = 0;
function countHistory() {
	const send = WebSocket.prototype.send;
	WebSocket.prototype.send = function (text) {
		if (text.includes('"load_history"') && !asked++) {
			this.addEventListener("message", e => answered += e.data.includes('"type":"history"'));
		}
		return send.call(this, text);
	};
}

// jumpWithoutFrames scrolls until more is asked for, then keeps the page from
// drawing while answers come and it is told to look again. It returns how far what
// was in sight then jumps when the page draws.
async function jumpWithoutFrames(pixels) {
	const end = pixels < 0 ? () => texts()[0] === "the very first" : () => lastText() === "the very last";
	for (const before = asked; asked === before; await frames(1)) {
		if (end()) throw new Error("there is no more");
		scrollTimeline(pixels);
	}
	const turn = () => new Promise(done => setTimeout(done));
	holdFrames();
	for (let i = 0; i < 20; i++) {
		while (asked !== answered) await turn();
		byId("scroll").dispatchEvent(new Event("scroll"));
		await turn();
	}
	const row = edgeRow(), was = placeOf(row), text = bodyOf(row);
	letFrames();
	await frames(2);
	const jump = row.isConnected && bodyOf(row) === text ? Math.abs(placeOf(row) - was) : 9999;
	while (!end()) { scrollTimeline(pixels); await frames(2); }
	return jump;
}

// watchRows keeps in most how many rows there were at most, of all frames, and in
// drawn how many frames.
var most = 0, drawn = 0;
function watchRows() {
	most = Math.max(most, rows());
	drawn++;
	requestAnimationFrame(watchRows);
}
function endInSight() {
	return atEnd() && document.querySelector("#messages > li:last-child").getBoundingClientRect().bottom <= byId("scroll").getBoundingClientRect().bottom;
}

// rowsAsMade describes the last n rows with all that a row has.
function rowsAsMade(n) {
	const describe = e => [e.className, e.dataset.key, e.dataset.state ?? "none", e.style.cssText, ...Array.from(e.children, c => new XMLSerializer().serializeToString(c))];
	return messages().slice(-n).map(e => describe(e).join("\n"));
}
