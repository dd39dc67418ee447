//go:build linux

package crash

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// peer is a bare connection.
type peer struct {
	t testing.TB
	net.Conn
}

func dial(t testing.TB, p *process) *peer {
	t.Helper()
	c, err := net.Dial("tcp", p.addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return &peer{t, c}
}

// request is a request as it goes over the wire.
func request(req kmsg.Request) []byte {
	return kmsg.NewRequestFormatter(kmsg.FormatterClientID("crash")).AppendRequest(nil, req, 7)
}

// send writes bytes; the broker may close the connection under it.
func (p *peer) send(b []byte) {
	_ = p.SetWriteDeadline(time.Now().Add(patience))
	_, _ = p.Write(b)
}

// answer reads one response without its size.
func (p *peer) answer() ([]byte, error) {
	_ = p.SetReadDeadline(time.Now().Add(patience))
	var size [4]byte
	if _, err := io.ReadFull(p, size[:]); err != nil {
		return nil, err
	}
	b := make([]byte, binary.BigEndian.Uint32(size[:]))
	_, err := io.ReadFull(p, b)
	return b, err
}

// isClosed waits until the broker closes the connection, and fails when it answers or does not.
func (p *peer) isClosed(what string) {
	p.t.Helper()
	_ = p.SetReadDeadline(time.Now().Add(patience))
	n, err := p.Read(make([]byte, 1))
	if ne, ok := err.(net.Error); n > 0 || err == nil || ok && ne.Timeout() {
		p.t.Errorf("%s: the connection is not closed (%d bytes, %v)", what, n, err)
	}
}

// fill writes about size bytes into the only partition of a new topic.
func fill(t testing.TB, p *process, topic string, size int) {
	t.Helper()
	l := lineTo(p)
	defer l.close()
	createTopic(t, l.admin(t), topic, 1)
	c := l.client(t, kgo.ProducerBatchCompression(kgo.NoCompression()))
	var rs []*kgo.Record
	for ; size > 0; size -= 100_000 {
		rs = append(rs, &kgo.Record{Topic: topic, Value: make([]byte, 100_000)})
	}
	if err := c.ProduceSync(patient(t), rs...).FirstErr(); err != nil {
		t.Fatal(err)
	}
}

// bigFetch asks for everything in a topic.
func bigFetch(topic string) *kmsg.FetchRequest {
	req := kmsg.NewPtrFetchRequest()
	req.Version = 11
	req.MaxBytes = 50 << 20
	ft := kmsg.NewFetchRequestTopic()
	ft.Topic = topic
	fp := kmsg.NewFetchRequestTopicPartition()
	fp.PartitionMaxBytes = 50 << 20
	ft.Partitions = append(ft.Partitions, fp)
	req.Topics = append(req.Topics, ft)
	return req
}

// neverReads has a client ask for more than the sockets' buffers hold, and not read it; stop lets go of it.
func neverReads(t testing.TB, p *process) (stop func()) {
	t.Helper()
	fill(t, p, "large", 20<<20)
	c := dial(t, p)
	if err := c.Conn.(*net.TCPConn).SetReadBuffer(4096); err != nil {
		t.Fatal(err)
	}
	c.send(request(bigFetch("large")))
	// Once something of it has come the broker is writing the rest.
	_ = c.SetReadDeadline(time.Now().Add(patience))
	if _, err := c.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	return func() { c.Close() }
}

// wellBehaved creates a topic, writes to it and reads it back, with connections of its own.
func wellBehaved(t testing.TB, p *process, topic string) {
	t.Helper()
	l := lineTo(p)
	defer l.close()
	createTopic(t, l.admin(t), topic, 1)
	c := l.client(t)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := c.ProduceSync(ctx, &kgo.Record{Topic: topic, Value: []byte("well behaved")}).FirstErr(); err != nil {
		t.Fatalf("a well-behaved client: %v", err)
	}
	n := 0
	l.readAll(t, topic, func(*kgo.Record) { n++ })
	if n != 1 {
		t.Fatalf("a well-behaved client reads %d records, want 1", n)
	}
}
