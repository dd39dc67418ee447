package client

import (
	"errors"
	"net"
	"strings"
	"testing"
)

func TestUnreachableSaysWhatToDo(t *testing.T) {
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	refused := free.Addr().String()
	free.Close()
	rude, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() { rude.Close(); <-done })
	go func() {
		defer close(done)
		for {
			c, err := rude.Accept()
			if err != nil {
				return
			}
			c.Close()
		}
	}()
	for addr, want := range map[string]string{
		refused:                  "connection refused: nothing listens there",
		rude.Addr().String():     "does the listener speak TLS or SASL",
		"no-such-host.invalid:1": "cannot be resolved",
	} {
		_, err := Connect(t.Context(), Config{Bootstrap: addr})
		var unreachable *UnreachableError
		if !errors.As(err, &unreachable) || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), addr) {
			t.Errorf("%s: %v, want %q", addr, err, want)
		}
	}
	if _, err := Connect(t.Context(), Config{}); err == nil || !strings.Contains(err.Error(), "--bootstrap-server") {
		t.Error(err)
	}
}

func TestProperties(t *testing.T) {
	p, err := ParsePairs([]string{"a=b=c", "d="})
	if err != nil || p["a"] != "b=c" || p["d"] != "" {
		t.Errorf("%v %v", p, err)
	}
	if _, err := ParsePairs([]string{"nothing"}); err == nil {
		t.Error("a word without = was taken")
	}
	if q := p.With(Properties{"a": "x"}); q["a"] != "x" || p["a"] != "b=c" {
		t.Errorf("%v over %v", q, p)
	}
	if _, err := ReadProperties("testdata/none"); err == nil {
		t.Error("a file that is not there was read")
	}
}
