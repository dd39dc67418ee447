package protocol

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"

	"github.com/twmb/franz-go/pkg/kerr"
)

// DownConvert rewrites v2 batches as a message set of magic 0 or 1 for an old consumer (Fetch 0–3), as Kafka's RecordsUtil.downConvert does:
// control batches, headers and (for magic 0) timestamps are dropped; the records of a compressed batch become one message compressed alike, those of
// another one message each, without the ones below offset from. (Those of a compressed batch stay; consumers skip them.)
// A batch compressed with zstd, which old consumers do not know, gives an error wrapping kerr.UnsupportedCompressionType.
// A last batch that is cut off is left out.
func DownConvert(batches []byte, magic int8, from int64) ([]byte, error) {
	if magic != 0 && magic != 1 {
		return nil, fmt.Errorf("down-conversion to magic %d: %w", magic, kerr.UnsupportedForMessageFormat)
	}
	out := make([]byte, 0, len(batches)+len(batches)/4)
	for b, err := range Batches(batches) {
		switch {
		case errors.Is(err, ErrTruncated):
			return out, nil
		case err != nil:
			return nil, err
		case b.IsControl():
			continue
		case b.Codec() == CodecZstd:
			return nil, fmt.Errorf("Down-conversion of zstandard-compressed batches is not supported: %w", kerr.UnsupportedCompressionType)
		case b.Codec() == CodecNone:
			out, err = downConvertPlain(out, b, magic, from)
		default:
			out, err = downConvertCompressed(out, b, magic)
		}
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

func downConvertPlain(out []byte, b Batch, magic int8, from int64) ([]byte, error) {
	for r, err := range b.Records() {
		if err != nil {
			return nil, err
		}
		if r.Offset >= from {
			out = appendMessage(out, r.Offset, magic, b.legacyAttributes(CodecNone, magic), r.TimestampMs, r.Key, r.Value)
		}
	}
	return out, nil
}

func downConvertCompressed(out []byte, b Batch, magic int8) ([]byte, error) {
	var inner []byte
	first, last, maxTimestampMs := int64(-1), int64(-1), NoTimestamp
	for r, err := range b.Records() {
		if err != nil {
			return nil, err
		}
		if first < 0 {
			first = r.Offset
		}
		last = r.Offset
		maxTimestampMs = max(maxTimestampMs, r.TimestampMs)
		offset := r.Offset
		if magic == 1 {
			offset -= first // relative in magic 1, absolute in magic 0
		}
		inner = appendMessage(inner, offset, magic, b.legacyAttributes(CodecNone, magic), r.TimestampMs, r.Key, r.Value)
		if len(inner) > maxInflatedBytes {
			return nil, fmt.Errorf("batch at offset %d: more than %d bytes to convert: %w", b.BaseOffset(), maxInflatedBytes, kerr.MessageTooLarge)
		}
	}
	if first < 0 {
		return out, nil
	}
	value, err := appendCompressed(make([]byte, 0, len(inner)/2), b.Codec(), 0, magic, inner)
	if err != nil {
		return nil, err
	}
	if len(value) > math.MaxInt32-messageHeaderBytesV1 {
		return nil, fmt.Errorf("batch at offset %d: %w", b.BaseOffset(), kerr.MessageTooLarge)
	}
	return appendMessage(out, last, magic, b.legacyAttributes(b.Codec(), magic), maxTimestampMs, nil, value), nil
}

// legacyAttributes returns the attributes of a message that b, or a record of it, becomes.
func (b Batch) legacyAttributes(codec Codec, magic int8) byte {
	attributes := byte(codec)
	if magic > 0 && b.TimestampType() == LogAppendTime {
		attributes |= attrLogAppendTime
	}
	return attributes
}

// appendMessage appends one message of magic 0 or 1, offset and size included.
func appendMessage(dst []byte, offset int64, magic int8, attributes byte, timestampMs int64, key, value []byte) []byte {
	start := len(dst)
	dst = binary.BigEndian.AppendUint64(dst, uint64(offset))
	dst = append(dst, 0, 0, 0, 0, 0, 0, 0, 0, byte(magic), attributes) // size and CRC follow
	if magic > 0 {
		dst = binary.BigEndian.AppendUint64(dst, uint64(timestampMs))
	}
	dst = appendNullableBytes(dst, key)
	dst = appendNullableBytes(dst, value)
	binary.BigEndian.PutUint32(dst[start+posLength:], uint32(len(dst)-start-logOverheadBytes))
	body := dst[start+logOverheadBytes:]
	binary.BigEndian.PutUint32(body, crc32.ChecksumIEEE(body[messageCRCBytes:]))
	return dst
}

func appendNullableBytes(dst, s []byte) []byte {
	if s == nil {
		return append(dst, 0xff, 0xff, 0xff, 0xff)
	}
	return append(binary.BigEndian.AppendUint32(dst, uint32(len(s))), s...)
}
