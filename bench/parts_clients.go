package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// measureClients runs the programs that others measure with: Kafka's own perf tools, librdkafka and kafka-python. They are bound by what they cost themselves on
// two cores; the figure to read is the broker's CPU.
func measureClients(ctx context.Context, b *running, f *figures) error {
	libs, err := kafkaLibs()
	if err != nil {
		return err
	}
	const records = 300_000
	java := func(class string, args ...string) *exec.Cmd {
		return exec.CommandContext(ctx, "java", append([]string{"-Xmx512M", "-cp", libs + "/*", class}, args...)...)
	}
	for _, c := range []struct{ name, topic, extra string }{
		{"Java producer, acks=all, 16 KiB", "java", "linger.ms=0 batch.size=16384"},
		{"Java producer, lz4, 256 KiB", "javalz4", "linger.ms=10 batch.size=262144 compression.type=lz4"},
	} {
		if err := createTopic(ctx, b, c.topic, 1, nil); err != nil {
			return err
		}
		args := []string{"--topic", c.topic, "--num-records", strconv.Itoa(records), "--record-size", "1024", "--throughput", "-1", "--producer-props", "bootstrap.servers=" + b.addr, "acks=all"}
		if err := program(b, f, c.name, records, java("org.apache.kafka.tools.ProducerPerformance", append(args, strings.Fields(c.extra)...)...)); err != nil {
			return err
		}
	}
	err = program(b, f, "Java consumer", records, java("org.apache.kafka.tools.ConsumerPerformance", "--bootstrap-server", b.addr, "--topic", "java",
		"--num-records", strconv.Itoa(records), "--timeout", "60000"))
	if err != nil {
		return err
	}
	for _, c := range pythonPrograms {
		python := findPython(c.venvs)
		if python == "" {
			fmt.Fprintf(os.Stderr, "clients: no %s here (make compat RUN=%s installs it into .compat), left out\n", c.name, c.venvs[0])
			continue
		}
		if err := createTopic(ctx, b, c.name, 1, nil); err != nil {
			return err
		}
		for _, what := range []string{"produce", "consume"} {
			cmd := exec.CommandContext(ctx, python, "-c", c.code, what, b.addr, c.name, strconv.Itoa(c.records))
			if err := program(b, f, c.name+" "+what, c.records, cmd); err != nil {
				return err
			}
		}
	}
	return nil
}

var saidRate = regexp.MustCompile(`seconds=([0-9.]+)`)

// program runs a client that moves so many records of 1 KiB.
func program(b *running, f *figures, name string, records int, cmd *exec.Cmd) error {
	cpu, began := b.cpuSeconds(), time.Now()
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w: %s", name, err, out[max(0, len(out)-1000):])
	}
	seconds := time.Since(began).Seconds()
	if m := saidRate.FindSubmatch(out); m != nil {
		seconds, _ = strconv.ParseFloat(string(m[1]), 64)
	}
	gib := float64(records) / (1 << 20)
	f.add(name+": broker CPU", "s/GiB", (b.cpuSeconds()-cpu)/gib)
	f.add(name+": client CPU", "s/GiB", (cmd.ProcessState.UserTime()+cmd.ProcessState.SystemTime()).Seconds()/gib)
	f.add(name+": rate, with the start of the client", "records/s", float64(records)/seconds)
	return nil
}

// findPython looks for an interpreter in one of the environments that make compat makes.
func findPython(venvs []string) string {
	for _, v := range venvs {
		for _, dir := range filepath.SplitList(".compat" + string(filepath.ListSeparator) + os.Getenv("BENCH_VENVS")) {
			python, err := filepath.Abs(filepath.Join(dir, v, "bin", "python"))
			if err != nil || dir == "" {
				continue
			}
			if _, err := os.Stat(python); err == nil {
				return python
			}
		}
	}
	return ""
}

var pythonPrograms = []struct {
	name    string
	venvs   []string
	records int
	code    string
}{
	{"librdkafka", []string{"confluent-kafka-2.16.1", "confluent-kafka-2.0.2"}, 200_000, `
import sys, time
from confluent_kafka import Producer, Consumer
what, addr, topic, n = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
began = time.time()
if what == "produce":
    p = Producer({"bootstrap.servers": addr, "linger.ms": 5, "queue.buffering.max.messages": 1000000})
    value = b"x" * 1024
    for _ in range(n):
        while True:
            try:
                p.produce(topic, value)
                break
            except BufferError:
                p.poll(0.1)
        p.poll(0)
    if p.flush(60):
        sys.exit("not all were delivered")
else:
    # A broker that fills the consumer's queue is not asked again for a second otherwise: the faster one would be the slower.
    c = Consumer({"bootstrap.servers": addr, "group.id": "bench", "auto.offset.reset": "earliest", "fetch.queue.backoff.ms": 10})
    c.subscribe([topic])
    got = 0
    while got < n:
        for m in c.consume(10000, 5):
            if m.error():
                sys.exit(str(m.error()))
            got += 1
        if time.time() - began > 120:
            sys.exit("%d of %d came" % (got, n))
    c.close()
print("seconds=%f" % (time.time() - began))
`},
	{"kafka-python", []string{"kafka-python-2.3.3", "kafka-python-2.0.2", "kafka-python-3.0.12"}, 20_000, `
import sys, time
from kafka import KafkaProducer, KafkaConsumer
what, addr, topic, n = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
began = time.time()
if what == "produce":
    p = KafkaProducer(bootstrap_servers=addr, linger_ms=5)
    value = b"x" * 1024
    for _ in range(n):
        p.send(topic, value)
    p.flush()
else:
    c = KafkaConsumer(topic, bootstrap_servers=addr, auto_offset_reset="earliest", consumer_timeout_ms=60000)
    got = 0
    for _ in c:
        got += 1
        if got == n:
            break
    if got < n:
        sys.exit("%d of %d came" % (got, n))
    c.close()
print("seconds=%f" % (time.time() - began))
`},
}
