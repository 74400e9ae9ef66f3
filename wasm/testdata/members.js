// watchTyping notes in beside what the typing line says when rows come, and how
// high it is while it is empty.
var line, height, beside = [];
function watchTyping() {
	line = byId("typing");
	height = line.offsetHeight;
	new MutationObserver(() => beside.push(line.textContent)).observe(byId("messages"), {childList: true});
}

// onlineMembers are the names in the list of members, as they are read.
function onlineMembers() {
	return document.querySelector("#member-list.online").innerText.split(/\n/).filter(text => text.length > 1).join();
}
