// watchStorage notes in told what other tabs write into the site's storage.
var told = [];
function watchStorage() { addEventListener("storage", event => event.newValue === null || told.push(event.key)); }
