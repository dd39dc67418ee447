package tools

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"

	"github.com/gokafka/gokafka/internal/protocol"
)

const batchPrefix = 17 // up to the magic byte

// batchReader goes over the batches of a log file.
type batchReader struct {
	file  *os.File
	in    *bufio.Reader
	size  int64 // of what is to be read
	pos   int64 // of the next batch
	batch protocol.Batch
}

// openBatches opens a log file. No more than limit bytes of it are read.
func openBatches(name string, limit int64) (*batchReader, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &batchReader{file: f, in: bufio.NewReaderSize(f, 1<<20), size: min(info.Size(), limit)}, nil
}

func (r *batchReader) close() error { return r.file.Close() }

// seek goes to the batch at a position.
func (r *batchReader) seek(pos int64) error {
	if _, err := r.file.Seek(pos, io.SeekStart); err != nil {
		return err
	}
	r.in.Reset(r.file)
	r.pos = pos
	return nil
}

// next reads a batch into r.batch. It is false at the end, and where what is left is not a whole batch.
func (r *batchReader) next() (bool, error) {
	if r.size-r.pos < batchPrefix {
		return false, nil
	}
	head, err := r.in.Peek(batchPrefix)
	if err != nil {
		return false, err
	}
	size, magic, ok := protocol.PeekBatch(head)
	switch {
	case int64(size) > r.size-r.pos:
		return false, nil
	case !ok || magic < 0 || magic > 2:
		return false, fmt.Errorf("%s: position %d: record size and magic %d are those of no batch", r.file.Name(), r.pos, magic)
	}
	r.batch = make(protocol.Batch, size)
	if _, err := io.ReadFull(r.in, r.batch); err != nil {
		return false, err
	}
	r.pos += int64(size)
	return true, nil
}

// log dumps a segment or a snapshot of the metadata.
func (d *dump) log(name string) (err error) {
	switch base := filepath.Base(name); {
	case strings.HasSuffix(base, ".log"):
		offset, err := baseOffset(name)
		if err != nil {
			return err
		}
		d.env.println("Log starting offset:", offset)
	case base == "bootstrap.checkpoint":
		d.env.println("KRaft bootstrap snapshot")
	default:
		var offset int64
		var epoch int32
		if _, err := fmt.Sscanf(base, "%d-%d.checkpoint", &offset, &epoch); err != nil {
			return fmt.Errorf("%s: the name is not that of a snapshot", name)
		}
		d.env.printf("Snapshot end offset: %d, epoch: %d\n", offset, epoch)
	}
	r, err := openBatches(name, d.maxBytes)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.close()) }()
	last := int64(-1)
	for {
		start := r.pos
		if ok, err := r.next(); err != nil {
			return err
		} else if !ok {
			break
		}
		if r.batch.Magic() < 2 {
			d.oldMessage(r.batch, start)
			continue
		}
		d.batch(r.batch, start)
		if d.deep {
			if err := d.records(name, r.batch, &last); err != nil {
				return err
			}
		}
	}
	if trailing := r.size - r.pos; trailing > 0 && d.maxBytes == math.MaxInt32 {
		d.env.printf("Found %d invalid bytes at the end of %s\n", trailing, filepath.Base(name))
	}
	return nil
}

func (d *dump) batch(b protocol.Batch, pos int64) {
	horizon := "OptionalLong.empty"
	if b.HasDeleteHorizon() {
		horizon = fmt.Sprintf("OptionalLong[%d]", b.BaseTimestampMs())
	}
	d.env.printf("baseOffset: %d lastOffset: %d count: %d baseSequence: %d lastSequence: %d producerId: %d producerEpoch: %d partitionLeaderEpoch: %d "+
		"isTransactional: %t isControl: %t deleteHorizonMs: %s position: %d %s: %d size: %d magic: %d compresscodec: %s crc: %d isvalid: %t\n",
		b.BaseOffset(), b.LastOffset(), b.NumRecords(), b.BaseSequence(), lastSequence(b), b.ProducerID(), b.ProducerEpoch(), b.LeaderEpoch(),
		b.IsTransactional(), b.IsControl(), horizon, pos, b.TimestampType(), b.MaxTimestampMs(), len(b), b.Magic(), b.Codec(), b.CRC(), b.CheckCRC() == nil)
}

func lastSequence(b protocol.Batch) int32 {
	if b.BaseSequence() < 0 {
		return -1
	}
	return b.LastSequence()
}

// records shows the records of a batch. last is the offset of the record before.
func (d *dump) records(name string, b protocol.Batch, last *int64) error {
	for r, err := range b.Records() {
		if err != nil {
			return fmt.Errorf("%s: batch at offset %d: %w", name, b.BaseOffset(), err)
		}
		if *last >= 0 && r.Offset != *last+1 {
			d.note(nonConsecutive, nonConsecutive+absolute(name), "  %d is followed by %d", *last, r.Offset)
		}
		*last = r.Offset
		line, err := d.record(b, r)
		if err != nil {
			return fmt.Errorf("%s: record at offset %d: %w", name, r.Offset, err)
		}
		d.env.println(line)
	}
	return nil
}

func (d *dump) record(b protocol.Batch, r protocol.Record) (string, error) {
	var line strings.Builder
	prefix := "| "
	if !d.skipMetadata {
		sequence := int32(-1)
		if b.BaseSequence() >= 0 {
			sequence = protocol.IncrementSequence(b.BaseSequence(), int32(r.Offset-b.BaseOffset()))
		}
		keys := make([]string, len(r.Headers))
		for i, h := range r.Headers {
			keys[i] = h.Key
		}
		fmt.Fprintf(&line, "%soffset: %d %s: %d keySize: %d valueSize: %d sequence: %d headerKeys: [%s]",
			prefix, r.Offset, b.TimestampType(), r.TimestampMs, sizeOf(r.Key), sizeOf(r.Value), sequence, strings.Join(keys, ","))
		prefix = " "
		if b.IsControl() {
			text, err := describeControl(r)
			if err != nil {
				return "", err
			}
			line.WriteString(text)
		}
	}
	if d.print && !b.IsControl() {
		key, payload := d.decode(r)
		if key != nil {
			line.WriteString(prefix + "key: " + *key)
			prefix = " "
		}
		if payload != nil {
			line.WriteString(prefix + "payload: " + *payload)
		}
	}
	return line.String(), nil
}

// sizeOf is the size that a record says; -1 for null.
func sizeOf(b []byte) int {
	if b == nil {
		return -1
	}
	return len(b)
}

// oldMessage shows a message of the formats before 0.11. What a compressed one wraps is not shown.
func (d *dump) oldMessage(b protocol.Batch, pos int64) {
	const crcAt, attributesAt, timestampAt = 12, 17, 18
	attributes := b[attributesAt]
	kind, at, timestamp := "NoTimestampType", timestampAt, int64(-1)
	if b.Magic() == 1 {
		timestamp = int64(binary.BigEndian.Uint64(b[timestampAt:]))
		at += 8
		kind = "CreateTime"
		if attributes&8 != 0 {
			kind = "LogAppendTime"
		}
	}
	crc, codec := binary.BigEndian.Uint32(b[crcAt:]), protocol.Codec(attributes&7)
	valid := crc32.ChecksumIEEE(b[crcAt+4:]) == crc
	offset := b.BaseOffset()
	d.env.printf("offset: %d position: %d %s: %d size: %d magic: %d compresscodec: %s crc: %d isvalid: %t\n",
		offset, pos, kind, timestamp, len(b), b.Magic(), codec, crc, valid)
	if !d.deep {
		return
	}
	if codec != 0 {
		d.env.println("| the messages within this one are not shown: they have the format of before Kafka 0.11")
		return
	}
	key, rest := oldBytes(b[at:])
	value, _ := oldBytes(rest)
	line, prefix := "", "| "
	if !d.skipMetadata {
		line = fmt.Sprintf("%soffset: %d %s: %d keySize: %d valueSize: %d isValid: %t crc: %d}", prefix, offset, kind, timestamp, sizeOf(key), sizeOf(value), valid, crc)
		prefix = " "
	}
	if d.print {
		k, v := d.decode(protocol.Record{Offset: offset, Key: key, Value: value})
		if k != nil {
			line += prefix + "key: " + *k
			prefix = " "
		}
		if v != nil {
			line += prefix + "payload: " + *v
		}
	}
	d.env.println(line)
}

// oldBytes reads bytes after their size of four bytes; what goes beyond the message ends with it.
func oldBytes(b []byte) (value, rest []byte) {
	if len(b) < 4 {
		return nil, nil
	}
	n := int64(int32(binary.BigEndian.Uint32(b)))
	if b = b[4:]; n < 0 {
		return nil, b
	}
	n = min(n, int64(len(b)))
	return b[:n:n], b[n:]
}
