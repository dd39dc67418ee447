// Package client connects command-line programs to a cluster, any Kafka's: it understands the properties of Kafka's Java clients (the files behind
// --command-config, --producer.config and --consumer.config, security included) and turns them into a client of franz-go.
//
// Connect answers within seconds: with a client that has reached a broker, or an error that names the addresses tried and the likely cause.
package client
