#!/bin/sh
# compare.sh REF BENCH COUNT: micro-benchmarks of this tree and of the commit REF, in turns so that what else the machine does touches both, compared
# by benchstat. Exit code 0: it judges nothing, people do.
set -eu
ref=$1 bench=$2 count=$3
benchstat=golang.org/x/perf/cmd/benchstat@v0.0.0-20260908200009-22c9c6c9d4da
packages="./internal/api ./internal/log ./internal/protocol"
work=$(mktemp -d)
trap 'git worktree remove --force "$work/old" 2> /dev/null || true; rm -rf "$work"' EXIT
git worktree add --quiet --detach "$work/old" "$ref"

# build TREE NAME: the test binaries, so that nothing is compiled between two measurements.
build() {
	for p in $packages; do
		(cd "$1" && ${GO:-go} test -c -o "$work/$2-$(basename "$p")" "$p")
	done
}
build . new
build "$work/old" old
i=0
while [ "$i" -lt "$count" ]; do
	i=$((i + 1))
	for p in $packages; do
		for tree in old new; do
			(cd "$p" && "$work/$tree-$(basename "$p")" -test.run '^$' -test.bench "$bench" -test.benchmem -test.benchtime "${BENCHTIME:-200ms}") >> "$work/$tree.txt"
		done
	done
	echo "round $i of $count" >&2
done
${GO:-go} run "$benchstat" "$ref=$work/old.txt" "this tree=$work/new.txt"
