package broker

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/gokafka/gokafka/internal/log"
)

// The timestamps with a meaning of their own in ListOffsets.
const (
	TimestampLatest                = -1 // the high watermark, or the last stable offset when reading committed
	TimestampEarliest              = -2 // the log start offset
	TimestampMax                   = -3 // the record with the largest timestamp (KIP-734)
	TimestampEarliestLocal         = -4 // the first offset on local disk (KIP-405)
	TimestampLatestTiered          = -5 // the last offset on remote storage (KIP-1005): none here
	TimestampEarliestPendingUpload = -6 // the first offset not yet on remote storage (KIP-1023): none here
)

// OffsetForTimestamp returns the first record at or after timestampMs, or what one of the special timestamps asks for. Found.OK is false when
// there is none. Only records that the isolation lets be read are found. leaderEpoch is what the client knows of, −1 for none.
func (p *Partition) OffsetForTimestamp(timestampMs int64, readCommitted bool, leaderEpoch int32) (log.Found, error) {
	if err := p.CheckLeaderEpoch(leaderEpoch); err != nil {
		return log.Found{}, err
	}
	end := p.log().HighWatermark()
	if readCommitted {
		end = p.log().LastStableOffset()
	}
	switch timestampMs {
	case TimestampLatest:
		return log.Found{Offset: end, TimestampMs: -1, LeaderEpoch: p.LeaderEpoch(), OK: true}, nil
	case TimestampEarliest, TimestampEarliestLocal:
		start := p.log().StartOffset()
		return log.Found{Offset: start, TimestampMs: -1, LeaderEpoch: p.log().EpochAt(start), OK: true}, nil
	case TimestampLatestTiered, TimestampEarliestPendingUpload:
		return log.Found{Offset: -1, TimestampMs: -1, LeaderEpoch: -1}, nil
	}
	find := func(l *log.Log) (log.Found, error) { return l.OffsetForTimestamp(timestampMs) }
	if timestampMs == TimestampMax {
		find = (*log.Log).OffsetOfMaxTimestamp
	} else if timestampMs < 0 {
		return log.Found{}, fmt.Errorf("%s: timestamp %d has no meaning: %w", p.tp, timestampMs, kerr.InvalidRequest)
	}
	found, err := onLog(p, find)
	if err != nil {
		return log.Found{}, fmt.Errorf("look up timestamp %d in %s: %w", timestampMs, p.tp, err)
	}
	// The high watermark does not bound a look-up by the largest timestamp in Kafka either, as the record of it may be the last one written;
	// but nothing is ever found beyond what may be read.
	if !found.OK || found.Offset >= end {
		return log.Found{Offset: -1, TimestampMs: -1, LeaderEpoch: -1}, nil
	}
	return found, nil
}

// EndOffsetForEpoch returns the largest leader epoch not above requested and the offset at which the next one began (KIP-101), both −1 when
// there is none. current is the leader epoch that the client knows of, −1 for none.
func (p *Partition) EndOffsetForEpoch(requested, current int32) (epoch int32, endOffset int64, err error) {
	if err := p.CheckLeaderEpoch(current); err != nil {
		return -1, -1, err
	}
	epoch, endOffset = p.log().EndOffsetForEpoch(requested)
	return epoch, endOffset, nil
}

// DeleteRecords moves the log start offset up to offset, −1 meaning the high watermark, and returns the new low watermark.
//
// Errors: kerr.OffsetOutOfRange when offset is beyond the high watermark, kerr.PolicyViolation for a topic that is only compacted.
func (p *Partition) DeleteRecords(offset int64) (lowWatermark int64, err error) {
	if _, err := p.leader(); err != nil {
		return -1, err
	}
	if t := p.topic.Load(); !t.CleanupDelete {
		return -1, fmt.Errorf("records of %s cannot be deleted: its cleanup.policy has no delete: %w", p.tp, kerr.PolicyViolation)
	}
	high := p.log().HighWatermark()
	if offset == -1 {
		offset = high
	}
	if offset < 0 || offset > high {
		return -1, fmt.Errorf("offset %d of %s is beyond the high watermark %d: %w", offset, p.tp, high, kerr.OffsetOutOfRange)
	}
	start, err := onLog(p, func(l *log.Log) (int64, error) { return l.DeleteRecordsTo(offset) })
	if err != nil {
		return -1, fmt.Errorf("delete the records of %s before %d: %w", p.tp, offset, err)
	}
	p.watchers.wakeAll()
	return start, nil
}
