// Package kafkatest starts a Kafka broker within a Go test, in milliseconds: no container, no Java, no process.
//
//	func TestOrders(t *testing.T) {
//		b := kafkatest.Start(t, kafkatest.Topic("orders", 3))
//		client, err := kgo.NewClient(kgo.SeedBrokers(b.Addr()))
//		…
//	}
//
// It is the whole gokafka over real sockets and real files, so that every client library works with it as with a broker elsewhere. Each broker has a
// port and a folder of its own: tests with one each may run in parallel. It ends with the test; what it logged is printed when the test has failed.
//
// What differs from a broker for production: it listens on 127.0.0.1 only, consumer groups do not wait for more members before their first rebalance,
// and the internal topics have few partitions. [Property] changes that and everything else.
package kafkatest
