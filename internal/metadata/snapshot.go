package metadata

import (
	"errors"
	"fmt"

	"github.com/gokafka/gokafka/internal/metadata/records"
	"github.com/gokafka/gokafka/internal/protocol"
)

// snapshotBatchBytes is about how large a batch of a snapshot is.
const snapshotBatchBytes = 1 << 20

// errSnapshot is what every error of reading a snapshot wraps.
var errSnapshot = errors.New("damaged metadata snapshot")

// encodeSnapshot writes img as Kafka writes a snapshot: a control batch with the header and the voters, batches of records, a control batch with the
// footer. Offsets within it count from 0.
func encodeSnapshot(img *Image, nowMs int64) ([]byte, error) {
	w := snapshotWriter{epoch: img.epoch, nowMs: nowMs}
	header := []records.Control{&records.SnapshotHeaderRecord{LastContainedLogTimestamp: img.timestampMs}}
	w.control(append(header, img.quorum.records()...)...)
	img.records(w.add)
	w.flush()
	w.control(&records.SnapshotFooterRecord{})
	return w.out, w.err
}

// records are the control records that tell of the voters; there are none with kraft.version 0.
func (q *quorum) records() []records.Control {
	if q.kraftVersion == 0 {
		return nil
	}
	list := []records.Control{&records.KRaftVersionRecord{KRaftVersion: q.kraftVersion}}
	if q.voters != nil {
		list = append(list, q.voters)
	}
	return list
}

type snapshotWriter struct {
	epoch   int32
	nowMs   int64
	out     []byte
	offset  int64
	pending []records.Versioned
	bytes   int
	err     error
}

func (w *snapshotWriter) put(batch []byte, err error, count int) {
	w.err = errors.Join(w.err, err)
	w.out = append(w.out, batch...)
	w.offset += int64(count)
}

func (w *snapshotWriter) control(list ...records.Control) {
	batch, err := encodeControl(w.offset, w.epoch, w.nowMs, list...)
	w.put(batch, err, len(list))
}

func (w *snapshotWriter) add(r records.Versioned) {
	w.pending = append(w.pending, r)
	// A guess is enough: only topics with many partitions make large batches, at some 80 bytes a partition.
	if w.bytes += 80; w.bytes >= snapshotBatchBytes {
		w.flush()
	}
}

func (w *snapshotWriter) flush() {
	if len(w.pending) == 0 {
		return
	}
	batch, err := encodeBatch(w.offset, w.epoch, w.nowMs, w.pending)
	w.put(batch, err, len(w.pending))
	w.pending, w.bytes = w.pending[:0], 0
}

// decodeSnapshot replays a snapshot, or a bootstrap.checkpoint, into p. It returns the time of the last record that the snapshot stands for.
// Errors wrap errSnapshot.
func decodeSnapshot(data []byte, p *replayer) (timestampMs int64, err error) {
	state := snapshotBegin
	for batch, err := range protocol.Batches(data) {
		if err == nil {
			err = batch.CheckCRC()
		}
		if err != nil {
			return 0, fmt.Errorf("%w: %w", errSnapshot, err)
		}
		for r, err := range batch.Records() {
			if err == nil {
				state, err = state.next(batch, r, p, &timestampMs)
			}
			if err != nil {
				return 0, fmt.Errorf("%w: record %d: %w", errSnapshot, r.Offset, err)
			}
		}
	}
	if state != snapshotEnd {
		return 0, fmt.Errorf("%w: it ends before its footer", errSnapshot)
	}
	return timestampMs, nil
}

// snapshotState is where in a snapshot the reader is.
type snapshotState int8

const (
	snapshotBegin snapshotState = iota // before the header
	snapshotBody
	snapshotEnd // after the footer
)

func (s snapshotState) next(batch protocol.Batch, r protocol.Record, p *replayer, timestampMs *int64) (snapshotState, error) {
	if s == snapshotEnd {
		return s, errors.New("after the footer")
	}
	if !batch.IsControl() {
		if s == snapshotBegin {
			return s, errors.New("before the header")
		}
		v, err := records.Parse(r.Value)
		if err == nil {
			err = p.apply(v.Record)
		}
		return s, err
	}
	c, err := parseControl(r)
	if err != nil {
		return s, err
	}
	switch c := c.(type) {
	case *records.SnapshotHeaderRecord:
		if s != snapshotBegin {
			return s, errors.New("a second header")
		}
		*timestampMs = c.LastContainedLogTimestamp
		return snapshotBody, nil
	case *records.SnapshotFooterRecord:
		if s != snapshotBody {
			return s, errors.New("a footer without a header")
		}
		return snapshotEnd, nil
	}
	return s, p.control(c)
}

func parseControl(r protocol.Record) (records.Control, error) {
	kind, _, err := protocol.ParseControlMarker(r)
	if err != nil {
		return nil, err
	}
	return records.ParseControl(int16(kind), r.Value)
}

// control replays a control record of the log or of a snapshot; nil is one of an unknown kind.
func (p *replayer) control(c records.Control) error {
	switch c := c.(type) {
	case *records.LeaderChangeRecord:
		p.img.controllerID = c.LeaderID
	case *records.KRaftVersionRecord:
		if c.KRaftVersion < 0 || c.KRaftVersion > 1 {
			return fmt.Errorf("kraft.version %d is of a newer Kafka: %w", c.KRaftVersion, errReplay)
		}
		p.img.kraftVersion = c.KRaftVersion
	case *records.VotersRecord:
		p.img.voters = c
	}
	return nil
}
