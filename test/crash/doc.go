// Package crash starts the gokafka program as its users do, as a process of its own, and does to it what happens to brokers: kill -9 under load,
// full disks, damaged files, peers that talk garbage, directories of somebody else. It knows the broker by its command line, its sockets, its files
// and what /proc says about it.
//
//	GOKAFKA_CRASH_ROUNDS=100 go test -timeout 30m ./test/crash   many rounds of kill -9 and SIGTERM (default: a few)
//	GOKAFKA_CRASH_SEED=42                                        the same random choices again; every test prints its seed
//	GOKAFKA_CRASH_RACE=1                                         builds the program with the race detector
//	GOKAFKA_CRASH_BIN=bin/gokafka                                takes this program instead of building one
//
// The tests are for Linux.
package crash
