#!/usr/bin/env bash
# Builds, runs and tests. Needs Go; what else the tests need they install, or name.
#
#   ./build.sh               build bin/websockets with the page inside
#   ./build.sh run [flags]   build, then serve; the flags go to websockets serve
#   ./build.sh check         while editing: all that needs neither a browser nor a server
#   ./build.sh test          everything continuous integration runs
#   ./build.sh perf [REGEXP] measure, and compare with the aims; wants the machine alone
#   ./build.sh chaos [flags] break things for 30 minutes; -chaos.for=2h -chaos.seed=N
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

# One set of build flags, so that everything is compiled once: Go compiles a package
# again for each of these. -buildvcs would stop go build in a checkout that belongs
# to another user, as in many containers. Without cgo the binary is static, and
# nothing changes on the day somebody installs gcc.
export GOFLAGS="${GOFLAGS:+$GOFLAGS }-buildvcs=false -trimpath"
export CGO_ENABLED=0

staticcheck=honnef.co/go/tools/cmd/staticcheck@v0.8.2
gotestsum=gotest.tools/gotestsum@v1.13.0
axe=axe-core@4.14.1

# Packages whose tests run in their own process, without a browser.
unit_packages=(./server/archtest ./server/auth ./server/bench ./server/chat ./server/delivery ./server/eventlog/... ./server/presence ./server/quota ./server/servertest
	./server/timeline ./server/topics ./server/userdata ./server/web ./server/wsframe
	./shared ./static/... ./wasm/client/... ./wasm/view)
js_packages=(./shared ./wasm/...)

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
	mkdir -p .test/bin
}

# step NAME COMMAND...: runs a command that has little to say. Prints a line when it
# begins, one every four seconds, and one with the seconds it took; what the command
# prints only if it fails.
step() {
	local name=$1 began=$SECONDS status=0 output ticker
	shift
	echo "....  $name"
	output=$(mktemp .test/step.XXXXXX)
	{
		exec 2>/dev/null
		while sleep 4; do
			printf '        %4d s  %s\n' $((SECONDS - began)) "$(tail -n 1 "$output" | cut -c 1-80 | grep . || echo working)"
		done
	} &
	ticker=$!
	"$@" >"$output" 2>&1 || status=$?
	kill "$ticker" 2>/dev/null
	wait "$ticker" 2>/dev/null || true
	if ((status == 0)); then
		echo "ok    $name ($((SECONDS - began)) s)"
	else
		cat "$output"
		echo "FAIL  $name ($((SECONDS - began)) s)"
	fi
	rm -f "$output"
	return "$status"
}

# commit names what is built; a + behind it says that files were changed.
commit() {
	git -c safe.directory="$PWD" describe --always --abbrev=12 --exclude='*' --dirty=+ 2>/dev/null || echo unknown
}

# The page and the server's packages at the same time: one package of the embedded
# NATS takes longest, and one core, to compile; so does compressing the page. What
# is wrong with the packages the last line tells again.
compile() {
	local pack=0 server
	go build -v ./server/bench ./server/chat ./server/web &
	server=$!
	go run ./static/pack -v "$@" || pack=$?
	wait "$server" || true
	((pack == 0)) && go build -o bin/websockets -ldflags "-X main.commit=$(commit)" ./server
}

build() {
	step "compiling the page and the server" compile "$@" || exit 1
	echo "      bin/websockets: $(($(wc -c <bin/websockets) / 1000000)) MB, $(bin/websockets --version)"
}

# --- check, test ---

passed=0 failed=0 skipped=0 began=$SECONDS

# closing prints the last line, however the tests came to their end.
closing() {
	local status=$?
	if ((status != 0 && failed == 0)); then failed=1; fi
	echo "      after $((SECONDS - began)) s:"
	echo "$passed passed, $failed failed, $skipped skipped"
	if ((failed > 0)); then exit 1; fi
}

check() { step "$@" || failed=$((failed + 1)); }

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
	if [ ! -e .test/apt-updated ]; then
		step "apt-get update" "${root[@]}" apt-get update || true
		touch .test/apt-updated
	fi
	step "installing $*" "${root[@]}" env DEBIAN_FRONTEND=noninteractive \
		apt-get install -y --no-install-recommends -o DPkg::Lock::Timeout=120 "$@" ||
		echo "      to run all tests, install: $*"
}

# go_test NAME FLAGS...: runs go test, printing each test or package that ends, and
# adds up what came of it. What could not run says NOT RUN and why, and counts as
# skipped. All output is in .test/NAME.json.
go_test() {
	local name=$1 status=0 done_line total began=$SECONDS
	shift
	echo "....  tests: $name"
	.test/bin/gotestsum --format="${format:-pkgname}" --hide-summary=output --jsonfile=.test/"$name".json -- -vet=off "$@" 2>&1 |
		tee .test/out || status=1
	# DONE 287 tests, 1 skipped, 2 failures, 1 error in 3.3s
	done_line=$(grep '^DONE' .test/out || true)
	number() { grep -oE "[0-9]+ $1" <<<"$done_line" | grep -oE '[0-9]+' || echo 0; }
	local f=$(($(number failure) + $(number error))) s
	s=$(number skipped) total=$(number test)
	if ((status != 0 && f == 0)); then f=1; fi
	if ((total == 0 && f == 0)); then echo "FAIL  $name: not one test ran" && f=1; fi
	passed=$((passed + total - s - $(number failure))) failed=$((failed + f)) skipped=$((skipped + s))
	echo "$( ((f == 0)) && echo 'ok  ' || echo FAIL)  tests: $name ($((SECONDS - began)) s)"
}

# Installed, as go run would build them for js too.
tools() {
	GOBIN="$PWD/.test/bin" go install -v "$staticcheck"
	GOBIN="$PWD/.test/bin" go install -v "$gotestsum"
}

# js COMMAND...: for the browser, with the flags that the page was compiled with, so
# that nothing is compiled for it twice.
js() { GOFLAGS="$GOFLAGS $(go run ./static/pack -flags)" GOOS=js GOARCH=wasm "$@"; }

lint() {
	check "gofmt" formatted
	check "go vet" go vet -tags=perf ./...
	check "go vet, js" js go vet "${js_packages[@]}"
	check "staticcheck" .test/bin/staticcheck -tags=perf ./...
	check "staticcheck, js" js .test/bin/staticcheck "${js_packages[@]}"
}

# In test every call has -count=1: what talks to servers, browsers and disks is never
# taken from the cache. Each -timeout is about ten times what the package takes on two
# quiet processors: it only ends what hangs, and a test that hangs ends itself before
# (see servertest.Patience).
unit_tests() {
	local race=(-race)
	if ! any gcc; then
		race=()
		not_run "the race detector: there is no gcc"
	fi
	CGO_ENABLED=$((${#race[@]})) go_test unit "${race[@]}" -timeout=10m "$@" "${unit_packages[@]}"
}

run_check() {
	trap closing EXIT
	exec </dev/null
	need_go
	check "staticcheck and gotestsum" tools
	lint
	unit_tests # packages that have not changed are taken from the cache
}

run_tests() {
	trap closing EXIT
	exec </dev/null
	need_go
	rm -rf .test/artifacts .test/*.json .test/apt-updated
	mkdir -p .test/artifacts
	export WEBSOCKETS_ARTIFACTS=$PWD/.test/artifacts # where tests leave pictures
	export WEBSOCKETS_BIN=$PWD/bin/websockets        # the server they start

	any gcc || install gcc libc6-dev
	any node || install nodejs
	any npm || install npm # Debian's nodejs comes without
	any chromium chromium-browser google-chrome headless-shell || install chromium
	if any npm; then # a test says so if it is not there
		step "axe-core" npm install --prefix .test --no-save --no-audit --no-fund --ignore-scripts "$axe" || true
	fi

	check "staticcheck and gotestsum" tools
	build
	lint
	unit_tests -count=1 -shuffle=on
	# Side by side: the one mostly waits for real time to pass, the other is Chromium.
	format=testname go_test processes -count=1 -timeout=25m -parallel=3 ./server/e2e ./wasm
	if any node; then
		# Go in node stops when arguments and environment exceed some 12 kB, so it
		# gets an environment of its own.
		js go_test js -count=1 -timeout=10m -shuffle=on \
			-exec="env -i \"PATH=$PATH\" \"$(go env GOROOT)/lib/wasm/go_js_wasm_exec\"" "${js_packages[@]}"
	else
		not_run "tests under GOOS=js: there is no node"
	fi
	# About 5 s each. Not a time: when that ends while a worker is busy, go test fails with
	# nothing but "context deadline exceeded".
	go_test fuzzing -count=1 -timeout=5m -run='^$' -fuzz='^FuzzEvent$' -fuzztime=50000x ./shared
	go_test fuzzing-tokens -count=1 -timeout=5m -run='^$' -fuzz='^FuzzVerify$' -fuzztime=50000x ./server/auth
	echo "      the slowest tests:"
	cat .test/*.json | .test/bin/gotestsum tool slowest --num 10 | sed 's/^/      /'
}

# --- perf, chaos ---

# Everything that measures, one test at a time and nothing beside it. The table is
# also in .test/figures.txt.
run_perf() {
	trap closing EXIT
	exec </dev/null
	need_go
	rm -f .test/figures.tsv
	export WEBSOCKETS_FIGURES=$PWD/.test/figures.tsv WEBSOCKETS_BIN=$PWD/bin/websockets
	check "staticcheck and gotestsum" tools
	build
	format=testname go_test perf -tags=perf -count=1 -timeout=60m -p=1 -parallel=1 -run="${1:-^TestPerf}" ./...
	{
		printf 'figure\taim\tmeasured\tunit\t\n'
		cat .test/figures.tsv
	} | if any column; then column -t -s $'\t'; else cat; fi | tee .test/figures.txt
}

case ${1-} in
"")
	need_go
	build
	;;
run)
	shift
	need_go
	build -quick
	exec bin/websockets serve "$@"
	;;
check)
	run_check
	;;
test)
	run_tests
	;;
perf)
	shift
	run_perf "$@"
	;;
chaos)
	shift
	need_go
	go test -count=1 -timeout=0 -run='^TestChaos$' -v ./server/e2e -args -chaos.for=30m "$@"
	;;
*)
	echo "usage: ./build.sh [run [flags] | check | test | perf [regexp] | chaos [flags]]" >&2
	exit 2
	;;
esac
