package log

import (
	"encoding/binary"
	"hash/crc32"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// A producer snapshot: the state of the producers before the offset that is the
// file's name. It is a shortcut for replaying the log.
//
//	0         2     6       10
//	┌─────────┬─────┬───────┬─────────────────────────┐
//	│ version │ crc │ count │ count × 46 bytes        │  crc: CRC-32C of all behind it
//	└─────────┴─────┴───────┴─────────────────────────┘
//	entry: producerId 8, epoch 2, lastSequence 4, lastOffset 8, offsetDelta 4,
//	       timestamp 8, coordinatorEpoch 4, currentTxnFirstOffset 8
const (
	snapshotVersion     = 1
	snapshotHeaderBytes = 10
	snapshotEntryBytes  = 46
)

func formatSnapshot(byID map[int64]*producer) []byte {
	b := make([]byte, snapshotHeaderBytes, snapshotHeaderBytes+len(byID)*snapshotEntryBytes)
	binary.BigEndian.PutUint16(b, snapshotVersion)
	binary.BigEndian.PutUint32(b[6:], uint32(len(byID)))
	for _, id := range slices.Sorted(maps.Keys(byID)) {
		p := byID[id]
		last := batchRef{lastSequence: -1, lastOffset: -1, timestampMs: noTimestamp}
		if p.n > 0 {
			last = p.batches[p.n-1]
		}
		b = binary.BigEndian.AppendUint64(b, uint64(id))
		b = binary.BigEndian.AppendUint16(b, uint16(p.epoch))
		b = binary.BigEndian.AppendUint32(b, uint32(last.lastSequence))
		b = binary.BigEndian.AppendUint64(b, uint64(last.lastOffset))
		b = binary.BigEndian.AppendUint32(b, uint32(last.offsetDelta))
		b = binary.BigEndian.AppendUint64(b, uint64(p.lastTimestampMs))
		b = binary.BigEndian.AppendUint32(b, uint32(p.coordinatorEpoch))
		b = binary.BigEndian.AppendUint64(b, uint64(p.txnFirstOffset))
	}
	binary.BigEndian.PutUint32(b[2:], crc32.Checksum(b[6:], castagnoli))
	return b
}

func parseSnapshot(name string, b []byte) (map[int64]*producer, error) {
	if len(b) < snapshotHeaderBytes {
		return nil, corrupt(name, 0, "%d bytes are less than the header", len(b))
	}
	if v := be16(b); v != snapshotVersion {
		return nil, corrupt(name, 0, "version %d, only %d is known", v, snapshotVersion)
	}
	if crc32.Checksum(b[6:], castagnoli) != be32(b[2:]) {
		return nil, corrupt(name, 2, "the CRC does not match")
	}
	n := int64(int32(be32(b[6:])))
	if n < 0 || int64(len(b)-snapshotHeaderBytes) < n*snapshotEntryBytes {
		return nil, corrupt(name, 6, "%d entries in %d bytes", n, len(b))
	}
	if n == 0 {
		return nil, nil
	}
	byID := make(map[int64]*producer, n)
	for e := b[snapshotHeaderBytes:]; n > 0; n, e = n-1, e[snapshotEntryBytes:] {
		p := &producer{
			epoch: int16(be16(e[8:])), partial: true, lastTimestampMs: int64(be64(e[26:])),
			coordinatorEpoch: int32(be32(e[34:])), txnFirstOffset: max(int64(be64(e[38:])), -1),
		}
		last := batchRef{int32(be32(e[10:])), int32(be32(e[22:])), int64(be64(e[14:])), p.lastTimestampMs}
		if last.lastOffset >= 0 {
			if last.offsetDelta < 0 || int64(last.offsetDelta) > last.lastOffset {
				return nil, corrupt(name, int64(len(b)-len(e)), "a batch of %d records that ends at offset %d", last.offsetDelta, last.lastOffset)
			}
			p.batches[0], p.n = last, 1
		}
		byID[int64(be64(e))] = p
	}
	return byID, nil
}

// offsetOfFile returns the offset in the name of a segment's file or of a
// snapshot.
func offsetOfFile(name string) (offset int64, ext string, ok bool) {
	base, rest, found := strings.Cut(name, ".")
	if !found || len(base) != 20 {
		return 0, "", false
	}
	offset, err := strconv.ParseInt(base, 10, 64)
	return offset, "." + rest, err == nil && offset >= 0
}

// takeSnapshot writes the state of the producers unless it is written already.
// l.mu must be held. The file is made durable by the next flush that passes it.
func (l *Log) takeSnapshot(sync bool) error {
	if l.producers.end <= l.producers.snapshotEnd {
		return nil
	}
	name := l.dir + "/" + segmentName(l.producers.end) + extSnapshot
	f, err := l.fs.Create(name)
	if err != nil {
		return err
	}
	_, err = f.Write(formatSnapshot(l.producers.byID))
	if err == nil && sync {
		err = f.Sync()
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		l.producers.snapshotEnd = l.producers.end
	}
	return err
}

// loadSnapshot loads the newest snapshot in [first, offset], first being where the
// segments begin; damaged ones are removed with a warning. It reports whether
// there was one. l.mu must be held, or the log be unshared.
func (l *Log) loadSnapshot(snapshots []int64, first, offset int64) (ok bool, err error) {
	for _, at := range slices.Backward(snapshots) {
		if at > offset {
			continue
		}
		if at < first {
			break
		}
		name := l.dir + "/" + segmentName(at) + extSnapshot
		b, err := l.fs.ReadFile(name)
		if err != nil {
			return false, storageError("read "+name, err)
		}
		byID, err := parseSnapshot(name, b)
		if err != nil {
			l.logger.Warn("removed a damaged producer snapshot; an older one and the log replace it", zapErr(err))
			if err := l.fs.Remove(name); err != nil {
				return false, storageError("remove "+name, err)
			}
			continue
		}
		l.producers.clear(at)
		l.producers.byID = byID
		now := l.nowMs()
		for id, p := range byID {
			if p.expired(now, l.producerIDExpirationMs()) {
				delete(byID, id)
			} else if p.txnFirstOffset >= 0 {
				l.producers.open = insertTxn(l.producers.open, txn{id, p.txnFirstOffset, -1})
			}
		}
		return true, nil
	}
	return false, nil
}

// fillRecent completes the batches of a producer that came from a snapshot, which
// holds only the last one, from the headers of the newest segments: a retry of an
// older batch must be recognized after a restart too. l.mu must be held.
func (l *Log) fillRecent(id int64, p *producer) error {
	p.partial = false
	v := l.view.Load()
	var found []batchRef
	for _, s := range v.segments[max(0, len(v.segments)-2):] {
		h, err := s.open()
		if err != nil {
			return storageError("open "+s.path(extLog), err)
		}
		_, err = eachHeader(h, s.path(extLog), 0, s.size.Load(), func(b header) bool {
			if b.ProducerID() == id && b.ProducerEpoch() == p.epoch && !b.IsControl() {
				last := b.LastOffset()
				found = append(found, batchRef{b.LastSequence(), b.LastOffsetDelta(), last, b.MaxTimestampMs()})
				if len(found) > recentBatches {
					found = append(found[:0], found[1:]...)
				}
			}
			return true
		})
		h.release()
		if err != nil {
			return err
		}
	}
	if len(found) > 0 {
		p.n = int8(copy(p.batches[:], found))
	}
	return nil
}
