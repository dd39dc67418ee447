#!/bin/bash
# test/golden/run.sh   writes the golden bytes of the coordinators' records anew, by Apache Kafka's own classes. Needs a JDK 17 and the jars that
# test/compat/kafka/fetch.sh brings. Run it when a newer Kafka is supported; the tests then tell what has changed.
set -euo pipefail
cd "$(dirname "$0")/../.."
libs=${KAFKA_LIBS:-$HOME/.cache/kafka-peer/kafka-4/libs}
classes=$(mktemp -d)
trap 'rm -r "$classes"' EXIT
javac -cp "$libs/*" -d "$classes" test/golden/CoordinatorRecords.java
{
  echo "# Coordinator records as Apache Kafka 4.3.1 writes them (test/golden): log, kind, version, key or value, bytes, content."
  java -cp "$classes:$libs/*" CoordinatorRecords
} > internal/coordinator/records/testdata/apache.txt
wc -l internal/coordinator/records/testdata/apache.txt
