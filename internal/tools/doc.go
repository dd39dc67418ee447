// Package tools is Kafka's own command-line tools, native: kafka-topics, kafka-console-consumer and the others, with the flags of Kafka 2.8 and 4.3, the
// same output, the same messages and the same exit status, so that tutorials, scripts and health checks need no Java.
//
// A tool is one file, named after it, with one Tool value; table.go lists them all. It is a Kafka client like any other and works against any broker: what
// it knows of the cluster comes over the wire (dump-log, storage and server-start aside). It touches its process only through Env, so that tests run it with
// texts for its input and output. Package cli finds tools by the name that the binary was called with.
package tools
