package metadata

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/gokafka/gokafka/internal/vfs"
)

// countSyncs wraps the node's file system and counts fsyncs of the log.
func (n *testNode) countSyncs() *atomic.Int64 {
	var syncs atomic.Int64
	n.fs = vfs.Fault(n.fs, func(op vfs.Op, name string) error {
		if op == vfs.OpSync && strings.HasSuffix(name, ".log") {
			syncs.Add(1)
		}
		return nil
	})
	return &syncs
}

// TestWaitingRequestsShareAnFsync holds the controller in a subscriber while requests gather.
func TestWaitingRequestsShareAnFsync(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newTestNode(t)
		syncs := n.countSyncs()
		n.start()
		hold, held := make(chan struct{}), make(chan struct{}, 1)
		n.local.Store().Subscribe(func(_, next *Image) {
			if next.Topic("first") != nil && next.Topic("t0") == nil {
				held <- struct{}{}
				<-hold
			}
		})
		var wg sync.WaitGroup
		create := func(name string) {
			wg.Go(func() {
				resp, err := n.local.Controller().Request(context.Background(), createTopics(7, false, topicSpec{name: name, partitions: 1, rf: 1}))
				if err != nil || resp.(*kmsg.CreateTopicsResponse).Topics[0].ErrorCode != 0 {
					t.Errorf("%s: %+v %v", name, resp, err)
				}
			})
		}
		create("first")
		<-held
		before := syncs.Load()
		for i := range 50 {
			create(fmt.Sprintf("t%d", i))
		}
		synctest.Wait() // they are all at the controller's door
		close(hold)
		wg.Wait()
		if got := syncs.Load() - before; got > 10 {
			t.Errorf("%d fsyncs for 50 topics that waited together", got)
		}
		if n.image().NumTopics() != 51 {
			t.Errorf("%d topics", n.image().NumTopics())
		}
	})
}

// TestReplyComesAfterDiskAndSubscribers looks at the order of what a request causes.
func TestReplyComesAfterDiskAndSubscribers(t *testing.T) {
	n := newTestNode(t)
	syncs := n.countSyncs()
	n.start()
	var seen []string
	n.local.Store().Subscribe(func(prev, next *Image) {
		if next.Topic("t") != nil && prev.Topic("t") == nil {
			if n.local.Store().Image() != next {
				t.Error("the store does not hold the image yet that subscribers get")
			}
			seen = append(seen, fmt.Sprint("published, syncs ", syncs.Load()))
		}
	})
	before := syncs.Load()
	ask[kmsg.Response](n, createTopics(7, false, topicSpec{name: "t", partitions: 1, rf: 1}))
	if want := fmt.Sprint("published, syncs ", before+1); len(seen) != 1 || seen[0] != want {
		t.Errorf("%v, want %s", seen, want)
	}
	// A request that changes nothing writes and publishes nothing.
	offset := n.image().Offset()
	ask[kmsg.Response](n, createTopics(7, true, topicSpec{name: "u", partitions: 1, rf: 1}))
	ask[kmsg.Response](n, createTopics(7, false, topicSpec{name: "t", partitions: 1, rf: 1}))
	if n.image().Offset() != offset || syncs.Load() != before+1 {
		t.Errorf("offset %d, %d syncs after requests without effect", n.image().Offset(), syncs.Load())
	}
}

func TestLateSubscriberGetsTheCurrentImage(t *testing.T) {
	n := newTestNode(t).start()
	ask[kmsg.Response](n, createTopics(7, false, topicSpec{name: "t", partitions: 1, rf: 1}))
	called := false
	n.local.Store().Subscribe(func(prev, next *Image) {
		called = prev != nil && prev.NumTopics() == 0 && prev.ClusterID() == testClusterID && next == n.image()
	})
	if !called {
		t.Error("no call with an empty image and the current one")
	}
}

// TestFailedWriteStopsTheController fails the fsync: nobody knows what is on the disk, so nothing more is done.
func TestFailedWriteStopsTheController(t *testing.T) {
	n := newTestNode(t)
	var broken atomic.Bool
	n.fs = vfs.Fault(n.fs, func(op vfs.Op, name string) error {
		if broken.Load() && op == vfs.OpSync {
			return errors.New("input/output error")
		}
		return nil
	})
	fault := make(chan error, 2)
	o := n.options()
	o.OnFault = func(err error) { fault <- err }
	var err error
	if n.local, err = Open(o); err != nil {
		t.Fatal(err)
	}
	defer n.local.Close()
	n.join(1, 1, -1)
	image := n.image()
	broken.Store(true)
	for range 2 {
		_, err := n.local.Controller().Request(t.Context(), createTopics(7, false, topicSpec{name: "t", partitions: 1, rf: 1}))
		if !errors.Is(err, kerr.KafkaStorageError) {
			t.Errorf("error %v", err)
		}
	}
	if n.image() != image {
		t.Error("an image was published whose records are not on disk")
	}
	if len(fault) != 1 {
		t.Errorf("OnFault was called %d times", len(fault))
	}
}

func TestClosedControllerRefuses(t *testing.T) {
	n := newTestNode(t).start()
	n.close()
	if err := n.local.Close(); err != nil {
		t.Error("second Close:", err)
	}
	if _, err := n.local.Controller().Request(t.Context(), createTopics(7, false)); !errors.Is(err, ErrClosed) {
		t.Errorf("error %v", err)
	}
}

func TestRequestEndsWithItsContext(t *testing.T) {
	n := newTestNode(t).start()
	hold := make(chan struct{})
	defer close(hold)
	ctx, cancel := context.WithCancel(t.Context())
	n.local.Store().Subscribe(func(_, next *Image) {
		if next.Topic("t") != nil {
			cancel()
			<-hold
		}
	})
	if _, err := n.local.Controller().Request(ctx, createTopics(7, false, topicSpec{name: "t", partitions: 1, rf: 1})); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

func TestPanicIsOneRequestsEnd(t *testing.T) {
	n := newTestNode(t).start()
	var none *kmsg.CreateTopicsRequest
	if _, err := n.local.Controller().Request(t.Context(), none); !errors.Is(err, kerr.UnknownServerError) {
		t.Errorf("error %v", err)
	}
	ask[kmsg.Response](n, createTopics(7, false, topicSpec{name: "t", partitions: 1, rf: 1}))
}

func TestUnknownRequestIsRefused(t *testing.T) {
	n := newTestNode(t).open()
	if _, err := n.local.Controller().Request(t.Context(), kmsg.NewPtrMetadataRequest()); !errors.Is(err, kerr.UnsupportedVersion) {
		t.Errorf("error %v", err)
	}
}

// BenchmarkCreateTopics creates 1,000 topics of 10 partitions, one request at a time, on files.
func BenchmarkCreateTopics(b *testing.B) {
	for range b.N {
		n := newTestNode(b)
		n.fs, n.dir = vfs.OS(), b.TempDir()
		if err := n.tryOpen(); err != nil {
			b.Fatal(err)
		}
		n.join(1, 1, -1)
		for i := range 1000 {
			ask[kmsg.Response](n, createTopics(7, false, topicSpec{name: fmt.Sprintf("topic-%d", i), partitions: 10, rf: 1}))
		}
		n.close()
		began := time.Now()
		if err := n.tryOpen(); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(time.Since(began).Milliseconds()), "reopen-ms")
		n.close()
	}
}
