package broker

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/gokafka/gokafka/internal/log"
)

// ReadOptions say what a consumer wants of a partition.
type ReadOptions struct {
	Offset           int64
	MaxBytes         int32
	MinOne           bool  // the first batch is returned however large it is
	LeaderEpoch      int32 // the leader epoch that the client knows of, −1 for none (KIP-320)
	LastFetchedEpoch int32 // the epoch of the record before Offset, −1 for none (KIP-595, KIP-320)
	ReadCommitted    bool
}

// ReadResult is what a partition answered. Region must be released by the caller, also when it is empty.
type ReadResult struct {
	Region           log.Region
	HighWatermark    int64
	LastStableOffset int64
	LogStartOffset   int64
	Aborted          []log.AbortedTxn // with ReadCommitted: the aborted transactions that reach into the region
	Diverging        *EpochEnd        // set when the client's log has left ours: it must truncate; Region is then empty
}

// EpochEnd is the end of a leader epoch: the largest epoch not above the one asked for, and the first offset after it.
type EpochEnd struct {
	Epoch     int32
	EndOffset int64
}

// Read returns whole batches from the one that holds Offset on, up to the high watermark or, with ReadCommitted, the last stable offset.
//
// Errors: kerr.OffsetOutOfRange, kerr.NotLeaderForPartition, kerr.FencedLeaderEpoch, kerr.UnknownLeaderEpoch. With OffsetOutOfRange the three
// offsets of the result are set all the same, as Kafka answers them.
func (p *Partition) Read(o ReadOptions) (ReadResult, error) {
	if err := p.CheckLeaderEpoch(o.LeaderEpoch); err != nil {
		return ReadResult{}, err
	}
	r := ReadResult{HighWatermark: p.log().HighWatermark(), LastStableOffset: p.log().LastStableOffset(), LogStartOffset: p.log().StartOffset()}
	if o.LastFetchedEpoch >= 0 {
		diverging, err := p.diverging(o)
		if err != nil || diverging != nil {
			r.Diverging = diverging
			return r, err
		}
	}
	until := r.HighWatermark
	if o.ReadCommitted {
		until = r.LastStableOffset
	}
	region, err := onLog(p, func(l *log.Log) (log.Region, error) { return l.Read(o.Offset, until, o.MaxBytes, o.MinOne) })
	if err != nil {
		return r, fmt.Errorf("read %s: %w", p.tp, err)
	}
	r.Region = region
	if o.ReadCommitted && region.Len() > 0 {
		if r.Aborted, err = region.AbortedTxns(o.Offset); err != nil {
			region.Release()
			return ReadResult{}, fmt.Errorf("aborted transactions of %s: %w", p.tp, err)
		}
	}
	return r, nil
}

// diverging returns where the client's log left ours, nil when it did not.
func (p *Partition) diverging(o ReadOptions) (*EpochEnd, error) {
	epoch, end := p.log().EndOffsetForEpoch(o.LastFetchedEpoch)
	if epoch < 0 || end < 0 {
		return nil, fmt.Errorf("%s: no end offset for the last fetched epoch %d: %w", p.tp, o.LastFetchedEpoch, kerr.OffsetOutOfRange)
	}
	if epoch < o.LastFetchedEpoch || end < o.Offset {
		return &EpochEnd{Epoch: epoch, EndOffset: end}, nil
	}
	return nil, nil
}
