package protocol

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func rewriteBatch(t *testing.T, o BatchOptions, values ...string) Batch {
	t.Helper()
	b := NewBatchBuilder(o)
	for i, v := range values {
		r := Record{Offset: o.BaseOffset + int64(2*i), TimestampMs: 5000 + int64(i)*1_000_000, Key: fmt.Appendf(nil, "key%d", i), Headers: []RecordHeader{{"h", []byte("x")}, {"null", nil}}}
		if v != "" {
			r.Value = []byte(v)
		}
		b.Append(r)
	}
	out, err := b.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func allRecords(t *testing.T, b Batch) (rs []Record) {
	t.Helper()
	for r, err := range b.Records() {
		if err != nil {
			t.Fatal(err)
		}
		rs = append(rs, r)
	}
	return rs
}

// TestRetain takes records out of batches of every codec and kind: the others stay as they were, offsets, times and headers included, and the header
// says what it said.
func TestRetain(t *testing.T) {
	for codec := CodecNone; codec <= CodecZstd; codec++ {
		for _, tt := range []TimestampType{CreateTime, LogAppendTime} {
			for _, values := range [][]string{{"a", "b", "c", "d"}, {"a", "", "c", "d"}, {"", "", "", ""}} {
				for _, keep := range [][]int{{0, 1, 2, 3}, {0, 2}, {1, 3}, {3}, {}} {
					name := fmt.Sprint(codec, tt, values, keep)
					o := BatchOptions{Codec: codec, TimestampType: tt, LogAppendTimeMs: 77_000_000, ProducerID: 9, ProducerEpoch: 2, BaseSequence: 11, Transactional: true, BaseOffset: 1000, LeaderEpoch: 4}
					b := rewriteBatch(t, o, values...)
					before := allRecords(t, b)
					var w Rewriter
					out, res, err := w.Retain([]byte("prefix"), b, RetainOptions{DeleteHorizonMs: 123_456_789, KeepEmpty: true}, func(r Record) bool {
						return slices.Contains(keep, int(r.Offset-1000)/2)
					})
					if err != nil || string(out[:6]) != "prefix" || res.Read != 4 || res.Kept != len(keep) {
						t.Fatalf("%s: %+v, %v", name, res, err)
					}
					if err := res.Batch.CheckCRC(); err != nil {
						t.Fatalf("%s: %v", name, err)
					}
					var want []Record
					tombstone := false
					for _, i := range keep {
						want = append(want, before[i])
						tombstone = tombstone || before[i].Value == nil
					}
					if d := cmp.Diff(want, allRecords(t, res.Batch)); d != "" {
						t.Errorf("%s: (-want +got)\n%s", name, d)
					}
					checkRetained(t, name, b, res, want, tombstone)
				}
			}
		}
	}
}

func checkRetained(t *testing.T, name string, b Batch, res Retained, want []Record, tombstone bool) {
	t.Helper()
	got := res.Batch
	if got.BaseOffset() != b.BaseOffset() || got.LastOffset() != b.LastOffset() || got.LeaderEpoch() != b.LeaderEpoch() || got.ProducerID() != b.ProducerID() ||
		got.ProducerEpoch() != b.ProducerEpoch() || got.BaseSequence() != b.BaseSequence() || got.LastSequence() != b.LastSequence() ||
		got.IsTransactional() != b.IsTransactional() || got.TimestampType() != b.TimestampType() || got.NumRecords() != int32(len(want)) {
		t.Errorf("%s: the header changed:\n%x\n%x", name, b[:BatchHeaderBytes], got[:BatchHeaderBytes])
	}
	switch {
	case len(want) == 0:
		if len(got) != BatchHeaderBytes || got.Codec() != CodecNone || got.HasDeleteHorizon() || got.MaxTimestampMs() != b.MaxTimestampMs() || got.BaseTimestampMs() != NoTimestamp {
			t.Errorf("%s: empty batch %x", name, got)
		}
		return
	case got.Codec() != b.Codec():
		t.Errorf("%s: codec %s", name, got.Codec())
	}
	if got.HasDeleteHorizon() != tombstone || tombstone && got.BaseTimestampMs() != 123_456_789 || !tombstone && got.BaseTimestampMs() != want[0].TimestampMs && !res.Same {
		t.Errorf("%s: horizon %v, base timestamp %d", name, got.HasDeleteHorizon(), got.BaseTimestampMs())
	}
	if last := want[len(want)-1].TimestampMs; got.MaxTimestampMs() != last {
		t.Errorf("%s: max timestamp %d, want %d", name, got.MaxTimestampMs(), last)
	}
	if same := string(got) == string(b); same != res.Same {
		t.Errorf("%s: Same is %v, the batch is the same: %v", name, res.Same, same)
	}
}

// TestRetainKeepsTheFirstDeleteHorizon: KIP-534 wants the horizon of the first cleaning.
func TestRetainKeepsTheFirstDeleteHorizon(t *testing.T) {
	var w Rewriter
	all := func(Record) bool { return true }
	b := rewriteBatch(t, BatchOptions{Codec: CodecLZ4, ProducerID: -1}, "a", "", "c")
	_, first, err := w.Retain(nil, b, RetainOptions{DeleteHorizonMs: 10}, all)
	if err != nil || first.Same {
		t.Fatalf("%+v, %v", first, err)
	}
	_, second, err := w.Retain(nil, first.Batch, RetainOptions{DeleteHorizonMs: 20}, all)
	if err != nil || !second.Same || second.Batch.BaseTimestampMs() != 10 {
		t.Errorf("again: %+v, %v", second, err)
	}
	_, third, err := w.Retain(nil, first.Batch, RetainOptions{DeleteHorizonMs: 20}, func(r Record) bool { return string(r.Key) != "key0" })
	if err != nil || third.Batch.BaseTimestampMs() != 10 || !third.Batch.HasDeleteHorizon() {
		t.Errorf("without the first record: %+v, %v", third, err)
	}
	if d := cmp.Diff(allRecords(t, b)[1:], allRecords(t, third.Batch)); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
	if _, none, err := w.Retain(nil, b, RetainOptions{DeleteHorizonMs: -1}, all); err != nil || !none.Same {
		t.Errorf("no horizon to set: %+v, %v", none, err)
	}
	if out, gone, err := w.Retain([]byte("x"), b, RetainOptions{}, func(Record) bool { return false }); err != nil || gone.Batch != nil || len(out) != 1 {
		t.Errorf("nothing kept: %+v, %v", gone, err)
	}
}

func TestRewriterRefusesDamage(t *testing.T) {
	var w Rewriter
	for codec := CodecNone; codec <= CodecZstd; codec++ {
		b := rewriteBatch(t, BatchOptions{Codec: codec, ProducerID: -1}, "a", "b")
		for cut := BatchHeaderBytes; cut < len(b); cut += 3 {
			if _, _, err := w.Retain(nil, b[:cut], RetainOptions{}, func(Record) bool { return true }); err == nil {
				t.Errorf("%s: %d of %d bytes are taken for a batch", codec, cut, len(b))
			}
			n := 0
			for _, err := range w.Records(b[:cut]) {
				if n++; n > 3 || err == nil && n > 2 {
					t.Fatalf("%s: record %d of a batch of 2", codec, n)
				}
			}
		}
	}
	b := rewriteBatch(t, BatchOptions{ProducerID: -1}, "a")
	b[posAttributes+1] = 7
	if _, _, err := w.Retain(nil, b, RetainOptions{}, func(Record) bool { return true }); err == nil {
		t.Error("an unknown codec is accepted")
	}
}

func FuzzRetain(f *testing.F) {
	f.Add([]byte(tombstoneSeed()), uint8(3))
	f.Fuzz(func(t *testing.T, data []byte, which uint8) {
		var w Rewriter
		for b, err := range Batches(data) {
			if err != nil {
				return
			}
			_, res, err := w.Retain(nil, b, RetainOptions{DeleteHorizonMs: 1, KeepEmpty: which%2 == 0}, func(r Record) bool { return r.Offset%int64(which%5+1) == 0 })
			if err != nil || res.Batch == nil {
				continue
			}
			if err := res.Batch.CheckCRC(); err != nil && !res.Same {
				t.Fatal(err)
			}
			n := 0
			for _, err := range res.Batch.Records() {
				if err != nil {
					t.Fatalf("what was written cannot be read: %v", err)
				}
				n++
			}
			if n != res.Kept {
				t.Fatalf("%d records, kept %d", n, res.Kept)
			}
		}
	})
}

func tombstoneSeed() []byte {
	b := NewBatchBuilder(BatchOptions{ProducerID: 1, Codec: CodecGzip})
	b.Append(Record{Key: []byte("k"), TimestampMs: 1})
	b.Append(Record{Key: []byte("k"), Value: []byte("v"), TimestampMs: 2})
	out, err := b.Bytes()
	if err != nil {
		panic(err)
	}
	return out
}
