// lines is how many lines the field shows, where one is as high as oneLine.
var oneLine;
function lines() {
	const field = byId("compose");
	return 1 + (field.clientHeight - oneLine) / parseFloat(getComputedStyle(field).lineHeight);
}

// enterOf229 is the Enter with which Safari ends a word of an input method.
function enterOf229() {
	byId("compose").dispatchEvent(new KeyboardEvent("keydown", {key: "Enter", keyCode: 229, bubbles: true, cancelable: true}));
}

// watchHint notes in said each text of the hint and of the countdown beside it.
function watchHint() {
	window.said = [];
	new MutationObserver(() => said.push(says("hint") + "|" + says("wait"))).observe(byId("hint"), {childList: true});
}
