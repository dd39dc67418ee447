package metadata

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"sync"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/zap"

	"github.com/gokafka/gokafka/internal/config"
	"github.com/gokafka/gokafka/internal/metadata/records"
	"github.com/gokafka/gokafka/internal/protocol"
)

// maxRound is how many waiting requests share one write to the journal.
const maxRound = 256

// ErrClosed is the error of requests to a controller that has been closed.
var ErrClosed = errors.New("the metadata controller is closed")

// journal is where the controller's records become durable. Only the controller's goroutine calls it.
type journal interface {
	// append writes whole batches, which carry their offsets and epoch, and returns when they are durable. After an error nobody knows what is
	// on disk: it is not called again.
	append(batches []byte) error
	// published is told of every new image, after its records are durable and the subscribers have seen it.
	published(img *Image)
}

// machine is what the handlers of requests use besides the image: fixed for a controller's life but for the contacts, which are soft state.
type machine struct {
	nodeID   int32
	epoch    int32
	config   func() *config.Config
	rand     io.Reader
	log      *zap.Logger
	contacts map[int32]contact
}

// Controller changes the metadata of the cluster. It implements kmsg.Requestor for Kafka's controller requests: CreateTopics, DeleteTopics,
// CreatePartitions, AlterConfigs, IncrementalAlterConfigs, AllocateProducerIds, BrokerRegistration, BrokerHeartbeat, UnregisterBroker,
// ElectLeaders, AlterPartition, AlterPartitionReassignments, ListPartitionReassignments, AssignReplicasToDirs, UpdateFeatures, DescribeQuorum.
//
// One goroutine works requests off in order. Those that wait together are one round: each sees what the ones before it decided, all their records
// go to the journal with one write, each request's in a batch of its own, and then all are answered. Safe for concurrent use.
type Controller struct {
	machine
	store   *Store
	journal journal
	nowMs   func() int64
	onFault func(error)

	image *Image // as the journal has it; used by the controller's goroutine only

	calls   chan *call
	stop    chan struct{}
	stopped chan struct{} // closed when the goroutine has ended
	once    sync.Once

	failed error // why the journal is of no use any more; used by the controller's goroutine only
}

var _ kmsg.Requestor = (*Controller)(nil)

// call is one request on its way through the controller.
type call struct {
	req  kmsg.Request
	done chan struct{} // closed when resp and err are set
	resp kmsg.Response
	err  error
}

// start begins to serve from img. close ends it.
func (c *Controller) start(img *Image) {
	c.image = img
	c.calls, c.stop, c.stopped = make(chan *call), make(chan struct{}), make(chan struct{})
	c.contacts = map[int32]contact{}
	go c.run()
}

// close refuses what has not begun and returns when the rest is answered.
func (c *Controller) close() {
	c.once.Do(func() { close(c.stop) })
	<-c.stopped
}

// Request returns the response of the same version as req. A reply is returned only when the records behind it are on disk, published, and seen by
// all subscribers of the Store. The error is not nil when the request was not carried out or nobody knows whether it was: the context ended, the
// disk failed, the controller is closed. Req must not be changed before Request returns, nor its slices after.
func (c *Controller) Request(ctx context.Context, req kmsg.Request) (kmsg.Response, error) {
	k := &call{req: req, done: make(chan struct{})}
	select {
	case c.calls <- k:
	case <-c.stop:
		return nil, ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	select {
	case <-k.done:
		return k.resp, k.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (c *Controller) run() {
	defer close(c.stopped)
	for {
		select {
		case <-c.stop:
			return
		case k := <-c.calls:
			c.round(c.gather(k))
		}
	}
}

// gather adds to k the calls that wait already.
func (c *Controller) gather(k *call) []*call {
	calls := []*call{k}
	for len(calls) < maxRound {
		select {
		case k := <-c.calls:
			calls = append(calls, k)
		default:
			return calls
		}
	}
	return calls
}

// round answers calls: decide, write, publish, release.
func (c *Controller) round(calls []*call) {
	defer func() {
		for _, k := range calls {
			close(k.done)
		}
	}()
	if c.failed != nil {
		fail(calls, c.failed)
		return
	}
	next := c.image
	nowMs := c.nowMs()
	var batches []byte
	for _, k := range calls {
		s := &step{machine: &c.machine, img: next, base: next.offset + 1, nowMs: nowMs}
		if k.resp, k.err = s.safely(k.req); k.err != nil || len(s.records) == 0 {
			continue
		}
		img, batch, err := c.commitment(s)
		if err != nil {
			// Our own mistake: the request is refused, the state is as before it.
			c.log.Error("records of a controller request do not apply", zap.String("api", kmsg.NameForKey(k.req.Key())), errField(err))
			k.resp, k.err = nil, fmt.Errorf("%s: %w", kmsg.NameForKey(k.req.Key()), err)
			continue
		}
		next = img
		batches = append(batches, batch...)
	}
	if len(batches) == 0 {
		return
	}
	if err := c.journal.append(batches); err != nil {
		c.failed = fmt.Errorf("write the metadata log: %w", err)
		c.log.Error("the metadata log failed, the controller stops", errField(err))
		fail(calls, c.failed)
		if c.onFault != nil {
			c.onFault(c.failed)
		}
		return
	}
	c.image = next
	c.store.publish(next)
	c.journal.published(next)
}

// fail gives every call the same error. All of them get it, reads too: what they saw may not be there.
func fail(calls []*call, err error) {
	for _, k := range calls {
		k.resp, k.err = nil, err
	}
}

// safely handles req. A panic is one request's end, not the controller's.
func (s *step) safely(req kmsg.Request) (resp kmsg.Response, err error) {
	defer func() {
		if r := recover(); r != nil {
			s.log.Error("panic in a controller request", zap.String("api", kmsg.NameForKey(req.Key())), zap.Any("panic", r), zap.ByteString("stack", debug.Stack()))
			resp, err = nil, fmt.Errorf("panic in %s: %w", kmsg.NameForKey(req.Key()), kerr.UnknownServerError)
		}
	}()
	return s.handle(req)
}

// commitment returns the image after the records of s, and the batch that holds them.
func (c *Controller) commitment(s *step) (*Image, []byte, error) {
	p := newReplayer(s.img)
	for _, r := range s.records {
		if err := p.apply(r.Record); err != nil {
			return nil, nil, err
		}
	}
	img, err := p.image(s.base+int64(len(s.records))-1, c.epoch, s.nowMs)
	if err != nil {
		return nil, nil, err
	}
	batch, err := encodeBatch(s.base, c.epoch, s.nowMs, s.records)
	return img, batch, err
}

// encodeBatch puts records into one batch, which a log keeps whole or not at all.
func encodeBatch(base int64, epoch int32, nowMs int64, list []records.Versioned) ([]byte, error) {
	b := protocol.NewBatchBuilder(protocol.BatchOptions{ProducerID: protocol.NoProducerID, BaseOffset: base, LeaderEpoch: epoch})
	var value []byte
	for _, r := range list {
		value = records.Append(value[:0], r)
		b.Append(protocol.Record{TimestampMs: nowMs, Value: value})
	}
	return b.Bytes()
}

// encodeControl puts control records into one batch.
func encodeControl(base int64, epoch int32, nowMs int64, list ...records.Control) ([]byte, error) {
	b := protocol.NewBatchBuilder(protocol.BatchOptions{ProducerID: protocol.NoProducerID, BaseOffset: base, LeaderEpoch: epoch, Control: true})
	for _, r := range list {
		b.Append(protocol.Record{
			TimestampMs: nowMs, Key: protocol.ControlKey(protocol.ControlType(r.Kind())), Value: records.AppendControl(nil, r),
		})
	}
	return b.Bytes()
}

func errField(err error) zap.Field   { return zap.NamedError("err", err) }
func brokerField(id int32) zap.Field { return zap.Int32("broker", id) }
