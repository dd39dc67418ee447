package metadata

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/gokafka/gokafka/internal/metadata/records"
	"github.com/gokafka/gokafka/internal/protocol"
)

// FuzzSnapshot loads anything as a snapshot: no panic, and what loads is an image that makes a snapshot that loads.
func FuzzSnapshot(f *testing.F) {
	names, _ := filepath.Glob(apacheDir + "/*.checkpoint")
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		p := newReplayer(newImage(testClusterID))
		if _, err := decodeSnapshot(repaired(data), p); err != nil {
			if !errors.Is(err, errSnapshot) {
				t.Fatal(err)
			}
			return
		}
		img, err := p.image(0, 0, 0)
		if err != nil {
			return
		}
		again, err := encodeSnapshot(img, 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := decodeSnapshot(again, newReplayer(newImage(testClusterID))); err != nil {
			t.Fatal(err)
		}
	})
}

// repaired makes the checksums of batches right, or nothing behind them would ever be reached.
func repaired(data []byte) []byte {
	data = append([]byte(nil), data...)
	for rest := data; ; {
		size, magic, ok := protocol.PeekBatch(rest)
		if !ok || magic != 2 || size < protocol.BatchHeaderBytes || size > len(rest) {
			return data
		}
		b := protocol.Batch(rest[:size])
		b.SetTimestamp(b.TimestampType(), b.MaxTimestampMs()) // computes the checksum anew
		rest = rest[size:]
	}
}

// FuzzReplay replays records cut from the input one after another: an image comes out, or an error.
func FuzzReplay(f *testing.F) {
	var seed []byte
	for _, r := range dumpApache(f) {
		v := records.Append(nil, r)
		seed = append(append(seed, byte(len(v))), v...)
	}
	f.Add(seed)
	f.Fuzz(func(t *testing.T, data []byte) {
		p := newReplayer(newImage(testClusterID))
		for len(data) > 0 {
			n := min(int(data[0]), len(data)-1)
			v, err := records.Parse(data[1 : 1+n])
			data = data[1+n:]
			if err != nil {
				continue
			}
			if err := p.apply(v.Record); err != nil {
				if !errors.Is(err, errReplay) {
					t.Fatal(err)
				}
				return
			}
		}
		if img, err := p.image(0, 0, 0); err == nil {
			for t := range img.Topics() {
				for i := range t.Partitions {
					t.Partitions[i].directory(1)
				}
			}
			dump(img)
		}
	})
}

func dumpApache(f *testing.F) []records.Versioned {
	data, err := os.ReadFile(apacheDir + "/00000000000000000120-0000000005.checkpoint")
	if err != nil {
		f.Fatal(err)
	}
	p := newReplayer(newImage(testClusterID))
	if _, err := decodeSnapshot(data, p); err != nil {
		f.Fatal(err)
	}
	img, err := p.image(119, 5, 0)
	if err != nil {
		f.Fatal(err)
	}
	return dump(img)
}
