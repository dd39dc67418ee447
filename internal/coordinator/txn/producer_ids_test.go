package txn

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// blocks is a controller that gives out blocks of three ids, or its error.
type blocks struct {
	mu    sync.Mutex
	next  int64
	err   error
	code  int16
	asked []*kmsg.AllocateProducerIDsRequest
}

func (b *blocks) Request(_ context.Context, req kmsg.Request) (kmsg.Response, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.asked = append(b.asked, req.(*kmsg.AllocateProducerIDsRequest))
	if b.err != nil {
		return nil, b.err
	}
	resp := req.ResponseKind().(*kmsg.AllocateProducerIDsResponse)
	resp.ErrorCode = b.code
	if b.code == 0 {
		resp.ProducerIDStart, resp.ProducerIDLen = b.next, 3
		b.next += 3
	}
	return resp, nil
}

func TestNextNeverRepeatsAnID(t *testing.T) {
	controller := &blocks{next: 1000}
	ids := NewProducerIDs(controller, 7, func() int64 { return 42 })
	var (
		mu  sync.Mutex
		got []int64
		wg  sync.WaitGroup
	)
	for range 10 {
		wg.Go(func() {
			id, err := ids.Next(t.Context())
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			got = append(got, id)
			mu.Unlock()
		})
	}
	wg.Wait()
	slices.Sort(got)
	want := []int64{1000, 1001, 1002, 1003, 1004, 1005, 1006, 1007, 1008, 1009}
	if !slices.Equal(got, want) {
		t.Errorf("ids are %v, want %v", got, want)
	}
	if n := len(controller.asked); n != 4 {
		t.Errorf("the controller was asked %d times, want 4", n)
	}
	if r := controller.asked[0]; r.BrokerID != 7 || r.BrokerEpoch != 42 {
		t.Errorf("asked as broker %d epoch %d, want 7 and 42", r.BrokerID, r.BrokerEpoch)
	}
}

func TestNextIsRetriableWhenTheControllerFails(t *testing.T) {
	controller := &blocks{err: errors.New("no controller")}
	ids := NewProducerIDs(controller, 1, func() int64 { return 1 })
	if _, err := ids.Next(t.Context()); !errors.Is(err, kerr.CoordinatorLoadInProgress) {
		t.Errorf("error is %v, want CoordinatorLoadInProgress", err)
	}
	controller.err, controller.code = nil, kerr.StaleBrokerEpoch.Code
	if _, err := ids.Next(t.Context()); !errors.Is(err, kerr.CoordinatorLoadInProgress) {
		t.Errorf("error is %v, want CoordinatorLoadInProgress", err)
	}
	controller.code = 0
	if id, err := ids.Next(t.Context()); err != nil || id != 0 {
		t.Errorf("Next after the failures is %d, %v; want 0", id, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	ids.turn <- struct{}{}
	if _, err := ids.Next(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("error with an ended context is %v", err)
	}
}
