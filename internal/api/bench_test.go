package api

import (
	"bytes"
	"encoding/binary"
	"io"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/gokafka/gokafka/internal/protocol"
	"github.com/gokafka/gokafka/internal/server"
	"github.com/gokafka/gokafka/internal/vfs"
)

// exchange handles one frame and encodes its answer into buf, as a connection does.
func exchange(t testing.TB, s server.Session, frame, buf []byte) []byte {
	resp, err := s.Handle(t.Context(), frame)
	if err != nil {
		t.Fatal(err)
	}
	buf = resp.AppendTo(buf[:0])
	if c, ok := resp.(io.Closer); ok {
		_ = c.Close()
	}
	return buf
}

// repeatProduce returns a function that produces the same records once more.
func repeatProduce(t testing.TB, tb *testBroker, c *testClient, valueBytes int) func() {
	id := tb.createTopic("produced", 1)
	records := plain(t, strings.Repeat("x", valueBytes))
	req := produceOf(13, -1, "", 0, records)
	req.Topics[0].TopicID = id
	frame := c.encode(req)
	at := bytes.Index(frame, records)
	head := bytes.Clone(records[:protocol.BatchHeaderBytes]) // the broker stamps its offset into the frame
	var buf []byte
	return func() {
		copy(frame[at:], head)
		buf = exchange(t, c.session, frame, buf)
		// size, correlation id, tags, topics, id, partitions, index
		if code := binary.BigEndian.Uint16(buf[4+4+1+1+16+1+4:]); code != 0 {
			t.Fatalf("produce: %v", kerr.ErrorForCode(int16(code)))
		}
	}
}

// repeatVersions returns a function that asks for ApiVersions once more.
func repeatVersions(t testing.TB, c *testClient) func() {
	req := kmsg.NewPtrApiVersionsRequest()
	req.Version, req.ClientSoftwareName, req.ClientSoftwareVersion = 3, "franz-go", "v1.2.3"
	frame := c.encode(req)
	var buf []byte
	return func() { buf = exchange(t, c.session, frame, buf) }
}

func BenchmarkApiVersions(b *testing.B) {
	run := repeatVersions(b, newTestBroker(b).client())
	b.ReportAllocs()
	for b.Loop() {
		run()
	}
}

// repeatFetch returns a function that fetches the same records once more.
func repeatFetch(t testing.TB, tb *testBroker, c *testClient, valueBytes int) func() {
	frame := fetchFrameOf(t, tb, c, valueBytes)
	var buf []byte
	return func() {
		if buf = exchange(t, c.session, frame, buf); len(buf) < valueBytes {
			t.Fatal("the records are not in the answer")
		}
	}
}

func fetchFrameOf(t testing.TB, tb *testBroker, c *testClient, valueBytes int) []byte {
	id := tb.createTopic("fetched", 1)
	c.mustProduce("fetched", 0, plain(t, strings.Repeat("x", valueBytes)))
	return c.encode(consume(13, "fetched", id, 0))
}

// TestAllocationsOfTheDataPath bounds the garbage of a request, which must not grow with its records. A fetch needs 5.
func TestAllocationsOfTheDataPath(t *testing.T) {
	if raceDetector {
		t.Skip("pools forget some of what they hold under the race detector")
	}
	for _, tc := range []struct {
		name string
		run  func(tb *testBroker, c *testClient) func()
		most float64
	}{
		{"produce", func(tb *testBroker, c *testClient) func() { return repeatProduce(t, tb, c, 10_000) }, 12},
		{"produce of ten times the bytes", func(tb *testBroker, c *testClient) func() { return repeatProduce(t, tb, c, 100_000) }, 12},
		{"fetch", func(tb *testBroker, c *testClient) func() { return repeatFetch(t, tb, c, 10_000) }, 8},
		{"fetch of ten times the bytes", func(tb *testBroker, c *testClient) func() { return repeatFetch(t, tb, c, 100_000) }, 8},
		{"ApiVersions", func(_ *testBroker, c *testClient) func() { return repeatVersions(t, c) }, 6},
	} {
		tb := newTestBroker(t)
		if got := testing.AllocsPerRun(100, tc.run(tb, tb.client())); got > tc.most {
			t.Errorf("%s: %.0f allocations a request, %.0f are known", tc.name, got, tc.most)
		}
	}
}

func BenchmarkProduce(b *testing.B) {
	for name, n := range map[string]int{"100B": 100, "16KiB": 16 << 10, "900KiB": 900 << 10} {
		b.Run(name, func(b *testing.B) {
			tb := newTestBrokerOn(b, vfs.OS(), b.TempDir())
			run := repeatProduce(b, tb, tb.client(), n)
			b.SetBytes(int64(n))
			b.ReportAllocs()
			for b.Loop() {
				run()
			}
		})
	}
}

func BenchmarkFetch(b *testing.B) {
	for name, n := range map[string]int{"100B": 100, "16KiB": 16 << 10, "900KiB": 900 << 10} {
		b.Run(name, func(b *testing.B) {
			tb := newTestBrokerOn(b, vfs.OS(), b.TempDir())
			run := repeatFetch(b, tb, tb.client(), n)
			b.SetBytes(int64(n))
			b.ReportAllocs()
			for b.Loop() {
				run()
			}
		})
	}
}
