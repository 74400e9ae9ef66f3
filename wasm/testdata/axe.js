
// barriers has axe-core look at the page as it is.
async function barriers() {
	const {violations} = await axe.run({resultTypes: ["violations"]});
	return violations.flatMap(v => v.nodes.map(n => v.id + ": " + n.target.join(" ") + ": " + n.failureSummary));
}
