// Command bench measures gokafka and Apache Kafka 4.3.1 side by side on this machine and prints the ratio.
//
//	make bench                                           # every part, three rounds each, into bench/RESULTS.md; about 50 minutes
//	make bench ROUNDS=1                                  # about 17 minutes
//	make bench PART='^(produce|fetch)$' ROUNDS=1         # some parts anew; the report keeps the others
//	go run ./bench -part recovery -n 1                   # one part, one round, to the terminal
//	go run ./bench -part produce -case '16 KiB' -broker gokafka -n 1 -heat 0   # a closer look at one case
//	go run ./bench -addr host:9092 -n 1                  # another broker, which runs already; -pid N for its CPU and memory
//	go run ./bench -list
//	make benchcmp REF=v0.1.0 BENCH=Fetch                 # micro-benchmarks against another commit (compare.sh, benchstat)
//
// Never are both brokers loaded at once: a part runs one, stops it, runs the other, and begins again; the table has the medians. Both get the same
// configuration but for what the KRaft mode of Apache Kafka needs, listen on 127.0.0.1 only, and are driven by the same clients.
//
// The main figures are CPU seconds of the broker's process, from /proc, per GiB and per request: on a machine of few cores the client competes with
// the broker, and throughput says as much about the one as about the other. They are counted while a load goes on that has gone on for a moment
// (-warm, -measured), after the broker has had all kinds of load for a while (-heat): a JVM that has not compiled its code yet costs several times what it
// costs later, and that is told apart, by the parts start, recovery and tools.
//
// The machine is warmed up as well: see touchMemory. The brokers take turns at going first, and what one wrote is on the disk before the next begins.
//
// The raw client (raw.go, raw_frames.go) sends frames that were encoded before over plain sockets and looks at error codes and offsets alone of what is
// answered. Every answer is checked for its error code. Of an idempotent producer's batches the sequence is counted on and the CRC corrected by a
// table, so that this costs nothing either.
//
// A part is a function in parts_*.go that fills in figures; runner.go starts and stops the brokers; bars.go has what issue 6 asks for; report.go and plot.go
// print. results.json keeps the figures of all rounds. Directories stay until the end: see measure.
//
// kafka-python and librdkafka run where make compat has made their virtual environments (.compat, or the folders in BENCH_VENVS), and are left out with a
// line where it has not.
package main
