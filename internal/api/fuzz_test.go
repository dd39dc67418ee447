package api

import (
	"context"
	"io"
	"reflect"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/gokafka/gokafka/internal/server"
)

// FuzzHandle has a session handle any bytes: it may close the connection or answer, but no handler may panic, and what
// it answers can be encoded.
func FuzzHandle(f *testing.F) {
	tb := newTestBroker(f)
	tb.createTopic("t", 1)
	core, logged := observer.New(zapcore.ErrorLevel)
	tb.api.Log = zap.New(core)
	formatter := kmsg.NewRequestFormatter(kmsg.FormatterClientID("fuzz"))
	for key, e := range table {
		if !e.served() {
			continue
		}
		for version := e.min; version <= e.max; version++ {
			req := kmsg.RequestForKey(int16(key))
			fill(reflect.ValueOf(req).Elem())
			req.SetVersion(version)
			f.Add(formatter.AppendRequest(nil, req, 1)[4:])
		}
	}
	f.Fuzz(func(t *testing.T, frame []byte) {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		s := tb.api.NewSession(server.ConnInfo{Listener: testListener})
		defer s.Close()
		resp, err := s.Handle(ctx, frame)
		if err == nil && resp != nil {
			resp.AppendTo(nil)
			if c, ok := resp.(io.Closer); ok {
				_ = c.Close()
			}
		}
		for _, entry := range logged.TakeAll() {
			if entry.Message == "panic while serving a request" {
				t.Fatalf("%v", entry.ContextMap())
			}
		}
	})
}
