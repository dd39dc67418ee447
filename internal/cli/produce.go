package cli

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kgo"
)

// producer are the flags of produce.
type producer struct {
	remote      *remote
	key         string
	separator   string
	headers     []string
	partition   int32
	json        bool
	tombstone   bool
	files       []string
	lines       string
	count       int64
	rate        float64
	size        int
	compression string
	acks        string
	verbose     bool
	quiet       bool
}

func newProduce(environ []string) *cobra.Command {
	p := producer{}
	cmd := &cobra.Command{
		Use:   "produce TOPIC [VALUE…]",
		Short: "Write records: arguments, lines, JSON, files, or test data",
		Long: "Writes each VALUE as a record; without one, each line of standard input. With --count or --rate it makes test data: the VALUEs in turn, in which\n" +
			"{n} is the number of the record, or values of its own.",
		Example: "  gokafka produce orders 'first' 'second'\n  gokafka produce orders -k customer-7 -H source=shop '{\"total\": 12}'\n" +
			"  echo customer-7:12 | gokafka produce orders -K :\n  gokafka consume orders -f json -e | gokafka produce copy --json\n" +
			"  gokafka produce pictures --file a.png --file b.png\n  gokafka produce orders --lines orders.txt\n" +
			"  gokafka produce orders --count 10000 --rate 500 -k 'customer-{n}' '{\"order\": {n}}'",
		Args: atLeast(1, "a topic"),
	}
	p.remote = newRemote(cmd, environ)
	cmd.ValidArgsFunction = firstOnly(p.remote.topicNames())
	cmd.RunE = p.remote.run(p.run)
	f := cmd.Flags()
	f.StringVarP(&p.key, "key", "k", "", "the `key` of all records")
	f.StringVarP(&p.separator, "key-separator", "K", "", "what comes before this `text` in a line or VALUE is its key")
	f.StringArrayVarP(&p.headers, "header", "H", nil, "give all records the header `name=value`; may be repeated")
	f.Int32VarP(&p.partition, "partition", "p", -1, "the `partition` for all records (default by key)")
	f.BoolVar(&p.json, "json", false, "lines and VALUEs are records in JSON, as consume -f json writes them")
	f.BoolVar(&p.tombstone, "tombstone", false, "write one record with --key and no value")
	f.StringArrayVar(&p.files, "file", nil, "write the whole `file` as the value of one record; may be repeated")
	f.StringVarP(&p.lines, "lines", "l", "", "read lines from `file` instead of standard input")
	f.Int64Var(&p.count, "count", 0, "write this `number` of records of test data")
	f.Float64Var(&p.rate, "rate", 0, "write this `number` of records a second; test data without end when there is no --count")
	f.IntVar(&p.size, "size", 100, "`bytes` in a value of test data")
	f.StringVarP(&p.compression, "compression", "z", "none", "`codec`: none, gzip, snappy, lz4 or zstd")
	f.StringVar(&p.acks, "acks", "all", "`replicas` to wait for: all, 1 or 0")
	f.BoolVarP(&p.verbose, "verbose", "v", false, "print partition@offset of each record")
	f.BoolVarP(&p.quiet, "quiet", "q", false, "do not say how many records were written")
	hideDefaults(cmd, "partition")
	return cmd
}

// recordSource gives the records to write, one after another, and io.EOF behind the last.
type recordSource interface {
	next() (*kgo.Record, error)
}

func (p *producer) run(ctx context.Context, cmd *cobra.Command, args []string) error {
	opts, err := p.options()
	if err != nil {
		return err
	}
	headers, err := headerFlags(p.headers)
	if err != nil {
		return err
	}
	source, bar, err := p.source(cmd, args[1:])
	if err != nil {
		return err
	}
	cl, err := p.remote.connect(ctx, opts...)
	if err != nil {
		return err
	}
	defer cl.Close()
	w := writing{producer: p, cl: cl, topic: args[0], headers: headers, out: bufio.NewWriter(cmd.OutOrStdout()), bar: bar}
	err = w.all(ctx, source)
	bar.end()
	if err := w.out.Flush(); err != nil {
		return err
	}
	if n := w.written.Load(); !p.quiet && (err == nil || n > 0) {
		fmt.Fprintf(cmd.ErrOrStderr(), "%s written to %s\n", counted(n, "record"), args[0])
	}
	return err
}

// produceRetries is how often a record is tried again: for some 20 seconds, as the pauses grow.
const produceRetries = 10

// options are those of the client.
func (p *producer) options() ([]kgo.Opt, error) {
	codecs := map[string]kgo.CompressionCodec{
		"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(), "lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression(),
	}
	codec, ok := codecs[strings.ToLower(p.compression)]
	if !ok {
		return nil, usageError{fmt.Errorf("--compression %s: one of none, gzip, snappy, lz4, zstd", p.compression)}
	}
	opts := []kgo.Opt{
		kgo.AllowAutoTopicCreation(), kgo.ProducerBatchCompression(codec),
		kgo.RecordPartitioner(asTold{kgo.StickyKeyPartitioner(nil)}),
		kgo.RecordRetries(produceRetries), // and no RecordDeliveryTimeout: that would count from timestamps, which may be old
	}
	switch p.acks {
	case "all", "-1":
	case "1":
		opts = append(opts, kgo.RequiredAcks(kgo.LeaderAck()), kgo.DisableIdempotentWrite())
	case "0":
		opts = append(opts, kgo.RequiredAcks(kgo.NoAck()), kgo.DisableIdempotentWrite())
	default:
		return nil, usageError{fmt.Errorf("--acks %s: one of all, 1, 0", p.acks)}
	}
	return opts, nil
}

// source finds out where the records come from, and makes the bar that shows how far they are.
func (p *producer) source(cmd *cobra.Command, values []string) (recordSource, *progress, error) {
	test := p.count > 0 || p.rate > 0
	given := 0
	for _, is := range []bool{len(values) > 0, len(p.files) > 0, p.lines != "", p.tombstone} {
		if is {
			given++
		}
	}
	switch {
	case given > 1:
		return nil, nil, usageError{errors.New("one of VALUE, --file, --lines and --tombstone at a time")}
	case p.tombstone && p.key == "":
		return nil, nil, usageError{errors.New("--tombstone needs the --key that it is for")}
	case p.count < 0 || p.rate < 0 || p.size < 0:
		return nil, nil, usageError{errors.New("--count, --rate and --size are not negative")}
	case p.tombstone:
		return &recordList{list: []*kgo.Record{{Partition: -1}}}, newProgress(io.Discard, "", 0), nil
	case len(p.files) > 0:
		return &fileSource{names: p.files}, newProgress(cmd.ErrOrStderr(), "files", int64(len(p.files))), nil
	case test && given == 0 || test && len(values) > 0:
		return &testSource{values: values, size: p.size, count: p.count}, newProgress(cmd.ErrOrStderr(), "records", p.count), nil
	case len(values) > 0:
		s := &lineSource{producer: p, what: "argument", r: bufio.NewReader(nil)}
		list := &recordList{}
		for _, v := range values {
			r, err := s.record([]byte(v))
			if err != nil {
				return nil, nil, usageError{err}
			}
			list.list = append(list.list, r)
		}
		return list, newProgress(io.Discard, "", 0), nil
	case p.lines != "":
		f, err := os.Open(p.lines)
		if err != nil {
			return nil, nil, err
		}
		bar := newProgress(cmd.ErrOrStderr(), p.lines, 0)
		if info, err := f.Stat(); err == nil && info.Mode().IsRegular() {
			bar.total, bar.bytes = info.Size(), true
		}
		return &lineSource{producer: p, what: p.lines + ": line", r: bufio.NewReaderSize(f, 256<<10), close: f.Close}, bar, nil
	}
	in := cmd.InOrStdin()
	if f, ok := in.(*os.File); ok && isTerminal(f) && isTerminal(cmd.ErrOrStderr()) {
		fmt.Fprintln(cmd.ErrOrStderr(), "each line is a record; Ctrl-D ends")
	}
	return &lineSource{producer: p, what: "line", r: bufio.NewReaderSize(in, 64<<10)}, newProgress(io.Discard, "", 0), nil
}

// writing is one run of produce.
type writing struct {
	*producer
	cl      *kgo.Client
	topic   string
	headers []kgo.RecordHeader
	out     *bufio.Writer // guarded by the client, which calls back one at a time
	bar     *progress
	written atomic.Int64
}

// all writes the records of the source and waits for their acknowledgements.
func (w *writing) all(ctx context.Context, source recordSource) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	records := readAhead(ctx, source)
	began := time.Now()
	for n := int64(0); ; n++ {
		var rec sourced
		select {
		case rec = <-records:
		case <-ctx.Done():
			rec.err = context.Cause(ctx)
		}
		if rec.err != nil {
			// What has been read is written, also when the rest cannot be.
			bye, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
			defer cancel()
			err := w.cl.Flush(bye)
			if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, context.Canceled) {
				return cause
			}
			if errors.Is(rec.err, io.EOF) {
				return err
			}
			return rec.err
		}
		if w.rate > 0 {
			if err := pause(ctx, time.Until(began.Add(time.Duration(float64(n)/w.rate*float64(time.Second))))); err != nil {
				continue // the loop sees why
			}
		}
		w.cl.Produce(context.WithoutCancel(ctx), w.complete(rec.record, n), func(r *kgo.Record, err error) {
			if err != nil {
				stop(fmt.Errorf("%s: %s", w.topic, because(err, "")))
				return
			}
			w.written.Add(1)
			if w.verbose {
				fmt.Fprintf(w.out, "%d@%d\n", r.Partition, r.Offset)
			}
		})
		w.bar.at(rec.done)
	}
}

// complete gives a record what the flags say about all of them.
func (w *writing) complete(r *kgo.Record, n int64) *kgo.Record {
	r.Topic = w.topic
	if w.key != "" && r.Key == nil {
		r.Key = []byte(w.key)
		if w.count > 0 || w.rate > 0 {
			r.Key = []byte(strings.ReplaceAll(w.key, "{n}", strconv.FormatInt(n, 10)))
		}
	}
	if w.partition >= 0 {
		r.Partition = w.partition
	}
	r.Headers = append(r.Headers, w.headers...)
	return r
}

// sourced is a record, or why there is none.
type sourced struct {
	record *kgo.Record
	done   int64 // how far the source is, in its own measure
	err    error
}

// readAhead reads a source on a goroutine of its own, so that one that blocks, as a terminal does, holds nobody who wants to stop. It ends with the source
// or with ctx; when it hangs in a read then, it ends with the process.
func readAhead(ctx context.Context, source recordSource) <-chan sourced {
	ch := make(chan sourced, 100)
	go func() {
		for {
			var s sourced
			s.record, s.err = source.next()
			if m, ok := source.(interface{ done() int64 }); ok {
				s.done = m.done()
			}
			select {
			case ch <- s:
			case <-ctx.Done():
				return
			}
			if s.err != nil {
				return
			}
		}
	}()
	return ch
}

// recordList is a source that is there already.
type recordList struct {
	list []*kgo.Record
}

func (l *recordList) next() (*kgo.Record, error) {
	if len(l.list) == 0 {
		return nil, io.EOF
	}
	r := l.list[0]
	l.list = l.list[1:]
	return r, nil
}

// lineSource makes a record of each line.
type lineSource struct {
	*producer
	what  string
	r     *bufio.Reader
	close func() error
	n     int64
	read  int64
}

func (s *lineSource) done() int64 { return s.read }

func (s *lineSource) next() (*kgo.Record, error) {
	line, err := s.r.ReadBytes('\n')
	s.read += int64(len(line))
	if len(line) == 0 {
		if s.close != nil {
			err = errors.Join(err, s.close())
		}
		return nil, err
	}
	return s.record(bytes.TrimSuffix(line, []byte("\n")))
}

func (s *lineSource) record(line []byte) (*kgo.Record, error) {
	s.n++
	if s.json {
		r, err := fromJSON(line)
		if err != nil {
			return nil, fmt.Errorf("%s %d: %w", s.what, s.n, err)
		}
		return r, nil
	}
	r := &kgo.Record{Partition: -1, Value: bytes.Clone(line)}
	if s.separator != "" {
		key, value, ok := bytes.Cut(r.Value, []byte(s.separator))
		if !ok {
			return nil, fmt.Errorf("%s %d: there is no %q in it, so that it has no key", s.what, s.n, s.separator)
		}
		r.Key, r.Value = key, value
	}
	return r, nil
}

// fileSource makes a record of each file.
type fileSource struct {
	names []string
	n     int64
}

func (s *fileSource) done() int64 { return s.n }

func (s *fileSource) next() (*kgo.Record, error) {
	if int(s.n) == len(s.names) {
		return nil, io.EOF
	}
	value, err := os.ReadFile(s.names[s.n])
	s.n++
	return &kgo.Record{Partition: -1, Value: value}, err
}

// testSource makes up records.
type testSource struct {
	values []string
	size   int
	count  int64 // 0: no end
	n      int64
}

func (s *testSource) done() int64 { return s.n }

func (s *testSource) next() (*kgo.Record, error) {
	if s.count > 0 && s.n == s.count {
		return nil, io.EOF
	}
	number := strconv.FormatInt(s.n, 10)
	var value string
	if len(s.values) > 0 {
		value = strings.ReplaceAll(s.values[s.n%int64(len(s.values))], "{n}", number)
	} else {
		value = "record " + number + " "
		value += strings.Repeat("0123456789", max(0, s.size-len(value))/10+1)
		value = value[:max(s.size, len("record "+number))]
	}
	s.n++
	return &kgo.Record{Partition: -1, Value: []byte(value)}, nil
}

// asTold is a partitioner that leaves records where they are told to be, and asks another one about those that have no partition yet (−1).
type asTold struct{ kgo.Partitioner }

func (p asTold) ForTopic(topic string) kgo.TopicPartitioner {
	return asToldTopic{p.Partitioner.ForTopic(topic)}
}

type asToldTopic struct{ kgo.TopicPartitioner }

func (p asToldTopic) RequiresConsistency(r *kgo.Record) bool {
	return r.Partition >= 0 || p.TopicPartitioner.RequiresConsistency(r)
}

func (p asToldTopic) Partition(r *kgo.Record, n int) int {
	if r.Partition >= 0 {
		return int(r.Partition)
	}
	return p.TopicPartitioner.Partition(r, n)
}
