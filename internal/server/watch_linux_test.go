package server

import (
	"net"
	"testing"
	"time"

	"go.uber.org/zap"
)

// TestLongPollEndsWhenThePeerLeaves: also when the peer sent more before it left, which nobody has read. Found by test/crash.
func TestLongPollEndsWhenThePeerLeaves(t *testing.T) {
	handler := &echo{}
	s := New(Options{Handler: handler, Limits: func() Limits { return Limits{RequestMaxBytes: 1 << 20} }, Logger: zap.NewNop()})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- s.Serve("test", l) }()
	defer func() {
		if err := s.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		<-done
	}()
	stays, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer stays.Close()
	if _, err := stays.Write([]byte("\x00\x00\x00\x04poll")); err != nil {
		t.Fatal(err)
	}
	for _, sent := range []string{"\x00\x00\x00\x04poll", "\x00\x00\x00\x04poll\x00\x00\x00\x04more"} {
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Write([]byte(sent)); err != nil {
			t.Fatal(err)
		}
		for s.NumConnections() != 2 || handler.handling.Load() != 2 {
			time.Sleep(time.Millisecond)
		}
		c.Close()
		for s.NumConnections() != 1 {
			time.Sleep(time.Millisecond)
		}
	}
	if n := handler.handling.Load(); n != 1 {
		t.Errorf("%d requests are under way, want that of the peer that stays", n)
	}
}
