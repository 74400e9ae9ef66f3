#!/usr/bin/env bash
# Builds, runs and tests. Needs Go and nothing else; test gets more by itself.
#
#   ./build.sh               build the browser client and bin/websockets, page inside
#   ./build.sh run [flags]   build, then serve; the flags go to websockets serve
#   ./build.sh test          everything continuous integration checks
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

# Without this a checkout that belongs to another user, as in many containers,
# stops go build.
export GOFLAGS="${GOFLAGS:+$GOFLAGS }-buildvcs=false"

staticcheck=honnef.co/go/tools/cmd/staticcheck@v0.8.2

# need_go ends with one clear line when Go is missing or older than go.mod asks.
need_go() {
	local need have
	need=$(sed -n 's/^go //p' go.mod)
	if ! command -v go >/dev/null; then
		echo "build.sh: Go is not installed; this needs Go $need or newer (https://go.dev/dl)" >&2
		exit 1
	fi
	# go env answers with the Go that go.mod chooses, which may be a newer one
	# that go has just fetched.
	have=$(go env GOVERSION 2>/dev/null) || have=$(cd / && GOTOOLCHAIN=local go env GOVERSION)
	have=${have#go}
	have=${have%%[ -]*}
	if ! printf '%s\n' "$need" "$have" | sort -C -V; then
		echo "build.sh: Go $have is too old; this needs Go $need or newer (https://go.dev/dl)" >&2
		exit 1
	fi
}

build() {
	# The embedded NATS is the longest to compile and compressing the wasm keeps
	# one core busy only: a first build does both at once. What is wrong with the
	# log's package the build of the server tells again.
	go build -trimpath ./server/roomlog 2>/dev/null &
	go run ./static/pack
	wait || true
	go build -trimpath -o bin/websockets ./server
	echo "bin/websockets: $(($(wc -c <bin/websockets) / 1000000)) MB"
}

# --- test ---

passed=0 failed=0 skipped=0

# closing prints the last line, however the tests came to their end.
closing() {
	local status=$?
	if ((status != 0 && failed == 0)); then failed=1; fi
	echo "$passed passed, $failed failed, $skipped skipped"
	if ((failed > 0)); then exit 1; fi
}

# check NAME COMMAND...: a check that is silent unless it fails.
check() {
	local name=$1
	shift
	if "$@" 2>&1; then
		echo "ok    $name"
	else
		echo "FAIL  $name"
		failed=$((failed + 1))
	fi
}

not_run() {
	echo "NOT RUN: $*"
	skipped=$((skipped + 1))
}

formatted() {
	local files
	files=$(gofmt -l server shared static wasm) || return 1
	if [ -n "$files" ]; then
		printf 'gofmt would change these files:\n%s\n' "$files"
		return 1
	fi
}

# any COMMAND...: is one of them here?
any() {
	local command
	for command; do
		if command -v "$command" >/dev/null; then return 0; fi
	done
	return 1
}

# install PACKAGE...: gets Debian packages when that is possible without asking.
install() {
	local root=()
	if (($(id -u) != 0)); then root=(sudo -n); fi
	if ! any apt-get || ! "${root[@]}" true 2>/dev/null; then
		echo "      to run all tests, install: $*"
		return
	fi
	echo "      installing $*"
	if [ ! -e .test/apt.log ]; then
		"${root[@]}" apt-get update >.test/apt.log 2>&1 || true
	fi
	"${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
		-o DPkg::Lock::Timeout=120 "$@" >>.test/apt.log 2>&1 ||
		echo "      that failed, see .test/apt.log; to run all tests, install: $*"
}

# digest turns the events of go test -json into a line for each package, with
# all that a failed test said, and counts into .test/counts: test functions
# passed and failed, and NOT RUN lines. A test that skips without such a line
# has failed: nobody would notice it.
digest='
function field(name,   at, rest) {
	at = index($0, "\"" name "\":\"")
	if (!at) return ""
	rest = substr($0, at + length(name) + 4)
	match(rest, /^([^"\\]|\\.)*/)
	return substr(rest, 1, RLENGTH)
}
function plain(s) {
	gsub(/\\\\/, "\001", s)
	gsub(/\\n/, "\n", s); gsub(/\\t/, "\t", s); gsub(/\\r/, "", s); gsub(/\\"/, "\"", s)
	gsub(/\\u003c/, "<", s); gsub(/\\u003e/, ">", s); gsub(/\\u0026/, "\\&", s)
	gsub("\001", "\\", s)
	return s
}
!/^\{/ { print; fflush(); next }
{
	action = field("Action"); package = field("Package"); test = field("Test")
	id = package " " test
}
action == "build-output" { printf "%s", plain(field("Output")) }
action == "output" {
	line = plain(field("Output"))
	if (line ~ /^=== /) next
	said[id] = said[id] line
	if (line ~ /NOT RUN:/) {
		skipped++; explained[id] = 1
		sub(/^ */, "", line); printf "      %s: %s", test == "" ? package : test, line
	}
}
action == "pass" && test != "" {
	delete said[id]
	if (test !~ /\//) { passed++; tests[package]++ }
}
action == "skip" && test != "" && !explained[id] {
	print "FAIL  " package " " test " skips without saying NOT RUN and why"
	failed++
}
action == "fail" && test != "" {
	printf "%s", said[id]
	if (test !~ /\//) { failed++; broken[package]++ }
}
action == "pass" && test == "" {
	printf "ok    %s, %d tests\n", package, tests[package]
}
action == "fail" && test == "" && package != "" {
	printf "%s", said[id]
	if (!broken[package]) failed++
}
{ fflush() }
END { print passed + 0, failed + 0, skipped + 0 >".test/counts" }
'

# go_test NAME COMMAND...: runs a go test -json and adds up what came of it. All
# of its output is in .test/log.json.
go_test() {
	local name=$1 status=0 p=0 f=0 s=0
	shift
	echo "      $name"
	rm -f .test/counts
	"$@" 2>&1 | tee -a .test/log.json | awk "$digest" || status=1
	read -r p f s <.test/counts || true
	if ((p + f == 0)); then echo "FAIL  $name: not one test ran"; fi
	if ((f == 0 && (status != 0 || p == 0))); then f=1; fi
	passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
}

run_tests() {
	trap closing EXIT
	exec </dev/null
	need_go
	rm -rf .test/artifacts .test/log.json .test/apt.log
	mkdir -p .test/artifacts .test/bin
	export WEBSOCKETS_ARTIFACTS=$PWD/.test/artifacts # where tests leave pictures

	any gcc || install gcc libc6-dev
	any node || install nodejs
	any chromium chromium-browser google-chrome headless-shell || install chromium

	local js=(env GOOS=js GOARCH=wasm) js_packages=(./shared ./wasm/...)
	check "gofmt" formatted
	check "go vet" go vet ./...
	check "go vet, js" "${js[@]}" go vet "${js_packages[@]}"
	# Installed, as go run would build it for js too.
	check "staticcheck is there" env GOBIN="$PWD/.test/bin" go install "$staticcheck"
	check "staticcheck" .test/bin/staticcheck ./...
	check "staticcheck, js" "${js[@]}" .test/bin/staticcheck "${js_packages[@]}"
	check "build" bash ./build.sh

	local race=(-race)
	if ! any gcc; then
		race=()
		not_run "the race detector: there is no gcc"
	fi
	# -count=1: what talks to servers, browsers and disks is never taken from the
	# cache.
	go_test "native" go test -json -vet=off -count=1 "${race[@]}" -shuffle=on ./...
	if any node; then
		# Go in node stops when arguments and environment exceed some 12 kB, so it
		# gets an environment of its own.
		go_test "js" "${js[@]}" go test -json -vet=off -count=1 -shuffle=on \
			-exec="env -i \"PATH=$PATH\" \"$(go env GOROOT)/lib/wasm/go_js_wasm_exec\"" ./shared ./wasm/client/...
	else
		not_run "tests under GOOS=js: there is no node"
	fi
	go_test "fuzzing for 5 s" go test -json -vet=off -run='^$' -fuzz='^FuzzEvent$' -fuzztime=5s ./shared
}

case ${1-} in
"")
	need_go
	build
	;;
run)
	shift
	need_go
	build
	exec bin/websockets serve "$@"
	;;
test)
	run_tests
	;;
*)
	echo "usage: ./build.sh [run [flags] | test]" >&2
	exit 2
	;;
esac
