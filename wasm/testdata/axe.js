
// barriers has axe-core look at the page as it is, by these rules or by all.
async function barriers(rules) {
	const {violations} = await axe.run({resultTypes: ["violations"], ...rules && {runOnly: rules}});
	return violations.flatMap(v => v.nodes.map(n => v.id + ": " + n.target.join(" ") + ": " + n.failureSummary));
}
