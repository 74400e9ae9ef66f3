// Counts the WebSockets that the page opens. stopTime stops the clock that the
// page's program reads, and all timers, until startTime: what the program does
// meanwhile, something else than a timer has made it do.
var dialled = 0;
{
	const Socket = WebSocket;
	window.WebSocket = function (...args) { dialled++; return new Socket(...args); };

	const set = setTimeout;
	let due = null; // while time stands still, what would have run
	window.setTimeout = (run, ...rest) => set((...args) => due ? due.push(() => run(...args)) : run(...args), ...rest);
	window.stopTime = () => {
		const stopped = performance.now();
		performance.now = () => stopped;
		due = [];
	};
	window.startTime = () => {
		delete performance.now;
		due.forEach(run => set(run));
		due = null;
	};
}
