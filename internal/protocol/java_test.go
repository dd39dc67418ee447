package protocol

import (
	"bytes"
	_ "embed"
	"encoding/hex"
	"fmt"
	"os"
	"strings"
	"testing"
)

// javaGolden is what the Java client's MemoryRecords (Kafka 4.3.1) writes; testdata/Golden.java says how it was made.
//
//go:embed testdata/java.txt
var javaGolden string

// javaRecords are the records in it.
func javaRecords(magic int8, codec Codec) []Record {
	n := 30000
	if codec == CodecNone {
		n = 30
	}
	records := []Record{
		{TimestampMs: 1000, Key: []byte("k0"), Value: []byte("v0"), Headers: []RecordHeader{{Key: "h", Value: []byte("one")}, {Key: ""}}},
		{TimestampMs: 900, Value: []byte{}}, {TimestampMs: 5000, Key: []byte{}}, {TimestampMs: 1001, Key: []byte("k3"), Value: bytes.Repeat([]byte("abc"), n)},
	}
	for i := range records {
		records[i].Offset = int64(i)
		if magic < 2 {
			records[i].Headers = nil
		}
		if magic == 0 {
			records[i].TimestampMs = NoTimestamp
		}
	}
	return records
}

func TestJavaBytes(t *testing.T) {
	lines := strings.Split(strings.TrimSpace(javaGolden), "\n")
	if len(lines) != 13 {
		t.Fatalf("%d lines", len(lines))
	}
	for _, line := range lines {
		var magic int8
		var name, timestampType, digits string
		if _, err := fmt.Sscan(line, &magic, &name, &timestampType, &digits); err != nil {
			t.Fatal(err)
		}
		data, err := hex.DecodeString(digits)
		if err != nil {
			t.Fatal(err)
		}
		codec, _ := ParseCodec(name)
		o := lenient()
		o.ProduceVersion = int16(magic) + 1
		if magic == 2 {
			o.ProduceVersion = 9
		}
		got, err := Validate(data, o)
		if err != nil {
			t.Fatalf("magic %d, %s: %v", magic, name, err)
		}
		b := Batch(got.Records)
		if b.Codec() != codec || got.Converted != (magic < 2) {
			t.Errorf("magic %d, %s: %+v", magic, name, got.NumRecords)
		}
		sameRecords(t, javaRecords(magic, codec), collect(t, b))
		switch {
		case magic == 2 && codec == CodecNone:
			ours := build(t, plain(codec), javaRecords(2, codec)...)
			if !bytes.Equal(ours, data) {
				t.Errorf("we write\n%x, Java\n%x", ours, data)
			}
		case magic < 2 && codec == CodecLZ4:
			// The frame's header, with its checksum: broken in magic 0, right in magic 1.
			wrapper, err := parseMessage(data[logOverheadBytes:])
			ours := appendLZ4(nil, 0, magic == 0, []byte("x"))
			if err != nil || !bytes.Equal(ours[:lz4HeaderBytes], wrapper.value[:lz4HeaderBytes]) {
				t.Errorf("we write %x, Java %x, %v", ours[:lz4HeaderBytes], wrapper.value[:lz4HeaderBytes], err)
			}
		case magic < 2 && codec == CodecNone:
			ours, err := DownConvert(build(t, plain(codec), javaRecords(2, codec)...), magic, 0)
			if err != nil || !bytes.Equal(ours, data) {
				t.Errorf("we write\n%x, Java\n%x, %v", ours, data, err)
			}
		}
	}
}

// TestJavaReads writes what we make of the same records for Golden.java to read.
func TestJavaReads(t *testing.T) {
	name := os.Getenv("GOKAFKA_JAVA_READ")
	if name == "" {
		t.Skip("GOKAFKA_JAVA_READ is not set")
	}
	var out strings.Builder
	for _, tt := range []TimestampType{CreateTime, LogAppendTime} {
		for _, codec := range allCodecs {
			b := build(t, plain(codec), sampleRecords()...)
			b.SetTimestamp(tt, 5000)
			fmt.Fprintf(&out, "2 %s %s %x\n", codec, tt, b)
			for magic := int8(0); magic < 2 && codec != CodecZstd; magic++ {
				set, err := DownConvert(b, magic, 0)
				if err != nil {
					t.Fatal(err)
				}
				fmt.Fprintf(&out, "%d %s %s %x\n", magic, codec, tt, set)
			}
		}
	}
	if err := os.WriteFile(name, []byte(out.String()), 0o600); err != nil {
		t.Fatal(err)
	}
}
