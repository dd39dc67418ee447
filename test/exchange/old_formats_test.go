package exchange

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kversion"
)

// TestOldFormats opens a directory of Apache Kafka 2.8.2 with records of message formats 0 and 1, plain and compressed. gokafka reads them for new and
// old clients, goes on behind them, recovers them after a kill, compacts them and lets them expire; and Apache 4.3.1 goes on from there.
func TestOldFormats(t *testing.T) {
	h := newHouse(t, 1)
	h.props = append(h.props, "log.cleaner.backoff.ms=200", "log.initial.task.delay.ms=500", "log.retention.check.interval.ms=500",
		"log.segment.delete.delay.ms=100")
	old := h.apache("28")
	o := &oldFormats{house: h, want: map[string][]string{}}
	adm := kadm.NewClient(h.client())
	for _, version := range []string{"0.9.0", "0.10.0"} {
		for _, use := range []string{"stays", "compacted", "expires"} {
			name := "v" + version + "-" + use
			_, err := adm.CreateTopic(h.within(), 1, 1, map[string]*string{"message.format.version": &version, "segment.bytes": pointer("3000")}, name)
			h.must(err)
			o.topics = append(o.topics, name)
			for round := range 3 {
				for _, codec := range []kgo.CompressionCodec{kgo.NoCompression(), kgo.GzipCompression(), kgo.SnappyCompression()} {
					o.write(name, fmt.Sprint("old ", round), codec)
				}
				if name == withLZ4 {
					o.write(name, fmt.Sprint("old ", round), kgo.Lz4Compression())
				}
			}
		}
	}
	o.check()
	old.stop()

	gokafka := h.gokafka("node.id=0")
	o.check()
	for _, name := range o.topics {
		o.write(name, "new", kgo.GzipCompression()) // zstd would be refused to old clients
	}
	o.check()
	gokafka.kill()
	gokafka = h.gokafka("node.id=0")
	o.check()

	for _, name := range o.topics {
		switch {
		case strings.HasSuffix(name, "compacted"):
			o.alter(name, "cleanup.policy", "compact", "min.cleanable.dirty.ratio", "0.01", "segment.ms", "100")
			o.compacted(name)
		case strings.HasSuffix(name, "expires"):
			o.alter(name, "retention.ms", "1", "segment.ms", "100")
			o.expired(name)
		}
	}
	gokafka.stop()

	h.props = append(slices.Clone(h.props), "node.id=0")
	apache := h.apache("4")
	apache.heals = true // the partitions were led again after the kill, which Apache tells of
	for _, name := range o.topics {
		if !strings.HasSuffix(name, "expires") { // Apache's retention may have been quicker than we are
			o.compare(name, h.texts(name))
		}
	}
	apache.stop()
}

// withLZ4 is the topic with LZ4 in it. The frames of format 0 have a wrong checksum, on purpose, which franz-go does not take: neither from a log nor
// from a broker that has made format 0 of them for an old client.
const withLZ4 = "v0.10.0-stays"

// oldFormats are topics with all that is in them: "offset key=value".
type oldFormats struct {
	*house
	topics []string
	want   map[string][]string
}

// write appends one batch. There are no headers before format 2, nor producers with ids.
func (o *oldFormats) write(topicName, value string, codec kgo.CompressionCodec) {
	o.t.Helper()
	cl := o.client(kgo.DisableIdempotentWrite(), kgo.ProducerBatchCompression(codec), kgo.ProducerLinger(5*time.Millisecond))
	defer cl.Close()
	var rs []*kgo.Record
	for k := range 5 {
		rs = append(rs, &kgo.Record{Topic: topicName, Key: fmt.Append(nil, "key-", k), Value: fmt.Append(nil, value, " ", k, strings.Repeat(" z", 50))})
	}
	o.must(cl.ProduceSync(o.within(), rs...).FirstErr())
	for _, r := range rs {
		o.want[topicName] = append(o.want[topicName], text(r))
	}
}

func text(r *kgo.Record) string { return fmt.Sprintf("%d %s=%s", r.Offset, r.Key, r.Value) }

func (h *house) texts(topicName string, opts ...kgo.Opt) (all []string) {
	h.t.Helper()
	for _, r := range h.read(topicName, opts...) {
		all = append(all, text(r))
	}
	return all
}

// check reads everything with the newest protocol, and with those that know formats 0 and 1 only.
func (o *oldFormats) check() {
	o.t.Helper()
	for _, name := range o.topics {
		for client, opts := range map[string][]kgo.Opt{
			"new":  nil,
			"0.9":  {kgo.MaxVersions(kversion.V0_9_0()), kgo.FetchIsolationLevel(kgo.ReadUncommitted())},
			"0.10": {kgo.MaxVersions(kversion.V0_10_2()), kgo.FetchIsolationLevel(kgo.ReadUncommitted())},
		} {
			if name == withLZ4 && client == "0.9" {
				continue
			}
			if diff := cmp.Diff(o.want[name], o.texts(name, opts...)); diff != "" {
				o.t.Errorf("%s, read by a client of version %s (-want +got):\n%.2000s", name, client, diff)
			}
		}
	}
}

func (o *oldFormats) alter(name string, keysAndValues ...string) {
	o.t.Helper()
	var configs []kadm.AlterConfig
	for kv := range slices.Chunk(keysAndValues, 2) {
		configs = append(configs, kadm.AlterConfig{Name: kv[0], Value: &kv[1]})
	}
	resp, err := kadm.NewClient(o.client()).AlterTopicConfigs(o.within(), configs, name)
	o.must(err)
	o.must(resp[0].Err)
}

// eventually calls fn until it says nothing.
func (h *house) eventually(fn func() string) {
	h.t.Helper()
	end := time.Now().Add(deadline)
	for why := fn(); why != ""; why = fn() {
		if time.Now().After(end) {
			h.t.Fatal(why)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// compacted waits until the old records are gone: all keys are in the newest ones.
func (o *oldFormats) compacted(name string) {
	o.t.Helper()
	time.Sleep(150 * time.Millisecond) // longer than segment.ms
	all := len(o.want[name])
	o.write(name, "newest", kgo.GzipCompression())
	time.Sleep(150 * time.Millisecond)
	o.write(name, "last", kgo.NoCompression())
	o.want[name] = o.want[name][all:]
	o.eventually(func() string { return cmp.Diff(o.want[name], o.texts(name)) })
}

// expired waits until retention has removed all segments with old records. Those of format 0 have no timestamps: the time of the file counts.
func (o *oldFormats) expired(name string) {
	o.t.Helper()
	all := int64(len(o.want[name]))
	o.eventually(func() string {
		starts, err := kadm.NewClient(o.client()).ListStartOffsets(o.within(), name)
		o.must(err)
		files, _ := filepath.Glob(filepath.Join(o.dirs[0], name+"-0", "*.log"))
		if s, _ := starts.Lookup(name, 0); s.Offset < all || len(files) != 1 {
			return fmt.Sprintf("%s begins at %d and has %d segments, want %d and one", name, s.Offset, len(files), all)
		}
		return ""
	})
}

func (o *oldFormats) compare(name string, got []string) {
	o.t.Helper()
	if diff := cmp.Diff(o.want[name], got); diff != "" {
		o.t.Errorf("%s (-want +got):\n%.2000s", name, diff)
	}
}
