package exchange

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// TestKilled kills each broker with SIGKILL while it is written to. The other one finds everything that was acknowledged.
func TestKilled(t *testing.T) {
	h := newHouse(t, 2)
	// Neither promises that DeleteRecords survives a crash before the next checkpoint of the log start; Apache makes none in its first 30 seconds.
	h.props = append(h.props, "log.flush.start.offset.checkpoint.interval.ms=100")
	apache := h.apache("4")
	_, err := kadm.NewClient(h.client()).CreateTopic(h.within(), 3, 1, map[string]*string{"segment.bytes": pointer("1048576")}, "load")
	h.must(err)
	h.fillTopics("a1")
	h.fillRecords("a1")
	h.fillConfigs("a1")
	h.transact("ta", "txn-a1", "committed", kgo.TryCommit)
	h.transact("tb", "txn-a1", "aborted", kgo.TryAbort)
	p := h.newIdempotent("plain-a1")
	p.next()
	h.consume("g", "plain-a1", 20)
	seen := h.see()
	acked := map[string]bool{}
	h.load(apache, "apache", acked)

	gokafka := h.gokafka()
	h.mustHave(seen, acked)
	p.goOn()
	h.consume("g", "plain-a1", 5)
	h.fill("g1")
	seen = h.see()
	h.awaitStart("settled-g1 1 4")
	h.load(gokafka, "gokafka", acked)

	apache = h.apache("4")
	h.mustHave(seen, acked)
	p.goOn()
	h.consume("g", "plain-a1", 5)
	apache.stop()
}

// awaitStart waits until a checkpoint of log starts has the line.
func (h *house) awaitStart(line string) {
	h.t.Helper()
	for ctx := h.within(); ctx.Err() == nil; time.Sleep(20 * time.Millisecond) {
		for _, dir := range h.dirs {
			if text, _ := os.ReadFile(filepath.Join(dir, "log-start-offset-checkpoint")); strings.Contains(string(text), line) {
				return
			}
		}
	}
	h.t.Errorf("no checkpoint says %q", line)
}

// load writes to the topic "load" until the broker, which is killed in the middle, is gone; acked gets the values that it acknowledged.
func (h *house) load(b *broker, name string, acked map[string]bool) {
	h.t.Helper()
	cl := h.client(kgo.ProducerLinger(0), kgo.DisableIdempotentWrite())
	ctx, stop := context.WithCancel(h.t.Context())
	defer stop()
	padding := strings.Repeat("x", 1000)
	done := make(chan string, 100)
	const writers = 8
	for w := range writers {
		go func() { // ends when a write fails
			for i := 0; ; i++ {
				value := fmt.Sprintf("%s %d %d %s", name, w, i, padding)
				r := &kgo.Record{Topic: "load", Partition: int32(w % 3), Value: []byte(value)}
				if cl.ProduceSync(ctx, r).FirstErr() != nil {
					done <- ""
					return
				}
				done <- value
			}
		}()
	}
	killed := make(chan struct{})
	before := len(acked)
	for running := writers; running > 0; {
		if value := <-done; value != "" {
			acked[value] = true
		} else {
			running--
		}
		if len(acked) == before+5000 {
			go func() { b.kill(); stop(); cl.Close(); close(killed) }()
			before = -1 << 20
		}
	}
	<-killed
	h.t.Logf("%s: %d acknowledged in all", name, len(acked))
}

// mustHave checks what a broker has after the other was killed: all of the cluster as it was seen, and all acknowledged writes of load.
func (h *house) mustHave(seen cluster, acked map[string]bool) {
	h.t.Helper()
	values := h.values("load")
	var missing []string
	for v := range acked {
		if values[v] == 0 {
			missing = append(missing, v)
		}
	}
	if len(missing) > 0 {
		h.t.Errorf("%d of %d acknowledged records are missing, such as %.40s", len(missing), len(acked), missing[0])
	}
	seen.Topics["load"] = h.see().Topics["load"]
	h.mustSee(seen)
}
