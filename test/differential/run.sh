#!/bin/bash
# run.sh [go test flags]   start Apache Kafka 4.3.1 and gokafka, both fresh, from the same server.properties; ask both the same; compare.
#   Needs a JDK 17 and Maven the first time (test/compat/kafka/fetch.sh). For one scenario: run.sh -run 'TestDifferential/(Fetch|Produce)$'
# Environment:
#   PEER_PORT, SUBJECT_PORT   ports on 127.0.0.1 (default: free ones); each node's controller listens 10000 above
#   EXTRA                     more properties of both: EXTRA=group.consumer.migration.policy=upgrade run.sh -run TestDifferential/Migration
#   KEEP=1                    leave both running and say where they are
set -u
here=$(cd "$(dirname "$0")" && pwd); root=$(cd "$here/../.." && pwd)
free() { # prints a port that nobody listens on, nor on the one 10000 above
  local p
  while p=$((12000 + RANDOM % 10000)); do # both below the ports of outgoing connections (32768 and up)
    (exec 3<> "/dev/tcp/127.0.0.1/$p") 2> /dev/null || (exec 3<> "/dev/tcp/127.0.0.1/$((p + 10000))") 2> /dev/null || { echo "$p"; return; }
  done
}
peer=${PEER_PORT:-$(free)}; subject=${SUBJECT_PORT:-$(free)}
dir=$(mktemp -d); pids=()
stop() {
  if [ -n "${KEEP:-}" ]; then
    echo "kept: kafka 127.0.0.1:$peer, gokafka 127.0.0.1:$subject, processes ${pids[*]}, files in $dir"
    return
  fi
  for p in "${pids[@]}"; do kill "$p" 2>/dev/null; done
  for p in "${pids[@]}"; do
    for _ in $(seq 100); do kill -0 "$p" 2>/dev/null || break; sleep 0.1; done
    kill -9 "$p" 2>/dev/null
  done
  rm -rf "$dir"
}
trap stop EXIT

"$root/test/compat/kafka/fetch.sh" > /dev/null || exit 2
started=$("$root/test/compat/kafka/up.sh" 4 "$peer" "$dir/kafka" offsets.topic.num.partitions=5 producer.id.expiration.check.interval.ms=50 share.coordinator.state.topic.num.partitions=3 group.consumer.assignment.interval.ms=0 group.share.assignment.interval.ms=0 group.streams.assignment.interval.ms=0 group.streams.initial.rebalance.delay.ms=0 ${EXTRA:-}) || exit 2
pids+=("${started#PID }")

(cd "$root" && CGO_ENABLED=0 go build -o "$dir/gokafka.bin" ./cmd/gokafka) || exit 2
mkdir -p "$dir/gokafka"
controller=$(sed -n 's/^controller.quorum.bootstrap.servers=.*://p' "$dir/kafka/server.properties")
sed -e "s|$dir/kafka|$dir/gokafka|g" -e "s|:$controller\b|:$((controller - peer + subject))|g" -e "s|:$peer\b|:$subject|g" \
  "$dir/kafka/server.properties" > "$dir/gokafka/server.properties"
"$dir/gokafka.bin" server "$dir/gokafka/server.properties" > "$dir/gokafka/server.log" 2>&1 &
pids+=($!)
for _ in $(seq 600); do
  (exec 3<> "/dev/tcp/127.0.0.1/$subject") 2>/dev/null && break
  kill -0 "${pids[1]}" 2>/dev/null || { cat "$dir/gokafka/server.log" >&2; exit 2; }
  sleep 0.1
done

cd "$root" && GOKAFKA_PEER=127.0.0.1:$peer GOKAFKA_PEER_DIR=$dir/kafka GOKAFKA_SUBJECT=127.0.0.1:$subject GOKAFKA_SUBJECT_DIR=$dir/gokafka \
  go test -count=1 -timeout 20m ./test/differential/ "$@"
status=$?
if ! kill -0 "${pids[1]}" 2>/dev/null; then
  echo "gokafka died:" >&2
  grep -n -m1 -A40 '^panic\|^fatal' "$dir/gokafka/server.log" >&2 || tail -20 "$dir/gokafka/server.log" >&2
  status=1
fi
panics=$(grep -c 'panic while serving' "$dir/gokafka/server.log")
if [ "$panics" -gt 0 ]; then
  echo "gokafka panicked while serving $panics requests:" >&2
  grep 'panic while serving' "$dir/gokafka/server.log" | cut -c1-400 >&2
  status=1
fi
exit $status
