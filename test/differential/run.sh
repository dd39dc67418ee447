#!/bin/bash
# run.sh [-run REGEXP]   start Apache Kafka 4.3.1 and gokafka, both fresh, ask both the same, compare the answers.
#   Needs a JDK 17 and the Kafka jars that setup.sh beside kafka-up.sh fetches. Extra arguments go to go test, e.g.
#     test/differential/run.sh -run 'TestDifferential/(Fetch|Produce)$'
# Environment:
#   KAFKA_SCRIPTS   folder of kafka-up.sh and setup.sh (default test/compat/kafka)
#   PEER_PORT, SUBJECT_PORT   ports on 127.0.0.1 (default 29292, 29392)
#   KEEP=1          leave both running and print where they are
set -u
here=$(cd "$(dirname "$0")" && pwd); root=$(cd "$here/../.." && pwd)
scripts=${KAFKA_SCRIPTS:-$root/test/compat/kafka}
peer=${PEER_PORT:-29292}; subject=${SUBJECT_PORT:-29392}
dir=$(mktemp -d); pids=()
stop() {
  [ -n "${KEEP:-}" ] && { echo "kept: kafka 127.0.0.1:$peer, gokafka 127.0.0.1:$subject, ${pids[*]}, $dir"; return; }
  for p in "${pids[@]}"; do kill "$p" 2>/dev/null; done
  for p in "${pids[@]}"; do for _ in $(seq 100); do kill -0 "$p" 2>/dev/null || break; sleep 0.1; done; kill -9 "$p" 2>/dev/null; done
  rm -rf "$dir"
}
trap stop EXIT

# Both start from the same file, so that what DescribeConfigs says of it can be compared.
cat > "$dir/extra.properties" <<E
group.initial.rebalance.delay.ms=0
offsets.topic.num.partitions=5
E
[ -x "$scripts/kafka-up.sh" ] || { echo "no $scripts/kafka-up.sh: set KAFKA_SCRIPTS" >&2; exit 2; }
"$scripts/setup.sh" || exit 2
PROPS="$dir/extra.properties" "$scripts/kafka-up.sh" 4 "$peer" "$dir/kafka" || exit 2
pids+=("$(cat "$dir/kafka/pid")")

(cd "$root" && CGO_ENABLED=0 go build -o "$dir/gokafka.bin" ./cmd/gokafka) || exit 2
mkdir -p "$dir/gokafka"
peer_controller=$((peer < 45000 ? peer + 20000 : peer - 20000)); subject_controller=$((peer_controller - peer + subject))
sed -e "s|$dir/kafka|$dir/gokafka|g" -e "s|:$peer_controller|:$subject_controller|g" -e "s|:$peer\b|:$subject|g" \
  "$dir/kafka/server.properties" > "$dir/gokafka/server.properties"
"$dir/gokafka.bin" server "$dir/gokafka/server.properties" > "$dir/gokafka/server.log" 2>&1 &
pids+=($!)
for _ in $(seq 100); do
  (exec 3<> "/dev/tcp/127.0.0.1/$subject") 2>/dev/null && break
  kill -0 "${pids[1]}" 2>/dev/null || { cat "$dir/gokafka/server.log" >&2; exit 2; }
  sleep 0.1
done

cd "$root" && GOKAFKA_PEER=127.0.0.1:$peer GOKAFKA_PEER_DIR=$dir/kafka GOKAFKA_SUBJECT=127.0.0.1:$subject GOKAFKA_SUBJECT_DIR=$dir/gokafka \
  go test -count=1 -timeout 10m ./test/differential/ "$@"
status=$?
kill -0 "${pids[1]}" 2>/dev/null || { echo "gokafka died:" >&2; grep -n -m1 -A40 '^panic\|^fatal' "$dir/gokafka/server.log" >&2 || tail -20 "$dir/gokafka/server.log" >&2; status=1; }
panics=$(grep -c 'panic while serving' "$dir/gokafka/server.log")
[ "$panics" -gt 0 ] && { echo "gokafka panicked while serving $panics requests:" >&2; grep 'panic while serving' "$dir/gokafka/server.log" | cut -c1-400 >&2; status=1; }
exit $status
