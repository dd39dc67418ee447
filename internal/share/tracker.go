package share

import (
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
)

// State is that of a record in flight, numbered as in the records of the share coordinator.
type State int8

// The states of records in flight.
const (
	Available    State = 0
	Acquired     State = 1
	Acknowledged State = 2
	Archived     State = 4
)

// Types of acknowledgement.
const (
	AckGap int8 = iota // there is no record at the offset
	AckAccept
	AckRelease
	AckReject
	AckRenew
)

// run is a range of offsets in flight that are alike.
type run struct {
	first, last int64
	state       State
	count       int16     // how often they were delivered
	member      string    // who has acquired them
	until       time.Time // when that ends
}

func (r run) len() int64 { return r.last - r.first + 1 }

func (r run) done() bool { return r.state == Acknowledged || r.state == Archived }

func (r run) like(o run) bool {
	return r.state == o.state && r.count == o.count && r.member == o.member && r.until.Equal(o.until)
}

// tracker is what is known of the records in flight of a share partition. Its runs are in order and lie in [start, end); what is between runs was not
// delivered yet.
type tracker struct {
	start, end int64
	runs       []run
}

// Batch is a range of offsets in one state, as it is written.
type Batch struct {
	First, Last int64
	State       State
	Count       int16
}

// Range is a range of offsets that was acquired, and the how manieth delivery this is.
type Range struct {
	First, Last int64
	Count       int16
}

// Ack is what a member says of a range of offsets: one type for all, or one for each.
type Ack struct {
	First, Last int64
	Types       []int8
}

func restore(start int64, batches []Batch) tracker {
	t := tracker{start: start, end: start}
	for _, b := range batches {
		if b.Last < start {
			continue
		}
		t.runs = append(t.runs, run{first: max(b.First, start), last: b.Last, state: b.State, count: b.Count})
		t.end = max(t.end, b.Last+1)
	}
	t.tidy()
	return t
}

func (t tracker) clone() tracker {
	t.runs = slices.Clone(t.runs)
	return t
}

// next is the first offset to deliver.
func (t *tracker) next() int64 {
	at := t.start
	for _, r := range t.runs {
		if r.first > at || r.state == Available {
			return at
		}
		at = r.last + 1
	}
	return at
}

// room is the offset before which records may be in flight.
func (t *tracker) room(limit int64) int64 { return t.start + limit }

// tidy joins neighbours that are alike and moves the start behind what is done with.
func (t *tracker) tidy() {
	out := t.runs[:0]
	for _, r := range t.runs {
		if len(out) == 0 && r.first == t.start && r.done() {
			t.start = r.last + 1
			continue
		}
		if n := len(out) - 1; n >= 0 && out[n].last+1 == r.first && out[n].like(r) {
			out[n].last = r.last
			continue
		}
		out = append(out, r)
	}
	clear(t.runs[len(out):])
	t.runs = out
	t.end = max(t.end, t.start)
}

// complete is how many records in flight are done with.
func (t *tracker) complete() int32 {
	var n int64
	for _, r := range t.runs {
		if r.done() {
			n += r.len()
		}
	}
	return int32(n)
}

// cut has runs begin at first and end at last, and returns the index of the first run that is not before first.
func (t *tracker) cut(first, last int64) int {
	for _, at := range []int64{first, last + 1} {
		for i, r := range t.runs {
			if r.first < at && at <= r.last {
				left := r
				left.last = at - 1
				t.runs[i].first = at
				t.runs = slices.Insert(t.runs, i, left)
				break
			}
		}
	}
	i, _ := slices.BinarySearchFunc(t.runs, first, func(r run, at int64) int {
		switch {
		case r.first < at:
			return -1
		case r.first > at:
			return 1
		}
		return 0
	})
	return i
}

// put makes offsets that are in no run one.
func (t *tracker) put(r run) {
	i := t.cut(r.first, r.last)
	t.runs = slices.Insert(t.runs, i, r)
	t.end = max(t.end, r.last+1)
}

// moveTo follows the log's start: what is before it is gone.
func (t *tracker) moveTo(start int64) bool {
	if start <= t.start {
		return false
	}
	i := t.cut(start, start)
	t.runs = slices.Delete(t.runs, 0, i)
	t.start, t.end = start, max(t.end, start)
	t.tidy()
	return true
}

// acquire is what a fetch wants.
type acquire struct {
	member     string
	maxRecords int64 // after so many no further batch, or no further record when strict
	strict     bool
	limit      int64 // records in flight
	until      time.Time
}

// take gives a member what is available within a range of the log. from is where the read began: what is between it and the range does not exist.
func (t *tracker) take(from int64, batches []Range, a acquire) []Range {
	var got []Range
	var n int64
	at := from
	for _, b := range batches {
		if b.Last < at {
			continue
		}
		if n >= a.maxRecords {
			break
		}
		if first := max(b.First, at); first > at {
			t.void(at, min(first, max(t.room(a.limit), t.end))-1)
		}
		first := max(b.First, at)
		last := b.Last
		at = b.Last + 1
		for first <= last && (!a.strict || n < a.maxRecords) {
			r, ok := t.takeOne(first, last, a, a.maxRecords-n)
			if !ok {
				first = r.last + 1
				continue
			}
			got = append(got, Range{r.first, r.last, r.count})
			n += r.len()
			first = r.last + 1
		}
	}
	t.tidy()
	return got
}

// takeOne looks at the run that holds first, up to last. When it cannot be taken only the last offset of it counts.
func (t *tracker) takeOne(first, last int64, a acquire, left int64) (run, bool) {
	i := 0
	for i < len(t.runs) && t.runs[i].last < first {
		i++
	}
	known := i < len(t.runs) && t.runs[i].first <= first
	switch {
	case known:
		last = min(last, t.runs[i].last)
	case i < len(t.runs):
		last = min(last, t.runs[i].first-1)
	}
	if known && t.runs[i].state != Available {
		return run{last: last}, false
	}
	if !known {
		if first >= t.room(a.limit) {
			return run{last: last}, false
		}
		if a.strict { // else whole batches, as with maxRecords
			last = min(last, t.room(a.limit)-1)
		}
	}
	if a.strict {
		last = min(last, first+left-1)
	}
	if !known {
		r := run{first: first, last: last, state: Acquired, count: 1, member: a.member, until: a.until}
		t.put(r)
		return r, true
	}
	i = t.cut(first, last)
	r := &t.runs[i]
	r.state, r.member, r.until = Acquired, a.member, a.until
	r.count++
	return *r, true
}

// void archives what is not there within a range of the log: compaction has removed it.
func (t *tracker) void(first, last int64) {
	t.change(first, last, func(r *run) bool {
		if r.state == Available {
			r.state = Archived
		}
		return false
	})
	kind, at := run{state: Archived}, first
	for at <= last {
		i := 0
		for i < len(t.runs) && t.runs[i].last < at {
			i++
		}
		switch {
		case i == len(t.runs):
			kind.first, kind.last = at, last
		case t.runs[i].first <= at:
			at = t.runs[i].last + 1
			continue
		default:
			kind.first, kind.last = at, min(last, t.runs[i].first-1)
		}
		t.put(kind)
		at = kind.last + 1
	}
}

// drop archives what a member has just acquired of a range.
func (t *tracker) drop(member string, first, last int64) (changed []Batch) {
	return t.change(first, last, func(r *run) bool {
		if r.state != Acquired || r.member != member {
			return false
		}
		*r = run{first: r.first, last: r.last, state: Archived, count: r.count}
		return true
	})
}

// change calls fn with the runs within a range, cut to it, and returns those for which it is true.
func (t *tracker) change(first, last int64, fn func(*run) bool) (changed []Batch) {
	for i := t.cut(first, last); i < len(t.runs) && t.runs[i].first <= last; i++ {
		if r := &t.runs[i]; fn(r) {
			changed = append(changed, Batch{r.first, r.last, r.state, r.count})
		}
	}
	return changed
}

// release makes a run available, or archives it when it was delivered often enough.
func (r *run) release(limit int16) {
	r.state, r.member, r.until = Available, "", time.Time{}
	if r.count >= limit {
		r.state = Archived
	}
}

// acknowledge applies what a member says. Either all of it counts or, with an error, nothing: the tracker is useless then.
func (t *tracker) acknowledge(member string, acks []Ack, limit int16, renewTo time.Time) (changed []Batch, err error) {
	for _, a := range acks {
		switch {
		case a.First > a.Last || a.First < 0:
			return nil, fmt.Errorf("acknowledgement of offsets %d to %d: %w", a.First, a.Last, kerr.InvalidRequest)
		case len(a.Types) != 1 && int64(len(a.Types)) != a.Last-a.First+1:
			return nil, fmt.Errorf("%d types of acknowledgement for offsets %d to %d: %w", len(a.Types), a.First, a.Last, kerr.InvalidRequest)
		case a.Last < t.start:
			continue // it was settled without the member: the log start moved, or the delivery limit was reached
		case a.First >= t.end:
			return nil, fmt.Errorf("Batch record not found. The first offset in request is past acquired records.: %w", kerr.InvalidRequest) //nolint:staticcheck // Kafka's text
		case a.Last >= t.end:
			return nil, fmt.Errorf("Batch record not found. The last offset in request is past acquired records.: %w", kerr.InvalidRequest) //nolint:staticcheck // Kafka's text
		}
		for i := 0; i < len(a.Types); {
			j := i + 1
			for j < len(a.Types) && a.Types[j] == a.Types[i] {
				j++
			}
			first, last := a.First+int64(i), a.First+int64(j)-1
			if len(a.Types) == 1 {
				last = a.Last
			}
			more, err := t.settle(member, max(first, t.start), last, a.Types[i], limit, renewTo)
			if err != nil {
				return nil, err
			}
			changed = append(changed, more...)
			i = j
		}
	}
	t.tidy()
	return changed, nil
}

// settle applies one type of acknowledgement to a range.
func (t *tracker) settle(member string, first, last int64, kind int8, limit int16, renewTo time.Time) (changed []Batch, err error) {
	var covered int64
	why := "The offset cannot be acknowledged. The offset is not acquired."
	changed = t.change(first, last, func(r *run) bool {
		if r.state != Acquired || r.member != member {
			if r.state == Acquired {
				why = "Member is not the owner of offset"
			}
			return false
		}
		covered += r.len()
		switch kind {
		case AckRelease:
			r.release(limit)
		case AckRenew:
			r.until = renewTo
			return false
		case AckAccept:
			*r = run{first: r.first, last: r.last, state: Acknowledged, count: r.count}
		case AckGap, AckReject:
			*r = run{first: r.first, last: r.last, state: Archived, count: r.count}
		default:
			covered = -1 << 62
		}
		return true
	})
	switch {
	case covered < 0:
		return nil, fmt.Errorf("acknowledgement of type %d: %w", kind, kerr.InvalidRequest)
	case first <= last && covered != last-first+1:
		return nil, fmt.Errorf("%s: %w", why, kerr.InvalidRecordState) // Kafka's texts
	}
	return changed, nil
}

// expire releases what was acquired for too long.
func (t *tracker) expire(now time.Time, limit int16) []Batch {
	return t.releaseIf(limit, func(r *run) bool { return !r.until.After(now) })
}

// leave releases what a member has acquired.
func (t *tracker) leave(member string, limit int16) []Batch {
	return t.releaseIf(limit, func(r *run) bool { return r.member == member })
}

func (t *tracker) releaseIf(limit int16, which func(*run) bool) (changed []Batch) {
	for i := range t.runs {
		if r := &t.runs[i]; r.state == Acquired && which(r) {
			r.release(limit)
			changed = append(changed, Batch{r.first, r.last, r.state, r.count})
		}
	}
	t.tidy()
	return changed
}

// soonest is when the first lock ends.
func (t *tracker) soonest() (at time.Time, ok bool) {
	for _, r := range t.runs {
		if r.state == Acquired && (!ok || r.until.Before(at)) {
			at, ok = r.until, true
		}
	}
	return at, ok
}
