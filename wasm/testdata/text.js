// What TestHostileText asks of a page full of hostile texts.
function linkProtocols() { return Array.from(document.querySelectorAll("#messages a"), a => a.protocol); }
function fontSizes() { return messages().slice(-3, -1).map(e => getComputedStyle(e.querySelector(".body")).fontSize); }

// badTimes are the times that are not of the last ten minutes, or not written out.
function badTimes() {
	return messages().map(e => e.querySelector("time")).filter(time => {
		const at = new Date(time.dateTime);
		return !(Math.abs(Date.now() - at) < 600000 && /(UTC|GMT|[A-Z]{2,4}T)/.test(time.title) && time.textContent.includes(String(at.getMinutes()).padStart(2, "0")));
	}).map(time => time.outerHTML);
}

// tooWide are the elements that are wider than their place.
function tooWide() {
	return [document.documentElement, byId("scroll"), byId("messages")].filter(e => e.scrollWidth > e.clientWidth + 1)
		.map(e => e.tagName + ": " + e.scrollWidth + " in " + e.clientWidth);
}

// cutOff are the messages of which something is cut off, but for marks heaped on
// one letter, and blanks.
function cutOff() {
	return messages().map(e => e.querySelector(".body")).filter(body => {
		const range = document.createRange();
		range.selectNodeContents(body);
		const box = body.getBoundingClientRect();
		return !/^Z|far down/.test(body.textContent) && Array.from(range.getClientRects()).some(line => line.left < box.left - 1 || line.right > box.right + 1);
	}).map(body => body.textContent.slice(0, 30));
}

// timeBehindName is how many pixels the time stands behind the name in the second
// row that has both: the one after the overrides that were not closed.
function timeBehindName() {
	const row = document.querySelectorAll("#messages .message:not(.follows)")[1];
	return row.querySelector("time").getBoundingClientRect().left - row.querySelector(".from").getBoundingClientRect().right;
}

// leftOf returns a function that reports whether one text of an element stands to the left
// of another one.
function leftOf(one, other) {
	return element => {
		const place = text => {
			const walker = document.createTreeWalker(element, NodeFilter.SHOW_TEXT);
			for (let node; (node = walker.nextNode());) {
				const at = node.data.indexOf(text);
				if (at < 0) continue;
				const range = document.createRange();
				range.setStart(node, at);
				range.setEnd(node, at + text.length);
				return range.getBoundingClientRect();
			}
			throw new Error("there is no " + text + " in " + element.textContent);
		};
		return place(one).right <= place(other).left + 1;
	};
}
