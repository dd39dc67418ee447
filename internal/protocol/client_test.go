package protocol

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// serve answers the requests on conn with what handle makes of them; nil writes nothing.
func serve(conn net.Conn, handle func(Header, kmsg.Request) []byte) {
	defer conn.Close()
	for {
		frame, err := ReadFrame(conn, 1<<24, nil)
		if err != nil {
			return
		}
		h, body, err := ParseHeader(frame)
		if err != nil {
			return
		}
		req, err := ParseBody(h, body)
		if err != nil {
			return
		}
		if answer := handle(h, req); answer != nil {
			if _, err := conn.Write(answer); err != nil {
				return
			}
		}
	}
}

// dialPipe returns a Client whose requests handle answers.
func dialPipe(t *testing.T, handle func(Header, kmsg.Request) []byte) *Client {
	t.Helper()
	c, err := Dial(t.Context(), func(_ context.Context, network, addr string) (net.Conn, error) {
		if network != "tcp" || addr != "broker:9092" {
			t.Errorf("dial %s %s", network, addr)
		}
		ours, theirs := net.Pipe()
		go serve(theirs, handle)
		return ours, nil
	}, "broker:9092", "tester")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func metadataFor(h Header, req kmsg.Request) []byte {
	resp := NewResponse(req)
	if m, ok := resp.(*kmsg.MetadataResponse); ok {
		m.ClusterID = h.ClientID
		m.ControllerID = h.CorrelationID
	}
	return AppendResponse(nil, h.CorrelationID, resp)
}

func metadataRequest(version int16) *kmsg.MetadataRequest {
	req := kmsg.NewPtrMetadataRequest()
	req.SetVersion(version)
	return req
}

func TestClientRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := dialPipe(t, metadataFor)
		for version := int16(2); version <= 13; version++ {
			resp, err := c.Request(t.Context(), metadataRequest(version))
			if err != nil {
				t.Fatal(err)
			}
			if m := resp.(*kmsg.MetadataResponse); *m.ClusterID != "tester" || m.Version != version {
				t.Errorf("%+v", m)
			}
		}
		c.Close()
	})
}

func TestClientConcurrently(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := dialPipe(t, metadataFor)
		var mu sync.Mutex
		seen := map[int32]bool{}
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				resp, err := c.Request(t.Context(), metadataRequest(9))
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				seen[resp.(*kmsg.MetadataResponse).ControllerID] = true
				mu.Unlock()
			})
		}
		wg.Wait()
		if len(seen) != 20 {
			t.Errorf("%d different responses", len(seen))
		}
		c.Close()
	})
}

func TestClientProduceWithoutAcks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := dialPipe(t, func(h Header, req kmsg.Request) []byte {
			if req.Key() == 0 {
				return nil
			}
			return metadataFor(h, req)
		})
		produce := kmsg.NewPtrProduceRequest()
		produce.SetVersion(9)
		if resp, err := c.Request(t.Context(), produce); err != nil || resp.Key() != 0 {
			t.Fatal(err)
		}
		if _, err := c.Request(t.Context(), metadataRequest(9)); err != nil {
			t.Error(err)
		}
		c.Close()
	})
}

func TestClientApiVersionsOfAnOlderBroker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := dialPipe(t, func(h Header, req kmsg.Request) []byte {
			resp := kmsg.NewPtrApiVersionsResponse() // version 0
			resp.ErrorCode = kerr.UnsupportedVersion.Code
			resp.ApiKeys = append(resp.ApiKeys, kmsg.ApiVersionsResponseApiKey{ApiKey: 18, MaxVersion: 3})
			return AppendResponse(nil, h.CorrelationID, resp)
		})
		req := kmsg.NewPtrApiVersionsRequest()
		req.SetVersion(4)
		resp, err := c.Request(t.Context(), req)
		if err != nil {
			t.Fatal(err)
		}
		if r := resp.(*kmsg.ApiVersionsResponse); r.ErrorCode != 35 || len(r.ApiKeys) != 1 || r.ApiKeys[0].MaxVersion != 3 {
			t.Errorf("%+v", r)
		}
		c.Close()
	})
}

func TestClientCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := dialPipe(t, func(Header, kmsg.Request) []byte { return nil })
		ctx, cancel := context.WithCancelCause(t.Context())
		errs := make(chan error, 2)
		for range 2 { // one is under way, one waits for its turn
			go func() {
				_, err := c.Request(ctx, metadataRequest(9))
				errs <- err
			}()
		}
		synctest.Wait()
		cancel(errors.New("enough"))
		for range 2 {
			if err := <-errs; !errors.Is(err, context.Canceled) && !errors.Is(err, ErrClientClosed) {
				t.Error(err)
			}
		}
		if _, err := c.Request(t.Context(), metadataRequest(9)); !errors.Is(err, ErrClientClosed) {
			t.Error(err)
		}
	})
}

func TestClientClosedWhileWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := dialPipe(t, func(Header, kmsg.Request) []byte { return nil })
		errs := make(chan error, 2)
		for range 2 {
			go func() {
				_, err := c.Request(t.Context(), metadataRequest(9))
				errs <- err
			}()
		}
		synctest.Wait()
		c.Close()
		for range 2 {
			if err := <-errs; err == nil {
				t.Error("a response from nobody")
			}
		}
	})
}

func TestClientBadResponses(t *testing.T) {
	for name, c := range map[string]struct {
		answer func(h Header, req kmsg.Request) []byte
		want   string
	}{
		"another correlation id": {func(h Header, req kmsg.Request) []byte {
			return AppendResponse(nil, h.CorrelationID+1, NewResponse(req))
		}, "correlation id 2, want 1"},
		"short header":  {func(Header, kmsg.Request) []byte { return []byte{0, 0, 0, 2, 0, 0} }, "truncated"},
		"short body":    {func(Header, kmsg.Request) []byte { return []byte{0, 0, 0, 6, 0, 0, 0, 1, 0, 5} }, "truncated response"},
		"no tags":       {func(Header, kmsg.Request) []byte { return []byte{0, 0, 0, 4, 0, 0, 0, 1} }, "truncated"},
		"negative size": {func(Header, kmsg.Request) []byte { return []byte{0xff, 0, 0, 2, 0, 0} }, "negative"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client := dialPipe(t, c.answer)
				_, err := client.Request(t.Context(), metadataRequest(9))
				if err == nil || !strings.Contains(err.Error(), c.want) && !strings.Contains(err.Error(), "too few bytes") && !strings.Contains(err.Error(), "enough") {
					t.Errorf("%v", err)
				}
				if _, err := client.Request(t.Context(), metadataRequest(9)); !errors.Is(err, ErrClientClosed) {
					t.Error(err)
				}
			})
		})
	}
}

func TestClientConnectionEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := net.Pipe()
		c := NewClient(ours, "x")
		go func() {
			_, _ = ReadFrame(theirs, 1000, nil)
			theirs.Close()
		}()
		if _, err := c.Request(t.Context(), metadataRequest(9)); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Error(err)
		}
	})
}

func TestDialFails(t *testing.T) {
	want := errors.New("no route")
	_, err := Dial(t.Context(), func(context.Context, string, string) (net.Conn, error) { return nil, want }, "x", "y")
	if !errors.Is(err, want) {
		t.Error(err)
	}
}
