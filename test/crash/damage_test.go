//go:build linux

package crash

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/gokafka/gokafka/internal/protocol"
)

// original is a log directory that a broker has written, and what was acknowledged for it.
type original struct {
	dir    string
	values map[place]string
	files  []string // relative to dir
}

const damagedCommit = 77 // of group "group" for "first", partition 0

// makeOriginal runs a broker and ends it with end.
func makeOriginal(t *testing.T, end func(*process)) *original {
	t.Helper()
	o := &original{dir: filepath.Join(t.TempDir(), "data"), values: map[place]string{}}
	p := start(t, o.dir, damageSettings...)
	l := lineTo(p)
	defer l.close()
	admin := l.admin(t)
	for topic, codec := range map[string]kgo.CompressionCodec{"first": kgo.NoCompression(), "second": kgo.ZstdCompression()} {
		createTopic(t, admin, topic, 2, "retention.ms", "777777777")
		c := l.client(t, kgo.ProducerBatchCompression(codec))
		for i := range 60 {
			var rs []*kgo.Record
			for j := range 40 {
				noise := make([]byte, 300) // that does not compress
				for k := range noise {
					noise[k] = byte(rand.Uint32())
				}
				rs = append(rs, &kgo.Record{Topic: topic, Partition: int32(i % 2), Value: fmt.Appendf(nil, "%d/%d/%s", i, j, noise)})
			}
			if err := c.ProduceSync(patient(t), rs...).FirstErr(); err != nil {
				t.Fatal(err)
			}
			for _, r := range rs {
				o.values[place{topic, r.Partition, r.Offset}] = string(r.Value)
			}
		}
	}
	const deletedTo = 5
	if _, err := admin.DeleteRecords(patient(t), kadm.Offsets{"first": {0: {Topic: "first", At: deletedTo}}}); err != nil {
		t.Fatal(err)
	}
	for n := range int64(deletedTo) {
		delete(o.values, place{"first", 0, n})
	}
	for n := int64(1); n <= damagedCommit; n++ {
		offsets := kadm.Offsets{}
		offsets.AddOffset("first", 0, n, -1)
		if done, err := admin.CommitOffsets(patient(t), "group", offsets); err != nil || !done.Ok() {
			t.Fatal(err, done.Error())
		}
	}
	eventually(t, func() string { // so that a killed one has them all
		for _, name := range []string{"recovery-point-offset-checkpoint", "log-start-offset-checkpoint", "replication-offset-checkpoint"} {
			text, err := os.ReadFile(filepath.Join(o.dir, name))
			if err != nil || !bytes.Contains(text, []byte("first")) {
				return name + " is not there"
			}
		}
		return ""
	})
	end(p)
	err := filepath.WalkDir(o.dir, func(name string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() && d.Name() != ".lock" {
			rel, relErr := filepath.Rel(o.dir, name)
			o.files, err = append(o.files, rel), relErr
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return o
}

var damageSettings = []string{
	"offsets.topic.num.partitions=1", "offsets.topic.replication.factor=1", "auto.create.topics.enable=false", "log.index.interval.bytes=512", "log.segment.bytes=1048576",
	"log.flush.offset.checkpoint.interval.ms=50", "log.flush.start.offset.checkpoint.interval.ms=50", "replica.high.watermark.checkpoint.interval.ms=50",
}

// copied is a copy of the directory.
func (o *original) copied(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "data")
	if err := os.CopyFS(dir, os.DirFS(o.dir)); err != nil {
		t.Fatal(err)
	}
	return dir
}

// damages are the things that happen to files.
var damages = map[string]func(rng *rand.Rand, b []byte) []byte{
	"flip": func(rng *rand.Rand, b []byte) []byte {
		for range 1 + rng.IntN(4) {
			if len(b) > 0 {
				b[rng.IntN(len(b))] ^= byte(1 << rng.IntN(8))
			}
		}
		return b
	},
	"cut": func(rng *rand.Rand, b []byte) []byte { return b[:rng.IntN(len(b)+1)] },
	"append": func(rng *rand.Rand, b []byte) []byte {
		for range 1 + rng.IntN(200) {
			b = append(b, byte(rng.Uint32()))
		}
		return b
	},
	"zeros": func(rng *rand.Rand, b []byte) []byte { // what a power cut leaves of a file whose size was durable before its content
		if len(b) > 0 {
			clear(b[rng.IntN(len(b)):])
		}
		return b
	},
	"overwrite": func(rng *rand.Rand, b []byte) []byte {
		if len(b) > 0 {
			at := rng.IntN(len(b))
			for i := at; i < min(len(b), at+1+rng.IntN(100)); i++ {
				b[i] = byte(rng.Uint32())
			}
		}
		return b
	},
}

// TestDamagedFiles damages one file of a directory, stopped cleanly or not, and starts: no panic, the rest serves, nothing is dropped without a word
// that names the file, and no record is ever wrong.
func TestDamagedFiles(t *testing.T) {
	t.Parallel()
	rng := randomFor(t)
	for kind, end := range map[string]func(*process){"clean": (*process).stop, "killed": (*process).kill} {
		t.Run(kind, func(t *testing.T) {
			o := makeOriginal(t, end)
			kinds := map[string][]string{} // by what the file is, so that each kind gets its turn
			for _, f := range o.files {
				key := filepath.Base(f)
				if ext := filepath.Ext(f); ext != "" && regexp.MustCompile(`^\d`).MatchString(key) {
					key = ext
				}
				for _, own := range []string{"__cluster_metadata-0", "__consumer_offsets-0"} {
					if strings.HasPrefix(f, own) {
						key = own + key
					}
				}
				kinds[key] = append(kinds[key], f)
			}
			names, how := slices.Sorted(maps.Keys(kinds)), slices.Sorted(maps.Keys(damages))
			t.Log(names)
			n := 10 // few rounds: some of the kinds, others each time
			if rounds(t) > 3 {
				n = len(names)
			}
			for range max(1, rounds(t)/3) {
				rng.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
				for _, key := range names[:min(n, len(names))] {
					file, way, seed := kinds[key][rng.IntN(len(kinds[key]))], how[rng.IntN(len(how))], rng.Uint64()
					t.Run(way+" "+file, func(t *testing.T) {
						t.Parallel()
						oneDamage(t, o, file, way, rand.New(rand.NewPCG(seed, 0)))
					})
				}
			}
		})
	}
}

func oneDamage(t *testing.T, o *original, file, way string, rng *rand.Rand) {
	dir := o.copied(t)
	name := filepath.Join(dir, file)
	before, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	damaged := damages[way](rng, bytes.Clone(before))
	if bytes.Equal(before, damaged) {
		t.Skip("nothing was changed")
	}
	at := 0
	for at < min(len(before), len(damaged)) && before[at] == damaged[at] {
		at++
	}
	t.Logf("%s: %d bytes, from byte %d on", file, len(before), at)
	if err := os.WriteFile(name, damaged, 0o644); err != nil {
		t.Fatal(err)
	}
	was := logFiles(t, dir)
	p := spawn(t, dir, nil, damageSettings...)
	select {
	case <-p.out.up:
	case <-p.done:
		// Without its metadata, or knowing whose directory it is, it cannot run.
		mayRefuse := strings.HasPrefix(file, "__cluster_metadata-0/") || file == "meta.properties"
		if !mayRefuse || p.cmd.ProcessState.ExitCode() != 1 {
			t.Errorf("ended with %s", p.cmd.ProcessState)
		}
		p.said(file)
		if now := logFiles(t, dir); !maps.EqualFunc(was, now, bytes.Equal) {
			t.Error("it does not start, and has changed log files")
		}
		t.Logf("refuses: %s", lastLine(p))
		return
	case <-time.After(patience):
		t.Fatal("neither ready nor ended")
	}
	l := lineTo(p)
	defer l.close()
	c, err := protocol.Dial(patient(t), (&net.Dialer{}).DialContext, p.addr(), "crash")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	partitionDir := filepath.Dir(file) // "." for the files of the log directory
	// What reads as another valid value cannot be known for damage: a higher log start in its checkpoint, another directory.id, by which the cluster
	// knows where a partition is.
	believable := file == "log-start-offset-checkpoint" || file == "meta.properties"
	for topic, n := range map[string]int32{"first": 2, "second": 2} {
		for partition := range n {
			mine := fmt.Sprintf("%s-%d", topic, partition) == partitionDir
			got, err := readPartition(t, c, topic, partition)
			if err != nil && !mine && !believable && p.told(file) == "" {
				t.Errorf("%s-%d is not affected and cannot be read: %v", topic, partition, err)
			}
			missing := 0
			for at, want := range o.values {
				if at.topic != topic || at.partition != partition {
					continue
				}
				value, ok := got[at.offset]
				if !ok {
					missing++
				} else if value != want {
					t.Errorf("%v holds %.20q, want %.20q", at, value, want)
				}
			}
			if missing > 0 && err == nil && !believable && p.told(file) == "" {
				t.Errorf("%s-%d: %d records are missing without a word", topic, partition, missing)
			}
			if missing > 0 {
				t.Logf("%s-%d: %d records missing (%v): %s", topic, partition, missing, err, p.told(file))
			}
		}
	}
	// Log files are not cut or removed without a word.
	for name, content := range was {
		now, err := os.ReadFile(filepath.Join(dir, name))
		if (err != nil || !bytes.HasPrefix(now, content)) && p.told(name) == "" {
			t.Errorf("%s had %d bytes, has %d (%v), and nothing was said about it", name, len(content), len(now), err)
		}
	}
	admin := l.admin(t)
	var offsets kadm.OffsetResponses
	for _, wait := range []time.Duration{3 * time.Second, patience} { // a group whose offsets cannot be loaded has no coordinator for long
		ctx, cancel := context.WithTimeout(t.Context(), wait)
		offsets, err = admin.FetchOffsets(ctx, "group")
		cancel()
		if err == nil || believable || p.told(file) != "" {
			break
		}
	}
	if got, ok := offsets.Lookup("first", 0); !believable && p.told(file) == "" && (err != nil || !ok || got.At != damagedCommit) {
		t.Errorf("the committed offset is %d (%v, %v) without a word", got.At, ok, err)
	}
	if t.Failed() {
		return
	}
	p.signal(15)
	p.await()
}

// logFiles are the contents of all files with records.
func logFiles(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	names, err := filepath.Glob(dir + "/*/*.log")
	if err != nil {
		t.Fatal(err)
	}
	all := map[string][]byte{}
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		rel, err := filepath.Rel(dir, name)
		if err != nil {
			t.Fatal(err)
		}
		all[rel] = b
	}
	return all
}

// told is the line in which the broker warns of a file, or of the partition that it belongs to.
func (p *process) told(file string) string {
	for line := range strings.Lines(p.out.String()) {
		warns := strings.Contains(line, " WARN ") || strings.Contains(line, " ERROR ")
		if warns && (strings.Contains(line, file) || filepath.Dir(file) != "." && strings.Contains(line, filepath.Dir(file))) {
			return strings.TrimSpace(line)
		}
	}
	return ""
}

func lastLine(p *process) string {
	lines := strings.Split(strings.TrimSpace(p.out.String()), "\n")
	return lines[len(lines)-1]
}

// readPartition reads what can be read of a partition. A batch that is damaged, which clients see by its CRC, is an error, and reading goes on
// behind it.
func readPartition(t *testing.T, c kmsg.Requestor, topic string, partition int32) (values map[int64]string, err error) {
	t.Helper()
	values = map[int64]string{}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	offset := int64(0)
	for {
		req := bigFetch(topic)
		req.MaxWaitMillis, req.MinBytes = 0, 0
		req.Topics[0].Partitions[0].Partition, req.Topics[0].Partitions[0].FetchOffset = partition, offset
		resp, requestErr := req.RequestWith(ctx, c)
		if requestErr != nil {
			return values, errors.Join(err, requestErr)
		}
		fp := resp.Topics[0].Partitions[0]
		code := kerr.ErrorForCode(fp.ErrorCode)
		if errors.Is(code, kerr.OffsetOutOfRange) && offset == 0 && startOf(ctx, c, topic, partition) > 0 {
			offset = startOf(ctx, c, topic, partition)
			continue
		}
		if code != nil || len(fp.RecordBatches) == 0 {
			return values, errors.Join(err, code)
		}
		before := offset
		for batch, batchErr := range protocol.Batches(fp.RecordBatches) {
			if batchErr != nil {
				err = errors.Join(err, batchErr)
				break
			}
			offset = max(offset, batch.LastOffset()+1)
			if crcErr := batch.CheckCRC(); crcErr != nil {
				err = errors.Join(err, crcErr)
				continue
			}
			for r, recordErr := range batch.Records() {
				if recordErr != nil {
					return values, errors.Join(err, recordErr)
				}
				values[r.Offset] = string(r.Value)
			}
		}
		if offset == before {
			return values, errors.Join(err, errors.New("no way forward"))
		}
	}
}

// startOf returns the log start offset, -1 when the broker does not say.
func startOf(ctx context.Context, c kmsg.Requestor, topic string, partition int32) int64 {
	req := kmsg.NewPtrListOffsetsRequest()
	req.Version = 1
	req.ReplicaID = -1
	rt := kmsg.NewListOffsetsRequestTopic()
	rt.Topic = topic
	rt.Partitions = append(rt.Partitions, kmsg.ListOffsetsRequestTopicPartition{Partition: partition, CurrentLeaderEpoch: -1, Timestamp: -2})
	req.Topics = append(req.Topics, rt)
	resp, err := req.RequestWith(ctx, c)
	if err != nil || resp.Topics[0].Partitions[0].ErrorCode != 0 {
		return -1
	}
	return resp.Topics[0].Partitions[0].Offset
}
