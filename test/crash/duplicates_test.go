//go:build linux

package crash

import (
	"math"
	"path/filepath"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/gokafka/gokafka/internal/protocol"
)

// sequenced writes batches of one record of an idempotent producer, and knows where each is.
type sequenced struct {
	t   *testing.T
	l   *line
	id  [16]byte // of the topic
	at  map[int32]int64
	now int64
}

func (s *sequenced) send(sequence int32) (int64, error) {
	s.t.Helper()
	b := protocol.NewBatchBuilder(protocol.BatchOptions{ProducerID: 4_000_000, ProducerEpoch: 3, BaseSequence: sequence})
	b.Append(protocol.Record{TimestampMs: s.now, Value: make([]byte, 200)})
	records, err := b.Bytes()
	if err != nil {
		s.t.Fatal(err)
	}
	req := kmsg.NewPtrProduceRequest()
	req.Acks, req.TimeoutMillis = -1, 10_000
	req.Topics = []kmsg.ProduceRequestTopic{{TopicID: s.id, Partitions: []kmsg.ProduceRequestTopicPartition{{Records: records}}}}
	resp, err := s.l.client(s.t).Broker(1).Request(patient(s.t), req)
	if err != nil {
		s.t.Fatal(err)
	}
	p := resp.(*kmsg.ProduceResponse).Topics[0].Partitions[0]
	return p.BaseOffset, kerr.ErrorForCode(p.ErrorCode)
}

// write writes the next batch.
func (s *sequenced) write(sequence int32) {
	s.t.Helper()
	offset, err := s.send(sequence)
	if err != nil {
		s.t.Fatalf("sequence %d: %v", sequence, err)
	}
	s.at[sequence] = offset
}

// again retries what was acknowledged: it must be answered as it was the first time.
func (s *sequenced) again(sequence int32) {
	s.t.Helper()
	if offset, err := s.send(sequence); err != nil || offset != s.at[sequence] {
		s.t.Errorf("sequence %d again: offset %d, %v; it is at %d", sequence, offset, err, s.at[sequence])
	}
}

// TestRetriesAfterKill9: a producer whose acknowledgements were lost with the broker sends its last five batches again, the most that may be on their way
// (Jepsen on Redpanda, #3039: one that is not recognized is written twice). Sequences wrap in the midst of it.
func TestRetriesAfterKill9(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*process){"kill-9": (*process).kill, "SIGTERM": (*process).stop} {
		t.Run(name, func(t *testing.T) {
			dir, l := filepath.Join(t.TempDir(), "data"), &line{}
			p := start(t, dir)
			l.set(p.addr())
			admin := l.admin(t)
			createTopic(t, admin, "retried", 1, "segment.bytes", "1048576", "segment.ms", "100000000")
			topics, err := admin.ListTopics(patient(t), "retried")
			if err != nil {
				t.Fatal(err)
			}
			s := &sequenced{t, l, topics["retried"].ID, map[int32]int64{}, time.Now().UnixMilli()}
			sequence, last := int32(math.MaxInt32-7), [6]int32{}
			written := int64(0)
			for round := range 4 {
				for range 4 + round { // not a multiple of five
					s.write(sequence)
					copy(last[:], last[1:])
					last[5] = sequence
					if sequence++; sequence < 0 {
						sequence = 0
					}
					written++
				}
				end(p)
				p = start(t, dir)
				l.set(p.addr())
				for _, sequence := range last[6-min(written, 5):] {
					s.again(sequence)
				}
				if _, err := s.send(sequence + 1); err != kerr.OutOfOrderSequenceNumber {
					t.Errorf("a gap: %v", err)
				}
				if _, err := s.send(last[0]); written > 5 && err != kerr.OutOfOrderSequenceNumber {
					t.Errorf("the sixth from the end: %v", err)
				}
			}
			ends, err := kadm.NewClient(l.client(t)).ListEndOffsets(patient(t), "retried")
			if o, _ := ends.Lookup("retried", 0); err != nil || o.Offset != written {
				t.Errorf("%d batches are %d records, %v", written, o.Offset, err)
			}
		})
	}
}
