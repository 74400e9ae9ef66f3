package main

import "websockets/static"

// version is the current release, or the next one during development.
const version = "0.2.0-dev"

// commit is the commit of the source, set by build.sh. A trailing + means that files
// had been changed since.
var commit = "unknown"

// versionLine is the output of --version. The page has a version of its own, a hash
// of the files a browser loads. It is also sent in welcome.
func versionLine(assets *static.Assets) string {
	return "websockets " + version + " (commit " + commit + ", page " + assets.Version() + ")"
}
