package broker

import (
	"context"
	"time"

	"go.uber.org/zap"

	"github.com/gokafka/gokafka/internal/log"
)

// retryEvery is how often partitions whose logs found the disk full are tried again.
const retryEvery = 5 * time.Second

// retryWhereDiskWasFull gives partitions that could not be created on a full disk their logs once there is room again, until ctx ends.
func (b *Broker) retryWhereDiskWasFull(ctx context.Context) {
	t := time.NewTicker(retryEvery)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
			b.retryFull()
		}
	}
}

// retryFull tries once.
func (b *Broker) retryFull() {
	b.changing.Lock()
	defer b.changing.Unlock()
	topics := map[string][16]byte{}
	b.mu.RLock()
	for tp, f := range b.failed {
		if log.IsNoSpace(f.err) {
			topics[tp.Topic] = f.topicID
		}
	}
	b.mu.RUnlock()
	for name, id := range topics {
		t := b.image.Topic(name)
		if t == nil || t.ID != id {
			continue
		}
		b.update(t, b.applied.Topic(b.image.TopicConfig(name)), false)
		b.mu.RLock()
		left := 0
		for tp := range b.failed {
			if tp.Topic == name {
				left++
			}
		}
		b.mu.RUnlock()
		if left == 0 {
			b.logger.Info("there is room on the disk again: all partitions are there", zap.String("topic", name))
		}
	}
}
