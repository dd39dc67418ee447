package share

import (
	"errors"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
)

var epoch = time.Unix(1000, 0)

func after(s int) time.Time { return epoch.Add(time.Duration(s) * time.Second) }

func taking(member string) acquire {
	return acquire{member: member, maxRecords: 500, limit: 200, until: after(30)}
}

func one(first, last int64, kind int8) []Ack {
	return []Ack{{First: first, Last: last, Types: []int8{kind}}}
}

func wantRanges(t *testing.T, got []Range, want ...Range) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("acquired %v, want %v", got, want)
	}
}

func TestTrackerDeliversEachRecordOnce(t *testing.T) {
	tr := tracker{start: 10, end: 10}
	batches := []Range{{First: 8, Last: 14}, {First: 15, Last: 19}}
	wantRanges(t, tr.take(10, batches, taking("a")), Range{10, 14, 1}, Range{15, 19, 1})
	wantRanges(t, tr.take(10, batches, taking("b")))
	if tr.next() != 20 {
		t.Errorf("next is %d", tr.next())
	}
	if _, err := tr.acknowledge("a", one(10, 16, AckAccept), 5, time.Time{}); err != nil {
		t.Fatal(err)
	}
	if tr.start != 17 || tr.end != 20 {
		t.Errorf("%+v", tr)
	}
	if _, err := tr.acknowledge("a", one(12, 13, AckAccept), 5, time.Time{}); err != nil {
		t.Errorf("what is done with before the start: %v", err)
	}
}

func TestTrackerAcknowledgementsByOffset(t *testing.T) {
	tr := tracker{}
	tr.take(0, []Range{{First: 0, Last: 5}}, taking("a"))
	changed, err := tr.acknowledge("a", []Ack{{First: 0, Last: 5, Types: []int8{AckRelease, AckAccept, AckAccept, AckReject, AckGap, AckRelease}}}, 5, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	want := []Batch{{0, 0, Available, 1}, {1, 2, Acknowledged, 1}, {3, 3, Archived, 1}, {4, 4, Archived, 1}, {5, 5, Available, 1}}
	if !slices.Equal(changed, want) || tr.start != 0 || tr.complete() != 4 {
		t.Errorf("%v, start %d, complete %d", changed, tr.start, tr.complete())
	}
	wantRanges(t, tr.take(0, []Range{{First: 0, Last: 5}}, taking("b")), Range{0, 0, 2}, Range{5, 5, 2})
	restored := restore(0, want)
	wantRanges(t, restored.take(0, []Range{{First: 0, Last: 5}}, taking("b")), Range{0, 0, 2}, Range{5, 5, 2})
}

func TestTrackerRefusesWhatIsNotTheMembers(t *testing.T) {
	for name, c := range map[string]struct {
		member string
		acks   []Ack
		want   *kerr.Error
	}{
		"another's":        {"b", one(0, 1, AckAccept), kerr.InvalidRecordState},
		"last is past":     {"a", one(0, 9, AckAccept), kerr.InvalidRequest},
		"first is past":    {"a", one(7, 9, AckAccept), kerr.InvalidRequest},
		"backwards":        {"a", one(2, 1, AckAccept), kerr.InvalidRequest},
		"type":             {"a", one(0, 1, 5), kerr.InvalidRequest},
		"number of types":  {"a", []Ack{{First: 0, Last: 2, Types: []int8{1, 1}}}, kerr.InvalidRequest},
		"twice":            {"a", slices.Concat(one(0, 1, AckRelease), one(1, 2, AckRelease)), kerr.InvalidRecordState},
		"all is well":      {"a", one(0, 4, AckAccept), nil},
		"well and renewed": {"a", slices.Concat(one(0, 1, AckRenew), one(2, 4, AckReject)), nil},
	} {
		t.Run(name, func(t *testing.T) {
			tr := tracker{}
			tr.take(0, []Range{{First: 0, Last: 4}}, taking("a"))
			_, err := tr.acknowledge(c.member, c.acks, 5, after(60))
			if c.want == nil && err != nil || c.want != nil && !errors.Is(err, c.want) {
				t.Errorf("%v, want %v", err, c.want)
			}
		})
	}
}

func TestTrackerLocksEndUnlessRenewed(t *testing.T) {
	tr := tracker{}
	tr.take(0, []Range{{First: 0, Last: 3}}, taking("a"))
	if _, err := tr.acknowledge("a", one(0, 1, AckRenew), 2, after(60)); err != nil {
		t.Fatal(err)
	}
	if at, _ := tr.soonest(); !at.Equal(after(30)) {
		t.Errorf("the first lock ends at %v", at)
	}
	if got := tr.expire(after(30), 2); !slices.Equal(got, []Batch{{2, 3, Available, 1}}) {
		t.Errorf("%v", got)
	}
	tr.take(0, []Range{{First: 0, Last: 3}}, taking("b"))
	if got := tr.leave("b", 2); !slices.Equal(got, []Batch{{2, 3, Archived, 2}}) {
		t.Errorf("delivered often enough: %v", got)
	}
	tr.expire(after(60), 2)
	if tr.next() != 0 || tr.start != 0 {
		t.Errorf("%+v", tr)
	}
}

func TestTrackerLimits(t *testing.T) {
	tr := tracker{}
	a := taking("a")
	a.maxRecords = 7
	batches := []Range{{First: 0, Last: 4}, {First: 5, Last: 9}, {First: 10, Last: 14}}
	wantRanges(t, tr.take(0, batches, a), Range{0, 4, 1}, Range{5, 9, 1}) // whole batches
	a.strict = true
	wantRanges(t, tr.take(10, batches[2:], a), Range{10, 14, 1})
	tr = tracker{}
	wantRanges(t, tr.take(0, batches, a), Range{0, 4, 1}, Range{5, 6, 1})
	a = taking("b")
	a.limit = 9
	wantRanges(t, tr.take(7, batches, a), Range{7, 9, 1}) // the rest of a batch, although there is room for two
	wantRanges(t, tr.take(10, batches, a))
	tr.leave("a", 5)
	wantRanges(t, tr.take(0, batches, a), Range{0, 4, 2}, Range{5, 6, 2}) // what is in flight may come again whatever the limit
}

// TestTrackerPassesHoles: offsets that compaction has removed are done with, also where records of them had been released.
func TestTrackerPassesHoles(t *testing.T) {
	tr := tracker{}
	wantRanges(t, tr.take(0, []Range{{First: 5, Last: 6}, {First: 9, Last: 9}}, taking("a")), Range{5, 6, 1}, Range{9, 9, 1})
	if tr.start != 5 {
		t.Errorf("start %d", tr.start)
	}
	tr.leave("a", 5)
	wantRanges(t, tr.take(5, []Range{{First: 9, Last: 9}}, taking("a")), Range{9, 9, 2})
	if tr.start != 9 {
		t.Errorf("start %d", tr.start)
	}
	if !tr.moveTo(20) || tr.next() != 20 || len(tr.runs) != 0 {
		t.Errorf("%+v", tr)
	}
}

// TestTrackerRandom compares with one state per offset, whatever happens in whatever order.
func TestTrackerRandom(t *testing.T) {
	const size, limit = 60, 3
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 1))
		type cell struct {
			state  State
			count  int16
			member string
			until  time.Time
		}
		model := map[int64]cell{}
		tr := tracker{}
		now := 0
		stored := tracker{}
		for step := range 80 {
			now++
			member := string(rune('a' + r.IntN(3)))
			var changed []Batch
			switch r.IntN(6) {
			case 0, 1:
				from := tr.next()
				var batches []Range
				for at := from - from%5; at < size && len(batches) < 3; at += 5 {
					batches = append(batches, Range{First: at, Last: at + 4})
				}
				a := acquire{member: member, maxRecords: int64(1 + r.IntN(8)), strict: r.IntN(2) == 0, limit: 25, until: after(now + 10)}
				for _, got := range tr.take(from, batches, a) {
					for o := got.First; o <= got.Last; o++ {
						c := model[o]
						if c.state != Available || c.count+1 != got.Count {
							t.Fatalf("seed %d step %d: offset %d was %+v, delivered as %+v", seed, step, o, c, got)
						}
						model[o] = cell{Acquired, c.count + 1, member, a.until}
					}
				}
			case 2, 3:
				first := tr.start + r.Int64N(10)
				last := first + r.Int64N(6)
				kind := int8(r.IntN(5))
				next := tr.clone()
				more, err := next.acknowledge(member, one(first, last, kind), limit, after(now+10))
				ok := last < tr.end
				for o := first; o <= last; o++ {
					ok = ok && model[o].state == Acquired && model[o].member == member
				}
				if ok != (err == nil) {
					t.Fatalf("seed %d step %d: %d to %d of %s: %v", seed, step, first, last, member, err)
				}
				if err != nil {
					break
				}
				tr, changed = next, more
				for o := first; o <= last; o++ {
					c := model[o]
					switch {
					case kind == AckRenew:
						c.until = after(now + 10)
					case kind == AckAccept:
						c = cell{state: Acknowledged, count: c.count}
					case kind == AckRelease && c.count < limit:
						c = cell{count: c.count}
					default:
						c = cell{state: Archived, count: c.count}
					}
					model[o] = c
				}
			default:
				ends := func(c cell) bool { return c.member == member }
				if r.IntN(2) == 0 {
					changed = tr.leave(member, limit)
				} else {
					changed = tr.expire(after(now), limit)
					ends = func(c cell) bool { return !c.until.After(after(now)) }
				}
				for o, c := range model {
					if c.state == Acquired && ends(c) {
						c = cell{count: c.count}
						if c.count >= limit {
							c.state = Archived
						}
						model[o] = c
					}
				}
			}
			stored = restoreOver(stored, tr.start, changed)
			at, done := tr.start, int32(0)
			for _, run := range tr.runs {
				if run.first < at || run.last < run.first || run.last >= tr.end {
					t.Fatalf("seed %d step %d: %+v", seed, step, tr)
				}
				at = run.last + 1
				for o := run.first; o <= run.last; o++ {
					if c := model[o]; c.state != run.state || c.count != run.count || c.member != run.member || !c.until.Equal(run.until) {
						t.Fatalf("seed %d step %d: offset %d is %+v, want %+v", seed, step, o, run, c)
					}
					if run.done() {
						done++
					}
				}
			}
			if done != tr.complete() {
				t.Fatalf("seed %d step %d: complete %d, want %d", seed, step, tr.complete(), done)
			}
			for o := range tr.start {
				if c := model[o]; c.state != Acknowledged && c.state != Archived {
					t.Fatalf("seed %d step %d: start %d passed offset %d, %+v", seed, step, tr.start, o, c)
				}
			}
			// What is written is what counts after a restart: what was done with stays so.
			for o := tr.start; o < tr.end; o++ {
				if c := model[o]; c.state == Acknowledged || c.state == Archived {
					if !slices.ContainsFunc(stored.runs, func(r run) bool { return r.first <= o && o <= r.last && r.state == c.state }) {
						t.Fatalf("seed %d step %d: offset %d would be lost in a restart", seed, step, o)
					}
				}
			}
		}
	}
}

// restoreOver lays what was written over what is known of it, as the share coordinator does.
func restoreOver(stored tracker, start int64, changed []Batch) tracker {
	for _, b := range changed {
		stored.change(b.First, b.Last, func(r *run) bool { r.state, r.count = b.State, b.Count; return false })
		at := b.First
		for at <= b.Last {
			i := slices.IndexFunc(stored.runs, func(r run) bool { return r.last >= at })
			switch {
			case i < 0:
				stored.put(run{first: at, last: b.Last, state: b.State, count: b.Count})
				at = b.Last + 1
			case stored.runs[i].first <= at:
				at = stored.runs[i].last + 1
			default:
				last := min(b.Last, stored.runs[i].first-1)
				stored.put(run{first: at, last: last, state: b.State, count: b.Count})
				at = last + 1
			}
		}
	}
	stored.start = min(stored.start, start)
	return stored
}

func TestParseDuration(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"p1d": 24 * time.Hour, "pt1h": time.Hour, "pt10m1.5s": 10*time.Minute + 1500*time.Millisecond, "p1dt2h": 26 * time.Hour, "x": 1<<63 - 1,
	} {
		if got := parseDuration(text); got != want {
			t.Errorf("%s: %v, want %v", text, got, want)
		}
	}
}
