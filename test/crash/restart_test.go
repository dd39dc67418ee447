//go:build linux

package crash

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// busy makes a broker do often what it usually does rarely, so that it is killed in the midst of it.
var busy = []string{
	"log.flush.offset.checkpoint.interval.ms=50", "log.flush.start.offset.checkpoint.interval.ms=50", "replica.high.watermark.checkpoint.interval.ms=50",
	"log.flush.scheduler.interval.ms=20", "log.cleaner.backoff.ms=20", "log.retention.check.interval.ms=100", "offsets.topic.segment.bytes=1048576",
	"offsets.topic.num.partitions=5", "offsets.topic.replication.factor=1",
	"metadata.log.max.record.bytes.between.snapshots=20000", "group.initial.rebalance.delay.ms=0", "log.segment.delete.delay.ms=100",
}

// roundsPerDirectory is after how many rounds a new directory is begun: all of it is read after each round.
const roundsPerDirectory = 12

// TestKill9UnderLoad ends the broker with kill -9 while clients write, read, commit and create: whatever was acknowledged is there afterwards, and
// the clients go on as if nothing had happened.
func TestKill9UnderLoad(t *testing.T) {
	t.Parallel()
	rng := randomFor(t)
	endUnderLoad(t, rng, func(p *process, dir string) {
		p.kill()
		if rng.IntN(3) == 0 { // and once more in the midst of the start
			early := spawn(t, dir, nil, busy...)
			time.Sleep(time.Duration(rng.IntN(60)) * time.Millisecond)
			early.kill()
		}
	}, func(p *process) { p.said("clean_shutdown=false") })
}

// TestSIGTERMUnderLoad stops it instead: the same must hold, the stop must be a clean one, and the next start must recover nothing.
func TestSIGTERMUnderLoad(t *testing.T) {
	t.Parallel()
	rng := randomFor(t)
	endUnderLoad(t, rng, func(p *process, dir string) {
		p.stop()
		if _, err := os.Stat(filepath.Join(dir, ".kafka_cleanshutdown")); err != nil {
			t.Errorf("no mark of a clean stop: %v\n%s", err, p.out.tail())
		}
		for line := range strings.Lines(p.out.String()) {
			if strings.Contains(line, " ERROR ") || strings.Contains(line, " WARN ") && !strings.Contains(line, "not honoured by this release") {
				t.Errorf("in a clean run: %s", line)
			}
		}
	}, func(p *process) { p.said("clean_shutdown=true", "damaged=0") })
}

// endUnderLoad starts a broker, ends it by end while there is load, starts it again, checks it with started, and verifies; as often as asked for.
func endUnderLoad(t *testing.T, rng *rand.Rand, end func(p *process, dir string), started func(*process)) {
	for left := rounds(t); left > 0; left -= roundsPerDirectory {
		if !t.Run("", func(t *testing.T) {
			dir, l := filepath.Join(t.TempDir(), "data"), &line{}
			p := start(t, dir, busy...)
			l.set(p.addr())
			ld := startLoad(t, l, rng)
			for range min(left, roundsPerDirectory) {
				ld.awaitProgress()
				time.Sleep(time.Duration(rng.IntN(400)) * time.Millisecond)
				l.set("")
				end(p, dir)
				p = start(t, dir, busy...)
				started(p)
				l.set(p.addr())
				ld.verify()
				if t.Failed() {
					return
				}
			}
			ld.awaitProgress()
			ld.finish(p)
			records, _, topics := ld.progress()
			t.Logf("%d records and %d topics", records, topics)
			p.stop()
		}) {
			return
		}
	}
}

// TestSecondSignalEndsAtOnce holds the stop up by a client that does not take its answer, and signals again.
func TestSecondSignalEndsAtOnce(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	p := start(t, dir)
	stuck := neverReads(t, p)
	defer stuck()
	p.signal(syscall.SIGTERM)
	eventually(t, func() string {
		if !strings.Contains(p.out.String(), "stopping") {
			return "no word of the stop"
		}
		return ""
	})
	p.signal(syscall.SIGTERM)
	if s := p.await(); s.ExitCode() != 128+int(syscall.SIGTERM) {
		t.Errorf("after the second SIGTERM: %s, want exit status 143\n%s", s, p.out.tail())
	}
	if _, err := os.Stat(filepath.Join(dir, ".kafka_cleanshutdown")); err == nil {
		t.Error("ended at once and yet marked as stopped cleanly")
	}
	p = start(t, dir)
	p.said("clean_shutdown=false")
}

// TestStopDespiteClientThatNeverReads: such a client must not keep the broker from a clean stop.
func TestStopDespiteClientThatNeverReads(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	p := start(t, dir)
	stuck := neverReads(t, p)
	defer stuck()
	p.stop()
	p = start(t, dir)
	p.said("clean_shutdown=true")
}
