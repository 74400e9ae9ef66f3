// comeIntoView makes the page look for what other tabs have left, and waits until
// it has, and shows it: the browser answers requests for locks in order, and this
// asks it more often than there are tabs.
async function comeIntoView() {
	document.dispatchEvent(new Event("visibilitychange"));
	for (let i = 0; i < 10; i++) {
		if (navigator.locks) await navigator.locks.request("another", () => {});
		await new Promise(done => setTimeout(done));
	}
	await frames(3);
}
