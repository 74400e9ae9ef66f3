// Makes the server refuse the room vault and the message "no". The real one does
// neither, an operator's may: the answer is put in its place on the way.
window.WebSocket = class extends WebSocket {
	send(frame) {
		const event = JSON.parse(frame);
		const room = event.type === "change_room" && event.payload.name === "vault", message = event.type === "send_message" && event.payload.message === "no";
		if (!room && !message) return super.send(frame);
		const payload = {code: "unsupported", message: room ? "this room is for its keepers" : "not here"};
		this.dispatchEvent(new MessageEvent("message", {data: JSON.stringify({type: "error", id: event.id, payload})}));
	}
};
