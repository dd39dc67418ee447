// Command bench measures gokafka and Apache Kafka 4.3.1 side by side on this machine and prints the ratio.
//
//	go run ./bench                         # every part, three rounds each, into bench/RESULTS.md
//	go run ./bench -part recovery -n 1     # one part, one round, to the terminal
//	go run ./bench -list
//
// Never are both brokers loaded at once: a part runs one, stops it, runs the other, and begins again; the table has the medians. Both get the same
// configuration but for what the KRaft mode of Apache Kafka needs, listen on 127.0.0.1 only, and are driven by the same client, franz-go. Broker CPU is
// the process's own time from /proc, which the client's work on the same cores does not change; times by the wall depend on what else the machine does.
//
// A part is a function in parts_*.go that fills in figures; runner.go starts and stops the brokers, report.go prints.
package main
