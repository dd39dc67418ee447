// Package differential asks Apache Kafka and gokafka the same questions and compares the answers.
//
// Every scenario is a function that talks to one broker. It runs against both brokers, its answers are
// recorded as flat "path = value" lines, values that differ by nature (ids, ports, times) are replaced by
// symbols or masks, and the two records are compared line by line. A difference that is not listed in
// accepted_test.go, with the reason why it is right, fails the test; so does a listed one that no longer
// occurs.
//
// Each request is sent in every version that both brokers advertise; versions that only gokafka serves are
// sent to gokafka alone, and must be answered.
//
// The test needs two running brokers, fresh ones, and is skipped without them:
//
//	test/differential/run.sh                     # starts both and runs the test
//	GOKAFKA_PEER=host:port GOKAFKA_SUBJECT=host:port go test ./test/differential/
//	GOKAFKA_PEER=host:port GOKAFKA_PRINT=1 go test -v -run 'TestPrint/CreateTopics' ./test/differential/
//
// The last form prints what one broker answers; it is how to find out what Kafka does.
package differential
