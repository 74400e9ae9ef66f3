// recordNotices takes the place of the browser's notifications, whose window no
// test sees: what the page shows is in notices. The page already has the
// permission, or asks and gets this answer.
function recordNotices(permission, answer) {
	window.notices = [];
	window.Notification = class extends EventTarget {
		static permission = permission;
		static asked = 0;
		static requestPermission() { this.asked++; return Promise.resolve(this.permission = answer); }
		constructor(title, options) { super(); Object.assign(this, options, {title, closed: false}); notices.push(this); }
		close() { this.closed = true; }
	};
}

// watchNotices notes in shown what the browser's own notifications have shown.
function watchNotices() {
	window.shown = [];
	Notification = new Proxy(Notification, {
		construct(of, args) {
			const notice = new of(...args);
			notice.onshow = () => shown.push(notice.body);
			return notice;
		},
	});
}
