#!/bin/bash
# up.sh VERSION PORT DIR [KEY=VALUE…]   start one Apache Kafka node on 127.0.0.1:PORT with its data under DIR and wait until it answers.
# VERSION: 4 (4.3.1, KRaft) or 28 (2.8.2, with a ZooKeeper of its own on PORT+10000). KEY=VALUE: extra lines of server.properties.
# Prints "PID n" or "PID n ZK_PID m". The log is DIR/server.log. A directory used before is opened again.
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cache=${KAFKA_PEER_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/kafka-peer}
V=${1:?usage: up.sh VERSION PORT DIR}; P=${2:?port}; D=${3:?dir}; shift 3
[ -f "$cache/kafka-$V/.done" ] || { echo "up.sh: Kafka $V is not in $cache: run $here/fetch.sh" >&2; exit 2; }
mkdir -p "$D" && D=$(cd "$D" && pwd) || exit 2
java=java; [ -n "${JAVA_HOME:-}" ] && java=$JAVA_HOME/bin/java
other=$((P < 45000 ? P + 10000 : P - 10000))

common() {
  printf '%s\n' "log.dirs=$D/data" num.partitions=1 offsets.topic.replication.factor=1 transaction.state.log.replication.factor=1 \
    transaction.state.log.min.isr=1 group.initial.rebalance.delay.ms=0 log.retention.hours=168 "$@"
}
run() { # log file, heap, main class, args…
  local log=$1 heap=$2; shift 2
  setsid "$java" -Xmx"$heap" -Xms"$heap" -XX:+UseG1GC -Djava.awt.headless=true -Dcompat.log.level=INFO \
    -Dlog4j2.configurationFile="$here/log4j2.xml" -Dlog4j.configuration="file:$here/log4j.properties" \
    -cp "$cache/kafka-$V/libs/*" "$@" >> "$log" 2>&1 < /dev/null &
  pid=$!
}
listening() { # port, pid, seconds: until something accepts there
  for _ in $(seq $(($3 * 10))); do
    (exec 3<> "/dev/tcp/127.0.0.1/$1") 2> /dev/null && return 0
    kill -0 "$2" 2> /dev/null || return 1
    sleep 0.1
  done
  return 1
}

zk=
if [ "$V" = 4 ]; then
  { printf '%s\n' process.roles=broker,controller node.id=1 "controller.quorum.bootstrap.servers=127.0.0.1:$other" \
      "listeners=PLAINTEXT://127.0.0.1:$P,CONTROLLER://127.0.0.1:$other" controller.listener.names=CONTROLLER \
      "advertised.listeners=PLAINTEXT://127.0.0.1:$P,CONTROLLER://127.0.0.1:$other" \
      inter.broker.listener.name=PLAINTEXT listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT \
      share.coordinator.state.topic.replication.factor=1 share.coordinator.state.topic.min.isr=1
    common "$@"; } > "$D/server.properties"
  if [ ! -f "$D/data/meta.properties" ]; then
    id=$(head -c16 /dev/urandom | base64 | tr '+/' 'Az' | tr -d =)
    "$here/cli.sh" 4 kafka-storage format --standalone -t "$id" -c "$D/server.properties" > "$D/format.log" 2>&1 || { cat "$D/format.log" >&2; exit 1; }
  fi
else
  printf '%s\n' "dataDir=$D/zookeeper" "clientPort=$other" clientPortAddress=127.0.0.1 maxClientCnxns=0 admin.enableServer=false > "$D/zookeeper.properties"
  run "$D/zookeeper.log" 256M org.apache.zookeeper.server.quorum.QuorumPeerMain "$D/zookeeper.properties"; zk=$pid
  listening "$other" "$zk" 60 || { tail -20 "$D/zookeeper.log" >&2; kill "$zk"; exit 1; }
  { printf '%s\n' broker.id=0 "listeners=PLAINTEXT://127.0.0.1:$P" "advertised.listeners=PLAINTEXT://127.0.0.1:$P" \
      "zookeeper.connect=127.0.0.1:$other" zookeeper.connection.timeout.ms=18000
    common "$@"; } > "$D/server.properties"
fi
run "$D/server.log" 1G kafka.Kafka "$D/server.properties"
if ! python3 "$here/probe.py" 127.0.0.1 "$P" "$pid" 120; then
  tail -20 "$D/server.log" >&2; kill "$pid" $zk 2> /dev/null; exit 1
fi
echo "PID $pid${zk:+ ZK_PID $zk}"
