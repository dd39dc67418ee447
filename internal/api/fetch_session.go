package api

import (
	"container/list"
	"math"
	"math/rand/v2"
	"sync"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/gokafka/gokafka/internal/metadata"
)

// Fetch sessions (KIP-227): the broker remembers which partitions a client fetches, so that request and response name
// only what changed. After Kafka's FetchSession.scala.
//
//	request id 0, epoch 0   ──► full fetch; a session is made when there is room, its id is in the response
//	request id n, epoch e   ──► incremental fetch: e must be the session's; the request's partitions are added or updated,
//	                            forgotten ones removed; the session's epoch becomes e+1
//	request id n, epoch 0   ──► the session ends, then as above
//	request id n, epoch −1  ──► the session ends; a full fetch without a session
const (
	noFetchSession    int32 = 0
	initialFetchEpoch int32 = 0
	finalFetchEpoch   int32 = -1

	// fetchSessionEvictionMs is how long a session is safe from eviction by a larger one, and how long it may be idle
	// before it is evicted by any (MIN_INCREMENTAL_FETCH_SESSION_EVICTION_MS).
	fetchSessionEvictionMs = 120_000
)

func nextFetchEpoch(epoch int32) int32 {
	switch {
	case epoch < 0:
		return finalFetchEpoch
	case epoch == math.MaxInt32:
		return 1
	default:
		return epoch + 1
	}
}

// fetchTarget is what a fetch wants of one partition.
type fetchTarget struct {
	topic     string // "" while the id is not known
	topicID   [16]byte
	partition int32

	maxBytes                             int32
	fetchOffset                          int64
	currentLeaderEpoch, lastFetchedEpoch int32

	cached *cachedPartition // in an incremental fetch
}

func (t *fetchTarget) key(byID bool) fetchKey {
	if byID {
		return fetchKey{topicID: t.topicID, partition: t.partition}
	}
	return fetchKey{topic: t.topic, partition: t.partition}
}

// fetchKey identifies a partition within a session: by name, or by id from Fetch 13 on.
type fetchKey struct {
	topic     string
	topicID   [16]byte
	partition int32
}

// cachedPartition is what a session remembers of a partition: the latest request, and what the client was told last.
type cachedPartition struct {
	want                          fetchTarget
	highWatermark, logStartOffset int64
}

// fetchSession is one session. id, privileged, byID and createdMs do not change.
type fetchSession struct {
	id         int32
	privileged bool // a replica's
	byID       bool // Fetch 13+
	createdMs  int64

	// guarded by fetchSessionCache.mu
	lastUsedMs int64
	size       int

	mu         sync.Mutex
	epoch      int32                      // guarded by mu: the epoch that the next request must have
	partitions map[fetchKey]*list.Element // guarded by mu
	order      *list.List                 // guarded by mu: of *cachedPartition, in the order in which they are read
}

// put adds the partition, or updates what is wanted of it. Call with mu held.
func (fs *fetchSession) put(t fetchTarget) *cachedPartition {
	k := t.key(fs.byID)
	if e, ok := fs.partitions[k]; ok {
		c := e.Value.(*cachedPartition)
		if t.topic == "" {
			t.topic = c.want.topic
		}
		c.want = t
		return c
	}
	c := &cachedPartition{want: t, highWatermark: -1, logStartOffset: -1}
	fs.partitions[k] = fs.order.PushBack(c)
	return c
}

// remove forgets the partition. Call with mu held.
func (fs *fetchSession) remove(k fetchKey) {
	if e, ok := fs.partitions[k]; ok {
		fs.order.Remove(e)
		delete(fs.partitions, k)
	}
}

// fetchSessionCache holds the sessions of all connections. Lock order: cache before session. Safe for concurrent use.
type fetchSessionCache struct {
	slots func() int // max.incremental.fetch.session.cache.slots
	nowMs func() int64

	mu       sync.Mutex
	sessions map[int32]*fetchSession // guarded by mu
}

func newFetchSessionCache(slots func() int, nowMs func() int64) *fetchSessionCache {
	return &fetchSessionCache{slots: slots, nowMs: nowMs, sessions: map[int32]*fetchSession{}}
}

// fetchContext is one fetch in the light of its session.
type fetchContext struct {
	err     *kerr.Error   // the session error, alone in the response
	session *fetchSession // of an incremental fetch
	epoch   int32         // that session must still have when the response is made
	create  bool          // a session is wanted
}

// open finds the session of a request and returns what to fetch, appended to targets.
func (c *fetchSessionCache) open(req *kmsg.FetchRequest, image *metadata.Image, targets []fetchTarget) (fetchContext, []fetchTarget) {
	full := req.Version < 7 || req.SessionEpoch == initialFetchEpoch || req.SessionEpoch == finalFetchEpoch
	if full {
		if req.Version >= 7 && req.SessionID != noFetchSession {
			c.remove(req.SessionID)
		}
		targets = requestTargets(req, image, targets)
		return fetchContext{create: req.Version >= 7 && req.SessionEpoch != finalFetchEpoch}, targets
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	fs := c.sessions[req.SessionID]
	if fs == nil {
		return fetchContext{err: kerr.FetchSessionIDNotFound}, targets
	}
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if fs.epoch != req.SessionEpoch {
		return fetchContext{err: kerr.InvalidFetchSessionEpoch}, targets
	}
	if fs.byID != (req.Version >= 13) {
		return fetchContext{err: kerr.FetchSessionTopicIDError}, targets
	}
	targets = requestTargets(req, image, targets)
	for _, t := range targets {
		fs.put(t)
	}
	for _, f := range req.ForgottenTopics {
		for _, partition := range f.Partitions {
			k := fetchTarget{topic: f.Topic, topicID: f.TopicID, partition: partition}
			fs.remove(k.key(fs.byID))
		}
	}
	if fs.order.Len() == 0 {
		delete(c.sessions, fs.id)
		return fetchContext{}, targets[:0]
	}
	fs.lastUsedMs, fs.size = c.nowMs(), fs.order.Len()
	fs.epoch = nextFetchEpoch(fs.epoch)
	return fetchContext{session: fs, epoch: fs.epoch}, fs.targets(image, targets[:0])
}

// targets appends all partitions of the session, naming those whose topic has become known. Call with mu held.
func (fs *fetchSession) targets(image *metadata.Image, targets []fetchTarget) []fetchTarget {
	for e := fs.order.Front(); e != nil; e = e.Next() {
		c := e.Value.(*cachedPartition)
		if c.want.topic == "" {
			c.want.topic = topicName(image, c.want.topicID)
		}
		t := c.want
		t.cached = c
		targets = append(targets, t)
	}
	return targets
}

// requestTargets appends the partitions that the request itself names.
func requestTargets(req *kmsg.FetchRequest, image *metadata.Image, targets []fetchTarget) []fetchTarget {
	for i := range req.Topics {
		t := &req.Topics[i]
		name := t.Topic
		if req.Version >= 13 {
			name = topicName(image, t.TopicID)
		}
		for j := range t.Partitions {
			p := &t.Partitions[j]
			targets = append(targets, fetchTarget{
				topic: name, topicID: t.TopicID, partition: p.Partition, maxBytes: p.PartitionMaxBytes, fetchOffset: p.FetchOffset,
				currentLeaderEpoch: p.CurrentLeaderEpoch, lastFetchedEpoch: p.LastFetchedEpoch,
			})
		}
	}
	return targets
}

func topicName(image *metadata.Image, id [16]byte) string {
	if t := image.TopicByID(id); t != nil {
		return t.Name
	}
	return ""
}

// close decides what of the results is sent, and returns the session id for the response. A session of its own is made,
// when there is room, for a full fetch that wants one.
func (c *fetchSessionCache) close(fc fetchContext, req *kmsg.FetchRequest, results []fetchResult) (sessionID int32, err *kerr.Error) {
	switch {
	case fc.session != nil:
		return fc.session.id, fc.session.settle(fc.epoch, results)
	case fc.create:
		return c.create(req, results), nil
	default:
		return noFetchSession, nil
	}
}

// settle leaves out of an incremental response what the client knows already. A partition that yielded records goes to
// the end of the order, so that all get their turn when the response is full before the last.
func (fs *fetchSession) settle(epoch int32, results []fetchResult) *kerr.Error {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if fs.epoch != epoch {
		for i := range results {
			results[i].unchanged = true
		}
		return kerr.InvalidFetchSessionEpoch
	}
	for i := range results {
		r := &results[i]
		c := r.target.cached
		records := r.region.Len() > 0
		r.unchanged = !records && r.code == 0 && r.diverging == nil &&
			c.highWatermark == r.highWatermark && c.logStartOffset == r.logStartOffset
		c.highWatermark, c.logStartOffset = r.highWatermark, r.logStartOffset
		if r.code != 0 {
			c.highWatermark = -1 // the partition is sent again when the error is gone
		}
		if records {
			if e, ok := fs.partitions[r.target.key(fs.byID)]; ok {
				fs.order.MoveToBack(e)
			}
		}
	}
	return nil
}

// create makes a session of a full fetch. It returns its id, or noFetchSession when there is no room for it.
func (c *fetchSessionCache) create(req *kmsg.FetchRequest, results []fetchResult) int32 {
	fs := &fetchSession{
		privileged: isFollower(req), byID: req.Version >= 13, createdMs: c.nowMs(), size: len(results),
		epoch: nextFetchEpoch(initialFetchEpoch), partitions: make(map[fetchKey]*list.Element, len(results)), order: list.New(),
	}
	fs.lastUsedMs = fs.createdMs
	c.mu.Lock()
	defer c.mu.Unlock()
	slots := c.slots()
	if slots <= 0 || len(c.sessions) >= slots && !c.evict(fs) {
		return noFetchSession
	}
	for i := range results {
		r := &results[i]
		cached := fs.put(*r.target)
		cached.highWatermark, cached.logStartOffset = r.highWatermark, r.logStartOffset
	}
	for fs.id == noFetchSession || c.sessions[fs.id] != nil {
		fs.id = rand.Int32N(math.MaxInt32-1) + 1
	}
	c.sessions[fs.id] = fs
	return fs.id
}

// evict makes room for fs: the session that has been idle the longest goes if it is stale, else the least valuable one
// that fs may displace, if it is worth less than fs. Call with mu held.
func (c *fetchSessionCache) evict(fs *fetchSession) bool {
	var oldest, least *fetchSession
	now := c.nowMs()
	for _, other := range c.sessions {
		if oldest == nil || other.lastUsedMs < oldest.lastUsedMs {
			oldest = other
		}
		// A young session is displaced only by a replica's, and a young replica's by none.
		evictable := now-other.createdMs > fetchSessionEvictionMs || fs.privileged && !other.privileged
		if evictable && (least == nil || other.worthLess(least)) {
			least = other
		}
	}
	switch {
	case oldest == nil:
		return false
	case now-oldest.lastUsedMs > fetchSessionEvictionMs:
		delete(c.sessions, oldest.id)
		return true
	case least != nil && !fs.worthLess(least):
		delete(c.sessions, least.id)
		return true
	default:
		return false
	}
}

// worthLess orders sessions for eviction: replicas' and large ones are worth more.
func (fs *fetchSession) worthLess(other *fetchSession) bool {
	if fs.privileged != other.privileged {
		return !fs.privileged
	}
	return fs.size < other.size
}

func (c *fetchSessionCache) remove(id int32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.sessions, id)
}

// len returns how many sessions there are.
func (c *fetchSessionCache) len() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.sessions)
}
