// Package cli is gokafka's command line: one file per command.
//
// `server` runs a node in this process; it reads the configuration, makes the logger, turns signals into a graceful stop and prints what a person
// or a script wants to see at the start. Commands about a running cluster are Kafka clients and never look into a broker's memory or files.
//
// What goes where: the log goes to standard output, as Kafka's does. The banner, notices and errors go to standard error. Exit status 0 is
// success, 1 failure, 2 wrong usage; a second signal ends the process at once with 128 plus its number.
package cli
