package tools

import (
	"slices"
	"sync"
	"time"
)

// perfStats gathers the latencies of acknowledged records, and prints Kafka's lines of figures about them.
type perfStats struct {
	env      *Env
	steady   bool // of the records behind the warm-up
	interval time.Duration

	mu        sync.Mutex
	silent    bool
	start     time.Time
	sampling  int64
	latencies []int32 // of every sampling-th record, in milliseconds
	window    perfWindow
	total     perfWindow
}

// perfWindow is the sums over some records.
type perfWindow struct {
	start          time.Time
	records, bytes int64
	latency        int64 // milliseconds, of all together
	longest        int64
}

func (w *perfWindow) add(latency, bytes int64) {
	w.records++
	w.bytes += bytes
	w.latency += latency
	w.longest = max(w.longest, latency)
}

// rates are records and megabytes per second until now.
func (w *perfWindow) rates(now time.Time) (records, megabytes float64) {
	elapsed := float64(now.Sub(w.start).Milliseconds())
	return 1000 * float64(w.records) / elapsed, 1000 * float64(w.bytes) / elapsed / (1 << 20)
}

// most is how many latencies are kept for the percentiles.
const most = 500_000

func newPerfStats(env *Env, records int64, interval time.Duration, steady bool) *perfStats {
	now := env.Now()
	return &perfStats{env: env, steady: steady, interval: interval, start: now, sampling: max(1, records/min(max(1, records), most)),
		window: perfWindow{start: now}, total: perfWindow{start: now}}
}

// record counts an acknowledged record.
func (s *perfStats) record(sent, now time.Time, bytes int) {
	latency := now.Sub(sent).Milliseconds()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.total.records%s.sampling == 0 {
		s.latencies = append(s.latencies, int32(latency))
	}
	s.total.add(latency, int64(bytes))
	s.window.add(latency, int64(bytes))
	if now.Sub(s.window.start) >= s.interval {
		s.printWindow(now)
		s.window = perfWindow{start: now}
	}
}

// silence keeps the lines of progress of a warm-up away, once the steady state has begun.
func (s *perfStats) silence() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.silent = true
}

func (s *perfStats) printWindow(now time.Time) {
	if s.silent {
		return
	}
	records, megabytes := s.window.rates(now)
	s.env.printf("%d records sent, %s records/sec (%s MB/sec), %s ms avg latency, %s ms max latency.\n", s.window.records, fixed(records, 1), fixed(megabytes, 2),
		fixed(float64(s.window.latency)/float64(s.window.records), 1), fixed(float64(s.window.longest), 1))
}

// printTotal prints the last line.
func (s *perfStats) printTotal() {
	s.mu.Lock()
	defer s.mu.Unlock()
	records, megabytes := s.total.rates(s.env.Now())
	state := ""
	if s.steady {
		state = " steady state"
	}
	at := percentiles(s.latencies, 0.5, 0.95, 0.99, 0.999)
	s.env.printf("%d%s records sent, %s records/sec (%s MB/sec), %s ms avg latency, %s ms max latency, %d ms 50th, %d ms 95th, %d ms 99th, %d ms 99.9th.\n",
		s.total.records, state, fixed(records, 6), fixed(megabytes, 2), fixed(float64(s.total.latency)/float64(s.total.records), 2),
		fixed(float64(s.total.longest), 2), at[0], at[1], at[2], at[3])
}

// percentiles sorts the latencies and returns those at the fractions.
func percentiles(latencies []int32, fractions ...float64) []int32 {
	slices.Sort(latencies)
	values := make([]int32, len(fractions))
	if len(latencies) == 0 {
		return values
	}
	for i, f := range fractions {
		values[i] = latencies[int(f*float64(len(latencies)))]
	}
	return values
}
