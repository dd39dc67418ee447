package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kgo"
)

// tailRefresh is how soon a topic that is made later is noticed.
const tailRefresh = 2 * time.Second

func newTail(environ []string) *cobra.Command {
	var last int64
	var from string
	cmd := &cobra.Command{
		Use:   "tail TOPIC…",
		Short: "Watch what is written to topics, as it happens",
		Long: "Prints new records of topics with their time, partition@offset, key and headers until Ctrl-C. TOPIC may have * and ? in it; topics that\n" +
			"match and are made later are noticed. On a terminal with colours, unless NO_COLOR is set.",
		Example: "  gokafka tail orders\n  gokafka tail 'orders-*' payments -n 5\n  gokafka tail '*' -b kafka.example.com:9092",
		Args:    atLeast(1, "a topic"),
	}
	r := newRemote(cmd, environ)
	cmd.ValidArgsFunction = r.topicNames()
	cmd.RunE = r.endless(func(ctx context.Context, cmd *cobra.Command, args []string) error {
		t := tailer{remote: r, globs: make([]*regexp.Regexp, len(args)), start: kgo.NewOffset().AtEnd().Relative(-last), seen: map[string]map[int32]bool{}}
		if from != "" {
			p, err := parsePosition(from, time.Now())
			if err == nil {
				t.start, err = p.offset()
			}
			if err != nil {
				return usageError{fmt.Errorf("--offset: %w", err)}
			}
		}
		several := len(args) > 1
		for i, a := range args {
			t.globs[i] = globPattern(a)
			several = several || strings.ContainsAny(a, "*?")
		}
		lines := tailLines{colours: coloursFor(cmd.OutOrStdout()), topics: several}
		return t.run(ctx, cmd, lines)
	})
	f := cmd.Flags()
	f.Int64VarP(&last, "lines", "n", 0, "begin with the last `number` of records of each partition")
	f.StringVarP(&from, "offset", "o", "", "begin at a `position`: "+positionHelp)
	cmd.MarkFlagsMutuallyExclusive("lines", "offset")
	return cmd
}

// globPattern matches names like one with * and ? in it.
func globPattern(glob string) *regexp.Regexp {
	p := regexp.QuoteMeta(glob)
	return regexp.MustCompile("^" + strings.ReplaceAll(strings.ReplaceAll(p, `\*`, ".*"), `\?`, ".") + "$")
}

// tailer follows topics.
type tailer struct {
	remote *remote
	globs  []*regexp.Regexp
	start  kgo.Offset // for the partitions that are there at first; those that come later are read from their start
	seen   map[string]map[int32]bool
}

func (t *tailer) run(ctx context.Context, cmd *cobra.Command, lines tailLines) error {
	adm, err := t.remote.admin(ctx)
	if err != nil {
		return err
	}
	defer adm.Close()
	fresh, err := t.discover(ctx, adm, t.start)
	if err != nil {
		return err
	}
	if len(fresh) == 0 {
		fmt.Fprintln(cmd.ErrOrStderr(), "gokafka: no such topic yet, waiting for it")
	}
	for len(fresh) == 0 {
		if err := pause(ctx, tailRefresh); err != nil {
			return err
		}
		if fresh, err = t.discover(ctx, adm, kgo.NewOffset().AtStart()); err != nil {
			return err
		}
	}
	cl, err := t.remote.connect(ctx, kgo.ConsumePartitions(fresh), kgo.FetchMaxWait(500*time.Millisecond))
	if err != nil {
		return err
	}
	defer cl.Close()
	out := bufio.NewWriterSize(cmd.OutOrStdout(), 64<<10)
	looked := time.Now()
	for {
		poll, cancel := context.WithTimeout(ctx, tailRefresh)
		fetches := cl.PollFetches(poll)
		cancel()
		if ctx.Err() != nil {
			return ctx.Err()
		}
		for it := fetches.RecordIter(); !it.Done(); {
			if _, err := out.WriteString(lines.line(it.Next())); err != nil {
				return err
			}
		}
		if err := out.Flush(); err != nil {
			return err
		}
		for _, e := range fetches.Errors() { // a topic that is deleted is no reason to stop looking at the others
			if !errors.Is(e.Err, context.DeadlineExceeded) {
				fmt.Fprintf(cmd.ErrOrStderr(), "gokafka: %s-%d: %s\n", e.Topic, e.Partition, because(e.Err, ""))
			}
		}
		if time.Since(looked) >= tailRefresh {
			looked = time.Now()
			if fresh, err := t.discover(ctx, adm, kgo.NewOffset().AtStart()); err == nil { // else there is a broker to wait for
				cl.AddConsumePartitions(fresh)
			}
		}
	}
}

// discover finds the partitions that have not been seen before. Internal topics match by their whole names only.
func (t *tailer) discover(ctx context.Context, adm *cluster, start kgo.Offset) (map[string]map[int32]kgo.Offset, error) {
	topics, err := adm.ListTopicsWithInternal(ctx)
	if err != nil {
		return nil, err
	}
	fresh := map[string]map[int32]kgo.Offset{}
	for name, topic := range topics {
		if !slices.ContainsFunc(t.globs, func(g *regexp.Regexp) bool {
			return g.MatchString(name) && (!topic.IsInternal || g.String() == globPattern(name).String())
		}) {
			continue
		}
		for p := range topic.Partitions {
			if t.seen[name][p] {
				continue
			}
			if fresh[name] == nil {
				fresh[name] = map[int32]kgo.Offset{}
			}
			if t.seen[name] == nil {
				t.seen[name] = map[int32]bool{}
			}
			fresh[name][p], t.seen[name][p] = start, true
		}
	}
	return fresh, nil
}

// pause waits, or returns why it cannot.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// tailLines writes records for somebody who watches.
type tailLines struct {
	colours colours
	topics  bool // name the topic: there are several
}

func (t tailLines) line(r *kgo.Record) string {
	c := t.colours
	var b strings.Builder
	b.WriteString(c.dim(r.Timestamp.Local().Format("15:04:05.000")) + " ")
	place := strconv.Itoa(int(r.Partition)) + "@" + strconv.FormatInt(r.Offset, 10)
	if t.topics {
		b.WriteString(c.cyan(r.Topic) + "-")
	}
	b.WriteString(c.dim(place))
	if r.Key != nil {
		b.WriteString(" " + c.yellow(readable(r.Key)))
	}
	for _, h := range r.Headers {
		b.WriteString(" " + c.green(h.Key+"="+readable(h.Value)))
	}
	value := c.dim("(no value)")
	if r.Value != nil {
		value = readable(r.Value)
	}
	b.WriteString("  " + value + "\n")
	return b.String()
}

// readable is text as it is, and anything that could upset a terminal quoted.
func readable(b []byte) string {
	if utf8.Valid(b) && !strings.ContainsFunc(string(b), func(r rune) bool { return unicode.IsControl(r) && r != '\t' }) {
		return string(b)
	}
	return strconv.Quote(string(b))
}
