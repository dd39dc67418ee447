package protocol

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"

	"github.com/twmb/franz-go/pkg/kerr"
)

// Sizes of a message with null key and value.
const (
	messageHeaderBytesV0 = 26
	messageHeaderBytesV1 = 34
)

const messageCRCBytes = 4 // at the front of a message; the sum is over the rest

// message is one message of a message set, offset and size apart. Key and value alias what it was parsed from.
type message struct {
	crc         uint32
	magic       int8
	attributes  byte
	timestampMs int64 // NoTimestamp in magic 0
	key, value  []byte
}

func (m *message) codec() Codec        { return Codec(m.attributes & attrCodecMask) }
func (m *message) logAppendTime() bool { return m.magic > 0 && m.attributes&attrLogAppendTime != 0 }

// parseMessage reads the message that fills b, from its CRC on.
func parseMessage(b []byte) (message, error) {
	if len(b) < messageHeaderBytesV0-logOverheadBytes {
		return message{}, invalid(kerr.CorruptMessage, "Record is corrupt (crc could not be retrieved as the record is too small, size = %d)", len(b))
	}
	m := message{crc: binary.BigEndian.Uint32(b), magic: int8(b[4]), attributes: b[5], timestampMs: NoTimestamp}
	if sum := crc32.ChecksumIEEE(b[messageCRCBytes:]); sum != m.crc {
		return m, invalid(kerr.CorruptMessage, "Record is corrupt (stored crc = %d, computed crc = %d)", m.crc, sum)
	}
	r := wireReader{b: b[6:]}
	switch m.magic {
	case 0:
	case 1:
		m.timestampMs = int64(uint64(uint32(r.int32()))<<32 | uint64(uint32(r.int32())))
	default:
		return m, invalid(kerr.CorruptMessage, "Invalid magic found in record: %d", m.magic)
	}
	m.key = r.nullableBytes()
	m.value = r.nullableBytes()
	if r.bad || len(r.b) > 0 {
		return m, invalid(kerr.CorruptMessage, "Record is corrupt (key and value do not add up to its size %d)", len(b))
	}
	return m, nil
}

// String describes m as Kafka's messages about it do.
func (m *message) String() string {
	timestamp := ""
	if m.magic > 0 {
		t := CreateTime
		if m.logAppendTime() {
			t = LogAppendTime
		}
		timestamp = fmt.Sprintf("%s=%d, ", t, m.timestampMs)
	}
	return fmt.Sprintf("Record(magic=%d, attributes=%d, compression=%s, crc=%d, %skey=%d bytes, value=%d bytes)",
		m.magic, m.attributes, m.codec(), m.crc, timestamp, len(m.key), len(m.value))
}

// validateMessageSet judges a message set of magic 0 or 1 and converts it to one v2 batch. It is either messages that are not compressed, or one that is
// (a wrapper) and holds the others.
func (v *validator) validateMessageSet(records []byte, magic int8) (Validated, error) {
	source, err := v.checkMessages(records, magic)
	if err != nil {
		return Validated{}, err
	}
	size := int64(len(records))
	if source != CodecNone {
		size *= 2
	}
	c := messageConverter{v: v, magic: magic, builder: v.builder(v.target(source), size+BatchHeaderBytes)}
	for at := 0; at < len(records); {
		entry, _, _, _ := nextEntry(records[at:]) // checked above
		at += len(entry)
		m, err := parseMessage(entry[logOverheadBytes:])
		if err != nil {
			return Validated{}, v.inPartition(err)
		}
		if source != CodecNone {
			err = c.unwrap(int64(binary.BigEndian.Uint64(entry)), &m)
		} else {
			err = c.add(&m, &m)
		}
		if err != nil {
			return Validated{}, err
		}
	}
	if err := v.result(); err != nil {
		return Validated{}, err
	}
	return v.built(c.builder)
}

// checkMessages judges the outer messages: their sizes, checksums, and that a compressed one is alone. It returns the compression.
func (v *validator) checkMessages(records []byte, magic int8) (Codec, error) {
	source, count, mixed := CodecNone, 0, int8(-1)
	for rest := records; len(rest) > 0; count++ {
		entry, next, entryMagic, err := nextEntry(rest)
		switch {
		case err != nil:
			return 0, err
		case entry == nil:
			return 0, v.trailing(len(rest))
		case v.tooLarge(len(entry)):
			return 0, invalid(kerr.MessageTooLarge, "The record batch size in the append to %s is %d bytes which exceeds the maximum configured value of %d).",
				v.TopicPartition, len(entry), v.MaxBatchBytes)
		}
		rest = next
		if entryMagic != magic {
			mixed = entryMagic
			continue
		}
		m, err := parseMessage(entry[logOverheadBytes:])
		if err != nil {
			return 0, v.inPartition(err)
		}
		if m.codec() > CodecZstd {
			return 0, invalid(kerr.UnsupportedCompressionType, "Unknown compression type id: %d", int8(m.codec()))
		}
		if m.codec() != CodecNone {
			source = m.codec()
		}
	}
	switch {
	case source != CodecNone && count > 1:
		return 0, invalid(kerr.InvalidRecord, "Compressed outer record has more than one batch")
	case mixed >= 0:
		return 0, invalid(kerr.InvalidRecord, "Batch magic %d is not the same as the first batch's magic byte %d in topic partition %s", mixed, magic, v.TopicPartition)
	case source == CodecZstd:
		return 0, invalid(kerr.InvalidRecord, "Invalid wrapper compressionType found in legacy deep record iterator %d", magic)
	}
	return source, nil
}

// inPartition adds to an error of parseMessage where it was found.
func (v *validator) inPartition(err error) error {
	if e, ok := err.(*InvalidRecordsError); ok {
		e.Message += " in topic partition " + v.TopicPartition.String()
	}
	return err
}

// messageConverter judges messages and appends them to a batch.
type messageConverter struct {
	v       *validator
	magic   int8 // of the outer messages
	builder *BatchBuilder
	index   int32
}

// unwrap adds the messages inside of a compressed one with the given offset.
func (c *messageConverter) unwrap(wrapperOffset int64, wrapper *message) error {
	if wrapper.value == nil {
		return invalid(kerr.InvalidRecord, "Found invalid compressed record set with null value (magic = %d)", c.magic)
	}
	src, err := openSource(wrapper.codec(), c.magic, wrapper.value)
	if err != nil {
		return invalid(kerr.CorruptMessage, "%v", decompressError(err))
	}
	defer src.close()
	lastOffset := int64(0)
	var buf []byte
	for !src.atEnd() {
		if lastOffset, buf, err = readMessage(&src, buf[:0]); err != nil {
			return err
		}
		m, err := parseMessage(buf)
		switch {
		case err != nil:
			return c.v.inPartition(err)
		case m.codec() != CodecNone:
			return invalid(kerr.InvalidRecord, "Inner messages must not be compressed")
		case wrapper.logAppendTime() && m.magic > 0:
			m.timestampMs = wrapper.timestampMs
		}
		if err := c.add(wrapper, &m); err != nil {
			return err
		}
	}
	switch {
	case c.index == 0:
		return invalid(kerr.InvalidRecord, "Found invalid compressed record set with no inner records")
	case c.magic == 1 && wrapperOffset != 0 && wrapperOffset < lastOffset:
		// An offset of 0 is what some versions of librdkafka send.
		return invalid(kerr.InvalidRecord, "Found invalid wrapper offset in compressed v1 message set, wrapper offset '%d' is less than the last inner message offset '%d' and it is not zero.",
			wrapperOffset, lastOffset)
	}
	return nil
}

// readMessage reads the next message of a decompressed set, after its offset and size, into buf.
func readMessage(src *byteSource, buf []byte) (offset int64, m []byte, err error) {
	if !src.fill(logOverheadBytes) {
		return 0, buf, invalid(kerr.CorruptMessage, "%v", decompressError(src.short()))
	}
	offset = int64(binary.BigEndian.Uint64(src.buf))
	size := int32(binary.BigEndian.Uint32(src.buf[posLength:]))
	src.buf = src.buf[logOverheadBytes:]
	if size < minLength(0) {
		return 0, buf, invalid(kerr.CorruptMessage, "Record size is less than the minimum record overhead (%d)", minLength(0))
	}
	if m, err = src.read(buf, int(size)); err != nil {
		return 0, m, invalid(kerr.CorruptMessage, "%v", decompressError(err))
	}
	return offset, m, nil
}

// add judges one message, which is outer itself or one in it, and appends it.
func (c *messageConverter) add(outer, m *message) error {
	v, i := c.v, c.index
	c.index++
	switch {
	case m.magic != c.magic:
		v.recordError(i, fmt.Sprintf("Record %s's magic does not match outer magic %d in topic partition %s", m, c.magic, v.TopicPartition))
		return nil
	case v.KeyRequired && m.key == nil:
		v.keyError(i)
		return nil
	case outer.logAppendTime() && (v.TimestampType == LogAppendTime || m.timestampMs == NoTimestamp):
		v.timeError(i, fmt.Sprintf("Invalid timestamp type in message %s. Producer should not set timestamp type to LogAppendTime.", m))
		return nil
	case v.outOfRange(m.timestampMs):
		v.timeError(i, v.outOfRangeMessage(m.timestampMs, int64(i)))
		return nil
	case m.timestampMs < NoTimestamp:
		return invalid(kerr.InvalidTimestamp, "Invalid negative timestamp %d", m.timestampMs)
	case v.numErrors > 0:
		return nil // the batch is refused, so there is no use in building it
	}
	c.builder.Append(Record{TimestampMs: m.timestampMs, Key: m.key, Value: m.value})
	if size := int64(c.builder.Len()); size > maxInflatedBytes || c.builder.o.Codec == CodecNone && v.tooLarge(int(size)) {
		return v.tooLargeRewritten(size)
	}
	return nil
}
