#!/bin/bash
# install.sh WHAT…   java1, java2, go, python, node: the real Testcontainers in pinned versions, into .compat/containers/. A second run does nothing.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
out=$(cd "$here/../.." && mkdir -p .compat/containers && cd .compat/containers && pwd -P)

stamped() { # what, files that decide: whether it is there already
  local what=$1 sum
  shift
  sum=$(cat "$@" | sha256sum)
  [ -f "$out/$what/.done" ] && [ "$(cat "$out/$what/.done")" = "$sum" ] && return 0
  rm -rf "${out:?}/$what"
  mkdir -p "$out/$what"
  "install_$what" >&2
  echo "$sum" > "$out/$what/.done"
}

thrice() { "$@" || { sleep 5 && "$@"; } || { sleep 20 && "$@"; }; } # a registry has its moments
jars() { thrice mvn -q -B -f "$here/java/pom.xml" "$@" dependency:copy-dependencies -DincludeScope=runtime; }
install_java1() { jars -Pfirst -DoutputDirectory="$out/java1"; }
install_java2() { jars -DoutputDirectory="$out/java2"; }
install_go() { (cd "$here/go" && export GOFLAGS=-buildvcs=false && thrice go mod download && go build -o "$out/go/modules" .); }
install_python() {
  local python
  python=$(command -v python3.11 || command -v python3)
  "$python" -m venv "$out/python"
  thrice "$out/python/bin/pip" install --quiet --disable-pip-version-check --no-deps -r "$here/python/requirements.txt"
}
install_node() {
  cp "$here/node/package.json" "$here/node/package-lock.json" "$out/node"
  thrice npm ci --prefix "$out/node" --no-audit --no-fund --ignore-scripts
}

for what in "$@"; do
  case $what in
    java?) stamped "$what" "$here/java/pom.xml" ;;
    go) stamped go "$here"/go/go.* "$here"/go/*.go ;;
    python) stamped python "$here/python/requirements.txt" ;;
    node) stamped node "$here/node/package-lock.json" ;;
  esac
done
