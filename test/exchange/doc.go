// Package exchange tests that log directories pass between gokafka and Apache Kafka, in both directions and back: Apache 4.3.1, a directory of
// Apache 2.8.2 with ZooKeeper, clean stops and kill -9, and kafka-dump-log over all that gokafka writes.
//
// It needs the real Kafka (test/compat/kafka/fetch.sh), and so runs only with GOKAFKA_EXCHANGE=1; `make exchange` does all that. A Java broker
// costs a core and a gigabyte: tests run one after the other, each with one broker at a time.
//
// The method: [cluster] is everything that clients can see of a broker, down to the bytes of batches. It is taken before a stop, and after the
// other broker's start it must be the same. Then the other broker adds to it.
package exchange
