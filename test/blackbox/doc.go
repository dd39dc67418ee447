// Package blackbox tests a node of this module, in the process but over its sockets and on real files, with the clients
// of others: franz-go, sarama and segmentio/kafka-go. It knows the broker by its protocol alone.
package blackbox
