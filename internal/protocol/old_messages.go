package protocol

import (
	"encoding/binary"
	"errors"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
)

// OldMessages is one entry of a log of message format 0 or 1: a message, or a compressed one with the others in it.
type OldMessages struct {
	Codec         Codec
	TimestampType TimestampType
	// TimestampMs is the entry's own, which all records have with LogAppendTime; NoTimestamp in format 0.
	TimestampMs int64
	Records     []Record // with their offsets in the log; nothing aliases the entry
}

// ReadOldMessages takes an entry of a log apart, which is as long as PeekBatch says. Its checksums are checked, and errors are those of Validate.
func ReadOldMessages(entry []byte) (OldMessages, error) {
	outer, err := parseMessage(entry[logOverheadBytes:])
	if err != nil {
		return OldMessages{}, err
	}
	offset := int64(binary.BigEndian.Uint64(entry))
	o := OldMessages{Codec: outer.codec(), TimestampMs: outer.timestampMs}
	if outer.logAppendTime() {
		o.TimestampType = LogAppendTime
	}
	if o.Codec == CodecNone {
		o.add(offset, &outer)
		return o, nil
	}
	src, err := openSource(o.Codec, outer.magic, outer.value)
	if err != nil {
		return OldMessages{}, invalidEntry(err)
	}
	defer src.close()
	var buf []byte
	for !src.atEnd() {
		var inner int64
		if inner, buf, err = readMessage(&src, buf[:0]); err != nil {
			return OldMessages{}, err
		}
		m, err := parseMessage(buf)
		if err != nil {
			return OldMessages{}, err
		}
		if outer.logAppendTime() {
			m.timestampMs = outer.timestampMs
		}
		o.add(inner, &m)
	}
	if len(o.Records) == 0 {
		return OldMessages{}, invalidEntry(errNoInnerMessages)
	}
	if outer.magic > 0 { // inner offsets count from any number; the last is the outer's
		shift := offset - o.Records[len(o.Records)-1].Offset
		for i := range o.Records {
			o.Records[i].Offset += shift
		}
	}
	return o, nil
}

var errNoInnerMessages = errors.New("a compressed message without messages in it")

func invalidEntry(err error) error { return invalid(kerr.CorruptMessage, "%v", decompressError(err)) }

func (o *OldMessages) add(offset int64, m *message) {
	o.Records = append(o.Records, Record{Offset: offset, TimestampMs: m.timestampMs, Key: slices.Clone(m.key), Value: slices.Clone(m.value)})
}
