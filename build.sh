#!/usr/bin/env bash
# Builds, runs and tests. Needs Go and nothing else; test gets more by itself.
#
#   ./build.sh               build the browser client and bin/websockets, page inside
#   ./build.sh run [flags]   build, then serve; the flags go to websockets serve
#   ./build.sh test          everything continuous integration checks
#   ./build.sh chaos [flags] break things for 30 minutes; -chaos.for=2h -chaos.seed=N
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

# Without this a checkout that belongs to another user, as in many containers,
# stops go build.
export GOFLAGS="${GOFLAGS:+$GOFLAGS }-buildvcs=false"

staticcheck=honnef.co/go/tools/cmd/staticcheck@v0.8.2
gotestsum=gotest.tools/gotestsum@v1.13.0
axe=axe-core@4.14.1

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

# go_test NAME FLAGS...: runs go test and adds up what came of it. What could not
# run says NOT RUN and why, and counts as skipped. All output is in .test/NAME.json.
go_test() {
	local name=$1 status=0 done_line total
	shift
	echo "      $name"
	.test/bin/gotestsum --format=pkgname --jsonfile=.test/"$name".json -- -vet=off -count=1 "$@" 2>&1 |
		tee .test/out || status=1
	# DONE 287 tests, 1 skipped, 2 failures, 1 error in 3.3s
	done_line=$(grep '^DONE' .test/out || true)
	number() { grep -oE "[0-9]+ $1" <<<"$done_line" | grep -oE '[0-9]+' || echo 0; }
	local f=$(($(number failure) + $(number error))) s
	s=$(number skipped) total=$(number test)
	if ((status != 0 && f == 0)); then f=1; fi
	if ((total == 0 && f == 0)); then echo "FAIL  $name: not one test ran" && f=1; fi
	passed=$((passed + total - s - $(number failure))) failed=$((failed + f)) skipped=$((skipped + s))
}

run_tests() {
	trap closing EXIT
	exec </dev/null
	need_go
	rm -rf .test/artifacts .test/*.json .test/apt.log
	mkdir -p .test/artifacts .test/bin
	export WEBSOCKETS_ARTIFACTS=$PWD/.test/artifacts # where tests leave pictures

	any gcc || install gcc libc6-dev
	any node || install nodejs
	any chromium chromium-browser google-chrome headless-shell || install chromium

	# A test says so if it is not there.
	if any npm && ! npm install --prefix .test --no-save --no-audit --no-fund --ignore-scripts "$axe" >.test/npm.log 2>&1; then
		echo "      npm could not get $axe, see .test/npm.log"
	fi

	local js=(env GOOS=js GOARCH=wasm) js_packages=(./shared ./wasm/...)
	check "gofmt" formatted
	check "go vet" go vet ./...
	check "go vet, js" "${js[@]}" go vet "${js_packages[@]}"
	# Installed, as go run would build it for js too.
	for tool in "$staticcheck" "$gotestsum"; do
		check "${tool##*/}" env GOBIN="$PWD/.test/bin" go install "$tool"
	done
	check "staticcheck" .test/bin/staticcheck ./...
	check "staticcheck, js" "${js[@]}" .test/bin/staticcheck "${js_packages[@]}"
	check "build" bash ./build.sh

	local race=(-race)
	if ! any gcc; then
		race=()
		not_run "the race detector: there is no gcc"
	fi
	# -count=1 in go_test: what talks to servers, browsers and disks is never taken
	# from the cache.
	go_test native "${race[@]}" -shuffle=on ./...
	if any node; then
		# Go in node stops when arguments and environment exceed some 12 kB, so it
		# gets an environment of its own.
		GOOS=js GOARCH=wasm go_test js -shuffle=on \
			-exec="env -i \"PATH=$PATH\" \"$(go env GOROOT)/lib/wasm/go_js_wasm_exec\"" "${js_packages[@]}"
	else
		not_run "tests under GOOS=js: there is no node"
	fi
	go_test conformance -tags=conformance -run='^TestEcho$' ./server/chat
	go_test fuzzing -run='^$' -fuzz='^FuzzEvent$' -fuzztime=5s ./shared
	go_test fuzzing-tokens -run='^$' -fuzz='^FuzzVerify$' -fuzztime=5s ./server/identity
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
chaos)
	shift
	need_go
	go test -count=1 -timeout=0 -run='^TestChaos$' -v ./server/e2e -args -chaos.for=30m "$@"
	;;
*)
	echo "usage: ./build.sh [run [flags] | test | chaos [flags]]" >&2
	exit 2
	;;
esac
