package exchange

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// TestCompacted passes a directory that one broker's cleaner has compacted to the other one, whose cleaner goes on over it, and back: gokafka, Apache,
// gokafka.
func TestCompacted(t *testing.T) {
	h := newHouse(t, 1)
	h.props = append(h.props, "log.cleaner.backoff.ms=200", "log.initial.task.delay.ms=500")
	gokafka := h.gokafka()
	c := h.newCompaction("compact-x")
	c.rounds("g1")
	seen := h.see()
	gokafka.stop()
	h.dump()

	apache := h.apache("4")
	h.mustSee(seen)
	c.check()
	c.rounds("a1")
	seen = h.see()
	apache.stop()

	gokafka = h.gokafka()
	h.mustSee(seen)
	c.check()
	c.rounds("g2")
	seen = h.see()
	gokafka.stop()
	h.dump(c.topic) // dump-log finds fault with the time indexes of Apache's own cleaner, too, where transactions were

	apache = h.apache("4")
	h.mustSee(seen)
	c.check()
	apache.stop()
}

// compaction is a compacted topic, and groups whose commits are compacted, with all that has been written.
type compaction struct {
	*house
	topic   string
	written map[int32]map[int64]string  // key=value, by partition and offset
	latest  map[int32]map[string]string // key=value@offset by partition and key; those that a tombstone has removed are not here
	offsets map[string]int64            // committed, by group
	total   int
}

func (h *house) newCompaction(topicName string) *compaction {
	h.t.Helper()
	c := &compaction{house: h, topic: topicName, written: map[int32]map[int64]string{}, latest: map[int32]map[string]string{}, offsets: map[string]int64{}}
	for p := range int32(2) {
		c.written[p], c.latest[p] = map[int64]string{}, map[string]string{}
	}
	_, err := kadm.NewClient(h.client()).CreateTopic(h.within(), 2, 1, map[string]*string{"cleanup.policy": pointer("compact")}, topicName)
	h.must(err)
	c.commit("maker", 0) // which makes __consumer_offsets
	h.compacted = []string{topicName, "__consumer_offsets"}
	for _, name := range h.compacted {
		c.configure(name)
	}
	return c
}

// configure has segments rolled and cleaned soon.
func (c *compaction) configure(name string) {
	c.t.Helper()
	resp, err := kadm.NewClient(c.client()).AlterTopicConfigs(c.within(), []kadm.AlterConfig{
		{Name: "segment.ms", Value: pointer("200")}, {Name: "min.cleanable.dirty.ratio", Value: pointer("0.01")},
	}, name)
	c.must(err)
	c.must(resp[0].Err)
}

// rounds writes each key several times over many segments, in transactions that are committed and aborted and without, deletes one key, commits
// offsets over and over, and waits until all of it has been cleaned.
func (c *compaction) rounds(name string) {
	c.t.Helper()
	codecs := []kgo.CompressionCodec{kgo.NoCompression(), kgo.GzipCompression(), kgo.ZstdCompression(), kgo.Lz4Compression(), kgo.SnappyCompression()}
	for i, codec := range codecs {
		cl := c.client(kgo.ProducerBatchCompression(codec), kgo.ProducerLinger(5*time.Millisecond))
		c.write(cl, fmt.Sprint(name, " round ", i), true)
		cl.Close()
		if strings.HasPrefix(name, "a") {
			for id, how := range map[string]kgo.TransactionEndTry{"committed": kgo.TryCommit, "aborted": kgo.TryAbort} {
				cl := c.client(kgo.TransactionalID("compaction-"+id), kgo.TransactionTimeout(time.Minute))
				c.must(cl.BeginTransaction())
				c.write(cl, fmt.Sprint(name, " ", id, " ", i), how == kgo.TryCommit)
				c.must(cl.EndTransaction(c.within(), how))
				cl.Close()
			}
		}
		for g := range 8 {
			c.commit(fmt.Sprint("group-", g), int64(c.total+g))
		}
		time.Sleep(250 * time.Millisecond) // longer than segment.ms: the next write rolls
	}
	cl := c.client()
	c.write(cl, name+" last", true)
	cl.Close()
	for g := range 8 {
		c.commit(fmt.Sprint("group-", g), int64(c.total+g))
	}
	c.awaitCleaned()
	c.check()
}

// write writes all keys; visible says whether readers of committed records will see them.
func (c *compaction) write(cl *kgo.Client, value string, visible bool) {
	c.t.Helper()
	var rs []*kgo.Record
	for p := range int32(2) {
		for k := range 10 {
			r := &kgo.Record{Topic: c.topic, Partition: p, Key: fmt.Appendf(nil, "key-%d", k), Value: fmt.Appendf(nil, "%s %s", value, strings.Repeat("y", 100))}
			if k == 9 && strings.Contains(value, " 3") {
				r.Value = nil
			}
			rs = append(rs, r)
		}
	}
	c.must(cl.ProduceSync(c.within(), rs...).FirstErr())
	for _, r := range rs {
		key, text := string(r.Key), fmt.Sprintf("%s=%s", r.Key, r.Value)
		c.total++
		c.written[r.Partition][r.Offset] = text
		if !visible {
			continue
		}
		if delete(c.latest[r.Partition], key); r.Value != nil {
			c.latest[r.Partition][key] = fmt.Sprint(text, "@", r.Offset)
		}
	}
}

func (c *compaction) commit(groupID string, offset int64) {
	c.t.Helper()
	var offsets kadm.Offsets
	offsets.AddOffset(c.topic, 1, offset, -1)
	c.must(kadm.NewClient(c.client()).CommitAllOffsets(c.within(), groupID, offsets))
	c.offsets[groupID] = offset
}

// awaitCleaned waits until all segments but the active ones are clean, and have become fewer records.
func (c *compaction) awaitCleaned() {
	c.t.Helper()
	end := time.Now().Add(deadline)
	for why := c.dirty(); why != ""; why = c.dirty() {
		if time.Now().After(end) {
			c.t.Fatalf("not cleaned in time: %s", why)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// dirty names a partition whose cleaner has not come to the active segment, "" when there is none.
func (c *compaction) dirty() string {
	cleaned := map[string]int64{}
	file, err := os.Open(filepath.Join(c.dirs[0], "cleaner-offset-checkpoint"))
	if err != nil {
		return err.Error()
	}
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		if f := strings.Fields(lines.Text()); len(f) == 3 {
			cleaned[f[0]+"-"+f[1]], _ = strconv.ParseInt(f[2], 10, 64)
		}
	}
	dirs, err := filepath.Glob(filepath.Join(c.dirs[0], "*-[0-9]"))
	c.must(err)
	found := 0
	for _, dir := range dirs {
		name := filepath.Base(dir)
		if !strings.HasPrefix(name, c.topic) && !strings.HasPrefix(name, "__consumer_offsets") {
			continue
		}
		logs, err := filepath.Glob(filepath.Join(dir, "*.log"))
		c.must(err)
		active, err := strconv.ParseInt(strings.TrimSuffix(filepath.Base(logs[len(logs)-1]), ".log"), 10, 64)
		c.must(err)
		if active > cleaned[name] {
			return fmt.Sprintf("%s is clean to %d, its active segment begins at %d", name, cleaned[name], active)
		}
		if active > 0 {
			found++
		}
	}
	if found < 3 {
		return "there are no segments to clean"
	}
	return ""
}

// check reads the topic from its beginning: nothing that was never written, nothing that is out of its place, the last value of each key, and far less
// than was written; and the committed offsets.
func (c *compaction) check() {
	c.t.Helper()
	got := map[int32]map[string]string{0: {}, 1: {}}
	n := 0
	for _, r := range c.read(c.topic) {
		text := fmt.Sprintf("%s=%s", r.Key, r.Value)
		if was := c.written[r.Partition][r.Offset]; was != text {
			c.t.Errorf("%s-%d@%d is %.60q, it was %.60q", c.topic, r.Partition, r.Offset, text, was)
		}
		if delete(got[r.Partition], string(r.Key)); r.Value != nil {
			got[r.Partition][string(r.Key)] = fmt.Sprint(text, "@", r.Offset)
		}
		n++
	}
	for p, want := range c.latest {
		for key, w := range want {
			if g := got[p][key]; g != w {
				c.t.Errorf("%s-%d %s: %.60q, want %.60q", c.topic, p, key, g, w)
			}
		}
		if len(got[p]) != len(want) {
			c.t.Errorf("%s-%d has %d keys, want %d", c.topic, p, len(got[p]), len(want))
		}
	}
	if n >= c.total/2 {
		c.t.Errorf("%d of %d records are left", n, c.total)
	}
	adm := kadm.NewClient(c.client())
	for id, want := range c.offsets {
		offsets, err := adm.FetchOffsets(c.within(), id)
		c.must(err)
		if o, ok := offsets.Lookup(c.topic, 1); !ok || o.At != want {
			c.t.Errorf("offset of %s is %+v, want %d", id, o.Offset, want)
		}
	}
}

// read returns the records of a topic as a reader of committed records gets them.
func (h *house) read(topicName string, opts ...kgo.Opt) (all []*kgo.Record) {
	h.t.Helper()
	cl := h.client(append([]kgo.Opt{kgo.ConsumeTopics(topicName), kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords(),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart())}, opts...)...)
	defer cl.Close()
	ctx := h.within()
	adm := kadm.NewClient(h.client())
	ends, err := adm.ListEndOffsets(ctx, topicName)
	h.must(err)
	starts, err := adm.ListStartOffsets(ctx, topicName)
	h.must(err)
	open := map[int32]int64{}
	ends.Each(func(o kadm.ListedOffset) {
		if s, _ := starts.Lookup(topicName, o.Partition); o.Offset > s.Offset {
			open[o.Partition] = o.Offset
		}
	})
	for len(open) > 0 {
		fetches := cl.PollFetches(ctx)
		h.must(fetches.Err())
		for _, r := range fetches.Records() {
			if !r.Attrs.IsControl() {
				all = append(all, r)
			}
			if r.Offset+1 >= open[r.Partition] {
				delete(open, r.Partition)
			}
		}
	}
	return all
}
