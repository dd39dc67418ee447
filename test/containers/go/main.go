// Command modules starts gokafka's image with the Kafka module of testcontainers-go, and sends and reads a record through it. It is a module by itself, so
// that the Docker client does not become a dependency of gokafka.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/testcontainers/testcontainers-go"
	tckafka "github.com/testcontainers/testcontainers-go/modules/kafka"
)

func main() {
	began := time.Now()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	if err := run(ctx, os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Printf("ok %s %d ms\n", os.Args[2], time.Since(began).Milliseconds())
}

func run(ctx context.Context, image string) (err error) {
	container, err := tckafka.Run(ctx, image, tckafka.WithClusterID("test-cluster"))
	defer func() {
		err = errors.Join(err, testcontainers.TerminateContainer(container, testcontainers.StopTimeout(0)))
	}()
	if err != nil {
		return err
	}
	if container.ClusterID != "test-cluster" {
		return fmt.Errorf("cluster id %q", container.ClusterID)
	}
	brokers, err := container.Brokers(ctx)
	if err != nil {
		return err
	}
	w := &kafka.Writer{Addr: kafka.TCP(brokers...), Topic: "words", AllowAutoTopicCreation: true}
	for try := 0; ; try++ {
		if err = w.WriteMessages(ctx, kafka.Message{Key: []byte("key"), Value: []byte("value")}); err == nil {
			break
		}
		if !errors.Is(err, kafka.UnknownTopicOrPartition) || try > 20 { // kafka-go leaves it to its user to wait for the topic
			return err
		}
		time.Sleep(100 * time.Millisecond)
	}
	r := kafka.NewReader(kafka.ReaderConfig{Brokers: brokers, GroupID: "readers", Topic: "words", StartOffset: kafka.FirstOffset})
	m, err := r.ReadMessage(ctx)
	if err == nil && (string(m.Key) != "key" || string(m.Value) != "value") {
		err = fmt.Errorf("read %q, %q", m.Key, m.Value)
	}
	return errors.Join(err, w.Close(), r.Close())
}
