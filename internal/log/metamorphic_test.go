package log

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gokafka/gokafka/internal/protocol"
	"github.com/gokafka/gokafka/internal/vfs"
)

// op is one random operation; the same list is done to logs that differ only in
// what users must not see.
type op struct {
	kind string
	id   int64 // producer
	n    int   // records
	ms   int64 // timestamp
	part float64
}

func randomOps(rng *rand.Rand, n int) []op {
	kinds := []string{"plain", "plain", "idempotent", "idempotent", "retry", "gap", "begin", "begin", "commit", "abort", "delete", "truncate", "epoch", "retain"}
	ops := make([]op, n)
	for i := range ops {
		ops[i] = op{kind: kinds[rng.IntN(len(kinds))], id: rng.Int64N(4), n: 1 + rng.IntN(5), ms: 1000 + rng.Int64N(2000), part: rng.Float64()}
		if ops[i].kind == "truncate" && rng.IntN(4) > 0 {
			ops[i].kind = "plain"
		}
	}
	return ops
}

// variant is what must make no difference.
type variant struct {
	segmentBytes, flushMessages int64
	indexInterval               int
	restarts                    string // none, clean, kill, power cut
	every                       int    // operations between restarts
	codec                       protocol.Codec
}

// machine does operations to a log and keeps what a producer would keep.
type machine struct {
	t        *testing.T
	tl       *testLog
	disk     *vfs.Mem
	v        variant
	epoch    int32
	sequence map[int64]int32
	history  []string // the answers
}

func (m *machine) do(o op) {
	switch o.kind {
	case "plain":
		opts := plain
		opts.Codec = m.v.codec
		m.append(build(m.t, opts, records(o.n, o.ms)), Client)
	case "idempotent":
		if m.append(idempotent(m.t, o.id, 0, m.sequence[o.id], o.n), Client) {
			m.sequence[o.id] += int32(o.n)
		}
	case "retry":
		m.append(idempotent(m.t, o.id, 0, m.sequence[o.id]-int32(o.n), o.n), Client)
	case "gap":
		m.append(idempotent(m.t, o.id, 0, m.sequence[o.id]+7, o.n), Client)
	case "begin":
		if m.append(transactional(m.t, 10+o.id, 0, m.sequence[10+o.id], o.n), Client) {
			m.sequence[10+o.id] += int32(o.n)
		}
	case "commit":
		m.append(marker(m.t, 10+o.id, 0, protocol.ControlCommit), Coordinator)
	case "abort":
		m.append(marker(m.t, 10+o.id, 0, protocol.ControlAbort), Coordinator)
	case "delete":
		span := m.tl.EndOffset() - m.tl.StartOffset()
		start, err := m.tl.DeleteRecordsTo(m.tl.StartOffset() + int64(o.part*float64(span)/3))
		must(m.t, err)
		m.history = append(m.history, fmt.Sprint("start ", start))
	case "truncate":
		span := m.tl.EndOffset() - m.tl.StartOffset()
		to := m.tl.EndOffset() - int64(o.part*float64(span)/8)
		must(m.t, m.tl.TruncateTo(to))
		m.history = append(m.history, fmt.Sprint("end ", m.tl.EndOffset()))
		// A producer whose records were cut off goes on where the log does.
		for id := range m.sequence {
			m.sequence[id] = 0
		}
		for _, p := range m.tl.Producers() {
			m.sequence[p.ProducerID] = p.LastSequence + 1
		}
	case "epoch":
		m.epoch++
	case "retain":
		_, err := m.tl.Retain(m.tl.clock)
		must(m.t, err)
	}
}

func (m *machine) append(batch []byte, origin Origin) bool {
	a, err := m.tl.Append(batch, AppendOptions{LeaderEpoch: m.epoch, Origin: origin})
	a.LogStartOffset = 0
	if err != nil {
		m.history = append(m.history, err.Error())
		return false
	}
	m.history = append(m.history, fmt.Sprintf("%+v", a))
	m.tl.SetHighWatermark(m.tl.EndOffset())
	return !a.Duplicate
}

func (m *machine) restart(rng *rand.Rand) {
	switch m.v.restarts {
	case "clean":
		m.tl = m.tl.reopen(nil)
	case "kill":
		m.tl = m.tl.crash(nil)
	case "power cut":
		must(m.t, m.tl.Flush())
		m.disk = m.disk.CrashClone(rng)
		m.tl.fs = m.disk
		m.tl = m.tl.crash(nil)
	}
	m.tl.SetHighWatermark(m.tl.EndOffset())
}

func TestMetamorphic(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	if s, err := strconv.ParseUint(os.Getenv("GOKAFKA_SEED"), 10, 64); err == nil {
		seed = s
	}
	for round := range uint64(6) {
		t.Run(fmt.Sprintf("seed %d", seed+round), func(t *testing.T) { metamorphic(t, seed+round) })
	}
}

func metamorphic(t *testing.T, seed uint64) {
	rng := rand.New(rand.NewPCG(seed, 1))
	ops := randomOps(rng, 150)
	reference := variant{segmentBytes: 1 << 30, indexInterval: 4096, flushMessages: 1 << 62, restarts: "none", every: 1000}
	wantHistory, want := live(t, ops, reference, rng)
	for range 8 {
		v := variant{
			segmentBytes: 600 + rng.Int64N(3000), indexInterval: rng.IntN(600), flushMessages: []int64{1, 7, 1 << 62}[rng.IntN(3)],
			restarts: []string{"none", "clean", "kill", "power cut"}[rng.IntN(4)], every: 1 + rng.IntN(40),
			codec: []protocol.Codec{protocol.CodecNone, protocol.CodecLZ4, protocol.CodecSnappy}[rng.IntN(3)],
		}
		history, got := live(t, ops, v, rng)
		for i := range max(len(wantHistory), len(history)) {
			if i == len(history) || i == len(wantHistory) || history[i] != wantHistory[i] {
				t.Fatalf("seed %d, %+v: the answers are other ones from answer %d on\nwant %q\ngot  %q", seed, v, i, wantHistory[i:min(i+2, len(wantHistory))], history[i:min(i+2, len(history))])
			}
		}
		if diff := cmp.Diff(want, got, compareVisible); diff != "" {
			t.Fatalf("seed %d, %+v: another log (-want +got):\n%s", seed, v, diff)
		}
	}
}

func live(t *testing.T, ops []op, v variant, rng *rand.Rand) ([]string, map[string]any) {
	m := &machine{t: t, disk: newDisk(t), v: v, sequence: map[int64]int32{}}
	m.tl = openTest(t, m.disk, func(o *Options) {
		o.Config.SegmentBytes, o.Config.IndexIntervalBytes, o.Config.FlushMessages = v.segmentBytes, v.indexInterval, v.flushMessages
	})
	for i, o := range ops {
		m.do(o)
		if i%v.every == v.every-1 {
			m.restart(rng)
		}
	}
	seen := visible(m.tl)
	if v.codec != protocol.CodecNone { // nothing that is seen depends on it
		seen = visible(m.tl)
	}
	for k := range seen { // the first records of a producer may have been deleted
		if strings.HasPrefix(k, "epochs") {
			delete(seen, k)
		}
	}
	return m.history, seen
}
