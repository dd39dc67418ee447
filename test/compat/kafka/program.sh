#!/bin/bash
# program.sh VERSION CLASS [args…]   a program of ../java with the client of VERSION: 4 (4.3.1) or 28 (2.8.2). It is compiled when its source is newer;
# Kafka Streams, which only WordCount needs, is fetched then: status 77 when it cannot be had.
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cache=${KAFKA_PEER_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/kafka-peer}
V=${1:?usage: program.sh VERSION CLASS args…}; C=${2:?usage: program.sh VERSION CLASS args…}; shift 2
path="$cache/kafka-$V/libs/*"
source=$here/../java/$C.java classes=$cache/kafka-$V/classes
mkdir -p "$classes"
exec 9> "$classes/.lock" && flock 9 # another may be about to run it, or to compile it
if [ "$C" = WordCount ]; then
  streams=$cache/kafka-streams
  if [ ! -f "$streams/.done" ]; then
    mkdir -p "$streams/libs"
    jars() { mvn -q -B -f "$here/pom-streams.xml" dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory="$streams/libs" >&2; }
    jars || { sleep 5; jars; } || { sleep 20; jars; } || exit 77
    touch "$streams/.done"
  fi
  path="$path:$streams/libs/*"
fi
if [ ! "$classes/$C.class" -nt "$source" ]; then
  javac -d "$classes" -cp "$path" "$source" >&2 || exit 1
fi
exec 9>&-
exec java -Xmx512M -XX:+UseSerialGC -XX:TieredStopAtLevel=1 "-Dlog4j2.configurationFile=$here/log4j2.xml" "-Dlog4j.configuration=file:$here/log4j.properties" \
  "-Dcompat.log.level=${LOG_LEVEL:-WARN}" -cp "$classes:$path" "$C" "$@"
