package log

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/gokafka/gokafka/internal/protocol"
	"github.com/gokafka/gokafka/internal/vfs"
)

// The parsers of files get whatever a disk may hold. None may panic or allocate
// more than the file's size warrants; what a parser accepts it must write again
// as it was.

func FuzzOffsetCheckpoint(f *testing.F) {
	f.Add([]byte("0\n2\ntest 0 4711\ntest-a 1 4712\n"))
	f.Add([]byte(""))
	f.Add([]byte("0\n-1\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		o, err := parseOffsets("f", text)
		if err != nil {
			return
		}
		again, err := parseOffsets("f", formatOffsets(o))
		if err != nil || !cmp.Equal(o, again) {
			t.Errorf("%v became %v, %v", o, again, err)
		}
	})
}

func FuzzLeaderEpochs(f *testing.F) {
	f.Add([]byte("0\n2\n0 0\n3 400\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		entries, err := parseEpochs("f", text)
		if err != nil {
			return
		}
		again, err := parseEpochs("f", formatEpochs(entries))
		if err != nil || !cmp.Equal(entries, again, compareVisible) {
			t.Errorf("%v became %v, %v", entries, again, err)
		}
	})
}

func FuzzPartitionMetadata(f *testing.F) {
	f.Add([]byte("version: 0\ntopic_id: AQIDBAUGBwgJCgsMDQ4PEA"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if _, err := parsePartitionMetadata("f", text); err != nil && !errors.Is(err, errBadMetadata) {
			t.Error(err)
		}
	})
}

func FuzzMetaProperties(f *testing.F) {
	f.Add([]byte("#\n#x\nversion=1\ncluster.id=a\nnode.id=1\ndirectory.id=AQIDBAUGBwgJCgsMDQ4PEA\n"))
	f.Add([]byte("version=0\nbroker.id=1\n"))
	f.Add([]byte("a=${a}"))
	f.Fuzz(func(t *testing.T, text []byte) {
		m, err := parseMetaProperties("f", text)
		if err != nil || m.version == 0 || bytes.ContainsAny([]byte(m.clusterID), "\\\n\r\t\f =:#!") || m.nodeID < 0 {
			return
		}
		again, err := parseMetaProperties("f", m.format(time.UnixMilli(0)))
		if err != nil || again != m {
			t.Errorf("%+v became %+v, %v", m, again, err)
		}
	})
}

func FuzzSnapshot(f *testing.F) {
	p := newProducer()
	p.add(2, batchRef{5, 3, 40, 1000})
	f.Add(formatSnapshot(map[int64]*producer{258: &p})[6:])
	f.Add(formatSnapshot(nil)[6:])
	f.Fuzz(func(t *testing.T, body []byte) {
		// The CRC is right, else nothing would be looked at.
		b := append([]byte{0, 1, 0, 0, 0, 0}, body...)
		sum := crcOf(body)
		b[2], b[3], b[4], b[5] = byte(sum>>24), byte(sum>>16), byte(sum>>8), byte(sum)
		byID, err := parseSnapshot("f", b)
		if err != nil {
			return
		}
		again, err := parseSnapshot("f", formatSnapshot(byID))
		if err != nil || len(again) != len(byID) {
			t.Errorf("%v became %v, %v", byID, again, err)
		}
	})
}

func FuzzTxnIndex(f *testing.F) {
	e := AbortedTxn{1, 2, 3, 4}.encode()
	f.Add(e[:])
	f.Fuzz(func(t *testing.T, b []byte) {
		txns, err := parseTxnIndex("f", b)
		if err != nil {
			return
		}
		var again []byte
		for _, a := range txns {
			e := a.encode()
			again = append(again, e[:]...)
		}
		if !bytes.Equal(b, again) {
			t.Errorf("%x became %x", b, again)
		}
	})
}

// FuzzIndexes opens a closed log with any two indexes: wrong ones must not hide a
// record that is there, nor crash. (An index that is right in its last two entries
// may lie in the middle; then a read may miss, but not run wild.)
func FuzzIndexes(f *testing.F) {
	f.Add([]byte{0, 0, 0, 3, 0, 0, 0, 82}, []byte{0, 0, 0, 0, 0, 0, 3, 232, 0, 0, 0, 1})
	f.Add([]byte{}, []byte{1})
	f.Fuzz(func(t *testing.T, offsetIndex, timeIndex []byte) {
		m := vfs.NewMem()
		tl := openTest(t, m, nil)
		for i := range 5 {
			tl.add(plainBatch(t, 2, 1000*int64(i)))
		}
		must(t, tl.Close())
		must(t, m.WriteFileAtomic(testDir+"/00000000000000000000.index", offsetIndex, false))
		must(t, m.WriteFileAtomic(testDir+"/00000000000000000000.timeindex", timeIndex, false))
		again, err := tryOpen(t, m, func(o *Options) { o.Clean, o.HighWatermark = true, 10 })
		if err != nil {
			t.Fatal(err)
		}
		if again.EndOffset() != 10 {
			t.Errorf("end offset %d", again.EndOffset())
		}
		for offset := range int64(10) {
			r, err := again.Read(offset, 10, 100, true)
			if err != nil && !errors.Is(err, kerr.KafkaStorageError) {
				t.Errorf("read at %d: %v", offset, err)
			}
			r.Release()
			if _, err := again.OffsetForTimestamp(offset * 500); err != nil && !errors.Is(err, kerr.KafkaStorageError) {
				t.Errorf("look-up: %v", err)
			}
		}
	})
}

// FuzzSegment opens a log file of anything. It is recovered or refused; what is
// recovered can be read and appended to.
func FuzzSegment(f *testing.F) {
	one := plainBatch(f, 2, 1000)
	two := append(bytes.Clone(one), transactional(f, 1, 0, 0, 1)...)
	protocol.Batch(two[len(one):]).Stamp(2, 0)
	f.Add(one)
	f.Add(two)
	f.Add(two[:len(two)-5])
	control := append(bytes.Clone(two), marker(f, 1, 0, protocol.ControlAbort)...)
	protocol.Batch(control[len(two):]).Stamp(3, 0)
	f.Add(control)
	f.Fuzz(func(t *testing.T, content []byte) {
		for _, clean := range []bool{false, true} {
			m := vfs.NewMem()
			must(t, m.MkdirAll(testDir))
			must(t, m.WriteFileAtomic(testDir+"/00000000000000000000.log", content, false))
			tl, err := tryOpen(t, m, func(o *Options) { o.Clean = clean })
			if err != nil {
				if !errors.Is(err, kerr.KafkaStorageError) {
					t.Fatalf("%v is not KAFKA_STORAGE_ERROR", err)
				}
				if got, _ := m.ReadFile(testDir + "/00000000000000000000.log"); !bytes.Equal(got, content) {
					t.Fatalf("a refused file was changed: %v", err)
				}
				continue
			}
			if _, err := contents(tl.Log, 100); err != nil && !clean && !errors.Is(err, kerr.CorruptMessage) && !errors.Is(err, kerr.UnsupportedCompressionType) {
				t.Fatalf("what was recovered cannot be read: %v", err)
			}
			if _, err := tl.Append(plainBatch(t, 1, 1), AppendOptions{}); err != nil {
				t.Fatal(err)
			}
			must(t, tl.Close())
		}
	})
}

func FuzzDirName(f *testing.F) {
	f.Add("test-0")
	f.Add("a-b-12.0123456789abcdef0123456789abcdef-delete")
	f.Fuzz(func(t *testing.T, name string) {
		if tp, ok := parseDirName(name); ok && tp.String() != name {
			t.Errorf("%q became %q", name, tp)
		}
		hasSuffix(name, suffixDelete)
		offsetOfFile(name)
	})
}
