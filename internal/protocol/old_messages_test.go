package protocol

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
)

// TestReadOldMessages takes apart what Java has written of formats 0 and 1, one entry after another.
func TestReadOldMessages(t *testing.T) {
	seen := 0
	for line := range strings.Lines(javaGolden) {
		var magic int8
		var name, timestampType, digits string
		if _, err := fmt.Sscan(line, &magic, &name, &timestampType, &digits); err != nil {
			t.Fatal(err)
		}
		if magic == 2 {
			continue
		}
		seen++
		rest, err := hex.DecodeString(digits)
		if err != nil {
			t.Fatal(err)
		}
		codec, _ := ParseCodec(name)
		want := javaRecords(magic, codec)
		for len(rest) > 0 {
			n, _, _ := PeekBatch(rest)
			m, err := ReadOldMessages(rest[:n])
			if err != nil {
				t.Fatalf("%d %s: %v", magic, name, err)
			}
			if m.Codec != codec || len(m.Records) > len(want) {
				t.Fatalf("%d %s: %v, %d records", magic, name, m.Codec, len(m.Records))
			}
			broken := bytes.Clone(rest[:n])
			broken[n-1] ^= 1
			if _, err := ReadOldMessages(broken); err == nil {
				t.Errorf("%d %s: a broken message was read", magic, name)
			}
			for i, r := range m.Records {
				w := want[i]
				if m.TimestampType == LogAppendTime {
					w.TimestampMs = m.TimestampMs
				}
				if r.Offset != w.Offset || r.TimestampMs != w.TimestampMs || !bytes.Equal(r.Key, w.Key) || !bytes.Equal(r.Value, w.Value) || (r.Key == nil) != (w.Key == nil) || (r.Value == nil) != (w.Value == nil) {
					t.Errorf("%d %s: record %d is at %d with timestamp %d, want %d", magic, name, i, r.Offset, r.TimestampMs, w.TimestampMs)
				}
			}
			want, rest = want[len(m.Records):], rest[n:]
		}
		if len(want) > 0 {
			t.Errorf("%d %s: %d records are missing", magic, name, len(want))
		}
	}
	if seen < 6 {
		t.Errorf("%d lines of old formats", seen)
	}
}

// FuzzReadOldMessages: no entry makes it panic.
func FuzzReadOldMessages(f *testing.F) {
	for line := range strings.Lines(javaGolden) {
		fields := strings.Fields(line)
		if b, err := hex.DecodeString(fields[3]); err == nil && fields[0] != "2" && len(b) < 4000 {
			f.Add(b)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if n, magic, ok := PeekBatch(b); ok && magic < 2 && n <= len(b) {
			_, _ = ReadOldMessages(b[:n])
		}
	})
}
