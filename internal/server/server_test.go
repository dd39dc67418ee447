package server

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"
)

// echo answers each frame with itself; some frames ask for something else.
type echo struct {
	sessions atomic.Int32
	closed   atomic.Int32
	handling atomic.Int32
}

func (e *echo) NewSession(info ConnInfo) Session {
	e.sessions.Add(1)
	return &echoSession{e, info.Flush}
}

type echoSession struct {
	echo  *echo
	flush func()
}

func (s *echoSession) Close() { s.echo.closed.Add(1) }

func (s *echoSession) Handle(ctx context.Context, frame []byte) (Response, error) {
	s.echo.handling.Add(1)
	defer s.echo.handling.Add(-1)
	switch {
	case bytes.HasPrefix(frame, []byte("panic")):
		panic("a handler's bug")
	case bytes.HasPrefix(frame, []byte("refuse")):
		return nil, errors.New("refused")
	case bytes.HasPrefix(frame, []byte("silent")):
		return nil, nil
	case bytes.HasPrefix(frame, []byte("poll")):
		s.flush()
		<-ctx.Done()
	}
	return reply(frame), nil
}

type reply []byte

func (r reply) AppendTo(dst []byte) []byte {
	return append(binary.BigEndian.AppendUint32(dst, uint32(len(r))), r...)
}

// pipeListener is a listener whose connections are net.Pipe pairs, so that a whole server runs in a synctest bubble.
type pipeListener struct {
	conns chan net.Conn
	once  sync.Once
	done  chan struct{}
}

func newPipeListener() *pipeListener {
	return &pipeListener{conns: make(chan net.Conn), done: make(chan struct{})}
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}
func (l *pipeListener) Close() error   { l.once.Do(func() { close(l.done) }); return nil }
func (l *pipeListener) Addr() net.Addr { return pipeAddr("server") }

type pipeAddr string

func (a pipeAddr) Network() string { return "pipe" }
func (a pipeAddr) String() string  { return string(a) }

// addrConn gives a pipe's end a remote address.
type addrConn struct {
	net.Conn
	remote net.Addr
}

func (c addrConn) RemoteAddr() net.Addr { return c.remote }

func (l *pipeListener) dial(ip string) net.Conn {
	client, srv := net.Pipe()
	l.conns <- addrConn{srv, &net.TCPAddr{IP: net.ParseIP(ip), Port: 1}}
	return client
}

type fixture struct {
	*Server
	t        *testing.T
	listener *pipeListener
	handler  *echo
	logs     *observer.ObservedLogs
	served   chan error
}

func start(t *testing.T, l Limits) *fixture {
	if l.RequestMaxBytes == 0 {
		l.RequestMaxBytes = 1 << 20
	}
	core, logs := observer.New(zapcore.DebugLevel)
	f := &fixture{t: t, listener: newPipeListener(), handler: &echo{}, logs: logs, served: make(chan error, 1)}
	f.Server = New(Options{Handler: f.handler, Limits: func() Limits { return l }, Logger: zap.New(core)})
	go func() { f.served <- f.Serve("PLAINTEXT", f.listener) }()
	return f
}

func (f *fixture) stop() {
	f.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := f.Shutdown(ctx); err != nil {
		f.t.Errorf("shutdown: %v", err)
	}
	if err := <-f.served; !errors.Is(err, ErrServerClosed) {
		f.t.Errorf("Serve returned %v", err)
	}
	if f.handler.sessions.Load() != f.handler.closed.Load() {
		f.t.Errorf("%d sessions made, %d closed", f.handler.sessions.Load(), f.handler.closed.Load())
	}
}

func send(c net.Conn, frame string) error {
	_, err := c.Write(reply(frame).AppendTo(nil))
	return err
}

func receive(c net.Conn) (string, error) {
	var size [4]byte
	if _, err := io.ReadFull(c, size[:]); err != nil {
		return "", err
	}
	b := make([]byte, binary.BigEndian.Uint32(size[:]))
	_, err := io.ReadFull(c, b)
	return string(b), err
}

func ask(t *testing.T, c net.Conn, frame string) {
	t.Helper()
	if err := send(c, frame); err != nil {
		t.Fatal(err)
	}
	if got, err := receive(c); err != nil || got != frame {
		t.Fatalf("asked %.20q, got %.20q, %v", frame, got, err)
	}
}

func TestRequestsAreAnsweredInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := start(t, Limits{})
		c := f.listener.dial("10.0.0.1")
		ask(t, c, "one")
		if err := send(c, "silent"); err != nil {
			t.Fatal(err)
		}
		ask(t, c, strings.Repeat("large", 100_000)) // grows its buffer on the way
		ask(t, c, "three")
		_ = c.Close()
		f.stop()
	})
}

func TestBadPeersLoseOnlyTheirConnection(t *testing.T) {
	for name, write := range map[string]string{
		"handler panics":       string(reply("panic").AppendTo(nil)),
		"handler refuses":      string(reply("refuse").AppendTo(nil)),
		"negative size":        "\xff\xff\xff\xff",
		"oversized frame":      "\x7f\xff\xff\xff",
		"http instead":         "GET / HTTP/1.1\r\n\r\n",
		"frame breaks off":     "\x00\x00\x00\x10half",
		"size alone":           "\x00\x00",
		"oversized by a byte":  "\x00\x10\x00\x01",
		"nothing but a goodby": "",
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := start(t, Limits{MaxIdle: time.Minute})
				good, bad := f.listener.dial("10.0.0.1"), f.listener.dial("10.0.0.2")
				ask(t, good, "before")
				go func() { _, _ = bad.Write([]byte(write)) }()
				_ = bad.SetReadDeadline(time.Now().Add(59 * time.Second)) // net.Pipe has no half-close: the idle limit ends the torn ones
				if got, err := receive(bad); err == nil {
					t.Errorf("an answer: %q", got)
				}
				_ = bad.Close()
				synctest.Wait()
				ask(t, good, "after")
				if n := f.NumConnections(); n != 1 {
					t.Errorf("%d connections open, want 1", n)
				}
				f.stop()
			})
		})
	}
}

func TestPanicIsLoggedWithItsStack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := start(t, Limits{})
		c := f.listener.dial("10.0.0.1")
		_ = send(c, "panic")
		_, _ = receive(c)
		f.stop()
		entries := f.logs.FilterLevelExact(zapcore.ErrorLevel).All()
		if len(entries) != 1 || !strings.Contains(string(entries[0].ContextMap()["stack"].(string)), "Handle") {
			t.Fatalf("logged %v", entries)
		}
	})
}

func TestIdleConnectionsAreClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := start(t, Limits{MaxIdle: 10 * time.Minute})
		c := f.listener.dial("10.0.0.1")
		for range 3 {
			time.Sleep(9 * time.Minute)
			ask(t, c, "still here")
		}
		time.Sleep(10*time.Minute + time.Second)
		synctest.Wait()
		if n := f.NumConnections(); n != 0 {
			t.Errorf("%d connections open after the idle limit", n)
		}
		f.stop()
	})
}

func TestSlowSenderIsNotIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := start(t, Limits{MaxIdle: 10 * time.Second})
		c := f.listener.dial("10.0.0.1")
		frame := reply("slow").AppendTo(nil)
		for _, part := range [][]byte{frame[:4], frame[4:5], frame[5:6], frame[6:7], frame[7:8]} {
			time.Sleep(9 * time.Second)
			if _, err := c.Write(part); err != nil {
				t.Fatalf("write: %v", err)
			}
		}
		if got, err := receive(c); err != nil || got != "slow" {
			t.Fatalf("%q, %v", got, err)
		}
		f.stop()
	})
}

func TestClientThatNeverReadsIsCutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := start(t, Limits{MaxIdle: time.Minute})
		c := f.listener.dial("10.0.0.1")
		if err := send(c, "never read"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute + time.Second)
		synctest.Wait()
		if n := f.NumConnections(); n != 0 {
			t.Errorf("%d connections open", n)
		}
		f.stop()
	})
}

func TestShutdownEndsLongPollsWithAnAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := start(t, Limits{})
		polling, idle := f.listener.dial("10.0.0.1"), f.listener.dial("10.0.0.2")
		if err := send(polling, "poll"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if f.handler.handling.Load() != 1 {
			t.Fatal("not polling")
		}
		answers := make(chan string, 1)
		go func() { s, _ := receive(polling); answers <- s }()
		began := time.Now()
		f.stop()
		if got := <-answers; got != "poll" {
			t.Errorf("answered %q", got)
		}
		if took := time.Since(began); took != 0 {
			t.Errorf("shutdown waited %v of the bubble's time", took)
		}
		if _, err := receive(idle); err == nil {
			t.Error("the idle connection got an answer")
		}
	})
}

func TestConnectionsPerIP(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := start(t, Limits{MaxConnectionsPerIP: 2, MaxConnectionsPerHost: map[string]int{"10.0.0.9": 0}})
		first, second := f.listener.dial("10.0.0.1"), f.listener.dial("10.0.0.1")
		ask(t, first, "a")
		ask(t, second, "b")
		third := f.listener.dial("10.0.0.1")
		if _, err := receive(third); err == nil {
			t.Error("a third connection of one address was served")
		}
		ask(t, f.listener.dial("10.0.0.2"), "another address")
		if _, err := receive(f.listener.dial("10.0.0.9")); err == nil {
			t.Error("an address with the override 0 was served")
		}
		_ = first.Close()
		synctest.Wait()
		ask(t, f.listener.dial("10.0.0.1"), "room again")
		f.stop()
	})
}

func TestMaxConnectionsLeavesNewOnesInTheBacklog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := start(t, Limits{MaxConnections: 2})
		first, second := f.listener.dial("10.0.0.1"), f.listener.dial("10.0.0.1")
		ask(t, first, "a")
		ask(t, second, "b")
		dialled := make(chan net.Conn, 1)
		go func() { dialled <- f.listener.dial("10.0.0.1") }()
		time.Sleep(5 * time.Second)
		if len(dialled) != 0 {
			t.Fatal("accepted beyond max.connections")
		}
		_ = first.Close()
		ask(t, <-dialled, "c")
		f.stop()
	})
}

func TestCreationRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := start(t, Limits{MaxCreationRate: 10})
		began := time.Now()
		for range 35 {
			ask(t, f.listener.dial("10.0.0.1"), "x")
		}
		if took := time.Since(began); took < 2*time.Second || took > 5*time.Second {
			t.Errorf("35 connections at 10 a second took %v", took)
		}
		f.stop()
	})
}

func TestBuffersOfAnySizeComeBackEmpty(t *testing.T) {
	for _, size := range []int{-1, 0, 1, smallBufferBytes, smallBufferBytes + 1, mediumBufferBytes + 1, 1 << 30} {
		b := takeBuffer(size)
		if len(b.bytes) != 0 || cap(b.bytes) < smallBufferBytes {
			t.Errorf("takeBuffer(%d): len %d cap %d", size, len(b.bytes), cap(b.bytes))
		}
		b.bytes = append(b.bytes, make([]byte, max(0, min(size, 1<<20)))...)
		b.release()
	}
}

// What is kept of grown buffers is bounded, found again by size, and given up when nobody needs it.
func TestGrownBuffers(t *testing.T) {
	var l grownList
	of := func(size int) *buffer { return &buffer{bytes: make([]byte, 0, size)} }
	for _, size := range []int{2 << 20, 1 << 20, 4 << 20, largestKeptBytes + 1} {
		l.put(of(size))
	}
	for _, tc := range []struct{ size, want int }{{1<<20 + 1, 2 << 20}, {1 << 30, 4 << 20}, {1, 1 << 20}} {
		if b := l.take(tc.size); b == nil || cap(b.bytes) != tc.want {
			t.Errorf("for %d bytes: %v", tc.size, b)
		}
	}
	if b := l.take(1); b != nil {
		t.Errorf("%d bytes were kept", cap(b.bytes))
	}
	for range 2*mostKeptBytes/largestKeptBytes + 1 {
		l.put(of(largestKeptBytes))
	}
	if l.bytes != mostKeptBytes {
		t.Errorf("%d bytes are kept", l.bytes)
	}
	l.trim() // begins to count
	a, b := l.take(1), l.take(1)
	l.put(a)
	l.put(b)
	if l.trim(); len(l.free) != 2 || l.bytes != 2*largestKeptBytes {
		t.Errorf("%d buffers are kept where two were needed", len(l.free))
	}
	if l.trim(); len(l.free) != 0 || l.bytes != 0 {
		t.Errorf("%d buffers are kept where none was needed", len(l.free))
	}
}

// A connection that was quiet gives its goroutine and its buffer back, and is served as before when it speaks again.
func TestQuietConnectionsAreServedAgain(t *testing.T) {
	for _, idle := range []time.Duration{0, quietAfter / 2, quietAfter, 2 * quietAfter, 10 * time.Minute} {
		synctest.Test(t, func(t *testing.T) {
			f := start(t, Limits{MaxIdle: idle})
			c := f.listener.dial("10.0.0.1")
			frame := reply("in two parts").AppendTo(nil)
			for _, pause := range []time.Duration{0, quietAfter / 3, 3 * quietAfter, time.Minute, 0} {
				if idle > 0 {
					pause = min(pause, idle*7/16-1) // the size of a frame must come within the limit, its two parts together
				}
				time.Sleep(pause)
				ask(t, c, "after a pause")
				for _, cut := range []int{1, 3, 4, 7} { // some bytes arrive before the pause and some after it
					time.Sleep(pause)
					if _, err := c.Write(frame[:cut]); err != nil {
						t.Fatal(err)
					}
					time.Sleep(pause)
					if _, err := c.Write(frame[cut:]); err != nil {
						t.Fatal(err)
					}
					if got, err := receive(c); err != nil || got != "in two parts" {
						t.Fatalf("cut at %d: %q, %v", cut, got, err)
					}
				}
			}
			_ = c.Close()
			f.stop()
		})
	}
}

// TestAnswersGoOutTogether: of requests that come together the answers do too, but none waits for a request that waits or has not come yet.
func TestAnswersGoOutTogether(t *testing.T) {
	frames := func(texts ...string) (b []byte) {
		for _, text := range texts {
			b = reply(text).AppendTo(b)
		}
		return b
	}
	large := strings.Repeat("x", 3<<10)
	for _, tc := range []struct {
		name   string
		sent   []byte
		writes [][]byte
	}{
		{"one", frames("a"), [][]byte{frames("a")}},
		{"three", frames("a", "b", "c"), [][]byte{frames("a", "b", "c")}},
		{"half of the next is missing", frames("a", "b", "cccc")[:13], [][]byte{frames("a", "b")}},
		{"the second waits", frames("a", "poll"), [][]byte{frames("a")}},
		{"one has no answer", frames("a", "silent", "b", "silent"), [][]byte{frames("a", "b")}},
		{"the last ends the connection", frames("a", "b", "refuse"), [][]byte{frames("a", "b")}},
		{"enough for a write", frames(large, large, "c"), [][]byte{frames(large, large, "c")}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := start(t, Limits{})
				defer f.stop()
				c := f.listener.dial("10.0.0.1")
				defer func() { _ = c.Close() }()
				buf := make([]byte, 64<<10)
				// What comes to a quiet connection is read in two pieces; from the second request on it is read as it comes.
				for i, want := range append([][]byte{frames("first")}, tc.writes...) {
					if i < 2 {
						go func() { _, _ = c.Write([][]byte{frames("first"), tc.sent}[i]) }()
					}
					if n, err := c.Read(buf); err != nil || !bytes.Equal(buf[:n], want) {
						t.Errorf("%q, %v; want %q", buf[:n], err, want)
					}
				}
			})
		})
	}
}

// TestAnswersAreNotWithheld: over TCP, however requests are cut into pieces, each answer comes without anything more being sent.
func TestAnswersAreNotWithheld(t *testing.T) {
	f := start(t, Limits{})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- f.Serve("TCP", l) }()
	defer func() {
		f.stop()
		if err := <-served; !errors.Is(err, ErrServerClosed) {
			t.Errorf("Serve returned %v", err)
		}
	}()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	_ = c.SetReadDeadline(time.Now().Add(30 * time.Second))

	rnd := rand.New(rand.NewPCG(1, 2))
	var sent []byte
	var ends []int // of the frames
	for i := range 400 {
		sent = reply(strings.Repeat(string(rune('a'+i%26)), 1+rnd.IntN([]int{20, 3000, 40_000}[i%3]))).AppendTo(sent)
		ends = append(ends, len(sent))
	}
	got := make([]byte, 0, len(sent))
	for at, answered := 0, 0; at < len(sent); {
		next := min(at+1+rnd.IntN(100_000), len(sent))
		if _, err := c.Write(sent[at:next]); err != nil {
			t.Fatal(err)
		}
		at = next
		for answered < len(ends) && ends[answered] <= at {
			answered++
		}
		if answered == 0 {
			continue
		}
		n := len(got)
		got = got[:ends[answered-1]]
		if _, err := io.ReadFull(c, got[n:]); err != nil {
			t.Fatalf("%d requests were sent whole: %v", answered, err)
		}
	}
	if !bytes.Equal(got, sent) {
		t.Error("the answers are not what was asked")
	}
}
