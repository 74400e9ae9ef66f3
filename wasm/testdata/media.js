// What the tests of forced colours, of paper and of font sizes ask.
function style(element, pseudo) { return getComputedStyle(element, pseudo); }
function differ(one, other, property) { return style(one)[property] !== style(other)[property]; }
function drawn(element) { return parseFloat(style(element).borderTopWidth) >= 1 && style(element).borderTopStyle !== "none"; }
function filled(element, pseudo) { return style(element, pseudo).backgroundColor === style(document.body).color; }

// outlined reports whether a focus gives an element an outline.
function outlined(focus, element) {
	document.activeElement.blur();
	const before = style(element).outlineStyle;
	focus();
	return before === "none" && style(element).outlineStyle !== "none" && parseFloat(style(element).outlineWidth) >= 2;
}

// watchPaper notes in onPaper how many messages the page has when it is printed.
var onPaper = 0;
function watchPaper() { addEventListener("beforeprint", () => { onPaper = messages().length; }); }

function setPane(pane) { document.body.dataset.pane = pane; }

// blackOnWhite reports whether all that is shown has black text, and no other ground than
// the paper's.
function blackOnWhite() {
	return Array.from(document.querySelectorAll("html, body, body *")).filter(e => e.checkVisibility()).every(e =>
		style(e).color === "rgb(0, 0, 0)" && style(e).backgroundColor === "rgba(0, 0, 0, 0)");
}

// fontSizesOfAll are the sizes of all fixed texts of the page, in their order.
function fontSizesOfAll() {
	return Array.from(document.querySelectorAll("body :is(h1, h2, button, label, input, textarea, kbd, time, .name, .avatar, .from, .body, .connection, .hint)"))
		.filter(e => !e.closest("dialog, #messages li + li")).map(e => parseFloat(style(e).fontSize));
}
