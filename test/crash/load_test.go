//go:build linux

package crash

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// load is everything that goes on while a broker is ended again and again, and the ledger of what it has acknowledged.
type load struct {
	t      *testing.T
	line   *line
	ctx    context.Context // ends the load
	stop   context.CancelFunc
	work   sync.WaitGroup
	topics []string // with loadPartitions each

	mu        sync.Mutex // guards the rest
	acked     map[place]string
	refused   int
	attempted map[groupPlace]int64 // highest offset that a commit asked for
	committed map[groupPlace]int64 // and highest that was acknowledged
	made      map[string]*madeTopic
	ids       map[int64]bool // producer ids handed out
}

const loadPartitions = 3

// place is where a record is, groupPlace what a group has committed.
type (
	place struct {
		topic     string
		partition int32
		offset    int64
	}
	groupPlace struct {
		group, topic string
		partition    int32
	}
	// madeTopic is a topic that the load has made. While an operation on it was not answered nobody knows what it is.
	madeTopic struct {
		unknown, deleted bool
		partitions       int
		retentionMs      string
	}
)

// startLoad begins to produce, consume, commit and create.
func startLoad(t *testing.T, l *line, rng *rand.Rand) *load {
	ctx, stop := context.WithCancel(t.Context())
	ld := &load{
		t: t, line: l, ctx: ctx, stop: stop, topics: []string{"deleted", "compacted"},
		acked: map[place]string{}, attempted: map[groupPlace]int64{}, committed: map[groupPlace]int64{},
		made: map[string]*madeTopic{}, ids: map[int64]bool{},
	}
	t.Cleanup(func() { stop(); ld.work.Wait() })
	admin := l.admin(t)
	createTopic(t, admin, "deleted", loadPartitions, "segment.bytes", "1048576", "index.interval.bytes", "256")
	createTopic(t, admin, "compacted", loadPartitions, "segment.bytes", "1048576", "cleanup.policy", "compact", "min.cleanable.dirty.ratio", "0.01", "flush.messages", "50")
	produce := func(name string, codec kgo.CompressionCodec, opts ...kgo.Opt) {
		opts = append(opts, kgo.ClientID(name), kgo.ProducerBatchCompression(codec), kgo.ProducerLinger(0), kgo.MaxBufferedRecords(2000),
			kgo.ProducerOnDataLossDetected(func(topic string, p int32) { t.Errorf("producer %s: data loss detected on %s-%d", name, topic, p) }))
		c, seed := l.client(t, opts...), rng.Uint64()
		ld.work.Go(func() { ld.produce(c, name, rand.New(rand.NewPCG(seed, 1))) })
	}
	produce("idempotent-none", kgo.NoCompression())
	produce("idempotent-lz4", kgo.Lz4Compression())
	produce("idempotent-zstd", kgo.ZstdCompression())
	produce("plain-gzip", kgo.GzipCompression(), kgo.DisableIdempotentWrite(), kgo.MaxProduceRequestsInflightPerBroker(3))
	produce("plain-snappy", kgo.SnappyCompression(), kgo.DisableIdempotentWrite())
	for _, group := range []string{"two-members", "two-members", "static"} {
		opts := []kgo.Opt{kgo.ConsumerGroup(group), kgo.ConsumeTopics(ld.topics...), kgo.DisableAutoCommit(), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart())}
		if group == "static" {
			opts = append(opts, kgo.InstanceID("instance"))
		}
		c := l.client(t, opts...)
		ld.work.Go(func() { ld.consume(c, group) })
	}
	ld.work.Go(func() { ld.commitAlone(l.admin(t)) })
	ld.work.Go(func() { ld.makeTopics(l.admin(t)) })
	return ld
}

// idempotent reports whether a producer writes each of its records exactly once.
func idempotent(producer string) bool { return strings.HasPrefix(producer, "idempotent") }

// isAnswer reports whether an error came from the broker.
func isAnswer(err error) bool {
	_, ok := errors.AsType[*kerr.Error](err)
	return ok
}

// produce writes records named producer/number, numbered per partition from 0 without gaps, until the load ends.
func (ld *load) produce(c *kgo.Client, producer string, rng *rand.Rand) {
	type tp struct {
		topic     string
		partition int32
	}
	next := map[tp]int{}
	// A client that has no producer id yet fails its records when the broker ends while it asks for one: that is the client's way, not a loss.
	for idempotent(producer) && ld.ctx.Err() == nil {
		if _, _, err := c.ProducerID(ld.ctx); err == nil {
			break
		}
	}
	for ld.ctx.Err() == nil {
		for range 1 + rng.IntN(30) {
			to := tp{ld.topics[rng.IntN(len(ld.topics))], rng.Int32N(loadPartitions)}
			value := fmt.Sprintf("%s/%d/%s", producer, next[to], strings.Repeat("x", rng.IntN(300)))
			next[to]++
			r := &kgo.Record{Topic: to.topic, Partition: to.partition, Value: []byte(value)}
			if to.topic == "compacted" {
				r.Key = []byte(value) // each only once, so that compaction leaves all
			}
			c.Produce(context.Background(), r, func(r *kgo.Record, err error) {
				switch {
				case err == nil:
					ld.mu.Lock()
					defer ld.mu.Unlock()
					ld.acked[place{r.Topic, r.Partition, r.Offset}] = string(r.Value)
				case idempotent(producer) || isAnswer(err): // one that is not idempotent gives up when nobody knows whether it was written
					ld.mu.Lock()
					defer ld.mu.Unlock()
					if ld.refused++; ld.refused <= 5 {
						ld.t.Errorf("producer %s: %s-%d: %v", producer, r.Topic, r.Partition, err)
					}
				}
			})
		}
		ld.sleep(time.Duration(rng.IntN(8)) * time.Millisecond)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := c.Flush(ctx); err != nil {
		ld.t.Errorf("producer %s cannot write its last records: %v", producer, err)
	}
}

func (ld *load) sleep(d time.Duration) {
	select {
	case <-ld.ctx.Done():
	case <-time.After(d):
	}
}

// consume reads as a member of the group and commits what it has read.
func (ld *load) consume(c *kgo.Client, group string) {
	defer c.Close()
	for ld.ctx.Err() == nil {
		fs := c.PollRecords(ld.ctx, 300)
		for _, e := range fs.Errors() {
			if !errors.Is(e.Err, context.Canceled) && !kerr.IsRetriable(e.Err) && errors.Is(e.Err, kerr.OffsetOutOfRange) {
				ld.t.Errorf("group %s: %s-%d: %v", group, e.Topic, e.Partition, e.Err)
			}
		}
		uncommitted := c.UncommittedOffsets()
		if len(uncommitted) == 0 {
			continue
		}
		ld.mu.Lock()
		for topic, ps := range uncommitted {
			for p, o := range ps {
				at := groupPlace{group, topic, p}
				ld.attempted[at] = max(ld.attempted[at], o.Offset)
			}
		}
		ld.mu.Unlock()
		c.CommitOffsetsSync(ld.ctx, uncommitted, func(_ *kgo.Client, req *kmsg.OffsetCommitRequest, resp *kmsg.OffsetCommitResponse, err error) {
			if err != nil {
				return // nobody knows whether it was done
			}
			ld.mu.Lock()
			defer ld.mu.Unlock()
			for i, t := range resp.Topics {
				for j, p := range t.Partitions {
					if p.ErrorCode == 0 {
						at := groupPlace{group, req.Topics[i].Topic, p.Partition} // the answer has only the topic's id from version 10 on
						ld.committed[at] = max(ld.committed[at], req.Topics[i].Partitions[j].Offset)
					}
				}
			}
		})
	}
}

// commitAlone commits ascending offsets for a group without members.
func (ld *load) commitAlone(admin *kadm.Client) {
	at := groupPlace{"alone", ld.topics[0], 0}
	for n := int64(1); ld.ctx.Err() == nil; n++ {
		ld.mu.Lock()
		ld.attempted[at] = n
		ld.mu.Unlock()
		o := kadm.Offsets{}
		o.AddOffset(at.topic, at.partition, n, -1)
		done, err := admin.CommitOffsets(ld.ctx, at.group, o)
		if err == nil && done.Ok() {
			ld.mu.Lock()
			ld.committed[at] = n
			ld.mu.Unlock()
		}
		ld.sleep(3 * time.Millisecond)
	}
}

// makeTopics creates, grows, configures and deletes topics, and takes producer ids.
func (ld *load) makeTopics(admin *kadm.Client) {
	change := func(name string, do func() error, done func(*madeTopic)) {
		ld.mu.Lock()
		topic := ld.made[name]
		if topic == nil {
			topic = &madeTopic{}
			ld.made[name] = topic
		}
		skip := topic.unknown || topic.deleted
		topic.unknown = true
		ld.mu.Unlock()
		if skip {
			return
		}
		err := do()
		ld.mu.Lock()
		defer ld.mu.Unlock()
		if err == nil {
			done(topic)
			topic.unknown = false
		}
	}
	for n := 0; ld.ctx.Err() == nil; n++ {
		name, retentionMs := fmt.Sprintf("made-%d", n), strconv.Itoa(100000+n)
		change(name, func() error {
			_, err := admin.CreateTopic(ld.ctx, 2, 1, map[string]*string{"retention.ms": &retentionMs}, name)
			return err
		}, func(t *madeTopic) { t.partitions, t.retentionMs = 2, retentionMs })
		if older := fmt.Sprintf("made-%d", n-3); n >= 3 {
			switch n % 3 {
			case 0:
				change(older, func() error { return firstErr(admin.DeleteTopics(ld.ctx, older)) }, func(t *madeTopic) { t.deleted = true })
			case 1:
				change(older, func() error { return firstErr(admin.CreatePartitions(ld.ctx, 3, older)) }, func(t *madeTopic) { t.partitions = 5 })
			case 2:
				other := strconv.Itoa(200000 + n)
				change(older, func() error {
					rs, err := admin.AlterTopicConfigs(ld.ctx, []kadm.AlterConfig{{Op: kadm.SetConfig, Name: "retention.ms", Value: &other}}, older)
					for _, r := range rs {
						err = errors.Join(err, r.Err)
					}
					return err
				}, func(t *madeTopic) { t.retentionMs = other })
			}
		}
		ld.takeProducerID()
		ld.sleep(30 * time.Millisecond)
	}
}

// firstErr is the error of an answer about one topic.
func firstErr[R any, M interface {
	~map[string]R
	Error() error
}](m M, err error) error {
	return errors.Join(err, m.Error())
}

func (ld *load) takeProducerID() {
	c, err := kgo.NewClient(kgo.SeedBrokers("gokafka.invalid:9092"), kgo.Dialer(ld.line.dial))
	if err != nil {
		ld.t.Error(err)
		return
	}
	defer c.Close()
	req := kmsg.NewPtrInitProducerIDRequest()
	req.TransactionTimeoutMillis = 1000
	resp, err := req.RequestWith(ld.ctx, c)
	if err != nil || resp.ErrorCode != 0 {
		return
	}
	ld.mu.Lock()
	defer ld.mu.Unlock()
	if ld.ids[resp.ProducerID] {
		ld.t.Errorf("producer id %d was handed out twice", resp.ProducerID)
	}
	ld.ids[resp.ProducerID] = true
}

// progress counts what was acknowledged, of each kind.
func (ld *load) progress() (records int, commits, topics int64) {
	ld.mu.Lock()
	defer ld.mu.Unlock()
	for _, n := range ld.committed {
		commits += n
	}
	return len(ld.acked), commits, int64(len(ld.made))
}

// awaitProgress waits until records and commits are acknowledged again.
func (ld *load) awaitProgress() {
	ld.t.Helper()
	records, commits, topics := ld.progress()
	eventually(ld.t, func() string {
		r, c, m := ld.progress()
		if r <= records || c <= commits || m <= topics {
			return fmt.Sprintf("the load does not go on: %d → %d records acknowledged, %d → %d committed, %d → %d topics", records, r, commits, c, topics, m)
		}
		return ""
	})
}

// verify compares what the broker has with what was acknowledged before the call.
func (ld *load) verify() {
	ld.t.Helper()
	ld.mu.Lock()
	acked, committed, made := maps.Clone(ld.acked), maps.Clone(ld.committed), map[string]madeTopic{}
	for name, m := range ld.made {
		made[name] = *m
	}
	ld.mu.Unlock()
	ld.verifyRecords(acked)
	ld.verifyCommits(committed)
	ld.verifyTopics(made)
}

func (ld *load) verifyRecords(acked map[place]string) {
	t := ld.t
	t.Helper()
	type stream struct {
		producer, topic string
		partition       int32
	}
	seen := map[stream]map[int]int64{}
	last := map[stream]int{}
	again := copies{}
	bad := 0
	for _, topic := range ld.topics {
		ld.line.readAll(t, topic, func(r *kgo.Record) {
			at, value := place{r.Topic, r.Partition, r.Offset}, string(r.Value)
			if want, ok := acked[at]; ok {
				delete(acked, at)
				if value != want && bad < 10 {
					bad++
					t.Errorf("%s-%d offset %d was acknowledged for %.40q and holds %.40q", at.topic, at.partition, at.offset, want, value)
				}
			}
			parts := strings.SplitN(value, "/", 3)
			n, err := strconv.Atoi(parts[min(1, len(parts)-1)])
			if len(parts) != 3 || err != nil {
				t.Errorf("%s-%d offset %d holds what nobody wrote: %.40q", at.topic, at.partition, at.offset, value)
				return
			}
			s := stream{parts[0], r.Topic, r.Partition}
			if !idempotent(s.producer) {
				again.note(r)
				return
			}
			if seen[s] == nil {
				seen[s], last[s] = map[int]int64{}, -1
			}
			if first, twice := seen[s][n]; twice && bad < 10 {
				bad++
				t.Errorf("%s-%d: record %d of %s is at offset %d and again at %d", at.topic, at.partition, n, s.producer, first, r.Offset)
			}
			if n != last[s]+1 && bad < 10 {
				bad++
				t.Errorf("%s-%d offset %d: record %d of %s follows record %d", at.topic, at.partition, r.Offset, n, s.producer, last[s])
			}
			seen[s][n], last[s] = r.Offset, n
		})
	}
	lost := again.without(acked)
	if len(lost) > 0 { // a copy may have come while the topic was read, and a cleaner after it
		ld.line.readAll(t, "compacted", again.note)
		lost = again.without(lost)
	}
	if n := len(acked) - len(lost); n > 0 {
		t.Logf("compaction has left of %d acknowledged records only a later copy", n)
	}
	if n := len(lost); n > 0 {
		some := slices.SortedFunc(maps.Keys(lost), func(a, b place) int {
			return cmp.Or(strings.Compare(a.topic, b.topic), cmp.Compare(a.partition, b.partition), cmp.Compare(a.offset, b.offset))
		})
		for _, at := range some[:min(n, 10)] {
			t.Errorf("%d acknowledged records are not there, among them %s-%d offset %d: %.40q, of which there is no later copy", n, at.topic, at.partition, at.offset, lost[at])
		}
	}
}

// copies are the last places of the records of producers that are not idempotent. Of such a producer's record a copy may follow the one that was
// acknowledged: after a restart the client sends a request on a new connection, learns of the broker's new address, closes the connection and sends the
// request again on another. The broker goes on with what it has read from the first, and the copy from the second may come first and be acknowledged.
// Compaction, which keeps of a key the last record, then takes the acknowledged one away.
type copies map[string]place

func (c copies) note(r *kgo.Record) {
	key := fmt.Sprintf("%s-%d %s", r.Topic, r.Partition, r.Value)
	if at, ok := c[key]; !ok || r.Offset > at.offset {
		c[key] = place{r.Topic, r.Partition, r.Offset}
	}
}

// without returns those records that compaction cannot have replaced by a copy that was noted.
func (c copies) without(records map[place]string) map[place]string {
	lost := map[place]string{}
	for at, value := range records {
		copied, ok := c[fmt.Sprintf("%s-%d %s", at.topic, at.partition, value)]
		if at.topic != "compacted" || !ok || copied.offset <= at.offset {
			lost[at] = value
		}
	}
	return lost
}

func (ld *load) verifyCommits(committed map[groupPlace]int64) {
	ld.t.Helper()
	ctx, admin := patient(ld.t), ld.line.admin(ld.t)
	defer admin.Close()
	for _, group := range []string{"two-members", "static", "alone"} {
		offsets, err := admin.FetchOffsets(ctx, group)
		if err == nil {
			err = offsets.Error()
		}
		if err != nil {
			ld.t.Errorf("offsets of group %s: %v", group, err)
			continue
		}
		ld.mu.Lock()
		attempted := maps.Clone(ld.attempted)
		ld.mu.Unlock()
		for at, want := range committed {
			if at.group != group {
				continue
			}
			got, ok := offsets.Lookup(at.topic, at.partition)
			if !ok || got.At < want || got.At > attempted[at] {
				ld.t.Errorf("group %s has committed %d (%v) for %s-%d, acknowledged was %d, asked for at most %d", group, got.At, ok, at.topic, at.partition, want, attempted[at])
			}
		}
	}
}

func (ld *load) verifyTopics(made map[string]madeTopic) {
	ld.t.Helper()
	ctx, admin := patient(ld.t), ld.line.admin(ld.t)
	defer admin.Close()
	there, err := admin.ListTopics(ctx)
	if err != nil {
		ld.t.Error(err)
		return
	}
	var names []string
	for name, m := range made {
		ld.mu.Lock()
		now := *ld.made[name] // it may have been changed since
		ld.mu.Unlock()
		if m.unknown || now != m {
			continue
		}
		got, ok := there[name]
		switch {
		case m.deleted && ok:
			ld.t.Errorf("topic %s was deleted and is there", name)
		case !m.deleted && (!ok || len(got.Partitions) != m.partitions):
			ld.t.Errorf("topic %s has %d partitions, want %d", name, len(got.Partitions), m.partitions)
		case !m.deleted:
			names = append(names, name)
		}
		for _, p := range got.Partitions {
			if p.Err != nil || p.Leader < 0 {
				ld.t.Errorf("topic %s partition %d: leader %d, error %v", name, p.Partition, p.Leader, p.Err)
			}
		}
	}
	configs, err := admin.DescribeTopicConfigs(ctx, names...)
	if err != nil {
		ld.t.Error(err)
		return
	}
	for _, rc := range configs {
		for _, c := range rc.Configs {
			if c.Key != "retention.ms" {
				continue
			}
			ld.mu.Lock()
			now, was := *ld.made[rc.Name], made[rc.Name]
			ld.mu.Unlock()
			if now == was && c.MaybeValue() != was.retentionMs {
				ld.t.Errorf("topic %s has retention.ms %s, want %s", rc.Name, c.MaybeValue(), was.retentionMs)
			}
		}
	}
}

// finish waits until the groups have read and committed everything, ends the load and verifies once more.
func (ld *load) finish(p *process) {
	ld.t.Helper()
	ld.stop()
	ld.work.Wait()
	ld.verify()
	c := ld.line.client(ld.t, kgo.ConsumerGroup("two-members"), kgo.ConsumeTopics(ld.topics...), kgo.DisableAutoCommit())
	defer c.Close()
	admin := ld.line.admin(ld.t)
	defer admin.Close()
	eventually(ld.t, func() string {
		ctx, cancel := context.WithTimeout(ld.t.Context(), time.Second)
		defer cancel()
		c.PollRecords(ctx, 5000)
		if err := c.CommitUncommittedOffsets(patient(ld.t)); err != nil {
			return err.Error()
		}
		lags, err := admin.Lag(patient(ld.t), "two-members")
		if err != nil {
			return err.Error()
		}
		lag := lags["two-members"]
		if err := lag.Error(); err != nil {
			return err.Error()
		}
		if n := lag.Lag.Total(); n != 0 {
			return fmt.Sprintf("the group still has to read %d records", n)
		}
		return ""
	})
}

// TestOnlyALaterCopyReplaces checks the checker.
func TestOnlyALaterCopyReplaces(t *testing.T) {
	c := copies{}
	for _, r := range []kgo.Record{
		{Topic: "compacted", Partition: 1, Offset: 7, Value: []byte("later")},
		{Topic: "compacted", Partition: 1, Offset: 3, Value: []byte("earlier")},
		{Topic: "compacted", Partition: 2, Offset: 9, Value: []byte("elsewhere")},
		{Topic: "deleted", Partition: 1, Offset: 9, Value: []byte("not compacted")},
	} {
		c.note(&r)
	}
	lost := c.without(map[place]string{
		{"compacted", 1, 5}: "later", {"compacted", 1, 4}: "earlier", {"compacted", 1, 6}: "elsewhere", {"deleted", 1, 8}: "not compacted", {"compacted", 1, 1}: "nowhere",
	})
	if _, wrong := lost[place{"compacted", 1, 5}]; wrong || len(lost) != 4 {
		t.Errorf("lost are %v, want all but the one with a later copy", lost)
	}
}
