package broker

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/zap"

	"github.com/gokafka/gokafka/internal/metadata"
)

// assignments tells the controller which log directories this broker's replicas lie in (KIP-858, AssignReplicasToDirs): for partitions of which the
// image says otherwise, and for those about to move. Many are told with one request, one request at a time, again and again until the controller
// has taken them.
type assignments struct {
	nodeID      int32
	controller  kmsg.Requestor // nil: nobody is told
	brokerEpoch func() int64
	logger      *zap.Logger
	image       atomic.Pointer[metadata.Image]

	mu    sync.Mutex
	ready map[replicaID]*assignment // guarded by mu: to be sent
	wake  chan struct{}             // there is something to send
}

type replicaID struct {
	topicID   [16]byte
	partition int32
}

// assignment is the wish that the controller note a replica's directory. Accepted is closed when it has.
type assignment struct {
	dir      [16]byte
	accepted chan struct{}
}

// maxAssignments is how many Kafka puts into a request.
const maxAssignments = 2250

func newAssignments(o Options) *assignments {
	return &assignments{
		nodeID: o.NodeID, controller: o.Controller, brokerEpoch: o.BrokerEpoch, logger: o.Logger,
		ready: map[replicaID]*assignment{}, wake: make(chan struct{}, 1),
	}
}

func (a *assignments) apply(image *metadata.Image) { a.image.Store(image) }

// add has the controller told that the partition lies in the directory, which takes the place of what was to be told of it before. The channel is
// closed when the controller has noted it; at once when there is nobody to tell.
func (a *assignments) add(p *Partition, dir [16]byte) (accepted <-chan struct{}) {
	n := &assignment{dir: dir, accepted: make(chan struct{})}
	if image := a.image.Load(); a.controller == nil || image == nil || !image.AssignsDirectories() {
		close(n.accepted)
		return n.accepted
	}
	a.mu.Lock()
	a.ready[replicaID{p.id, p.tp.Partition}] = n
	a.mu.Unlock()
	select {
	case a.wake <- struct{}{}:
	default: // it will look at all of them
	}
	return n.accepted
}

// run sends what is added until ctx ends.
func (a *assignments) run(ctx context.Context) {
	failures := 0
	for {
		sent := a.take()
		if len(sent) == 0 {
			select {
			case <-ctx.Done():
				return
			case <-a.wake:
			}
			continue
		}
		if err := a.send(ctx, sent); err == nil {
			failures = 0
			continue
		} else if ctx.Err() == nil {
			a.logger.Warn("the controller did not note the log directories of all partitions; trying again", zap.Int("partitions", len(sent)), zap.Error(err))
		}
		wait := time.NewTimer(backoff(failures))
		failures++
		select {
		case <-ctx.Done():
			wait.Stop()
			return
		case <-wait.C:
		}
	}
}

// backoff grows from 100 ms to 10 s, as that of Kafka's AssignmentsManager.
func backoff(failures int) time.Duration {
	d := min(100*time.Millisecond<<min(failures, 10), 10*time.Second)
	return d + time.Duration(rand.Int64N(int64(d)/50+1))
}

// take returns what is to be sent next. Replicas that the image does not have here (any more) are forgotten.
func (a *assignments) take() map[replicaID]*assignment {
	image := a.image.Load()
	a.mu.Lock()
	defer a.mu.Unlock()
	taken := map[replicaID]*assignment{}
	for id, n := range a.ready {
		if len(taken) == maxAssignments {
			break
		}
		delete(a.ready, id)
		t := image.TopicByID(id.topicID)
		if t != nil && int(id.partition) < len(t.Partitions) && slices.Contains(t.Partitions[id.partition].Replicas, a.nodeID) {
			taken[id] = n
		}
	}
	return taken
}

// send makes one request. What it could not assign is ready again, unless something newer is.
func (a *assignments) send(ctx context.Context, sent map[replicaID]*assignment) error {
	defer func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		for id, n := range sent {
			if a.ready[id] == nil {
				a.ready[id] = n
			}
		}
	}()
	resp, err := a.request(sent).RequestWith(ctx, a.controller)
	if err == nil {
		err = kerr.ErrorForCode(resp.ErrorCode)
	}
	if err != nil {
		return err
	}
	var errs []error
	for _, d := range resp.Directories {
		for _, t := range d.Topics {
			for _, p := range t.Partitions {
				id := replicaID{t.TopicID, p.Partition}
				n := sent[id]
				switch err := kerr.ErrorForCode(p.ErrorCode); {
				case n == nil:
				case err != nil:
					errs = append(errs, err)
				default:
					close(n.accepted)
					delete(sent, id)
				}
			}
		}
	}
	if len(errs) == 0 && len(sent) > 0 {
		return errors.New("the answer leaves some of them out")
	}
	return errors.Join(errs...)
}

func (a *assignments) request(sent map[replicaID]*assignment) *kmsg.AssignReplicasToDirsRequest {
	req := kmsg.NewPtrAssignReplicasToDirsRequest()
	req.BrokerID, req.BrokerEpoch = a.nodeID, a.brokerEpoch()
	for id, n := range sent {
		d := slices.IndexFunc(req.Directories, func(d kmsg.AssignReplicasToDirsRequestDirectory) bool { return d.ID == n.dir })
		if d < 0 {
			rd := kmsg.NewAssignReplicasToDirsRequestDirectory()
			rd.ID, d = n.dir, len(req.Directories)
			req.Directories = append(req.Directories, rd)
		}
		topics := &req.Directories[d].Topics
		t := slices.IndexFunc(*topics, func(t kmsg.AssignReplicasToDirsRequestDirectoryTopic) bool { return t.TopicID == id.topicID })
		if t < 0 {
			rt := kmsg.NewAssignReplicasToDirsRequestDirectoryTopic()
			rt.TopicID, t = id.topicID, len(*topics)
			*topics = append(*topics, rt)
		}
		rp := kmsg.NewAssignReplicasToDirsRequestDirectoryTopicPartition()
		rp.Partition = id.partition
		(*topics)[t].Partitions = append((*topics)[t].Partitions, rp)
	}
	return req
}
