package tools

import (
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"

	"github.com/gokafka/gokafka/internal/tools/jopt"
)

// dumpLogTool is kafka-dump-log: it shows the files of a log directory. It works on files, of gokafka and of Apache Kafka, and asks no broker.
var dumpLogTool = Tool{Name: "kafka-dump-log", Summary: "show what is in the files of a log directory", Run: runDumpLog}

// dump is one run of kafka-dump-log.
type dump struct {
	env            *Env
	print          bool // keys and values
	deep           bool
	skipMetadata   bool
	verifyOnly     bool
	sanityOnly     bool
	maxBytes       int64
	maxMessageSize int64
	decode         recordDecoder
	findings       []finding
}

// finding is something wrong, told at the end: about several of one kind in one file.
type finding struct {
	kind, title string
	lines       []string
}

const stringDecoder = "org.apache.kafka.tools.api.StringDecoder"

func runDumpLog(_ context.Context, env *Env, args []string) int {
	c := newCommandLine(env, "This tool helps to parse a log file and dump its contents to the console, useful for debugging a seemingly corrupt log segment.")
	files := c.Accepts("files", "REQUIRED: the files to dump, separated by commas.").WithRequiredArg("file1, file2, ...")
	printLog := c.Accepts("print-data-log", "Show keys and values of records. Any decoder implies it.")
	verify := c.Accepts("verify-index-only", "Check an index, without showing its entries.")
	sanity := c.Accepts("index-sanity-check", "Check only what a broker checks at start: whether an index must be rebuilt.")
	maxMessage := c.Accepts("max-message-size", "Size of the largest message.").WithRequiredArg("size").OfType(jopt.Integer).DefaultsTo("5242880")
	maxBytes := c.Accepts("max-bytes", "Stop after so many bytes of a log.").WithRequiredArg("size").OfType(jopt.Integer).DefaultsTo("2147483647")
	deep := c.Accepts("deep-iteration", "Show each record, not only batches. --print-data-log implies it.")
	valueClass := c.Accepts("value-decoder-class", "Decoder of values: Kafka's StringDecoder, LongDecoder or IntegerDecoder.").WithOptionalArg("").DefaultsTo(stringDecoder)
	keyClass := c.Accepts("key-decoder-class", "Decoder of keys, of the same.").WithOptionalArg("").DefaultsTo(stringDecoder)
	offsets := c.Accepts("offsets-decoder", "The log is of __consumer_offsets.")
	transactions := c.Accepts("transaction-log-decoder", "The log is of __transaction_state.")
	metadata := c.Accepts("cluster-metadata-decoder", "The log is of __cluster_metadata.")
	remote := c.Accepts("remote-log-metadata-decoder", "The log is of __remote_log_metadata.")
	share := c.Accepts("share-group-state-decoder", "The log is of __share_group_state.")
	skip := c.Accepts("skip-record-metadata", "Leave out the metadata of records, and control records.")

	opts, status := c.parse(args)
	if opts == nil {
		return status
	}
	if err := c.require(opts, files); err != nil {
		return c.usage(err.Error())
	}
	d := &dump{
		env: env, skipMetadata: opts.Has(skip), verifyOnly: opts.Has(verify), sanityOnly: opts.Has(sanity),
		maxBytes: opts.Int64(maxBytes), maxMessageSize: opts.Int64(maxMessage),
	}
	for _, o := range []*jopt.Option{printLog, offsets, transactions, metadata, share, valueClass, keyClass} {
		d.print = d.print || opts.Has(o)
	}
	d.deep = d.print || opts.Has(deep)
	var err error
	switch {
	case opts.Has(offsets):
		d.decode = decodeCoordinator("group")
	case opts.Has(transactions):
		d.decode = decodeCoordinator("transaction")
	case opts.Has(metadata):
		d.decode = decodeMetadata
	case opts.Has(share):
		d.decode = decodeCoordinator("share")
	case opts.Has(remote):
		err = fmt.Errorf("--remote-log-metadata-decoder is not supported: gokafka has no tiered storage")
	default:
		d.decode, err = decodeWith(opts.Value(keyClass), opts.Value(valueClass))
	}
	if err != nil {
		env.errorf("%v\n", err)
		return 1
	}
	for name := range strings.SplitSeq(opts.Value(files), ",") {
		if err := d.file(name); err != nil {
			env.errorf("%v\n", err)
			return 1
		}
	}
	d.report()
	return 0
}

// file dumps one file, whose kind is told by the end of its name.
func (d *dump) file(name string) error {
	name = filepath.Clean(name)
	d.env.println("Dumping " + name)
	switch filepath.Ext(name) {
	case ".log", ".checkpoint":
		return d.log(name)
	case ".index":
		return d.offsetIndex(name)
	case ".timeindex":
		return d.timeIndex(name)
	case ".snapshot":
		return d.producerSnapshot(name)
	case ".txnindex":
		return d.txnIndex(name)
	}
	d.env.errorf("Ignoring unknown file %s\n", name)
	return nil
}

// note keeps a finding for the end. Findings of one kind and title are told together.
func (d *dump) note(kind, title, line string, args ...any) {
	line = fmt.Sprintf(line, args...)
	for i, f := range d.findings {
		if f.kind == kind && f.title == title {
			d.findings[i].lines = append(f.lines, line)
			return
		}
	}
	d.findings = append(d.findings, finding{kind, title, []string{line}})
}

// What can be wrong, in the order in which it is told.
const (
	indexMismatch     = "Mismatches in :"
	timestampMismatch = "Found timestamp mismatch in :"
	outOfOrder        = "Found out of order timestamp in :"
	offsetNotFound    = "The following indexed offsets are not found in the log."
	nonConsecutive    = "Non-consecutive offsets in "
)

func (d *dump) report() {
	for _, kind := range []string{indexMismatch, timestampMismatch, outOfOrder, offsetNotFound, nonConsecutive} {
		for _, f := range d.findings {
			if f.kind != kind {
				continue
			}
			d.env.errorf("%s\n", f.title)
			for _, line := range f.lines {
				d.env.errorf("%s\n", line)
			}
		}
	}
}

// absolute is the name of a file in findings.
func absolute(name string) string {
	if a, err := filepath.Abs(name); err == nil {
		return a
	}
	return name
}

// sibling is the file beside another one of the same segment.
func sibling(name, ext string) string { return strings.TrimSuffix(name, filepath.Ext(name)) + ext }

// baseOffset is what a file's name says.
func baseOffset(name string) (int64, error) {
	stem, _, _ := strings.Cut(filepath.Base(name), ".")
	var offset int64
	if _, err := fmt.Sscanf(stem, "%d", &offset); err != nil {
		return 0, fmt.Errorf("%s: its name does not begin with an offset", name)
	}
	return offset, nil
}

// readWhole reads a file that is not large: indexes and snapshots.
func readWhole(name string) ([]byte, error) {
	info, err := os.Stat(name)
	if err == nil && info.Size() > math.MaxInt32 {
		err = fmt.Errorf("%s: %d bytes are too many", name, info.Size())
	}
	if err != nil {
		return nil, err
	}
	return os.ReadFile(name)
}
