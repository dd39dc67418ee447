package tools

import (
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// perfMetrics counts what a client does, for --print-metrics. Its names are those of the Java clients' metrics that mean the same.
type perfMetrics struct {
	kind, id string // "producer", "perf-producer-client"
	start    time.Time

	mu                                         sync.Mutex
	records, batches, uncompressed, compressed float64
	largestBatch                               float64
	requests, sent, received                   float64
	latency, longest                           time.Duration
}

var (
	_ kgo.HookBrokerE2E           = (*perfMetrics)(nil)
	_ kgo.HookProduceBatchWritten = (*perfMetrics)(nil)
	_ kgo.HookFetchBatchRead      = (*perfMetrics)(nil)
)

// OnBrokerE2E counts a request and its answer.
func (m *perfMetrics) OnBrokerE2E(_ kgo.BrokerMetadata, _ int16, e2e kgo.BrokerE2E) {
	if e2e.Err() != nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.requests++
	m.sent += float64(e2e.BytesWritten)
	m.received += float64(e2e.BytesRead)
	took := e2e.DurationE2E()
	m.latency += took
	m.longest = max(m.longest, took)
}

// OnProduceBatchWritten counts a batch that was sent.
func (m *perfMetrics) OnProduceBatchWritten(_ kgo.BrokerMetadata, _ string, _ int32, b kgo.ProduceBatchMetrics) {
	m.batch(b.NumRecords, b.UncompressedBytes, b.CompressedBytes)
}

// OnFetchBatchRead counts a batch that was received.
func (m *perfMetrics) OnFetchBatchRead(_ kgo.BrokerMetadata, _ string, _ int32, b kgo.FetchBatchMetrics) {
	m.batch(b.NumRecords, b.UncompressedBytes, b.CompressedBytes)
}

func (m *perfMetrics) batch(records, uncompressed, compressed int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.batches++
	m.records += float64(records)
	m.uncompressed += float64(uncompressed)
	m.compressed += float64(compressed)
	m.largestBatch = max(m.largestBatch, float64(compressed))
}

// values are the metrics by name.
func (m *perfMetrics) values(now time.Time) map[string]float64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	seconds := now.Sub(m.start).Seconds()
	values := map[string]float64{
		"request-total": m.requests, "request-rate": m.requests / seconds, "outgoing-byte-total": m.sent, "outgoing-byte-rate": m.sent / seconds,
		"incoming-byte-total": m.received, "incoming-byte-rate": m.received / seconds,
		"request-latency-avg": float64(m.latency.Milliseconds()) / m.requests, "request-latency-max": float64(m.longest.Milliseconds()),
	}
	if m.kind == "producer" {
		values["record-send-total"], values["record-send-rate"] = m.records, m.records/seconds
		values["batch-size-avg"], values["batch-size-max"] = m.compressed/m.batches, m.largestBatch
		values["compression-rate-avg"] = m.compressed / m.uncompressed
	} else {
		values["records-consumed-total"], values["records-consumed-rate"] = m.records, m.records/seconds
		values["bytes-consumed-total"], values["bytes-consumed-rate"] = m.uncompressed, m.uncompressed/seconds
	}
	return values
}

// print writes the metrics as Kafka's tools do.
func (m *perfMetrics) print(e *Env) {
	group := m.kind + "-metrics:"
	if m.kind == "consumer" {
		group = "consumer-fetch-manager-metrics:"
	}
	values := m.values(e.Now())
	tag := ":{client-id=" + m.id + "}"
	width := 0
	for name := range values {
		width = max(width, len(group+name+tag))
	}
	e.printf("\n%-*s   %s\n", width, "Metric Name", "Value")
	for _, name := range slices.Sorted(maps.Keys(values)) {
		e.printf("%-*s : %s\n", width, group+name+tag, fixed(values[name], 3))
	}
}
