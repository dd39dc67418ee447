#!/bin/bash
# fetch.sh   Apache Kafka 4.3.1 and 2.8.2 with all their jars into the cache folder; prints the folder. A second run does nothing.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cache=${KAFKA_PEER_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/kafka-peer}
thrice() { "$@" || { sleep 5 && "$@"; } || { sleep 20 && "$@"; }; } # a registry has its moments
for v in 4 28; do
  [ -f "$cache/kafka-$v/.done" ] && continue
  mkdir -p "$cache/kafka-$v/libs"
  thrice mvn -q -B -f "$here/pom$v.xml" dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory="$cache/kafka-$v/libs" >&2
  touch "$cache/kafka-$v/.done"
done
echo "$cache"
