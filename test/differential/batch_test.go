package differential

import (
	"encoding/binary"
	"hash/crc32"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// batch describes one record batch to produce. It is built here, from kmsg, and not with gokafka's own
// builder: the test must not share a mistake with the code it tests.
type batch struct {
	values      []string
	key         []byte // of every record; nil = null
	timestampMs int64
	attributes  int16
	producerID  int64
	epoch       int16
	sequence    int32
	mutate      func(*kmsg.RecordBatch) // before the CRC
	corrupt     func([]byte)            // after the CRC
}

// baseTimestampMs is the time of the test's records: fixed, so that both brokers store the same bytes, and
// young enough for no retention to take them.
var baseTimestampMs int64

func plain(values ...string) batch {
	return batch{values: values, timestampMs: baseTimestampMs, producerID: -1, epoch: -1, sequence: -1}
}

func (b batch) bytes() []byte {
	var records []byte
	for i, v := range b.values {
		r := kmsg.NewRecord()
		r.OffsetDelta = int32(i)
		r.TimestampDelta64 = int64(i)
		r.Key = b.key
		r.Value = []byte(v)
		body := r.AppendTo(nil)
		// The length is the first field: encode with 0 (one byte), measure, encode again.
		r.Length = int32(len(body) - 1)
		records = r.AppendTo(records)
	}
	rb := kmsg.NewRecordBatch()
	rb.PartitionLeaderEpoch = -1
	rb.Magic = 2
	rb.Attributes = b.attributes
	rb.LastOffsetDelta = int32(len(b.values) - 1)
	rb.FirstTimestamp = b.timestampMs
	rb.MaxTimestamp = b.timestampMs + int64(len(b.values)-1)
	rb.ProducerID = b.producerID
	rb.ProducerEpoch = b.epoch
	rb.FirstSequence = b.sequence
	rb.NumRecords = int32(len(b.values))
	rb.Records = records
	rb.Length = int32(49 + len(records))
	if b.mutate != nil {
		b.mutate(&rb)
	}
	out := rb.AppendTo(nil)
	binary.BigEndian.PutUint32(out[17:], crc32.Checksum(out[21:], crc32.MakeTable(crc32.Castagnoli)))
	if b.corrupt != nil {
		b.corrupt(out)
	}
	return out
}

// messageSet builds a message set of one message in format v0 or v1.
func messageSet(magic int8, key, value []byte, timestampMs int64) []byte {
	var m []byte
	m = append(m, byte(magic), 0)
	if magic == 1 {
		m = binary.BigEndian.AppendUint64(m, uint64(timestampMs))
	}
	for _, f := range [][]byte{key, value} {
		if f == nil {
			m = binary.BigEndian.AppendUint32(m, 0xffffffff)
			continue
		}
		m = binary.BigEndian.AppendUint32(m, uint32(len(f)))
		m = append(m, f...)
	}
	out := binary.BigEndian.AppendUint64(nil, 0)
	out = binary.BigEndian.AppendUint32(out, uint32(4+len(m)))
	out = binary.BigEndian.AppendUint32(out, crc32.ChecksumIEEE(m))
	return append(out, m...)
}
