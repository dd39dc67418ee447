#!/bin/bash
# cli.sh VERSION TOOL [args…]   a stock Kafka command line tool, as bin/TOOL.sh does it. VERSION: 4 (4.3.1) or 28 (2.8.2); TOOL: see tools.txt.
# The tools live for a second or two, so the JVM is told not to warm up (C1 compiler, serial collector); the perf tests run
# with the JVM's usual compiler. LOG_LEVEL (WARN) goes to standard error. KAFKA_HEAP_OPTS and KAFKA_OPTS as in Kafka's scripts.
here=$(cd "$(dirname "$0")" && pwd)
cache=${KAFKA_PEER_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/kafka-peer}
V=${1:?usage: cli.sh VERSION TOOL args…}; T=${2:?usage: cli.sh VERSION TOOL args…}; shift 2
T=${T%.sh}
case $V in
  4)  col=2; log=(-Dlog4j2.configurationFile="$here/log4j2.xml" "-Dcompat.log.level=${LOG_LEVEL:-WARN}") ;;
  28) col=3; log=("-Dlog4j.configuration=file:$here/log4j.properties" "-Dcompat.log.level=${LOG_LEVEL:-WARN}") ;;
  *)  echo "cli.sh: VERSION is 4 or 28, not $V" >&2; exit 2 ;;
esac
[ -f "$cache/kafka-$V/.done" ] || { echo "cli.sh: Kafka $V is not in $cache: run $here/fetch.sh" >&2; exit 2; }
main=$(awk -v t="$T" -v c=$col '$1 == t { print $c }' "$here/tools.txt")
[ "${main:--}" != - ] || { echo "cli.sh: Kafka $V has no $T (see tools.txt)" >&2; exit 2; }
jvm=(-XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Xshare:auto)
case $T in *perf-test) jvm=(-XX:+UseSerialGC) ;; esac
java=java; [ -n "$JAVA_HOME" ] && java=$JAVA_HOME/bin/java
exec "$java" ${KAFKA_HEAP_OPTS:--Xmx512M} "${jvm[@]}" -Djava.awt.headless=true "${log[@]}" $KAFKA_OPTS \
  -cp "$cache/kafka-$V/libs/*" "$main" "$@"
