#!/usr/bin/env bash
# Builds, runs and tests the project. Building needs only Go. The test command installs
# its other tools with apt-get and npm where it can, and reports the tests it could not run.
#
#   ./build.sh               build bin/websockets with the page embedded
#   ./build.sh run [flags]   build and serve; flags are passed to "websockets serve"
#   ./build.sh check         for use while editing: formatting, vet, staticcheck, unit tests
#   ./build.sh test          everything that continuous integration runs
#   ./build.sh perf [REGEXP] measure and compare with targets; needs an idle machine
#   ./build.sh chaos [flags] inject faults for 30 minutes; -chaos.for=2h -chaos.seed=N
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

# All commands use the same build flags, because Go compiles a package again for each
# set of flags. -buildvcs=false: stamping fails in a checkout that belongs to another
# user, which is common in containers. Without cgo the binary is static, whether or not
# gcc is installed.
export GOFLAGS="${GOFLAGS:+$GOFLAGS }-buildvcs=false -trimpath"
export CGO_ENABLED=0

staticcheck="honnef.co/go/tools/cmd/staticcheck@v0.8.2"
gotestsum="gotest.tools/gotestsum@v1.13.0"
axe="axe-core@4.14.1"

# Packages whose tests need no browser. Some of them start a server process, unless they
# are run with -short.
unit_packages=(
	./server ./server/archtest ./server/auth ./server/bench ./server/chat ./server/delivery
	./server/eventlog/... ./server/presence ./server/quota ./server/servertest
	./server/timeline ./server/topics ./server/userdata ./server/web ./server/wsframe
	./shared ./static/... ./wasm/client/... ./wasm/view
)
# Packages whose tests all start servers, or a browser.
process_packages=(./server/e2e ./wasm)
# Packages that are also tested as js/wasm.
js_packages=(./shared ./wasm/...)

# need_go exits with one line of explanation if Go is missing or older than go.mod
# requires.
need_go() {
	local need have
	need=$(sed -n 's/^go //p' go.mod)
	if ! command -v go >/dev/null; then
		echo "build.sh: Go is not installed; Go $need or newer is required (https://go.dev/dl)" >&2
		exit 1
	fi
	# The first command reports the toolchain that go.mod selects, which go may have
	# downloaded. It fails if go cannot download it; then report the installed version.
	have=$(go env GOVERSION 2>/dev/null) || have=$(cd / && GOTOOLCHAIN=local go env GOVERSION)
	have=${have#go}
	have=${have%%[ -]*}
	if ! printf '%s\n' "$need" "$have" | sort -C -V; then
		echo "build.sh: Go $have is too old; Go $need or newer is required (https://go.dev/dl)" >&2
		exit 1
	fi
	mkdir -p .test/bin
}

# step NAME COMMAND [ARG...] runs a command with its output hidden. It prints a line at
# the start, one every four seconds, and one at the end with the time taken. If the
# command fails, step prints its output and returns its status.
step() {
	local name=$1 began=$SECONDS status=0 output ticker
	shift
	echo "....  $name"
	output=$(mktemp .test/step.XXXXXX)
	{
		exec 2>/dev/null # bash reports the killed sleep here
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

# commit prints the commit that is being built, with a + if files have been changed
# since.
commit() {
	git -c safe.directory="$PWD" describe --always --abbrev=12 --exclude='*' --dirty=+ 2>/dev/null || echo unknown
}

# compile [-quick] builds the page, then the server that embeds it. Meanwhile it compiles
# the server's packages in the background: both have long stretches that use one
# processor only. Errors in those packages are reported by the last command.
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

# --- check and test ---

passed=0 failed=0 skipped=0 began=$SECONDS

# summary prints the totals. It is the EXIT trap, so it also runs after an error, which
# it counts as a failure.
summary() {
	local status=$?
	if ((status != 0 && failed == 0)); then failed=1; fi
	echo "      after $((SECONDS - began)) s:"
	echo "$passed passed, $failed failed, $skipped skipped"
	if ((failed > 0)); then exit 1; fi
}

# try NAME COMMAND [ARG...] is step, but counts a failure and continues.
try() { step "$@" || failed=$((failed + 1)); }

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

# have COMMAND... succeeds if at least one of the commands is installed.
have() {
	local command
	for command; do
		if command -v "$command" >/dev/null; then return 0; fi
	done
	return 1
}

# apt_install PACKAGE... installs Debian packages if it can do so without a password.
# Otherwise it prints what to install.
apt_install() {
	local root=()
	if (($(id -u) != 0)); then root=(sudo -n); fi
	if ! have apt-get || ! "${root[@]}" true 2>/dev/null; then
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

# go_test NAME FLAG... runs go test and adds its results to the totals. It prints each
# package, or with format=testname each test, as it ends. The complete output is in
# .test/NAME.json. A test that cannot run here skips itself with a line that begins with
# NOT RUN.
go_test() {
	local name=$1 status=0 done_line total f s began=$SECONDS
	shift
	echo "....  tests: $name"
	.test/bin/gotestsum --format="${format:-pkgname}" --hide-summary=output --jsonfile=.test/"$name".json -- -vet=off "$@" 2>&1 |
		tee .test/out || status=1
	# The last line has this form, without the numbers that are 0:
	# DONE 287 tests, 1 skipped, 2 failures, 1 error in 3.3s
	done_line=$(grep '^DONE' .test/out || true)
	number() { grep -oE "[0-9]+ $1" <<<"$done_line" | grep -oE '[0-9]+' || echo 0; }
	f=$(($(number failure) + $(number error)))
	s=$(number skipped) total=$(number test)
	if ((status != 0 && f == 0)); then f=1; fi
	if ((total == 0 && f == 0)); then echo "FAIL  $name: no tests ran" && f=1; fi
	passed=$((passed + total - s - $(number failure))) failed=$((failed + f)) skipped=$((skipped + s))
	echo "$( ((f == 0)) && echo 'ok  ' || echo FAIL)  tests: $name ($((SECONDS - began)) s)"
}

# tools installs the tools into .test/bin. With go run, js would build them as js/wasm.
tools() {
	GOBIN="$PWD/.test/bin" go install -v "$staticcheck"
	GOBIN="$PWD/.test/bin" go install -v "$gotestsum"
}

# js COMMAND [ARG...] runs a command with the target js/wasm. It uses the compiler flags
# of the page, so that packages are compiled once.
js() { GOFLAGS="$GOFLAGS $(go run ./static/pack -flags)" GOOS=js GOARCH=wasm "$@"; }

lint() {
	try "gofmt" formatted
	try "go vet" go vet -tags=perf ./...
	try "go vet, js" js go vet "${js_packages[@]}"
	try "staticcheck" .test/bin/staticcheck -tags=perf ./...
	try "staticcheck, js" js .test/bin/staticcheck "${js_packages[@]}"
}

# run_check is meant to take less than a minute on two processors. Unlike run_tests, it
# skips unit tests that start a server process and runs the others without the race
# detector, which makes them four times slower. Results of packages that have not changed
# come from Go's cache.
run_check() {
	trap summary EXIT
	exec </dev/null
	need_go
	try "staticcheck and gotestsum" tools
	lint
	go_test unit -short -timeout=5m "${unit_packages[@]}"
	echo "      left to ./build.sh test: the race detector, and tests that start a server or a browser"
}

# run_tests passes -count=1 to every go test, so no result comes from Go's cache: the
# tests depend on servers, browsers and disks. Each -timeout is about ten times what the
# tests take on two idle processors. It ends only tests that hang, and those usually
# end themselves first (servertest.Patience).
run_tests() {
	trap summary EXIT
	exec </dev/null
	need_go
	rm -rf .test/artifacts .test/*.json .test/apt-updated
	mkdir -p .test/artifacts
	export WEBSOCKETS_ARTIFACTS=$PWD/.test/artifacts # the tests write screenshots here
	export WEBSOCKETS_BIN=$PWD/bin/websockets        # the server that the tests start

	have gcc || apt_install gcc libc6-dev
	have node || apt_install nodejs
	have npm || apt_install npm # Debian's nodejs does not include it
	# Most tests run in the shell, which is Chromium without a window and takes half the
	# CPU time. Without it, they run in Chromium too.
	have chromium-headless-shell headless-shell || apt_install chromium-headless-shell
	have chromium chromium-browser google-chrome || apt_install chromium
	if have npm; then # without axe-core, the test that needs it says NOT RUN
		step "axe-core" npm install --prefix .test --no-save --no-audit --no-fund --ignore-scripts "$axe" || true
	fi

	try "staticcheck and gotestsum" tools
	# Compressing the page takes half a minute of one processor. Tests that need neither
	# the page nor the server run beside it.
	echo "....  compiling the page and the server, beside the next tests"
	build >.test/build 2>&1 &
	local building=$!
	# Each takes about 5 s. The limit is a number of inputs, not a time: if the time runs
	# out while a worker is busy, go test fails with "context deadline exceeded".
	go_test fuzzing -count=1 -timeout=5m -run='^$' -fuzz='^FuzzEvent$' -fuzztime=50000x ./shared
	go_test fuzzing-tokens -count=1 -timeout=5m -run='^$' -fuzz='^FuzzVerify$' -fuzztime=50000x ./server/auth
	if have node; then
		# A Go program in Node.js fails to start if its arguments and environment exceed
		# about 12 kB, so the environment is reduced to PATH.
		js go_test js -count=1 -timeout=10m -shuffle=on \
			-exec="env -i \"PATH=$PATH\" \"$(go env GOROOT)/lib/wasm/go_js_wasm_exec\"" "${js_packages[@]}"
	else
		not_run "tests under GOOS=js: node is not installed"
	fi
	step "the rest of compiling" wait "$building" || { cat .test/build && exit 1; }
	tail -n 2 .test/build
	lint
	# Three packages at a time, because some wait for timers and disks.
	if have gcc; then # the race detector needs cgo
		CGO_ENABLED=1 go_test unit -race -count=1 -timeout=10m -shuffle=on -p=3 "${unit_packages[@]}"
	else
		not_run "the race detector: gcc is not installed"
		go_test unit -count=1 -timeout=10m -shuffle=on "${unit_packages[@]}"
	fi
	# The two packages run side by side, four tests of each at a time: those of one wait
	# most of the time, those of the other run Chromium.
	format=testname go_test processes -count=1 -timeout=25m -parallel=4 "${process_packages[@]}"
	echo "      the slowest tests:"
	cat .test/*.json | .test/bin/gotestsum tool slowest --num 10 | sed 's/^/      /'
}

# --- perf ---

# run_perf [REGEXP] runs the measurements one at a time. It also writes the table to
# .test/figures.txt.
run_perf() {
	trap summary EXIT
	exec </dev/null
	need_go
	rm -f .test/figures.tsv
	export WEBSOCKETS_FIGURES=$PWD/.test/figures.tsv WEBSOCKETS_BIN=$PWD/bin/websockets
	try "staticcheck and gotestsum" tools
	build
	format=testname go_test perf -tags=perf -count=1 -timeout=60m -p=1 -parallel=1 -run="${1:-^TestPerf}" ./...
	{
		printf 'figure\taim\tmeasured\tunit\t\n'
		cat .test/figures.tsv
	} | if have column; then column -t -s $'\t'; else cat; fi | tee .test/figures.txt
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
