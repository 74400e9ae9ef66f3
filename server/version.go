package main

import "websockets/static"

// version is the release that this source is, or is on the way to.
const version = "0.1.0"

// commit is the commit that the binary was built from, set by build.sh. A + behind
// it says that files were changed since.
var commit = "unknown"

// versionLine is what --version prints. The page has a version of its own, a hash
// of what a browser loads, which welcome tells too.
func versionLine(assets *static.Assets) string {
	return "websockets " + version + " (commit " + commit + ", page " + assets.Version() + ")"
}
