// age makes the page believe that the messages with these texts were written so
// many minutes ago: the server's times are those of now.
function age(minutes) {
	const listen = WebSocket.prototype.addEventListener;
	WebSocket.prototype.addEventListener = function (type, handle, ...rest) {
		if (type !== "message") return listen.call(this, type, handle, ...rest);
		return listen.call(this, type, event => {
			const frame = JSON.parse(event.data);
			for (const m of [frame.payload, ...frame.payload.messages ?? []]) {
				if (minutes[m.message]) m.sent = new Date(Date.now() - minutes[m.message] * 60e3).toISOString();
			}
			handle.call(this, new MessageEvent("message", {data: JSON.stringify(frame)}));
		}, ...rest);
	};
}

// keep puts a message into the outbox, as an earlier page has left it.
function keep(id, message) {
	localStorage.setItem("outbox/gone/" + id, JSON.stringify({v: 1, room: "general", user: "", ...message}));
}

function rowOf(id) { return document.querySelector(`[data-key="${id}"]`); }

// setState sets a state of the whole page, such as data-members.
function setState(state, value) { document.body.dataset[state] = value; }
