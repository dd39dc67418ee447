package kafkatest_test

import (
	"context"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/gokafka/gokafka/kafkatest"
)

// A test of code that uses Kafka: the broker is there in milliseconds and gone with the test.
func TestExample(t *testing.T) {
	b := kafkatest.Start(t, kafkatest.Topic("orders", 3), kafkatest.NoAutoCreate())

	client, err := kgo.NewClient(kgo.SeedBrokers(b.Addr()), kgo.ConsumeTopics("orders"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()

	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if err := client.ProduceSync(ctx, &kgo.Record{Topic: "orders", Key: []byte("7"), Value: []byte("two coffees")}).FirstErr(); err != nil {
		t.Fatal(err)
	}
	fetches := client.PollFetches(ctx)
	if err := fetches.Err(); err != nil {
		t.Fatal(err)
	}
	for _, r := range fetches.Records() {
		if string(r.Value) != "two coffees" {
			t.Errorf("read %q", r.Value)
		}
	}
}
