package broker

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
	"go.uber.org/zap"

	"github.com/gokafka/gokafka/internal/config"
	"github.com/gokafka/gokafka/internal/log"
	"github.com/gokafka/gokafka/internal/protocol"
)

// AppendOptions say on whose behalf records are appended.
type AppendOptions struct {
	RequiredAcks   int16  // −1 asks for min.insync.replicas
	ProduceVersion int16  // the version of the Produce request: below 3 the records are message sets
	TxnGuard       uint64 // what VerifyTxn gave out for the transaction that the records belong to
}

// Append validates the records field of a Produce request as Kafka's LogValidator does and appends it. It may stamp offsets into records, whose
// bytes are the caller's again when it returns. The appended records are committed when the high watermark has passed Appended.LastOffset.
//
// Errors: kerr.NotLeaderForPartition, kerr.NotEnoughReplicas, those of protocol.Validate and of the log's Append.
func (p *Partition) Append(records []byte, o AppendOptions) (log.Appended, error) {
	s, err := p.leader()
	if err != nil {
		return log.Appended{}, err
	}
	topic := p.topic.Load()
	if o.RequiredAcks == -1 && len(s.isr) < topic.MinInsyncReplicas {
		return log.Appended{}, fmt.Errorf("%s: %d in-sync replicas, min.insync.replicas is %d: %w", p.tp, len(s.isr), topic.MinInsyncReplicas, kerr.NotEnoughReplicas)
	}
	v, err := protocol.Validate(records, p.validateOptions(topic, o.ProduceVersion))
	if err != nil {
		return log.Appended{}, err
	}
	if len(v.Records) == 0 { // an empty message set, which Kafka took as well
		return log.Appended{BaseOffset: -1, LastOffset: -1, LogAppendTimeMs: -1, LogStartOffset: p.LogStartOffset()}, nil
	}
	lo := log.AppendOptions{LeaderEpoch: s.leaderEpoch, Origin: log.Client, Guard: o.TxnGuard}
	if protocol.Batch(v.Records).IsTransactional() { // one batch, where there are transactions
		lo.VerifyTxns = p.verifiesTxns()
	}
	a, err := p.append(s, v.Records, lo)
	if err != nil {
		return log.Appended{}, err
	}
	if !a.Duplicate { // a duplicate is answered with what its original was given
		a.LogAppendTimeMs = v.LogAppendTimeMs
	}
	return a, nil
}

// append appends validated batches, commits them when this is the only replica, and wakes whom that concerns.
func (p *Partition) append(s *replicaState, batches []byte, o log.AppendOptions) (log.Appended, error) {
	a, err := onLog(p, func(l *log.Log) (log.Appended, error) { return l.Append(batches, o) })
	if err != nil {
		p.reportFull(err)
		return log.Appended{}, fmt.Errorf("append to %s: %w", p.tp, err)
	}
	if p.advanceHighWatermark(s) {
		p.watchers.wakeAll()
	}
	return a, nil
}

// reportFullEvery is how often a full disk is told of in the log: producers try again and again.
const reportFullEvery = 10_000 // ms

// reportFull says in the log that records are refused because the disk is full: whoever looks for the reason looks there.
func (p *Partition) reportFull(err error) {
	if !log.IsNoSpace(err) {
		return
	}
	now, last := p.nowMs(), p.reportedFullMs.Load()
	if now-last >= reportFullEvery && p.reportedFullMs.CompareAndSwap(last, now) {
		p.logger.Error("records are refused, the disk is full", append(p.tp.Fields(), zap.Error(err))...)
	}
}

// validateOptions turns a topic's configuration into the validator's.
func (p *Partition) validateOptions(t *config.Topic, produceVersion int16) protocol.ValidateOptions {
	o := protocol.ValidateOptions{
		TopicPartition:       p.tp,
		ProduceVersion:       produceVersion,
		TimestampBeforeMaxMs: t.TimestampBeforeMaxMs, TimestampAfterMaxMs: t.TimestampAfterMaxMs,
		KeyRequired: t.CleanupCompact, MaxBatchBytes: t.MaxMessageBytes, NowMs: p.nowMs(),
	}
	if t.TimestampType == "LogAppendTime" {
		o.TimestampType = protocol.LogAppendTime
	}
	o.Codec, o.Level = codec(t)
	return o
}

// codec returns the codec that compression.type demands with its level, nil for the producer's own choice.
func codec(t *config.Topic) (*protocol.Codec, int) {
	set := func(c protocol.Codec) *protocol.Codec { return &c }
	switch t.CompressionType {
	case "uncompressed":
		return set(protocol.CodecNone), 0
	case "gzip":
		return set(protocol.CodecGzip), t.GzipLevel
	case "snappy":
		return set(protocol.CodecSnappy), 0
	case "lz4":
		return set(protocol.CodecLZ4), t.LZ4Level
	case "zstd":
		return set(protocol.CodecZstd), t.ZstdLevel
	default:
		return nil, 0
	}
}
